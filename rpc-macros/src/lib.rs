//! The macros of `rpc-runtime`, which re-exports them: depend on that crate, not on this one.

use proc_macro::TokenStream;

mod errors;
mod message;
#[cfg(test)]
mod tests;

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
