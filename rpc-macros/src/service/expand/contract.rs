//! The trait itself: the user's, with `async fn` written out so that its futures are `Send`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Token;

use crate::service::model::{Method, Service};

pub(super) fn expand(service: &Service) -> TokenStream {
    let Service { runtime, visibility, name, .. } = service;
    let attributes = &service.attributes.kept;
    let supertraits =
        (!service.local).then(|| quote! { : #runtime::__private::Send + #runtime::__private::Sync });
    let methods = service.methods.iter().map(|method| signature(service, method));
    quote! {
        #(#attributes)*
        #[allow(private_bounds, private_interfaces)]
        #visibility trait #name #supertraits {
            #(#methods)*
        }
    }
}

fn signature(service: &Service, method: &Method) -> TokenStream {
    let runtime = &service.runtime;
    let Method { name, output, keyword, .. } = method;
    let attributes = &method.attributes.kept;
    let arguments = method.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, &argument.ty);
        quote! { #name: #ty }
    });
    let send = (!service.local).then(|| quote! { + #runtime::__private::Send });
    // Lints about the whole of a signature are shown where it begins and ends, and its return type too: tokens of the
    // user's place there, as far as none of them is part of a path, which would be read as the user's then.
    let mut place = output.to_token_stream().into_iter().map(|token| token.span());
    let first = place.next().unwrap_or_else(Span::call_site);
    let last = place.last().unwrap_or(first);
    let (word, plus, end) = (Token![impl](first), Token![+](last), Token![;](last));
    quote! {
        #(#attributes)*
        #keyword #name(&self, #(#arguments),*) -> #word #runtime::__private::Future<Output = #output> #send #plus #end
    }
}
