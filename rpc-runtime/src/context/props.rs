//! What the binding says through which a call was made.

use serde::Deserialize;

use super::{Ctx, View};
use crate::{
    client::Binding,
    config::Props,
    error::{Error, Kind},
};

impl Ctx {
    /// What the configuration says in the `props` of the binding through which this call was made, as the type that is
    /// wanted: who the caller is to this Worker. A Worker that hands out clients of itself says it in the
    /// [`Export`](crate::Export).
    ///
    /// No code of a caller can set it: neither the caller's own, nor any options of a call. Calls that came over no
    /// binding have none: requests from outside, and calls through a client that the program made itself. Where there
    /// are none, whatever needs nothing can be read: `()`, an `Option`, or a structure whose fields may all be absent.
    ///
    /// Over a boundary it is the host of the caller that says it, as its configuration does. It is believed of a process
    /// of this very user at the other end of a Unix socket: one that this host has started, one that the development
    /// registry knows, one that calls at an address where this Worker listens. Such a process could do all that this
    /// one can; whether it is in a sandbox is not looked at. From anybody else, over TCP and whatever TLS, calls that
    /// claim props are refused as [`is_denied`](crate::Error::is_denied), and no handler runs.
    ///
    /// ```
    /// use rpc_runtime::{Ctx, Result};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Caller {
    ///     tenant: String,
    /// }
    ///
    /// /// In a Worker that is bound with `{ binding = "NOTES", service = "notes", props = { tenant = "a1" } }`.
    /// fn tenant() -> Result<String> {
    ///     Ok(Ctx::current().props::<Caller>()?.tenant)
    /// }
    /// # assert!(tenant().is_err());
    /// ```
    ///
    /// The value is made anew each time.
    ///
    /// # Errors
    ///
    /// The props are of another type, or there are none: it names the binding with its file and line, what was expected
    /// and what was received. No predicate is true of it: the configuration is to be changed.
    pub fn props<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        read(self.invocation().map(|invocation| &invocation.binding))
    }
}

impl<'a> View<'a> {
    /// As [`Ctx::props`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn props<T: Deserialize<'a>>(self) -> Result<T, Error> {
        read(self.state().map(|state| state.binding))
    }
}

fn read<'a, T: Deserialize<'a>>(binding: Option<&'a Binding>) -> Result<T, Error> {
    match binding.and_then(|binding| Some((binding, binding.props.as_deref()?))) {
        Some((binding, props)) => props.read().map_err(|fault| {
            let (origin, worker) = (props.origin(), &binding.worker);
            let what = if props.is_empty() { "has no props, which" } else { "has props that are not what" };
            unreadable(format!("{origin} {what} `{worker}` reads: {}", fault.line()))
        }),
        None => Props::read_absent().map_err(|fault| {
            let expected = fault.expected().unwrap_or("props").to_owned();
            unreadable(format!("this call came over no binding with props: expected {expected}"))
        }),
    }
}

fn unreadable(why: String) -> Error {
    Error::new(Kind::Setup(why.into()))
}
