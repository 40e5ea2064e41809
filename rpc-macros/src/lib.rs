//! The macros of `rpc-runtime`, which re-exports them: depend on that crate, not on this one.

use proc_macro::TokenStream;

mod env;
mod errors;
mod message;
mod service;
mod spelled;
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
/// # The client
///
/// | | calls |
/// | --- | --- |
/// | `CounterClient::new(implementation)` | an implementation that it owns |
/// | `CounterClient::shared(Arc::clone(&implementation))` | an implementation that the caller keeps |
/// | `CounterClient::from_worker(worker)` | a [`Worker`](../rpc_runtime/trait.Worker.html), `fetch` included |
/// | `CounterClient::connect(stream).await?` | what is [served](../rpc_runtime/fn.serve.html) at the other end of a stream of bytes |
/// | `CounterClient::at(address)` | what is served at an [address](../rpc_runtime/transport/struct.Address.html); connects when it is called (feature `net`) |
///
/// The last two are there unless the service is local. A field of an [`Env`](../rpc_runtime/trait.Env.html) is a client
/// that a host makes. What else can be done with a client, [`Client`](../rpc_runtime/trait.Client.html) says. It is
/// `Clone` and `Debug`, and `Send` and `Sync` unless the service is local; a clone calls the same implementation.
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
/// At most 16, unless the service is local: owned values, `&str`, `&[u8]`, `&T`, `&[T]`, `Option<&str>`, and types that
/// borrow, written with their lifetime left out: `Query<'_>`. In process all of them are handed over as they are. Across
/// a boundary `&str` and `&[u8]` borrow from the bytes that were received, and the `T` of `&T` is decoded and lent; so a
/// `&T` is the whole argument, `&Option<User>` and not `Option<&User>`. Two arguments of one call share the lifetime of
/// the call, so a type that is invariant in its lifetime may not fit twice.
///
/// An argument is `Send`. What is carried, an argument or a result, is a type of the standard library or of
/// `bytes`, a type with [`#[message]`](macro@message), or any other with serde's `Serialize` and
/// `Deserialize`. Of the last kind the contract knows the name alone, unless it is given a
/// [`Shape`](../rpc_runtime/trait.Shape.html); so a change of its form is noticed by what is read, if at all. An `Arc<T>`
/// is shared in process, and a value of its own on the other side of a boundary.
///
/// # Words
///
/// | on the trait | |
/// | --- | --- |
/// | `#[service(local)]` | The service never leaves its thread: no `Send`, arguments of any type (lent ones by `&`), a client that is neither `Send` nor `Sync`. |
/// | `#[service(rename = "Auth")]` | The name on the wire. Default: the trait's. |
/// | `#[service(crate = "::rpc_runtime")]` | The path of the runtime, for a crate that knows it by another name. |
///
/// | on a method | |
/// | --- | --- |
/// | `#[rpc(idempotent)]` | A call may be run twice, so that a client of an address may repeat what was lost on the way: twice at most, after pauses of up to 10 and 20 ms, within its deadline, and as long as repetitions are no more than a fifth of its calls and ten a second. |
/// | `#[rpc(deadline = "2s")]` | How long a call may take unless its caller says otherwise: a whole number and one of `us`, `ms`, `s`, `m`, `h`. |
/// | `#[rpc(rename = "verify")]` | The name on the wire. Default: the method's. |
/// | `#[rpc(spawn)]` | Behind a boundary the handler runs as a task of its own, for work that keeps its thread busy. |
///
/// | on an argument | |
/// | --- | --- |
/// | `#[rpc(default)]` | The argument may be missing once the contracts of the two ends may differ, which they may not yet: see below. |
/// | `#[rpc(rename = "token")]` | The name in the contract. Default: the argument's. |
///
/// # Versions
///
/// Across a boundary a method is called only if both ends know it with the same arguments and the same result, by name
/// and by shape. Where they differ, the call is refused before anything is read, with an error that
/// [`is_contract`](../rpc_runtime/struct.Error.html#method.is_contract) and names the place:
///
/// ```text
/// `Store/text`: argument `loud`: nothing here, bool there
/// ```
///
/// `#[rpc(default)]` changes nothing about that today: it is written down in the description of the method, for values
/// that travel with the names of their fields, as they do not yet. Until then give the new form of a method a name of
/// its own, and keep the old one for as long as somebody calls it.
///
/// # Attributes
///
/// Documentation, `cfg`, `cfg_attr`, `deprecated` and lint attributes of the trait and its methods mean what they
/// mean elsewhere. A crate that sets `forbid(deprecated)` cannot deprecate a service or a method, since the client
/// must still name it.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::service(arguments.into(), item.into()).unwrap_or_else(|errors| errors).into()
}

/// Makes a struct or an enum something that a call can carry.
///
/// Adds serde's `Serialize` and `Deserialize` and the runtime's `Shape`, all by path: the caller needs no
/// dependency beside `rpc-runtime`. Stands above other derives and keeps them; `Serialize` and `Deserialize`
/// beside it are left out.
///
/// ```
/// use rpc_runtime::message;
///
/// #[message]
/// #[derive(Debug, Clone, PartialEq)]
/// pub struct User {
///     pub id: u64,
///     pub name: String,
/// }
///
/// /// Borrows its text from the received frame.
/// #[message]
/// pub struct Query<'a> {
///     pub text: &'a str,
///     #[serde(default)]
///     pub limit: Option<u32>,
/// }
/// ```
///
/// An enum also gets `rpc_runtime::Cause`, which finds the runtime's error in the field of a variant.
///
/// # Attributes
///
/// serde's own say how the type is written: `rename`, `rename_all`, `rename_all_fields`, `alias`, `default`,
/// `skip`, `transparent`, `borrow` (added where a lifetime needs it), `bound`, `deny_unknown_fields`.
/// Refused, each with what to write instead, is what a compact encoding cannot carry or silently misreads:
/// `flatten`, `tag`, `content`, `untagged`, `other`, `skip_serializing_if`, `skip_serializing`,
/// `skip_deserializing`, `skip` on a variant that others follow, `remote`, `getter`.
///
/// | attribute | on | meaning |
/// | --- | --- | --- |
/// | `#[message(crate = "path")]` | | where `rpc_runtime` is, if not at `::rpc_runtime` |
/// | `#[rpc(shape = T)]` | type, field, variant | it travels as a `T` does; needed beside `with`, `from`, `into` |
/// | `#[rpc(opaque = "uuid 1")]` | type, field, variant | its form is known by this name alone |
/// | `#[rpc(bytes)]` | field | written as one run of bytes, as a field spelled `Vec<u8>` or `Bytes` is; for aliases and `Option<&[u8]>` |
/// | `#[rpc(bytes = false)]` | field | the type is only spelled like a run of bytes |
///
/// ```
/// use rpc_runtime::message;
///
/// /// Milliseconds on the wire.
/// mod millis {
///     use std::time::Duration;
/// #   use serde::{Deserialize, Deserializer, Serializer};
///
///     pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
///         serializer.serialize_u64(value.as_millis().try_into().unwrap_or(u64::MAX))
///     }
///
///     pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
///         u64::deserialize(deserializer).map(Duration::from_millis)
///     }
/// }
///
/// #[message]
/// pub struct Job {
///     #[serde(with = "millis")]
///     #[rpc(shape = u64)]
///     pub timeout: std::time::Duration,
/// }
/// ```
#[proc_macro_attribute]
pub fn message(args: TokenStream, item: TokenStream) -> TokenStream {
    message::message(args.into(), item.into()).into()
}

/// Makes a struct the `Env` of a Worker: each field is a binding, a variable or a secret of its configuration.
///
/// See [`Env`](../rpc_runtime/trait.Env.html) for the types that a field can have, and an example.
///
/// | on a field | |
/// | --- | --- |
/// | `#[env(name = "AUTH")]` | What the configuration calls it. Default: the name of the field in upper case. |
/// | `#[env(secret)]` | It is a [`Secret`](../rpc_runtime/struct.Secret.html), read from an environment variable and never printed. |
/// | `#[env(entrypoint = "Admin")]` | It is an [`Export`](../rpc_runtime/struct.Export.html) of this named entrypoint of the Worker itself. Default: the default one. |
///
/// `#[env(crate = "path")]` on the struct is the path of the runtime, for a crate that knows it by another name.
#[proc_macro_derive(Env, attributes(env))]
pub fn env(item: TokenStream) -> TokenStream {
    env::env(item.into()).unwrap_or_else(|errors| errors).into()
}

#[cfg(test)]
mod tests;
