//! How values become bytes at a boundary, and bytes values again.
//!
//! The bytes are postcard's, which writes and reads every number and string here; what it leaves open on bytes
//! from a peer is settled around it: how deep values nest, how much memory they take, how long a value may be,
//! and what an error says. A [`Codec`] is the plan of one method. An expansion states it by type, so that byte
//! runs need no mark in a signature:
//!
//! ```text
//! __rpc::codec(
//!     (__rpc::Of::<&'__a str>::NEW.__kind(), __rpc::Lent::<User>::NEW.__kind()),
//!     __rpc::Answer::<Result<Vec<u8>, E>>::NEW.__kind(),
//! )
//! ```
//!
//! The plan is made of markers without size: nothing is compiled for a method until something asks its codec to
//! write or to read.

mod decode;
mod encode;
mod fault;
mod frame;
mod kind;

use std::{fmt, marker::PhantomData};

use self::frame::in_frame;
pub(crate) use self::frame::slice;
pub use self::{
    decode::{Decoder, Value},
    encode::{Encoded, Encoder},
    fault::{Unread, Unwritten},
    kind::{
        Answer, Kind, Kinds, Lend, Lent, LentPlain, LentRun, LentUnknown, Outcome, Plain, PlainKind,
        RunAnswer, RunOf, Unknown, UnknownKind,
    },
};

/// How the arguments and the result of one method are written and read.
///
/// `'f` is how long a call lives on the caller's side, and how long the frame does on the callee's.
pub trait Codec<'f>: Copy + Send + Sync {
    /// The arguments as they are given.
    type Args;

    /// The arguments as they are read: what is lent, is owned; what borrows, borrows from the frame.
    type Read;

    /// The result.
    type Output;

    /// Writes the arguments.
    ///
    /// # Errors
    ///
    /// When a value is too long, or its `Serialize` gives up.
    fn write_args(self, args: Self::Args, to: &mut Encoder) -> Result<(), Unwritten>;

    /// Reads the arguments, which are everything that is left in the decoder.
    ///
    /// # Errors
    ///
    /// When the bytes are not those of the arguments, nest too deep or take too much memory.
    fn read_args(self, from: &mut Decoder<'f>) -> Result<Self::Read, Unread>;

    /// Writes the result.
    ///
    /// # Errors
    ///
    /// As [`Codec::write_args`].
    fn write_output(self, output: Self::Output, to: &mut Encoder) -> Result<(), Unwritten>;

    /// Reads the result, which is everything that is left in the decoder.
    ///
    /// # Errors
    ///
    /// As [`Codec::read_args`].
    fn read_output(self, from: &mut Decoder<'f>) -> Result<Self::Output, Unread>;
}

/// The codec of a method, from the kinds of its arguments and that of its result.
#[must_use]
pub const fn codec<'f, A, O>(_args: A, _output: O) -> Coded<A, O>
where
    A: Kinds<'f>,
    O: Outcome<'f>,
{
    Coded(PhantomData)
}

/// A [`Codec`] made of kinds.
pub struct Coded<A, O>(PhantomData<fn() -> (A, O)>);

impl<'f, A, O> Codec<'f> for Coded<A, O>
where
    A: Kinds<'f>,
    O: Outcome<'f>,
{
    type Args = A::Given;
    type Read = A::Read;
    type Output = O::Output;

    fn write_args(self, args: A::Given, to: &mut Encoder) -> Result<(), Unwritten> {
        A::write(args, to)
    }

    fn read_args(self, from: &mut Decoder<'f>) -> Result<A::Read, Unread> {
        let read = in_frame(from.frame(), || A::read(from));
        from.settle(read)
    }

    fn write_output(self, output: O::Output, to: &mut Encoder) -> Result<(), Unwritten> {
        to.expect_output();
        O::write(output, to)
    }

    fn read_output(self, from: &mut Decoder<'f>) -> Result<O::Output, Unread> {
        let read = in_frame(from.frame(), || O::read(from));
        from.settle(read)
    }
}

impl<A, O> Clone for Coded<A, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, O> Copy for Coded<A, O> {}

impl<A, O> fmt::Debug for Coded<A, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coded")
    }
}

#[cfg(test)]
mod tests;
