//! What a boundary asks of the types in a signature.
//!
//! An expansion states each type once, as the argument of a function here that is never called, so that rustc
//! underlines the type where the user wrote it, and nothing else.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

/// A type whose values can be written here and read elsewhere. `str` and `[T]` are such types: what stands
/// behind a `&` is read into a box of its own, or in place.
///
/// Lifetimes that a signature leaves out are `'static` where an expansion asks, because no call is being made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a boundary",
    label = "its values cannot be written, or not be read",
    note = "write `#[message]` above its definition, or `#[service(local)]` if the service stays in its thread"
)]
pub trait Carried {}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> Carried for T
where
    T: Serialize,
    Box<T>: Deserialize<'static>,
{
}

/// States that an argument can be carried.
pub fn argument<T: Carried + ?Sized>() {}

/// The return type of a method.
#[derive(Debug)]
pub struct Returned<R>(PhantomData<R>);

impl<T, E> Returned<Result<T, E>> {
    /// States that both outcomes can be carried.
    pub fn carried()
    where
        T: Carried,
        E: Carried,
    {
    }
}

/// Whatever is no `Result`: [`Method::Output`](crate::service::Method::Output) has refused it already. An
/// inherent function goes before a trait's, so this one is reached only where the type above does not fit.
pub trait NoResult {
    /// States nothing.
    fn carried() {}
}

impl<R> NoResult for Returned<R> {}
