//! Where frames begin and end, and what kinds there are.

use super::{closed::Closed, wire::escaped};

/// What a frame is, the fourth byte of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hello = 0x01,
    Open = 0x02,
    Opened = 0x03,
    Call = 0x04,
    End = 0x05,
    Part = 0x06,
    Grant = 0x07,
    Credit = 0x08,
    Cancel = 0x09,
    Ping = 0x0a,
    Pong = 0x0b,
    GoAway = 0x0c,
    StreamData = 0x10,
    StreamCredit = 0x11,
    StreamEnd = 0x12,
    StreamAbort = 0x13,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Hello,
            0x02 => Self::Open,
            0x03 => Self::Opened,
            0x04 => Self::Call,
            0x05 => Self::End,
            0x06 => Self::Part,
            0x07 => Self::Grant,
            0x08 => Self::Credit,
            0x09 => Self::Cancel,
            0x0a => Self::Ping,
            0x0b => Self::Pong,
            0x0c => Self::GoAway,
            0x10 => Self::StreamData,
            0x11 => Self::StreamCredit,
            0x12 => Self::StreamEnd,
            0x13 => Self::StreamAbort,
            _ => return None,
        })
    }
}

/// Kinds that later versions will use; until then they are as unknown as any other.
pub(super) mod reserved {
    pub(in crate::proto) const RELEASE: u8 = 0x14;
    pub(in crate::proto) const RESOLVE: u8 = 0x15;
    pub(in crate::proto) const DISEMBARGO: u8 = 0x16;
    pub(in crate::proto) const PROVIDE: u8 = 0x17;
    pub(in crate::proto) const ACCEPT: u8 = 0x18;
    pub(in crate::proto) const GET_CONTRACT: u8 = 0x19;
}

/// Set in the kind of a frame that a side which does not know it ignores.
pub(super) const MAY_BE_SKIPPED: u8 = 0x80;

/// The header of a frame: `length:u24 kind:u8`, the length is that of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// None: unknown, and may be skipped.
    pub(super) kind: Option<Kind>,
    pub(super) length: usize,
}

impl Header {
    pub(super) fn read(header: [u8; HEADER_BYTES]) -> Result<Self, Closed> {
        let [a, b, c, byte] = header;
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if length > BODY_BYTES_MAX {
            return Err(Closed::protocol(format!(
                "the peer sent a frame of {length} bytes where {BODY_BYTES_MAX} are the most (it begins with \
                 `{}`)",
                escaped(&header)
            )));
        }
        let kind = Kind::of(byte);
        if kind.is_none() && byte & MAY_BE_SKIPPED == 0 {
            return Err(Closed::protocol(format!(
                "the peer sent a frame of kind {byte:#04x}, which this side does not know"
            )));
        }
        Ok(Self { kind, length })
    }
}

/// Leaves room for a header; [`finish`] fills it in.
pub(super) fn begin(to: &mut Vec<u8>, kind: Kind) -> usize {
    let start = to.len();
    to.extend_from_slice(&[0, 0, 0, kind as u8]);
    start
}

/// Writes the header of the frame that began at `start`, `beside` bytes of whose body do not lie in `to`.
pub(super) fn finish(to: &mut [u8], start: usize, beside: usize) {
    let length = to.len() - start - HEADER_BYTES + beside;
    debug_assert!(length <= BODY_BYTES_MAX, "a frame of {length} bytes was built");
    let [a, b, c, ..] = length.to_le_bytes();
    to[start..start + 3].copy_from_slice(&[a, b, c]);
}

/// A whole frame whose body `put` writes.
pub(super) fn put(to: &mut Vec<u8>, kind: Kind, put: impl FnOnce(&mut Vec<u8>)) {
    let start = begin(to, kind);
    put(to);
    finish(to, start, 0);
}

pub(super) const HEADER_BYTES: usize = 4;

/// One piece of a value and the head before it.
pub(super) const BODY_BYTES_MAX: usize = PIECE_BYTES_MAX + 1024;

/// A value is written in pieces of at most so many bytes.
pub(super) const PIECE_BYTES_MAX: usize = 64 << 10;

/// How much of a value of so many bytes goes with its head.
///
/// A value that does not fit waits for a grant, and nothing is under way meanwhile: so little of it goes before. An echo
/// of 1 MiB took 400 us with 1 KiB, 480 with 4 and 510 with 64.
pub(super) const fn first_piece_bytes(length: usize) -> usize {
    if length > PIECE_BYTES_MAX { FIRST_OF_LONG_BYTES } else { length }
}

const FIRST_OF_LONG_BYTES: usize = 1 << 10;
