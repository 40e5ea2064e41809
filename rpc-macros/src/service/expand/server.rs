//! The object-safe twin of the trait, and the one implementation of it for all that implement the trait.
//!
//! It takes arguments as the description's tuple: a lifetime that was forgotten in a signature is then one
//! mistake, in the description, and not one in each place that repeats the signature.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Index;

use crate::service::model::{Method, Service};

pub(super) fn expand(service: &Service) -> TokenStream {
    let (name, twin, flavour) = (&service.name, service.twin(), super::flavour(service));
    let visibility = super::visibility(service);
    let send = (!service.local).then(|| quote! { + __rpc::Send + __rpc::Sync });
    let declarations = service.methods.iter().map(|method| declaration(service, method));
    let handlers = service.methods.iter().map(handler);
    let boundary = (!service.local).then(|| boundary(service));
    quote! {
        #visibility trait #twin: __rpc::Target<#flavour> #send {
            #(#declarations)*
        }
        #[automatically_derived]
        impl<__W: #name + 'static> #twin for __rpc::Local<__W, #flavour> {
            #(#handlers)*
        }
        #boundary
    }
}

/// A twin sends what it does not say otherwise.
fn declaration(service: &Service, method: &Method) -> TokenStream {
    let (conditions, marker) = (&method.attributes.conditions, method.marker());
    let signature = signature(method);
    let body = if service.local {
        quote! { ; }
    } else {
        quote! { { slot.send(self.__port(), #marker, args) } }
    };
    quote! { #(#conditions)* #signature #body }
}

/// The way out of the process, and the way in. Generic, so that a program without a boundary compiles neither.
fn boundary(service: &Service) -> TokenStream {
    let (client, twin) = (service.client(), service.twin());
    let arms = service.methods.iter().map(|method| arm(service, method));
    quote! {
        impl<__F: __rpc::Far> #twin for __rpc::Proxy<__F> {}
        #[automatically_derived]
        impl __rpc::Boundary for #client {
            fn proxy<__F: __rpc::Far>(far: __F) -> __rpc::Box<dyn #twin> {
                __rpc::Box::new(__rpc::Proxy(far))
            }
            fn serve<__C: __rpc::Incoming>(self, call: __C) -> __C::Handler {
                #(#arms)*
                call.__unknown()
            }
        }
    }
}

fn arm(service: &Service, method: &Method) -> TokenStream {
    let (service, name, marker) = (&service.name, &method.name, method.marker());
    let conditions = &method.attributes.conditions;
    // Locals, because a value that was moved into the call is held by nobody else: it need not be `Send` twice.
    let (locals, values) = (super::locals(method), super::locals(method));
    let lent = method.arguments.iter().map(|argument| argument.lent.as_ref().map(|_| quote! { & }));
    let read = if method.arguments.is_empty() {
        quote! { call.__read(#marker)?; }
    } else {
        quote! { let (#(#locals,)*) = call.__read(#marker)?; }
    };
    quote! {
        #(#conditions)*
        if call.__is(#marker) {
            let (call, begun) = call.__begin();
            return begun.__run(async move {
                #read
                call.__answer(#marker, <Self as #service>::#name(&self, #(#lent #values),*).await)
            });
        }
    }
}

/// The bound of `__W` is where its methods are looked for first, and there is one bound: a service has no supertraits.
fn handler(method: &Method) -> TokenStream {
    let name = &method.name;
    let conditions = &method.attributes.conditions;
    let signature = signature(method);
    let positions = (0..method.arguments.len()).map(Index::from);
    quote! {
        #(#conditions)*
        #signature {
            slot.run(self.worker(), move |it| __W::#name(it, #(args.#positions),*))
        }
    }
}

fn signature(method: &Method) -> TokenStream {
    let (name, marker) = (&method.name, method.marker());
    quote! {
        fn #name<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, #marker>,
            slot: __rpc::SlotOf<'c, #marker>,
        ) -> __rpc::StartedOf<'c, #marker>
    }
}
