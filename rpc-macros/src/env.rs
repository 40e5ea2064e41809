//! `#[derive(Env)]`: a struct becomes what a Worker may reach.

use proc_macro2::TokenStream;

use crate::errors::Errors;

mod expand;
mod lower;
mod model;

/// The pipeline. `Err` holds every mistake as `compile_error!` tokens.
pub(crate) fn env(item: TokenStream) -> Result<TokenStream, TokenStream> {
    let item = syn::parse2(item).map_err(syn::Error::into_compile_error)?;
    let mut errors = Errors::new();
    let env = lower::env(&mut errors, item);
    errors.finish()?;
    Ok(expand::env(&env))
}

#[cfg(test)]
mod tests;
