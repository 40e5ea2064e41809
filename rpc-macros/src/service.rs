//! `#[service]`: a trait becomes a description, a client and a dispatch table.

use proc_macro2::TokenStream;

use crate::errors::Errors;

mod check;
mod expand;
mod lower;
mod model;
mod parse;

/// The pipeline. `Err` holds every mistake as `compile_error!` tokens, and nothing else: a trait that is
/// half expanded would add messages about the half that is missing.
pub(crate) fn service(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, TokenStream> {
    let item = parse::item(item).map_err(syn::Error::into_compile_error)?;
    let mut errors = Errors::new();
    let arguments = parse::arguments(&mut errors, arguments);
    let service = lower::service(&mut errors, &arguments, item);
    check::service(&mut errors, &service);
    errors.finish()?;
    Ok(expand::service(&service))
}

#[cfg(test)]
mod tests;
