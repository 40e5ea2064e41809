//! Tokens to syntax: the words of `#[service(..)]`, and the trait below it.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Item, ItemTrait};

use crate::errors::Errors;
use crate::words::{Known, Vocabulary, Words};

const WORDS: Vocabulary = Vocabulary {
    place: "`#[service(..)]`",
    words: &[Known::Flag("local"), Known::Text("rename", "Auth"), Known::Text("crate", "::rpc_runtime")],
    elsewhere: &[
        ("idempotent", "a method, as `#[rpc(idempotent)]`"),
        ("deadline", "a method, as `#[rpc(deadline = \"2s\")]`"),
        ("spawn", "a method, as `#[rpc(spawn)]`"),
        ("default", "an argument, as `#[rpc(default)]`"),
    ],
};

pub(super) fn arguments(errors: &mut Errors, tokens: TokenStream) -> Words {
    let mut words = Words::new(&WORDS);
    words.read(errors, tokens);
    words
}

pub(super) fn item(tokens: TokenStream) -> syn::Result<ItemTrait> {
    match syn::parse2(tokens)? {
        Item::Trait(item) => Ok(item),
        other => Err(not_a_trait(&other)),
    }
}

/// Only a trait says what may be called without saying how it is done.
fn not_a_trait(item: &Item) -> syn::Error {
    let types = "`#[service]` stands on a trait: write one with the methods and implement it for this type \
                 (a type that travels in a call takes `#[message]`)";
    match item {
        Item::Struct(item) => at(item.struct_token, &item.ident, types),
        Item::Enum(item) => at(item.enum_token, &item.ident, types),
        Item::Union(item) => at(item.union_token, &item.ident, types),
        Item::Impl(item) => syn::Error::new_spanned(
            item.impl_token,
            "`#[service]` stands on the trait: leave it out here, an implementation needs no attribute",
        ),
        Item::Fn(item) => at(
            item.sig.fn_token,
            &item.sig.ident,
            "`#[service]` stands on a trait: make this function a method of one",
        ),
        Item::Mod(item) => at(
            item.mod_token,
            &item.ident,
            "`#[service]` stands on a trait: put it on each service inside the module",
        ),
        other => {
            syn::Error::new_spanned(other, "`#[service]` stands on a trait: `trait Auth { async fn .. }`")
        }
    }
}

/// A message under keyword and name: the whole item would be underlined otherwise.
fn at(keyword: impl ToTokens, name: &Ident, message: &str) -> syn::Error {
    syn::Error::new_spanned(quote! { #keyword #name }, message)
}
