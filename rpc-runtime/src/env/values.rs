//! The types that a field of an `Env` can have.

use std::{fmt, ops::Deref, sync::Arc};

use serde::de::DeserializeOwned;

use super::{Field, FromEnv};
use crate::fetch::Fetcher;

/// A structured variable, read as `T`. It derefs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A value that is never printed: a key, a password, a token.
///
/// Its `Debug` says `Secret(..)`, and it has neither `Display` nor `Serialize`. What it holds is seen through
/// [`expose`](Self::expose) alone, so that a search for that word finds every place.
///
/// ```
/// use rpc_runtime::Secret;
///
/// let key = Secret::new("hunter2");
/// assert_eq!(key.expose(), "hunter2");
/// assert_eq!(format!("{key:?}"), "Secret(..)");
/// ```
#[derive(Clone)]
pub struct Secret(Box<str>);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Secret {
    /// Keeps a value from being printed.
    #[must_use]
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

macro_rules! variables {
    ($($type:ty),*) => {
        $(impl FromEnv for $type {
            fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
                field.variable()
            }
        })*
    };
}

variables!(String, bool, char, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);

impl<T: DeserializeOwned> FromEnv for Json<T> {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        field.variable().map(Self)
    }
}

impl FromEnv for Secret {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        field.secret()
    }

    /// A secret among the variables is a fault, so it counts as something.
    fn is_present(field: &Field<'_, '_>) -> bool {
        field.is_present() || field.has_secret()
    }
}

/// A binding of a configuration, as every client is; the others are stated by `#[service]`.
impl FromEnv for Fetcher {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        field.client_anywhere()
    }
}

/// What the host shares. No name in the configuration stands for it.
impl<T: ?Sized + Send + Sync + 'static> FromEnv for Arc<T> {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        field.shared()
    }

    fn is_present(field: &Field<'_, '_>) -> bool {
        field.shared_if_any::<T>().is_some()
    }
}

/// `None` if the configuration does not mention it. What it does mention must be right.
impl<T: FromEnv> FromEnv for Option<T> {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        if T::is_present(field) { T::from_env(field).map(Some) } else { Some(None) }
    }
}
