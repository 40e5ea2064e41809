//! What a session tells its driver, and what the driver asks of it.

use std::{fmt, sync::Arc, time::Instant};

use super::{
    call::{CallId, CallKey, Entries, Left, Metadata, PeerSlot, Slot},
    closed::Closed,
    end::{Refusal, Status},
    extension::TRACE_BYTES,
    payload::{Payload, Received},
    props::Props,
    streams::{Arrived, Length, StreamId},
};

/// Something that the peer or the time did.
#[derive(Debug)]
pub(crate) enum Event {
    /// The peer wants to call a service. To be answered with [`Core::opened`](super::Core::opened); calls may come
    /// before the answer.
    Open { slot: PeerSlot, service: String, entrypoint: String, digest: [u8; 16], props: Option<Props> },
    /// The peer's answer to [`Core::open`](super::Core::open).
    Opened { slot: Slot, opened: Opened },
    /// The peer calls. To be ended with [`Core::end`](super::Core::end), once.
    Call(Incoming),
    /// The caller wants no reply any more: drop the handler, then end the call, which is in flight until then.
    Cancelled { id: CallId },
    /// The deadline of a call has passed: drop the handler, then end the call.
    DeadlinePassed { id: CallId },
    /// A call of this side ended. Its key means nothing from here on.
    Ended { key: CallKey, ended: Ended },
    /// There is more of a stream, or room for more, or it has ended: whoever waits for it looks again.
    Stream { id: StreamId },
    /// The peer takes no more calls; those that it took go on.
    GoAway { why: String },
    /// The session ended: no event follows, and calls of the peer need not be ended. What is left to write, see
    /// [`Core::is_over`](super::Core::is_over), should be written.
    Closed(Closed),
}

/// How a call of this side ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The callee's answer. Its length is to be handed to [`Core::taken`](super::Core::taken) once the application
    /// has the value.
    Reply { status: Status, used: (u32, u32), payload: Received, arrived: Option<Box<Arrived>> },
    /// No handler ran, and none will.
    NotSent(Arc<str>),
    /// The session ended before the reply was there: nobody knows whether the handler ran.
    Lost(Arc<str>),
    /// Its own deadline passed.
    Deadline,
    /// The protocol refused it at the other end.
    Refused(Refusal),
}

/// What the callee knows of a service that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It serves the same contract.
    Same,
    /// It serves another contract, with these methods and their fingerprints; at most 2,700 fit into the answer.
    Different { methods: Vec<(u64, [u8; 16])> },
    /// It does not serve this service to this peer. Calls are refused with [`Refusal::Absent`].
    Absent,
}

/// A call of the peer, all of whose arguments are there.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: CallId,
    pub(crate) slot: PeerSlot,
    pub(crate) method: u64,
    pub(crate) fingerprint: Option<[u8; 16]>,
    /// As the caller says: to be clamped.
    pub(crate) left: Left,
    /// Counted from the arrival of the head. [`Event::DeadlinePassed`] follows.
    pub(crate) deadline: Option<Instant>,
    /// Key, value, and whether it goes further than one hop; at most 64 entries and 8 KiB.
    pub(crate) metadata: Entries,
    pub(crate) trace: Option<[u8; TRACE_BYTES]>,
    pub(crate) payload: Received,
    /// The stream that goes with it. Whoever does not read it stops it.
    pub(crate) arrived: Option<Box<Arrived>>,
}

/// A service to open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open<'a> {
    /// At most 255 bytes, as is the entrypoint.
    pub(crate) service: &'a str,
    pub(crate) entrypoint: &'a str,
    pub(crate) digest: [u8; 16],
    /// What the callee learns of all calls of the slot.
    pub(crate) props: Option<&'a Props>,
}

/// A call to make.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) slot: Slot,
    pub(crate) method: u64,
    /// Needed where the callee's contract is another one.
    pub(crate) fingerprint: Option<[u8; 16]>,
    pub(crate) left: Left,
    pub(crate) deadline: Option<Instant>,
    pub(crate) metadata: &'a [Metadata<'a>],
    pub(crate) trace: Option<[u8; TRACE_BYTES]>,
    pub(crate) payload: Payload,
    /// A stream goes with it, of this length.
    pub(crate) stream: Option<Length>,
}

/// Why a call or a service is not even begun. No handler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many calls as are allowed wait for credit.
    Overloaded { waiting_max: u32 },
    /// The arguments are longer than the peer takes.
    TooLong { length: usize, max: usize },
    /// More than 64 entries or 8 KiB of metadata.
    Metadata,
    /// The peer, or this side, takes no more calls.
    GoingAway,
    /// The session has ended.
    Closed,
    /// The slot was not opened on this session.
    Slot,
    /// The peer lets no more services be opened.
    Slots { max: u32 },
    /// The name of a service or entrypoint is longer than 255 bytes.
    Name,
    /// The props, or the name of their binding, are longer than they may be.
    Props,
    /// The peer takes no more streams at a time.
    Streams { max: u32 },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded { waiting_max } => write!(f, "{waiting_max} calls wait for the peer already"),
            Self::TooLong { length, max } => {
                write!(f, "the arguments are {length} bytes long where the peer takes {max}")
            }
            Self::Metadata => f.write_str("the metadata has more than 64 entries or 8 KiB"),
            Self::GoingAway => f.write_str("the session takes no more calls"),
            Self::Closed => f.write_str("the session has ended"),
            Self::Slot => f.write_str("the service was not opened on this session"),
            Self::Slots { max } => write!(f, "the peer lets {max} services be opened on a session"),
            Self::Streams { max } => write!(f, "the peer takes {max} streams at a time on a session"),
            Self::Name => f.write_str("the name of a service or entrypoint has more than 255 bytes"),
            Self::Props => f.write_str("the props of the binding have more than 8 KiB"),
        }
    }
}

impl std::error::Error for Refused {}

/// What is under way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// Own calls that wait for credit.
    pub(crate) waiting: usize,
    /// Own calls that were written and have not ended, cancelled ones included.
    pub(crate) ours: usize,
    /// Calls of the peer that have not ended.
    pub(crate) theirs: usize,
    /// Bytes of large values that were granted to the peer and not given back.
    pub(crate) granted: u64,
    /// Bytes of the first pieces of calls of the peer that have not ended.
    pub(crate) first_bytes: u64,
    /// Bytes of replies that the application has not taken.
    pub(crate) untaken: u64,
    /// Streams that have not ended, in either direction.
    pub(crate) streams: usize,
}

impl InFlight {
    /// Whether no call of this side is under way.
    pub(crate) const fn is_none_of_ours(&self) -> bool {
        self.waiting + self.ours == 0
    }

    /// Whether nobody on this side has anything under way, if it serves nothing.
    pub(crate) const fn is_unused(&self) -> bool {
        self.is_none_of_ours() && self.streams == 0
    }
}
