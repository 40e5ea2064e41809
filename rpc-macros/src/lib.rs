//! The macros of `rpc-runtime`, which re-exports them: depend on that crate, not on this one.

use proc_macro::TokenStream;

mod errors;
mod service;
mod words;

/// Turns a trait into a service: a description, a client that implements the trait, and a dispatch table.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::service(arguments.into(), item.into()).unwrap_or_else(|errors| errors).into()
}

#[cfg(test)]
mod tests;
