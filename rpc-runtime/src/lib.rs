//! Write a trait. Call it as a trait. It runs in the same thread until you say otherwise.
//!
//! A *service* is a trait under [`#[service]`](service). The attribute makes its *client*, which implements the same
//! trait by calling whatever it is bound to, so that callers, mocks and decorators are all just implementations:
//!
//! ```
//! use rpc_runtime::{message, service};
//!
//! #[message]
//! #[derive(Debug, PartialEq)]
//! pub struct User {
//!     pub id: u64,
//!     pub name: String,
//! }
//!
//! #[service]
//! pub trait Auth {
//!     /// Who the token belongs to.
//!     async fn verify(&self, token: &str) -> rpc_runtime::Result<User>;
//! }
//!
//! struct AuthWorker;
//!
//! impl Auth for AuthWorker {
//!     async fn verify(&self, token: &str) -> rpc_runtime::Result<User> {
//!         match token {
//!             "t0ken" => Ok(User { id: 7, name: "Ada".into() }),
//!             _ => Err(rpc_runtime::Error::denied("nobody has this token")),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> rpc_runtime::Result<()> {
//! let auth = AuthClient::new(AuthWorker);
//! assert_eq!(auth.verify("t0ken").await?.name, "Ada");
//! assert!(auth.verify("other").await.is_err_and(|error| error.is_denied()));
//! # Ok(()) }
//! ```
//!
//! In process a call is a plain call: arguments are moved or borrowed, nothing is serialized, nothing is allocated. Its
//! policy is that of a call between machines all the same: [deadlines](CallOptions::deadline), cancellation by drop,
//! [limits](Limits), [metadata](CallOptions::metadata), [interceptors](Interceptor), `tracing` spans, and panics that
//! stay where they arose. A call that fails on the way gives an [`Error`] that names the chain of Workers.
//!
//! # Where to look
//!
//! | to | see |
//! | --- | --- |
//! | define a service and the types it carries | [`service`](macro@service), [`message`](macro@message), [`Shape`], [`contract`] |
//! | say more about a call | [`Client::with`], [`CallOptions`], [`Interceptor`] |
//! | know more about the call that a handler serves | [`Ctx`] |
//! | answer requests, and make them | [`Fetch`], [`Client::fetch`], [`Fetcher`], [`Body`], [`Redirect`], [`Upgraded`] |
//! | make requests to servers outside | `fetch` and `Outside`, with the feature `fetch` |
//! | let a host make Workers and bind them | [`Worker`], [`Entrypoint`], [`Env`], [`Host`], [`config`] |
//! | serve a socket without Workers | [`edge`] |
//! | call over a stream of bytes, or at an address | [`serve`], [`Server`], [`SessionOptions`], [`transport`] |
//!
//! # Features
//!
//! | feature | default | |
//! | --- | --- | --- |
//! | `host` | yes | [`Host`], [`Env`], [`config`] and [`edge`]: hyper, toml, JSON and clap. Without it typed calls and `fetch` remain |
//! | `net` | yes | [`transport`] over Unix sockets and TCP |
//! | `watch` | yes | `dev --watch` of a [`Host`]: notify |
//! | `fetch` | no | `fetch` and `Outside`: requests to servers outside of the system, over TLS too |
//! | `sandbox` | no | `[sandbox]` in a [`config`]: the process of a Worker under Landlock and seccomp, on Linux |
//! | `tls` | no | [`transport`] over TLS: rustls with ring |
//! | `tower` | no | a tower `Service`, an axum `Router` for instance, as the `fetch` of a Worker, and the reverse |
//! | `chrono`, `uuid` | no | shapes for their types |
//!
//! # Invariants
//!
//! - On the path of a call in process there is no reference count, no lock, no clock and no task, unless the call asks
//!   for a deadline, is watched, or goes through a binding that closes a circle.
//! - A call keeps no pointer to the invocation that made it.
//! - `unsafe` stands in one private module, `raw`, which runs under Miri.
//! - Expansions state facts; whatever they could do is done here.

#[cfg(feature = "net")]
mod backoff;
mod boundary;
mod buffer;
mod call;
mod carried;
#[cfg(feature = "host")]
mod chain;
mod client;
mod clock;
mod codec;
#[cfg(feature = "host")]
pub mod config;
mod context;
pub mod contract;
#[cfg(feature = "host")]
pub mod edge;
#[cfg(feature = "host")]
mod env;
mod error;
#[cfg(feature = "host")]
mod export;
mod fetch;
#[cfg(all(feature = "host", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "host")]
mod host;
mod instances;
mod interceptor;
mod invocation;
mod limits;
mod local;
mod metadata;
mod observe;
mod options;
#[cfg(feature = "fetch")]
mod outside;
mod panics;
mod proto;
mod raw;
#[cfg(feature = "host")]
mod registry;
mod service;
pub mod session;
pub mod shape;
#[cfg(feature = "net")]
pub mod transport;
mod watch;
mod worker;

/// The types that requests and responses are made of, so that a Worker needs no further dependency.
pub use http;
#[cfg(feature = "host")]
pub use rpc_macros::Env;
pub use rpc_macros::{message, service};

pub use self::{
    client::Client,
    context::{Child, Ctx, Remaining, View},
    error::{Cause, Error, Hop},
    fetch::{
        Body, BodyError, Fetch, Fetcher, Fetching, IntoRequest, LocalFetch, Redirect, Request, Response,
        Upgraded,
    },
    interceptor::{Interceptor, Next, Outcome, Outgoing},
    limits::{LimitMode, Limits},
    options::CallOptions,
    panics::install_panic_hook,
    session::{Session, SessionOptions, serve},
    shape::Shape,
    worker::{Entrypoint, OnPanic, Worker},
};

#[cfg(feature = "tower")]
pub use self::fetch::Tower;
#[cfg(feature = "fetch")]
pub use self::outside::{Outside, fetch};
#[cfg(feature = "net")]
pub use self::session::Server;
#[cfg(feature = "host")]
pub use self::{
    env::{Bindings, Env, Field, FromEnv, IsExport, IsSecret, Json, Secret},
    export::Export,
    host::{Host, Running},
};

/// The result of a method that has no error of its own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[doc(hidden)]
pub mod __private;

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
