//! The macros of `rpc-runtime`, which re-exports them: depend on that crate, not on this one.

use proc_macro::TokenStream;

mod env;
mod errors;
mod service;
mod words;

/// Makes a service of a trait: the trait can then be called through a client, in process or from afar.
///
/// ```
/// use rpc_runtime::{Result, service};
///
/// /// Counts.
/// #[service]
/// pub trait Counter {
///     /// Adds `step` and returns the sum.
///     async fn add(&self, step: u64) -> Result<u64>;
/// }
///
/// struct FromTen;
///
/// impl Counter for FromTen {
///     async fn add(&self, step: u64) -> Result<u64> {
///         Ok(10 + step)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let counter = CounterClient::new(FromTen);
/// assert_eq!(counter.add(1).await?, 11);
/// # Ok(())
/// # }
/// ```
///
/// Beside the trait, which may be implemented with `async fn` as it is written, this makes `CounterClient`. The
/// client implements the trait too, so a function that takes `impl Counter` takes a client, an implementation
/// and a mock alike. `Send + Sync` become supertraits of the trait, and the futures of its methods are `Send`.
///
/// # Methods
///
/// `async fn name(&self, ..) -> Result<T, E>;` and nothing else, because a method is a contract between two
/// programs: no generics, no default bodies, no constants or types beside them. A call can always fail, so the
/// return type is a `Result`, under any alias, and `E` is `From<rpc_runtime::Error>`. What it holds is owned.
///
/// Every client has methods of its own, so `fetch`, `with`, `pipeline`, `clone`, `to_owned`, `into`, `try_into`
/// and names that begin with `__` are refused; the list does not grow.
///
/// # Arguments
///
/// Owned values, `&str`, `&[u8]`, `&T`, `&[T]`, `Option<&str>`, and types that borrow, written with their
/// lifetime left out: `Query<'_>`. In process all of them are handed over as they are. Across a boundary `&str`
/// and `&[u8]` borrow from the bytes that were received, and the `T` of `&T` is decoded and lent. Two arguments
/// of one call share the lifetime of the call, so a type that is invariant in its lifetime may not fit twice.
///
/// # Words
///
/// | on the trait | |
/// | --- | --- |
/// | `#[service(local)]` | The service never leaves its thread: no `Send`, arguments of any kind, a client that is neither `Send` nor `Sync`. |
/// | `#[service(rename = "Auth")]` | The name on the wire. Default: the trait's. |
/// | `#[service(crate = "::rpc_runtime")]` | The path of the runtime, for a crate that knows it by another name. |
///
/// | on a method | |
/// | --- | --- |
/// | `#[rpc(idempotent)]` | A call may be run twice, so that the binding may repeat what was lost on the way. |
/// | `#[rpc(deadline = "2s")]` | How long a call may take unless its caller says less: a whole number and one of `us`, `ms`, `s`, `m`, `h`. |
/// | `#[rpc(rename = "verify")]` | The name on the wire. Default: the method's. |
/// | `#[rpc(spawn)]` | Behind a boundary the handler runs as a task of its own, for work that keeps its thread busy. |
///
/// | on an argument | |
/// | --- | --- |
/// | `#[rpc(default)]` | A caller that does not know the argument yet may leave it out. |
/// | `#[rpc(rename = "token")]` | The name in the contract. Default: the argument's. |
///
/// Documentation, `cfg`, `cfg_attr`, `deprecated` and lint attributes of the trait and its methods mean what they
/// mean elsewhere. A crate that sets `forbid(deprecated)` cannot deprecate a service or a method, since the client
/// must still name it.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::service(arguments.into(), item.into()).unwrap_or_else(|errors| errors).into()
}

/// Makes a struct the `Env` of a Worker: each field is a binding, a variable or a secret of its configuration.
///
/// See [`Env`](../rpc_runtime/trait.Env.html) for the types that a field can have, and an example.
///
/// | on a field | |
/// | --- | --- |
/// | `#[env(name = "AUTH")]` | What the configuration calls it. Default: the name of the field in upper case. |
/// | `#[env(secret)]` | It is a [`Secret`](../rpc_runtime/struct.Secret.html), read from an environment variable and never printed. |
///
/// `#[env(crate = "path")]` on the struct is the path of the runtime, for a crate that knows it by another name.
#[proc_macro_derive(Env, attributes(env))]
pub fn env(item: TokenStream) -> TokenStream {
    env::env(item.into()).unwrap_or_else(|errors| errors).into()
}

#[cfg(test)]
mod tests;
