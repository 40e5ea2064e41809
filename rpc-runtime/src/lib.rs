//! Typed calls between Workers.

mod call;
mod carried;
mod client;
mod clock;
#[cfg(feature = "host")]
pub mod config;
mod context;
#[cfg(feature = "host")]
pub mod edge;
#[cfg(feature = "host")]
mod env;
mod error;
mod fetch;
#[cfg(feature = "host")]
mod host;
mod interceptor;
mod invocation;
mod limits;
mod local;
mod metadata;
mod observe;
mod options;
mod panics;
mod raw;
mod service;
mod worker;

#[cfg(feature = "host")]
pub use rpc_macros::Env;
pub use rpc_macros::service;

pub use self::{
    client::Client,
    context::{Child, Ctx, Remaining, View},
    error::{Cause, Error, Hop},
    fetch::{Body, BodyError, Fetch, Fetcher, Fetching, LocalFetch, Request, Response},
    interceptor::{Interceptor, Next, Outcome, Outgoing},
    limits::Limits,
    options::CallOptions,
    panics::install_panic_hook,
    worker::{Entrypoint, Worker},
};

#[cfg(feature = "tower")]
pub use self::fetch::Tower;
#[cfg(feature = "host")]
pub use self::{
    env::{Bindings, Env, Field, FromEnv, IsSecret, Json, Secret},
    host::{Host, Running},
};

/// The result of a method that has no error of its own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[doc(hidden)]
pub mod __private;
