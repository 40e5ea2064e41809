//! The client: a type that implements the trait by calling whatever it is bound to.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use crate::service::model::{Method, Service};

/// The type and its constructors. It has no methods of its own: one added later would change what a
/// service's method of that name means.
pub(super) fn item(service: &Service) -> TokenStream {
    let (runtime, client) = (&service.runtime, service.client());
    let visibility = super::visibility(service);
    let shared = &service.attributes.shared;
    let deprecated = service.attributes.deprecated.then(|| quote! { #[allow(deprecated)] });
    let doc = format!(
        " A client of [`{}`]: it implements the trait itself, and calls whatever it is bound to.",
        service.name.unraw()
    );
    let constructors = constructors(service);
    quote! {
        #[doc = #doc]
        #(#shared)*
        #visibility struct #client(#runtime::__private::Inner<#client>);
        #deprecated
        impl #client {
            #constructors
        }
    }
}

fn constructors(service: &Service) -> TokenStream {
    let (runtime, name) = (&service.runtime, &service.name);
    quote! {
        /// A client that owns `implementation`: for typed calls alone.
        #[must_use]
        pub fn new<__W: #name + 'static>(implementation: __W) -> Self {
            Self(#runtime::__private::Inner::owned(implementation))
        }
        /// A client of an implementation that the caller keeps: for typed calls alone.
        #[must_use]
        pub fn shared<__W: #name + 'static>(implementation: #runtime::__private::Arc<__W>) -> Self {
            Self(#runtime::__private::Inner::shared(implementation))
        }
        /// A client of a Worker: for everything that its entrypoint declares, `fetch` included.
        #[must_use]
        pub fn from_worker<__W: #runtime::__private::Worker + #name>(worker: __W) -> Self {
            Self(#runtime::__private::Inner::worker(worker))
        }
    }
}

/// What makes the type a client.
pub(super) fn implementations(service: &Service) -> TokenStream {
    let client = service.client();
    let statement = statement(service);
    let binding = binding(service);
    let name = &service.name;
    let methods = service.methods.iter().map(|method| call(service, method));
    let traits = if service.local {
        quote! { __rpc::local_client! }
    } else {
        quote! { __rpc::client! }
    };
    quote! {
        #statement
        #binding
        #[automatically_derived]
        impl #name for #client {
            #(#methods)*
        }
        #traits { #client }
    }
}

fn statement(service: &Service) -> TokenStream {
    let (client, twin, flavour) = (service.client(), service.twin(), super::flavour(service));
    let name = &service.wire_name;
    let methods = service.methods.iter().map(|method| {
        let (conditions, marker) = (&method.attributes.conditions, method.marker());
        quote! { #(#conditions)* #marker::INFO }
    });
    quote! {
        #[automatically_derived]
        impl __rpc::Service for #client {
            type Dyn = dyn #twin;
            type Flavour = #flavour;
            const INFO: &'static __rpc::ServiceInfo = &__rpc::ServiceInfo::new(#name, &[#(#methods),*]);
            fn __from_inner(inner: __rpc::Inner<Self>) -> Self { Self(inner) }
            fn __inner(&self) -> &__rpc::Inner<Self> { &self.0 }
        }
    }
}

fn binding(service: &Service) -> TokenStream {
    let (name, client, twin, flavour) =
        (&service.name, service.client(), service.twin(), super::flavour(service));
    let served = (!service.local).then(|| {
        quote! {
            fn served(self) -> __rpc::Option<__rpc::Served> { __rpc::Served::of(self) }
        }
    });
    quote! {
        #[automatically_derived]
        impl<__W: #name + 'static> __rpc::Serves<__W> for #client {
            fn twin(local: __rpc::Local<__W, #flavour>) -> __rpc::Box<dyn #twin> {
                __rpc::Box::new(local)
            }
            #served
        }
    }
}

/// A plain `fn`, because an `async fn` around the runtime's call future would be a second future to poll.
fn call(service: &Service, method: &Method) -> TokenStream {
    let (name, marker) = (&method.name, method.marker());
    let conditions = &method.attributes.conditions;
    let types = method.arguments.iter().map(|argument| &argument.ty);
    let (locals, values) = (super::locals(method), super::locals(method));
    let future = future(service, method);
    quote! {
        #(#conditions)*
        fn #name(&self, #(#locals: #types),*) -> #future {
            __rpc::call(&self.0, #marker, (#(#values,)*), |call| call.twin.#name(call.args, call.slot))
        }
    }
}

/// The future holds the arguments, so one that is not `Send` is a mistake of this type:
///
/// ```text
/// async fn verify(&self, token: Rc<str>) -> Result<User, AuthError>;
///                ^^^^^^^^^^^^^^^^^^^^^^^
/// ```
fn future(service: &Service, method: &Method) -> TokenStream {
    let marker = method.marker();
    if service.local {
        return quote! { impl __rpc::Future<Output = __rpc::OutputOf<#marker>> };
    }
    quote_spanned! {method.parentheses=> impl __rpc::Calling<#marker> }
}
