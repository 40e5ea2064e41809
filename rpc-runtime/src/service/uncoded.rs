//! The codec of a method whose calls stay on their thread.

use std::marker::PhantomData;

use super::Method;
use crate::codec::{Codec, Decoder, Encoder, Unread, Unwritten};

/// Writes nothing, and reads nothing.
pub(super) struct Uncoded<M>(PhantomData<fn() -> M>);

impl<'f, M: Method> Codec<'f> for Uncoded<M> {
    type Args = M::Args<'f>;
    type Read = M::Read<'f>;
    type Output = M::Output;

    fn write_args(self, _: M::Args<'f>, _: &mut Encoder) -> Result<(), Unwritten> {
        Err(Unwritten::value(LOCAL))
    }

    fn read_args(self, _: &mut Decoder<'f>) -> Result<M::Read<'f>, Unread> {
        Err(Unread::value(LOCAL))
    }

    fn write_output(self, _: M::Output, _: &mut Encoder) -> Result<(), Unwritten> {
        Err(Unwritten::value(LOCAL))
    }

    fn read_output(self, _: &mut Decoder<'f>) -> Result<M::Output, Unread> {
        Err(Unread::value(LOCAL))
    }
}

/// Nobody reads it: the client of such a service has no way out of its thread.
const LOCAL: &str = "its service is local";

impl<M> Default for Uncoded<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M> Clone for Uncoded<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Uncoded<M> {}
