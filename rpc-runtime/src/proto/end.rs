//! The end of a call.

use super::{
    call::{POSTCARD, flag},
    closed::Closed,
    extension::Extensions,
    payload::Payload,
    streams::{Beside, Length},
    wire::{Fields, Reader},
};

/// How a call ended; stands on the frame, outside the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The handler returned a value.
    Ok = 0,
    /// The handler returned an error of its service.
    ServiceError = 1,
    /// No handler ran.
    Refused = 2,
    /// The handler began and did not get to its end.
    Failed = 3,
    /// The handler was dropped since the caller asked for it.
    Cancelled = 4,
    /// The handler was dropped since its time was over.
    Deadline = 5,
}

/// What ends a call of the peer, see [`Core::end`](super::Core::end).
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: Status,
    /// Invocations and subrequests that the call used up.
    pub(crate) used: (u32, u32),
    pub(crate) payload: Payload,
    /// What goes on after it.
    pub(crate) beside: Beside,
}

/// Why a call was refused by the protocol itself. No handler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The callee does not serve handles, nor results of other calls.
    Target = 0x40,
    /// The callee does not know the encoding of the payload.
    Encoding = 0x41,
    /// The callee takes no handles beside the payload.
    Capabilities = 0x42,
    /// The callee does not know an extension that it must not ignore.
    Extension = 0x43,
    /// More than 64 entries or 8 KiB of metadata.
    Metadata = 0x44,
    /// The value is longer than the receiver takes: arguments, or the reply of a handler that did run when
    /// [`is_of_reply`](Self::is_of_reply).
    ValueTooLong = 0x45,
    /// The service was opened and is absent.
    Absent = 0x46,
    /// The deadline had passed when the arguments were there.
    Deadline = 0x47,
    /// The rest of the arguments made no progress after it was granted.
    Stalled = 0x48,
    /// The handler ran, and its reply is longer than the caller takes.
    ReplyTooLong = 0x49,
    /// A reason that this version does not know.
    Other = 0x7f,
}

impl Refusal {
    /// Whether a handler ran all the same.
    pub(crate) const fn is_of_reply(self) -> bool {
        matches!(self, Self::ReplyTooLong)
    }

    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x40 => Self::Target,
            0x41 => Self::Encoding,
            0x42 => Self::Capabilities,
            0x43 => Self::Extension,
            0x44 => Self::Metadata,
            0x45 => Self::ValueTooLong,
            0x46 => Self::Absent,
            0x47 => Self::Deadline,
            0x48 => Self::Stalled,
            0x49 => Self::ReplyTooLong,
            0x4a..=0x7f => Self::Other,
            _ => return None,
        })
    }
}

/// A status or a refusal, one byte on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Status(Status),
    Refusal(Refusal),
}

impl Verdict {
    const fn of(byte: u8) -> Option<Self> {
        Some(Self::Status(match byte {
            0 => Status::Ok,
            1 => Status::ServiceError,
            2 => Status::Refused,
            3 => Status::Failed,
            4 => Status::Cancelled,
            5 => Status::Deadline,
            _ => {
                return match Refusal::of(byte) {
                    Some(refusal) => Some(Self::Refusal(refusal)),
                    None => None,
                };
            }
        }))
    }

    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Status(status) => status as u8,
            Self::Refusal(refusal) => refusal as u8,
        }
    }
}

/// Shape: see the table in [`proto`](super).
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) number: u64,
    pub(super) verdict: Verdict,
    pub(super) used: (u32, u32),
    pub(super) total: u64,
    pub(super) piece: &'a [u8],
    pub(super) beside: Beside,
}

impl<'a> Head<'a> {
    #[inline]
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Closed> {
        let mut reader = Reader::new("End", body);
        let number = reader.number()?;
        let verdict = Verdict::of(reader.byte()?);
        let verdict = verdict.ok_or_else(|| reader.wrong("its status is not known"))?;
        let encoding = reader.byte()?;
        let flags = reader.byte()?;
        // Unlike a call, a reply cannot be refused: its sender knows what this side said it can read.
        if encoding != POSTCARD {
            return Err(reader.wrong("its encoding is not known"));
        }
        if flags & !(flag::EXTENSIONS | flag::STREAM | flag::CONNECTION) != 0 {
            return Err(reader.wrong("it has a flag that is not known, or handles beside the payload"));
        }
        let used = (reader.short_number()?, reader.short_number()?);
        if flags & flag::EXTENSIONS != 0 && Extensions::read(&mut reader)?.unknown.is_some() {
            return Err(reader.wrong("it has an extension that this side does not know and must not ignore"));
        }
        let beside = match flags & (flag::STREAM | flag::CONNECTION) {
            0 => Beside::Nothing,
            _ if verdict != Verdict::Status(Status::Ok) => {
                return Err(reader.wrong("a stream goes with it although the call has failed"));
            }
            flag::STREAM => Beside::Stream(read_length(&mut reader)?),
            flag::CONNECTION => Beside::Connection,
            _ => return Err(reader.wrong("it begins both a stream and a connection")),
        };
        let total = reader.number()?;
        let piece = reader.rest();
        if piece.len() as u64 > total {
            return Err(reader.wrong("its first piece is longer than the value"));
        }
        Ok(Self { number, verdict, used, total, piece, beside })
    }
}

/// Everything up to the first piece.
pub(super) fn put_head(
    to: &mut Vec<u8>,
    number: u64,
    verdict: Verdict,
    used: (u32, u32),
    beside: Beside,
    total: u64,
) {
    let mut fields = Fields::new();
    fields.number(number);
    fields.byte(verdict.byte());
    fields.byte(POSTCARD);
    fields.byte(match beside {
        Beside::Nothing => 0,
        Beside::Stream(_) => flag::STREAM,
        Beside::Connection => flag::CONNECTION,
    });
    fields.number(u64::from(used.0));
    fields.number(u64::from(used.1));
    if let Beside::Stream(length) = beside {
        fields.number(length_on_wire(length));
    }
    fields.number(total);
    fields.put(to);
}

/// The length of a stream, greater by one, and 0 if nobody knows it.
pub(super) fn read_length(reader: &mut Reader<'_>) -> Result<Length, Closed> {
    Ok(reader.number()?.checked_sub(1))
}

/// The same as it is written. A length that has no place counts as unknown.
pub(super) fn length_on_wire(length: Length) -> u64 {
    length.and_then(|length| length.checked_add(1)).unwrap_or(0)
}
