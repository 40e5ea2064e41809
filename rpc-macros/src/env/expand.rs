//! The `impl Env`. Every field is taken before the first is missed, so that all faults are told at once.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{ext::IdentExt, spanned::Spanned};

use super::model::{Env, Field};

pub(super) fn env(env: &Env) -> TokenStream {
    let Env { name, generics, runtime, fields } = env;
    let (parameters, arguments, conditions) = generics.split_for_impl();
    let takes = fields.iter().map(take);
    let (names, locals): (Vec<_>, Vec<_>) = fields.iter().map(|field| (&field.name, local(field))).unzip();
    quote! {
        #[automatically_derived]
        impl #parameters #runtime::Env for #name #arguments #conditions {
            fn from_bindings(__bindings: &mut #runtime::Bindings<'_>) -> #runtime::__private::Option<Self> {
                #(#takes)*
                #runtime::__private::Option::Some(Self { #(#names: #locals?),* })
            }
        }
    }
}

/// The type is spelled where the user wrote it, so that a type that cannot be a field is underlined there.
fn take(field: &Field) -> TokenStream {
    let Field { ty, binding, secret, entrypoint, .. } = field;
    let local = local(field);
    let (take, arguments) = match entrypoint {
        Some(entrypoint) => (quote! { take_export }, quote! { #binding, #entrypoint }),
        None if *secret => (quote! { take_secret }, quote! { #binding }),
        None => (quote! { take }, quote! { #binding }),
    };
    let taken = quote_spanned! {ty.span()=> #take::<#ty> };
    quote! { let #local = __bindings.#taken(#arguments); }
}

fn local(field: &Field) -> syn::Ident {
    format_ident!("__{}", field.name.unraw())
}
