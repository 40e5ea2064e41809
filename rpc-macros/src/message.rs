//! `#[message]`: serde and `Shape` from the same tokens.

mod attributes;
mod check;
mod expand;
mod lower;
mod model;
mod rename;
mod spelling;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn message(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let Ok(input) = syn::parse2::<DeriveInput>(item.clone()) else {
        errors.at_span(Span::call_site(), "`#[message]` stands above a struct or an enum");
        let error = errors.finish().expect_err("one was reported");
        return quote!(#error #item);
    };
    let message = lower::message(&mut errors, args, input);
    check::message(&mut errors, &message);
    match errors.finish() {
        Ok(()) => expand::message(&message),
        Err(found) => {
            let item = expand::stand_in(message.item);
            quote!(#found #item)
        }
    }
}
