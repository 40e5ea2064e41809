//! The runtime's error inside a service's own.

use super::Error;

/// A service's error that may hold an [`Error`].
///
/// `#[message]` writes it for the enums it is put on; by hand it is one `match`. The runtime needs it to see a
/// failed call inside `AuthError::Rpc(..)`: walking `source()` does not find it when the variant is
/// `#[error(transparent)]`.
///
/// ```
/// use rpc_runtime::{Cause, Error};
///
/// enum AuthError {
///     Refused,
///     Rpc(Error),
/// }
///
/// impl Cause for AuthError {
///     fn rpc(&self) -> Option<&Error> {
///         match self {
///             Self::Rpc(error) => Some(error),
///             Self::Refused => None,
///         }
///     }
/// }
///
/// assert!(AuthError::Rpc(Error::denied("no")).rpc().is_some_and(Error::is_denied));
/// assert!(AuthError::Refused.rpc().is_none());
/// ```
pub trait Cause {
    /// The failed call that this error stands for, if it stands for one.
    fn rpc(&self) -> Option<&Error> {
        None
    }
}

impl Cause for Error {
    fn rpc(&self) -> Option<&Error> {
        Some(self)
    }
}

impl<T, E: Cause> Cause for Result<T, E> {
    fn rpc(&self) -> Option<&Error> {
        self.as_ref().err().and_then(Cause::rpc)
    }
}

/// A value that is asked by its type. Only expansions name it.
#[derive(Debug)]
pub struct Field<'a, T>(pub &'a T);

/// Finds the runtime's error in a `T`.
pub type CauseIn<T> = fn(&T) -> Option<&Error>;

impl<'a, T: Cause> Field<'a, T> {
    /// Asks a value.
    pub const CAUSE: CauseIn<T> = T::rpc;

    /// What the value finds.
    #[must_use]
    pub fn __rpc(self) -> Option<&'a Error> {
        self.0.rpc()
    }
}

/// The answer of a value whose type is no [`Cause`]. What is inherent goes before what is a trait's, so this is reached
/// only where the bound above does not hold.
pub trait NoCause<'a, T>: Sized {
    /// Asks nothing.
    const CAUSE: CauseIn<T> = |_| None;

    /// Nothing.
    fn __rpc(self) -> Option<&'a Error> {
        None
    }
}

impl<'a, T> NoCause<'a, T> for Field<'a, T> {}
