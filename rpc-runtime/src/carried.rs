//! What a boundary asks of the types in a signature, and a call of what it holds.
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
    note = "if the type is yours, write `#[message]` above its definition",
    note = "of another's type, carry what is needed of it in a `#[message]` of your own: a `Duration` for an `Instant`; \
            requests and responses go by `fetch`",
    note = "or write `#[service(local)]` if the service stays in its thread"
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

/// What stands in a field of a message: a [`Carried`] with advice of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a message",
    label = "its values cannot be written, or not be read",
    note = "if the type is yours, write `#[message]` above its definition",
    note = "of another's type, say how it travels: `#[serde(with = \"module\")]` and `#[rpc(shape = Type)]` on the field; \
            or look for a `serde` feature of its crate"
)]
pub trait Part {}

#[diagnostic::do_not_recommend]
impl<T: Carried + ?Sized> Part for T {}

/// States that a type in a field can be carried.
pub const fn field<T: Part + ?Sized>() {}

/// A reference inside of an argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand inside of an argument that crosses a boundary",
    label = "only `&str` and `&[u8]` can be read in there",
    note = "lend the whole argument, `&Option<T>` for `Option<&T>`, `&[T]` for `&[&T]`: what stands behind its `&` is read \
            first, and then lent; or give it away"
)]
pub trait Inside {}

#[diagnostic::do_not_recommend]
impl<T: Carried> Inside for T {}

/// An argument with others inside.
#[derive(Debug)]
pub struct Whole<T: ?Sized>(PhantomData<T>);

impl<T: Carried + ?Sized> Whole<T> {
    /// States nothing of what stands inside: the whole can be carried, whatever that is.
    pub fn part<P: ?Sized>() {}

    /// The same for a reference.
    pub fn reference<P: ?Sized>() {}
}

/// What is asked if a whole cannot be carried. An inherent function goes before a trait's, so these are reached only
/// where the types that have the others do not fit.
pub trait NotCarried {
    /// States that it is not for this part.
    fn part<P: Carried + ?Sized>() {}

    /// States that it is not for this reference.
    fn reference<P: Inside + ?Sized>() {}

    /// What is asked of a whole that has such a part.
    fn argument<W: ?Sized>() {}
}

impl<T: ?Sized> NotCarried for Whole<T> {}
impl<P: ?Sized, Rest> NotCarried for After<P, Rest> {}
impl<R, Parts> NotCarried for Returned<R, Parts> {}

/// Parts of a whole, which is asked after them: if one of them cannot be carried, either that was said, or it need not be
/// because the whole can.
#[derive(Debug)]
pub struct After<P: ?Sized, Rest = ()>(PhantomData<P>, PhantomData<Rest>);

/// Whether all parts can be carried.
pub trait AllCarried {}

impl AllCarried for () {}
impl<P: Carried + ?Sized, Rest: AllCarried> AllCarried for After<P, Rest> {}

impl<P: ?Sized, Rest> After<P, Rest>
where
    Self: AllCarried,
{
    /// States that an argument can be carried.
    pub fn argument<W: Carried + ?Sized>() {}
}

/// The return type of a method, asked after the parts of its two types.
#[derive(Debug)]
pub struct Returned<R, Parts = ()>(PhantomData<R>, PhantomData<Parts>);

impl<T: Carried, E: Carried> Returned<Result<T, E>> {
    /// States nothing, as [`Whole::part`].
    pub fn part<P: ?Sized>() {}

    /// The same for a reference.
    pub fn reference<P: ?Sized>() {}
}

impl<T, E, Parts: AllCarried> Returned<Result<T, E>, Parts> {
    /// States that both outcomes can be carried.
    pub fn carried()
    where
        T: Carried,
        E: Carried,
    {
    }
}

/// Whatever is no `Result`: [`Method::Output`](crate::service::Method::Output) has refused it already. Or one with a
/// part that cannot be carried. As in [`NotCarried`], the inherent function goes first.
pub trait NoResult {
    /// States nothing.
    fn carried() {}
}

impl<R, Parts> NoResult for Returned<R, Parts> {}
