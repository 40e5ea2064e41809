//! Finds the runtime's error inside a service's own.

use serde::{Deserialize, Serialize};

/// A service's error that may hold the runtime's.
///
/// Written by [`message`](crate::message) for every enum: the answer is the [`Error`] in the only field of
/// the current variant, or what that field finds in itself. So the runtime can tell a failed call from the
/// application's own refusal, which `source()` cannot once a variant is `#[error(transparent)]`. Without
/// it a nested failure counts as the application's.
pub trait Cause {
    /// The runtime's error, if this error is one or holds one.
    fn rpc(&self) -> Option<&Error> {
        None
    }
}

impl Cause for Error {
    fn rpc(&self) -> Option<&Error> {
        Some(self)
    }
}

/// A variant's field, asked by type. Only expansions name it.
#[derive(Debug)]
pub struct Field<'a, T>(pub &'a T);

impl<'a, T: Cause> Field<'a, T> {
    /// What the field finds.
    pub fn rpc(self) -> Option<&'a Error> {
        self.0.rpc()
    }
}

/// The answer of a field whose type is no [`Cause`]. An inherent method goes before a trait's, so this one
/// is reached only where the bound above does not hold.
pub trait NoCause<'a>: Sized {
    /// Nothing.
    fn rpc(self) -> Option<&'a Error> {
        None
    }
}

impl<'a, T> NoCause<'a> for Field<'a, T> {}

/// Stands where the runtime's error will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error(String);

impl Error {
    /// An error that says `message`.
    pub fn new(message: &str) -> Self {
        Self(message.into())
    }
}
