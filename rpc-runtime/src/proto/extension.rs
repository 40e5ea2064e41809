//! What a later version may add to a head.
//!
//! Shape: `length:number (key:number length:number bytes)*`, keys strictly ascending. An unknown odd key is ignored,
//! an unknown even one refuses the call whose head it stands in.

use super::{
    closed::Closed,
    wire::{Reader, put_number, put_run},
};

/// The extensions of a head, those that this side knows by name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extensions<'a> {
    pub(super) trace: Option<[u8; TRACE_BYTES]>,
    /// What a side takes of streams, in its `Hello`.
    pub(super) streams: Option<&'a [u8]>,
    /// The first unknown key that must not be ignored.
    pub(super) unknown: Option<u64>,
}

impl<'a> Extensions<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Closed> {
        let mut extensions = Self::default();
        let frame = *reader;
        each(reader, |key, value| {
            match key {
                TRACE => {
                    let trace = value.try_into();
                    extensions.trace =
                        Some(trace.map_err(|_| frame.wrong("a trace state is not 26 bytes long"))?);
                }
                STREAMS => extensions.streams = Some(value),
                _ if key % 2 == 0 => extensions.unknown = extensions.unknown.or(Some(key)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(extensions)
    }
}

/// Hands key and value of each extension of a list to `each`, in their order.
pub(super) fn each<'a>(
    reader: &mut Reader<'a>,
    mut each: impl FnMut(u64, &'a [u8]) -> Result<(), Closed>,
) -> Result<(), Closed> {
    let mut list = Reader::new("extended", reader.run(usize::MAX)?);
    let mut last = None;
    while !list.is_empty() {
        let key = list.number()?;
        if last.is_some_and(|last| key <= last) {
            return Err(reader.wrong("keys of extensions do not ascend"));
        }
        last = Some(key);
        each(key, list.run(usize::MAX)?)?;
    }
    Ok(())
}

/// A list that holds `trace` alone.
pub(super) fn put_trace(to: &mut Vec<u8>, trace: &[u8; TRACE_BYTES]) {
    put_number(to, 2 + TRACE_BYTES as u64);
    put_number(to, TRACE);
    put_run(to, trace);
}

/// W3C trace context: version, trace id, span id, flags.
pub(crate) const TRACE_BYTES: usize = 26;

const TRACE: u64 = 1;

pub(super) const STREAMS: u64 = 3;
