//! One step of the chain of Workers that led to an error.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{client::Binding, invocation::Frame, service::MethodInfo};

/// One Worker on the way, and what was called there.
///
/// Shape as text: `auth Auth/verify`, or `gateway fetch` for a request.
///
/// ```
/// use rpc_runtime::{Error, Result, service};
///
/// #[service]
/// trait Auth {
///     async fn verify(&self, token: &str) -> Result<()>;
/// }
///
/// struct Closed;
///
/// impl Auth for Closed {
///     async fn verify(&self, _token: &str) -> Result<()> {
///         Err(Error::denied("closed"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let error = AuthClient::new(Closed).verify("t0ken").await.unwrap_err();
/// let [hop] = error.hops() else { panic!("{error}") };
/// assert_eq!((hop.worker(), hop.method()), ("Closed", "verify"));
/// assert_eq!(error.to_string(), "denied: closed (Closed Auth/verify)");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    worker: Cow<'static, str>,
    service: Cow<'static, str>,
    method: Cow<'static, str>,
}

impl Hop {
    /// The name of the Worker; for a client made by `new`, the name of the implementing type.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// The name of the service; empty for a `fetch`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The name of the method; `fetch` for a request.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn of(method: &'static MethodInfo, binding: &Binding) -> Self {
        Self {
            worker: binding.worker.clone(),
            service: Cow::Borrowed(method.service),
            method: Cow::Borrowed(method.name),
        }
    }

    /// The invocations that this thread is inside of, the first one first.
    pub(crate) fn chain(innermost: Option<&Frame<'_>>) -> Box<[Self]> {
        let mut hops: Vec<_> = std::iter::successors(innermost, |frame| frame.parent)
            // What lies before a call that came over a boundary, its caller adds when the error comes back.
            .filter(|frame| !frame.state.is_arrival())
            .flat_map(|frame| {
                let own = Self::of(frame.state.method, frame.state.binding);
                // A task of an invocation, or a call that went on without it, remembers the way by value.
                let before = frame.state.remembered_hops().iter().rev().cloned();
                std::iter::once(own).chain(before)
            })
            .collect();
        hops.reverse();
        hops.into()
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.worker)?;
        if !self.service.is_empty() {
            write!(f, "{}/", self.service)?;
        }
        f.write_str(&self.method)
    }
}

/// Hops one after the other.
pub(super) struct Chain<'a>(pub(super) &'a [Hop]);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, hop) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " > " })?;
            hop.fmt(f)?;
        }
        Ok(())
    }
}
