//! The trait itself: the user's, with `async fn` written out so that its futures are `Send`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use crate::service::model::{Method, Service};

pub(super) fn expand(service: &Service) -> TokenStream {
    let Service { runtime, visibility, name, .. } = service;
    let attributes = &service.attributes.kept;
    let unimplemented = unimplemented(service);
    let supertraits =
        (!service.local).then(|| quote! { : #runtime::__private::Send + #runtime::__private::Sync });
    let methods = service.methods.iter().map(|method| signature(service, method));
    quote! {
        #(#attributes)*
        #unimplemented
        #visibility trait #name #supertraits {
            #(#methods)*
        }
    }
}

/// What rustc says where a Worker is bound to a service that it does not implement.
fn unimplemented(service: &Service) -> TokenStream {
    let name = service.name.unraw();
    let message = format!("`{{Self}}` does not implement the service `{name}`");
    let label = format!("expected an implementation of `{name}`");
    let note =
        format!("write `impl {name} for {{Self}} {{ .. }}` with the methods of the trait as `async fn`");
    quote! { #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)] }
}

fn signature(service: &Service, method: &Method) -> TokenStream {
    let runtime = &service.runtime;
    let Method { name, output, .. } = method;
    let attributes = &method.attributes.kept;
    let arguments = method.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, &argument.ty);
        quote! { #name: #ty }
    });
    let send = (!service.local).then(|| quote! { + #runtime::__private::Send });
    quote! {
        #(#attributes)*
        fn #name(&self, #(#arguments),*) -> impl #runtime::__private::Future<Output = #output> #send;
    }
}
