//! Syntax to model. What the model cannot say is refused here, at its tokens: a trait that is generic, a
//! method that is not `async`, an argument that is a pattern. The rest of the item is lowered all the
//! same, so that one compile shows every mistake; what stands in for a refused part is never expanded,
//! because the barrier lies between.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, ItemTrait, LitStr, Path, Token, TraitItem, TraitItemFn, TypeParamBound, Visibility,
    parse_quote,
};

use crate::errors::Errors;
use crate::service::model::{Method, Service};
use crate::words::Words;

mod attributes;
mod deadline;
mod lifetimes;
mod method;
mod parts;

pub(super) fn service(errors: &mut Errors, words: &Words, item: ItemTrait) -> Service {
    let local = words.flag("local").is_some();
    trait_head(errors, &item, local);
    let attributes = attributes::of_trait(errors, item.attrs);
    let methods = item.items.into_iter().filter_map(|item| trait_item(errors, item, local)).collect();
    Service {
        runtime: runtime(errors, words),
        local,
        attributes,
        visibility: item.vis,
        wire_name: wire_name(words, &item.ident),
        name: item.ident,
        methods,
    }
}

/// `#[service(crate = "..")]`: for a crate that re-exports the runtime or renames it in its manifest.
fn runtime(errors: &mut Errors, words: &Words) -> Path {
    let Some(text) = words.text("crate") else { return parse_quote!(::rpc_runtime) };
    text.parse_with(Path::parse_mod_style).unwrap_or_else(|_| {
        errors.at(text, "`crate` is the path of the runtime: write `crate = \"::rpc_runtime\"`");
        parse_quote!(::rpc_runtime)
    })
}

/// The name on the wire: the Rust name, without the `r#` of a keyword, unless a `rename` keeps an older one.
fn wire_name(words: &Words, name: &Ident) -> LitStr {
    let rust_name = || LitStr::new(&name.unraw().to_string(), name.span());
    words.text("rename").cloned().unwrap_or_else(rust_name)
}

/// A service is a plain trait: one client type speaks for all of its implementations.
fn trait_head(errors: &mut Errors, item: &ItemTrait, local: bool) {
    if let Some(token) = item.unsafety {
        errors.at(token, "leave out `unsafe`: a service is implemented and called in safe code");
    }
    if let Some(token) = item.modifiers.auto_token {
        errors.at(token, "leave out `auto`: each Worker says which services it implements");
    }
    if !item.generics.params.is_empty() {
        errors.at(
            &item.generics,
            "a service has no parameters, its contract is one: name the types, or write a service for each",
        );
    }
    if let Some(clause) = &item.generics.where_clause {
        errors.at(clause, "a service has no `where` clause: put the bound on the function that needs it");
    }
    if !item.supertraits.is_empty() {
        supertraits(errors, &item.supertraits, local);
    }
}

/// A supertrait would be a promise the client cannot keep: it implements the service and nothing else.
fn supertraits(errors: &mut Errors, bounds: &Punctuated<TypeParamBound, Token![+]>, local: bool) {
    let added = if local { "a local service needs none" } else { "`Send + Sync` are added by `#[service]`" };
    errors.at(
        bounds,
        format_args!(
            "leave out the supertraits: {added}; ask for others where they are used: `impl Auth + Debug`"
        ),
    );
}

fn trait_item(errors: &mut Errors, item: TraitItem, local: bool) -> Option<Method> {
    match item {
        TraitItem::Fn(item) => return Some(method::lower(errors, item, local)),
        TraitItem::Verbatim(tokens) => return qualified_item(errors, tokens, local),
        TraitItem::Const(item) => errors.at(
            head(item.const_token, &item.ident),
            "a service has methods alone: put the constant beside the trait",
        ),
        TraitItem::Type(item) => errors.at(
            head(item.type_token, &item.ident),
            "a service has methods alone: name the type itself in their signatures",
        ),
        TraitItem::Macro(item) => errors.at(
            item.mac,
            "write the methods out: `#[service]` reads the trait before macros inside it are expanded",
        ),
        other => errors.at(other, NOT_A_METHOD),
    }
    None
}

const NOT_A_METHOD: &str = "a service has methods alone: `async fn name(&self, ..) -> Result<T, E>;`";

/// `syn` gives an item with a visibility or `default` back as it is. It is read again without them, so
/// that the mistakes behind them are found in the same compile.
fn qualified_item(errors: &mut Errors, tokens: TokenStream, local: bool) -> Option<Method> {
    let parser = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        let default: Option<Token![default]> = input.parse()?;
        let mut item: TraitItemFn = input.parse()?;
        item.attrs = attributes;
        Ok((visibility, default, item))
    };
    let Ok((visibility, default, item)) = parser.parse2(tokens.clone()) else {
        errors.at(tokens, NOT_A_METHOD);
        return None;
    };
    if !matches!(visibility, Visibility::Inherited) {
        errors.at(visibility, "leave out the visibility: a method is as visible as its trait");
    }
    if let Some(token) = default {
        errors.at(token, "leave out `default`: a service has no bodies to specialize");
    }
    Some(method::lower(errors, item, local))
}

/// Keyword and name of an item, underlined together.
fn head(keyword: impl ToTokens, name: &Ident) -> TokenStream {
    quote! { #keyword #name }
}
