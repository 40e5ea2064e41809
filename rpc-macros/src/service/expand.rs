//! Model to Rust. The expansion describes, the runtime does: whatever could be a function of the runtime
//! is one. Nothing here can fail.
//!
//! The trait and the client are items of the user's module and name the runtime by its path. The rest
//! stands in one `const`, where the runtime is `__rpc`. Spans of generated names are the macro's, so that
//! rustc's lints pass over them; types keep the user's, so that a bound that fails underlines the user's
//! type.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Token, Visibility};

use crate::service::model::{Method, Service};

mod client;
mod contract;
mod describe;
mod server;

pub(super) fn service(service: &Service) -> TokenStream {
    let runtime = &service.runtime;
    let contract = contract::expand(service);
    let client = client::item(service);
    let allowed = allowed(service);
    let methods = service.methods.iter().map(|method| describe::method(service, method));
    let bounds = describe::bounds(service);
    let twin = server::expand(service);
    let implementations = client::implementations(service);
    let by_type = (!service.local).then(
        || quote! { use __rpc::{Begun as _, NotCarried as _, PlainKind as _, Taken as _, UnknownKind as _}; },
    );
    quote! {
        #contract
        #client
        #allowed
        const _: () = {
            use #runtime::__private as __rpc;
            use __rpc::{Method as _, NoCause as _, NoResult as _, Unshaped as _};
            #by_type
            #(#methods)*
            #bounds
            #twin
            #implementations
        };
    }
}

/// The lints that the user allowed, and the deprecation of what the expansion must name.
fn allowed(service: &Service) -> TokenStream {
    let items = || {
        let methods = service.methods.iter().map(|method| &method.attributes);
        methods.chain([&service.attributes])
    };
    let allowed = items().flat_map(|attributes| &attributes.allowed);
    let deprecated = items().any(|attributes| attributes.deprecated).then(|| quote! { #[allow(deprecated)] });
    quote! { #(#allowed)* #deprecated }
}

/// Whether calls may leave their thread, as the runtime's type for it.
fn flavour(service: &Service) -> TokenStream {
    if service.local {
        quote! { __rpc::SameThread }
    } else {
        quote! { __rpc::Threaded }
    }
}

/// The visibility of the trait for an item beside it. Its span is the macro's: a `pub` that is too much is
/// reported at the trait alone.
fn visibility(service: &Service) -> Visibility {
    match &service.visibility {
        Visibility::Public(_) => Visibility::Public(Token![pub](Span::call_site())),
        other => other.clone(),
    }
}

/// The names of the arguments as locals of the expansion, which no name beside them can mean.
fn locals(method: &Method) -> impl Iterator<Item = Ident> {
    method.arguments.iter().map(|argument| {
        let span = Span::mixed_site().located_at(argument.name.span());
        if argument.name == "gen" {
            // A name in the edition of the user's crate, and a keyword in that of this one, which the span has.
            return Ident::new_raw("gen", span);
        }
        let mut name = argument.name.clone();
        name.set_span(span);
        name
    })
}
