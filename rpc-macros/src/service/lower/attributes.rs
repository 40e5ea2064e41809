//! Attributes: the macro's own words are read and taken out, the others stay on the user's item.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, MetaList, Token, parse_quote};

use crate::errors::Errors;
use crate::service::model::Attributes;
use crate::words::{Known, Vocabulary, Words};

const METHOD: Vocabulary = Vocabulary {
    place: "`#[rpc(..)]` on a method",
    words: &[
        Known::Flag("idempotent"),
        Known::Text("deadline", "2s"),
        Known::Text("rename", "verify"),
        Known::Flag("spawn"),
    ],
    elsewhere: &[
        ("default", "an argument"),
        ("local", "the trait, as `#[service(local)]`"),
        ("crate", "the trait, as `#[service(crate = \"..\")]`"),
    ],
};

const ARGUMENT: Vocabulary = Vocabulary {
    place: "`#[rpc(..)]` on an argument",
    words: &[Known::Flag("default"), Known::Text("rename", "token")],
    elsewhere: &[("idempotent", "the method"), ("deadline", "the method"), ("spawn", "the method")],
};

/// A trait is told what it is by `#[service(..)]` alone.
pub(super) fn of_trait(errors: &mut Errors, attributes: Vec<Attribute>) -> Attributes {
    for attribute in &attributes {
        if attribute.path().is_ident("rpc") {
            errors.at(attribute, "`#[rpc(..)]` stands on methods and arguments: write `#[service(..)]` here");
        }
        if last_segment_is(attribute, "async_trait") {
            errors.at(
                attribute,
                "leave out `async_trait`: `#[service]` makes the futures `Send` without a box",
            );
        }
        conditional_rpc(errors, &attribute.meta);
    }
    carried(attributes)
}

pub(super) fn of_method(errors: &mut Errors, mut attributes: Vec<Attribute>) -> (Attributes, Words) {
    let mut words = Words::new(&METHOD);
    for own in attributes.extract_if(.., |attribute| attribute.path().is_ident("rpc")) {
        words.read_attribute(errors, &own);
    }
    for attribute in &attributes {
        conditional_rpc(errors, &attribute.meta);
    }
    (carried(attributes), words)
}

/// An argument has no attributes but ours: it is part of the contract, on every path and in every build.
pub(super) fn of_argument(errors: &mut Errors, attributes: &[Attribute]) -> Words {
    let mut words = Words::new(&ARGUMENT);
    for attribute in attributes {
        let path = attribute.path();
        if path.is_ident("rpc") {
            words.read_attribute(errors, attribute);
        } else if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            errors
                .at(attribute, "an argument has no `cfg`: write the method twice, each under its own `cfg`");
        } else if path.is_ident("doc") {
            errors.at(attribute, "document the argument in the text above the method");
        } else {
            errors.at(
                attribute,
                "an argument takes no attributes but `#[rpc(default)]` and `#[rpc(rename = \"..\")]`",
            );
        }
    }
    words
}

/// The words are read before rustc evaluates `cfg_attr`.
fn conditional_rpc(errors: &mut Errors, meta: &Meta) {
    for inner in conditional(meta) {
        if inner.path().is_ident("rpc") {
            errors.at(
                &inner,
                "`rpc(..)` cannot depend on a `cfg_attr`: write the method twice, each under a `cfg`",
            );
        }
        conditional_rpc(errors, &inner);
    }
}

fn carried(kept: Vec<Attribute>) -> Attributes {
    let parts = |part: fn(&Meta) -> Option<TokenStream>| {
        let found = kept.iter().filter_map(|attribute| under_cfg_attr(&attribute.meta, part));
        found.map(|meta| parse_quote!(#[#meta])).collect()
    };
    Attributes {
        conditions: parts(condition),
        shared: parts(shared),
        allowed: parts(allowed),
        deprecated: kept.iter().any(|attribute| under_cfg_attr(&attribute.meta, deprecated).is_some()),
        kept,
    }
}

/// What decides whether the item is there at all.
fn condition(meta: &Meta) -> Option<TokenStream> {
    meta.path().is_ident("cfg").then(|| quote! { #meta })
}

fn deprecated(meta: &Meta) -> Option<TokenStream> {
    meta.path().is_ident("deprecated").then(|| quote! { #meta })
}

/// What a reader of the generated item must know too.
fn shared(meta: &Meta) -> Option<TokenStream> {
    let is_hidden = |list: &MetaList| list.path.is_ident("doc") && list.tokens.to_string() == "hidden";
    match meta {
        Meta::List(list) if is_hidden(list) => Some(quote! { #meta }),
        _ => deprecated(meta),
    }
}

/// `allow`, and `expect` as one: the expectation is fulfilled at the user's item, if at all.
fn allowed(meta: &Meta) -> Option<TokenStream> {
    let Meta::List(MetaList { path, tokens, .. }) = meta else { return None };
    (path.is_ident("allow") || path.is_ident("expect")).then(|| quote! { allow(#tokens) })
}

/// The part of an attribute that `part` looks for, under the same `cfg_attr` as the whole.
fn under_cfg_attr(meta: &Meta, part: fn(&Meta) -> Option<TokenStream>) -> Option<TokenStream> {
    let Some((predicate, inner)) = cfg_attr(meta) else { return part(meta) };
    let parts: Vec<_> = inner.iter().filter_map(|meta| under_cfg_attr(meta, part)).collect();
    (!parts.is_empty()).then(|| quote! { cfg_attr(#predicate, #(#parts),*) })
}

/// The attributes inside a `cfg_attr(predicate, ..)`, none for another attribute.
fn conditional(meta: &Meta) -> Vec<Meta> {
    cfg_attr(meta).map_or_else(Vec::new, |(_, inner)| inner)
}

/// A `cfg_attr` taken apart, unless it is one that rustc will refuse. The predicate may be more than a
/// path, `true` for one, so it is kept as tokens.
fn cfg_attr(meta: &Meta) -> Option<(TokenStream, Vec<Meta>)> {
    let Meta::List(list) = meta else { return None };
    let parts = |input: ParseStream<'_>| {
        let mut predicate = TokenStream::new();
        while !input.peek(Token![,]) {
            predicate.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Token![,]>()?;
        Ok((predicate, Punctuated::<Meta, Token![,]>::parse_terminated(input)?.into_iter().collect()))
    };
    list.path.is_ident("cfg_attr").then(|| list.parse_args_with(parts).ok()).flatten()
}

fn last_segment_is(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
}
