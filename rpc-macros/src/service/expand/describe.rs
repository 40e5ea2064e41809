//! The description of each method: the only place beside the trait and the client that spells its types.

use std::collections::HashSet;
use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;

use crate::service::model::{Argument, Method, Part, Service};

pub(super) fn method(service: &Service, method: &Method) -> TokenStream {
    let (client, marker) = (service.client(), method.marker());
    let conditions = &method.attributes.conditions;
    let visibility = super::visibility(service);
    let arguments = arguments(method);
    let output = output(method);
    let info = info(service, method);
    let (read, codec) = (read(service, method), codec(service, method));
    quote! {
        #(#conditions)*
        #visibility struct #marker;
        #(#conditions)*
        #[automatically_derived]
        impl __rpc::Method for #marker {
            type Service = #client;
            #arguments
            #read
            #output
            const INFO: &'static __rpc::MethodInfo = &#info;
            const CAUSE: __rpc::CauseOf<Self> = __rpc::Field::<Self::Output>::CAUSE;
            #codec
        }
    }
}

/// What arguments are read into: nothing where they stay in their thread.
fn read(service: &Service, method: &Method) -> TokenStream {
    let lifetime = Argument::lifetime(Span::mixed_site());
    if service.local {
        return quote! { type Read<#lifetime> = (); };
    }
    let types = method.arguments.iter().map(|argument| match &argument.lent {
        Some(lent) => quote! { __rpc::OwnedOf<#lent> },
        None => argument.described.to_token_stream(),
    });
    // The mistake of a type that is less visible is the one that `arguments` shows, at the same place.
    let place = place(method);
    quote_spanned! {place=> type Read<#lifetime> = (#(#types,)*); }
}

/// How the arguments and the answer become bytes, found by their types.
fn codec(service: &Service, method: &Method) -> TokenStream {
    if service.local {
        return TokenStream::new();
    }
    let lifetime = Argument::lifetime(Span::mixed_site());
    let kinds = method.arguments.iter().map(|argument| match &argument.lent {
        Some(lent) => quote! { __rpc::Lent::<#lent>::NEW.__kind() },
        None => {
            let described = &argument.described;
            quote! { __rpc::Of::<#described>::NEW.__kind() }
        }
    });
    let output = &method.output;
    quote! {
        fn codec<#lifetime>() -> impl __rpc::CodecOf<#lifetime, Self> {
            __rpc::codec((#(#kinds,)*), __rpc::Answer::<#output>::NEW.__kind())
        }
    }
}

/// The arguments as a tuple. A type that is less visible than the service is a mistake of this item:
///
/// ```text
/// async fn verify(&self, token: Private, name: &str) -> Result<User, AuthError>;
///                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
/// ```
fn arguments(method: &Method) -> TokenStream {
    let lifetime = Argument::lifetime(Span::mixed_site());
    let types = method.arguments.iter().map(|argument| &argument.described);
    let place = place(method);
    quote_spanned! {place=> type Args<#lifetime> = (#(#types,)*); }
}

/// The type of the only argument, or else where all of them are.
fn place(method: &Method) -> Span {
    match method.arguments.as_slice() {
        [argument] => ends(&argument.ty).0,
        _ => method.parentheses,
    }
}

/// The result. One that is less visible than the service is a mistake of this item, which therefore begins where the
/// return type begins and ends where it ends.
fn output(method: &Method) -> TokenStream {
    let output = &method.output;
    let (first, last) = ends(output);
    let mut item = quote_spanned! {first=> type Output = #output };
    item.extend(quote_spanned! {last=> ; });
    item
}

/// The names and the shapes, and what the attributes say.
fn info(service: &Service, method: &Method) -> TokenStream {
    let (service_name, name) = (&service.wire_name, &method.wire_name);
    let arguments = method.arguments.iter().map(|argument| {
        let (name, shape) = (&argument.wire_name, shape(service, &argument.carried));
        quote! { (#name, #shape) }
    });
    let output = shape(service, &method.output);
    let defaults =
        method.arguments.iter().filter(|argument| argument.default).map(|argument| &argument.wire_name);
    let defaults: Vec<_> = defaults.collect();
    let defaults = (!defaults.is_empty()).then(|| quote! { .defaults(&[#(#defaults),*]) });
    let idempotent = method.idempotent.then(|| quote! { .idempotent() });
    let deadline = method.deadline.map(deadline);
    let spawn = method.spawn.as_ref().map(|_| quote! { .spawn() });
    quote! {
        __rpc::MethodInfo::new(#service_name, #name, &[#(#arguments),*], #output) #defaults #idempotent #deadline #spawn
    }
}

/// The shape of a type, found by the type itself; whatever a local service names has none.
fn shape(service: &Service, ty: &Type) -> TokenStream {
    if service.local {
        quote! { __rpc::NOT_CARRIED }
    } else {
        quote! { __rpc::Of::<#ty>::SHAPE }
    }
}

fn deadline(deadline: Duration) -> TokenStream {
    let micros = u64::try_from(deadline.as_micros()).expect("a deadline is read from microseconds in a u64");
    let micros = Literal::u64_unsuffixed(micros);
    quote! { .deadline(__rpc::Duration::from_micros(#micros)) }
}

/// What a boundary asks of the types, one statement for each, so that rustc underlines the type alone:
///
/// ```text
/// async fn verify(&self, token: Opaque, name: &str) -> Result<User, AuthError>;
///                               ^^^^^^
/// ```
///
/// A type that several methods name is asked once: it would be the same mistake in each. If it cannot be carried because
/// of what stands inside of it, that is underlined in its place.
pub(super) fn bounds(service: &Service) -> TokenStream {
    let mut asked = HashSet::new();
    let statements = service.methods.iter().flat_map(|method| {
        let conditions = &method.attributes.conditions;
        statements(method).map(move |statement| quote! { #(#conditions)* #statement })
    });
    let statements: Vec<_> = statements.filter(|statement| asked.insert(statement.to_string())).collect();
    if statements.is_empty() || service.local {
        return TokenStream::new();
    }
    quote! { const _: fn() = || { #(#statements)* }; }
}

fn statements(method: &Method) -> impl Iterator<Item = TokenStream> {
    let arguments = method.arguments.iter().flat_map(|Argument { carried, parts, .. }| {
        let whole = match after(parts) {
            Some(after) => quote! { <#after>::argument::<#carried>(); },
            None => quote! { __rpc::argument::<#carried>(); },
        };
        parts.iter().map(move |of| part(&quote! { __rpc::Whole::<#carried> }, of)).chain([whole])
    });
    let output = &method.output;
    let returned_parts = method.parts.iter().map(move |of| part(&quote! { __rpc::Returned::<#output> }, of));
    arguments.chain(returned_parts).chain([returned(method)])
}

/// Asked only if the whole cannot be carried.
fn part(whole: &TokenStream, Part { ty, is_reference }: &Part) -> TokenStream {
    if *is_reference {
        quote! { #whole::reference::<#ty>(); }
    } else {
        quote! { #whole::part::<#ty>(); }
    }
}

/// The parts as a list of types, if there are any: the whole is asked only if they can be carried.
fn after(parts: &[Part]) -> Option<TokenStream> {
    parts.iter().rev().fold(None, |rest, Part { ty, .. }| {
        let rest = rest.map(|rest| quote! { , #rest });
        Some(quote! { __rpc::After<#ty #rest> })
    })
}

/// A bound that fails here belongs to the function and underlines the call of it, which therefore begins where
/// the return type begins and ends where it ends.
fn returned(method: &Method) -> TokenStream {
    let output = &method.output;
    let after = after(&method.parts).map(|after| quote! { , #after });
    let (first, last) = ends(output);
    let mut statement = quote_spanned! {first=> __rpc::Returned::<#output #after> };
    statement.extend(quote_spanned! {last=> ::carried(); });
    statement
}

/// Where a type begins and where it ends.
fn ends(ty: &Type) -> (Span, Span) {
    let place = |token: Option<TokenTree>| {
        let span = token.map_or_else(Span::call_site, |token| token.span());
        Span::call_site().located_at(span)
    };
    let mut tokens = ty.to_token_stream().into_iter();
    let first = place(tokens.next());
    (first, tokens.last().map_or(first, |token| place(Some(token))))
}
