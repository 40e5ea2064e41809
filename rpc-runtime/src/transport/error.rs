//! Why there is no stream.

use std::{error, fmt, io};

/// Why an address could not be read, bound or connected to.
///
/// Whatever it is, nothing that the caller wanted to send has left: it never had a stream to write to.
///
/// ```
/// # use rpc_runtime::transport::{Address, connect};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::transport::Error> {
/// let error = connect(&Address::unix("/nowhere/auth.sock")?).await.unwrap_err();
/// assert!(error.is_not_there());
/// assert_eq!(error.to_string(), "cannot connect to unix:/nowhere/auth.sock: there is no folder /nowhere");
/// # Ok(()) }
/// ```
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: Reason,
    message: String,
    source: Option<Source>,
}

pub(crate) type Source = Box<dyn error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Invalid,
    InUse,
    NotThere,
    Denied,
    TimedOut,
    Failed,
}

impl Error {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { reason, message: message.into(), source: None }))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(Reason::Denied, message)
    }

    pub(super) fn not_there(message: impl Into<String>) -> Self {
        Self::new(Reason::NotThere, message)
    }

    pub(super) fn failed(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::new(Reason::Failed, message).because(source)
    }

    pub(super) fn because(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says what was being done, such as `cannot bind unix:/a.sock`.
    pub(super) fn during(mut self, what: fmt::Arguments<'_>) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// What lies below it, for an error of another kind that says the same.
    pub(crate) fn into_source(self) -> Option<Source> {
        self.0.source
    }

    /// What was asked for can never work: the text of an address, a file of certificates, a mode, a place without a
    /// tokio runtime that has I/O and time.
    pub fn is_invalid(&self) -> bool {
        self.0.reason == Reason::Invalid
    }

    /// Somebody listens at this address already.
    pub fn is_in_use(&self) -> bool {
        self.0.reason == Reason::InUse
    }

    /// Nobody listens at this address: it may be worth another attempt later.
    pub fn is_not_there(&self) -> bool {
        self.0.reason == Reason::NotThere
    }

    /// The other side is not who it has to be, or what leads to it belongs to somebody else, or it refuses us.
    pub fn is_denied(&self) -> bool {
        self.0.reason == Reason::Denied
    }

    /// There was no answer in time.
    pub fn is_timeout(&self) -> bool {
        self.0.reason == Reason::TimedOut
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { reason, message, source } = &*self.0;
        let mut fields = f.debug_struct("Error");
        fields.field("reason", reason).field("message", message);
        if let Some(source) = source {
            fields.field("source", source);
        }
        fields.finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

/// The kind follows the predicates; the error itself is kept inside.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.0.reason {
            Reason::Invalid => io::ErrorKind::InvalidInput,
            Reason::InUse => io::ErrorKind::AddrInUse,
            Reason::NotThere => io::ErrorKind::ConnectionRefused,
            Reason::Denied => io::ErrorKind::PermissionDenied,
            Reason::TimedOut => io::ErrorKind::TimedOut,
            Reason::Failed => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
