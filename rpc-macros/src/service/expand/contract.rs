//! The trait itself: the user's, with `async fn` written out so that its futures are `Send`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::service::model::{Method, Service};

pub(super) fn expand(service: &Service) -> TokenStream {
    let Service { runtime, visibility, name, .. } = service;
    let attributes = &service.attributes.kept;
    let supertraits =
        (!service.local).then(|| quote! { : #runtime::__private::Send + #runtime::__private::Sync });
    let methods = service.methods.iter().map(|method| signature(service, method));
    quote! {
        #(#attributes)*
        #visibility trait #name #supertraits {
            #(#methods)*
        }
    }
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
