//! Collects every mistake of one expansion, so that one compile shows all of them.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far. Every stage takes it and keeps going; [`Errors::finish`] is the barrier
/// before the expansion.
///
/// Dropping it unread panics: a forgotten barrier would expand a broken model.
pub(crate) struct Errors {
    found: Option<Vec<syn::Error>>,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: Some(Vec::new()) }
    }

    /// Reports a mistake under the tokens that caused it.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Reports a mistake that has a place but no tokens of its own.
    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Reports what `syn` found while parsing.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.as_mut().expect("finish consumes the collector").push(error);
    }

    /// The barrier: nothing found, or every mistake as `compile_error!` tokens.
    pub(crate) fn finish(mut self) -> Result<(), TokenStream> {
        let found = self.found.take().expect("finish consumes the collector");
        let mut found = found.into_iter();
        let Some(mut all) = found.next() else { return Ok(()) };
        found.for_each(|error| all.combine(error));
        Err(all.into_compile_error())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if self.found.is_some() && !std::thread::panicking() {
            panic!("the collected mistakes were not looked at");
        }
    }
}
