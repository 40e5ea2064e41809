//! [`BodyError`]: why a body could not be read.

use std::error::Error as StdError;
use std::fmt;
use std::str::Utf8Error;
use std::sync::Arc;

/// Why a body could not be read to its end.
///
/// One pointer wide. [`source`](StdError::source) is the error of the stream or of the connection
/// the body came from.
pub struct BodyError {
    inner: Box<Inner>,
}

struct Inner {
    kind: Kind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The stream behind the body failed; its error is the source.
    Failed,
    TooLarge {
        limit: usize,
    },
    NotText,
    Stalled,
}

impl BodyError {
    /// An error of a stream or a connection, as the error of a body.
    ///
    /// A `BodyError` given to this function comes back as it is.
    ///
    /// ```
    /// use std::error::Error;
    ///
    /// use rpc_runtime::BodyError;
    ///
    /// let error = BodyError::new("the file was removed");
    /// assert_eq!(error.to_string(), "the body ended early");
    /// assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the file was removed"));
    /// ```
    #[must_use]
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match source.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => {
                Self { inner: Box::new(Inner { kind: Kind::Failed, source: Some(source.into()) }) }
            }
        }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self { inner: Box::new(Inner { kind: Kind::TooLarge { limit }, source: None }) }
    }

    pub(super) fn not_text(source: Utf8Error) -> Self {
        Self { inner: Box::new(Inner { kind: Kind::NotText, source: Some(Arc::new(source)) }) }
    }

    /// The same for a second reader.
    pub(super) fn again(&self) -> Self {
        Self { inner: Box::new(Inner { kind: self.inner.kind, source: self.inner.source.clone() }) }
    }

    /// The peer sends so slowly that whoever carries the body gives it up.
    ///
    /// ```
    /// use rpc_runtime::BodyError;
    ///
    /// assert!(BodyError::stalled().is_stalled());
    /// ```
    #[must_use]
    pub fn stalled() -> Self {
        Self { inner: Box::new(Inner { kind: Kind::Stalled, source: None }) }
    }

    /// How many bytes the reader allowed, if the body was longer.
    pub(crate) const fn limit(&self) -> Option<usize> {
        match self.inner.kind {
            Kind::TooLarge { limit } => Some(limit),
            _ => None,
        }
    }

    /// Whether the body was longer than the reader allowed.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(self.inner.kind, Kind::TooLarge { .. })
    }

    /// Whether the bytes were asked for as text and are not UTF-8.
    #[must_use]
    pub const fn is_not_text(&self) -> bool {
        matches!(self.inner.kind, Kind::NotText)
    }

    /// Whether the peer sent so slowly that the connection was given up.
    #[must_use]
    pub const fn is_stalled(&self) -> bool {
        matches!(self.inner.kind, Kind::Stalled)
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.kind {
            Kind::Failed => f.write_str("the body ended early"),
            Kind::TooLarge { limit } => write!(f, "the body is longer than the {limit} bytes allowed"),
            Kind::NotText => f.write_str("the body is not UTF-8 text"),
            Kind::Stalled => f.write_str("the peer stopped sending the body"),
        }
    }
}

impl fmt::Debug for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyError")
            .field("kind", &self.inner.kind)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for BodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
