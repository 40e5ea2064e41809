//! Streams of bytes that go with a call: the body of a request, that of its answer, and the two halves of the
//! connection that a call has become.
//!
//! A stream is announced in the head of its call, or in its end, and goes on after that end. It is ended by its sender,
//! once, also after its receiver has said that it wants no more: so both know which streams there are, whatever crosses
//! on the way, as with calls.

mod inward;
mod outward;

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use bytes::Bytes;

use super::{alarm::Side, closed::Closed, payload::Pieces, wire::Reader};

/// One stream of a session, in either direction. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId(u64);

/// How many bytes a stream will have, if its maker knows. The protocol passes it on and does not count.
pub(crate) type Length = Option<u64>;

/// What comes with the answer to a call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    #[default]
    Nothing,
    /// A stream of the callee.
    Stream(Length),
    /// The call becomes a connection: a stream of each.
    Connection,
}

/// A stream that has come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) id: StreamId,
    pub(crate) length: Length,
    /// The way back, if the call has become a connection.
    pub(crate) back: Option<StreamId>,
}

/// The streams of a call that one end has begun itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) id: StreamId,
    /// What the other end says on a connection.
    pub(crate) back: Option<StreamId>,
}

/// What there is of a stream for its reader.
#[derive(Debug)]
pub(crate) enum Inflow {
    /// Nothing yet: an [`Event::Stream`](super::Event::Stream) follows.
    Nothing,
    Data(Bytes),
    /// It ended in order, and this was said with its end.
    End(Bytes),
    /// Its sender has given it up, and said this.
    Aborted(Bytes),
    /// The session ended before it.
    Lost,
}

/// What a stream takes of its maker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// So many bytes, and at least one; a longer piece is taken all the same.
    Bytes(usize),
    /// None now: an [`Event::Stream`](super::Event::Stream) follows.
    None,
    /// None any more: nobody reads it.
    Gone,
}

#[cfg(any(test, feature = "fuzzing"))]
impl StreamId {
    /// One that no session has.
    pub(super) const NONE: Self = Self(0);
}

/// Which of the streams of a call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Of the caller, with its arguments.
    Caller = 0,
    /// Of the callee, with its answer.
    Callee = 1,
    /// Of the caller, on a connection.
    Back = 2,
}

/// What both ends call a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// Whose call it is.
    pub(super) side: Side,
    pub(super) call: u64,
    pub(super) lane: Lane,
}

/// The streams that this end sends and receives.
#[derive(Debug, Default)]
pub(super) struct Streams {
    serial: u64,
    outs: HashMap<StreamId, Out>,
    ins: HashMap<StreamId, In>,
    names: HashMap<Name, StreamId>,
    /// Those that have something to write which is short, and the others. Some of them may be gone.
    small: VecDeque<StreamId>,
    large: VecDeque<StreamId>,
    /// How many in the two lines are not gone.
    listed: usize,
    /// Streams that come in and were not ended by their sender.
    coming: usize,
    /// Of these, and of those that go out, what counts against the limits of who receives them.
    ins_counted: usize,
    outs_counted: usize,
}

/// A stream that this end sends.
#[derive(Debug)]
struct Out {
    lane: Lane,
    /// None until it was announced.
    name: Option<Name>,
    queue: Pieces,
    credit: u64,
    ending: Option<Ending>,
    is_listed: bool,
    /// Whether its maker waits for room.
    is_awaited: bool,
}

/// A stream that this end receives.
#[derive(Debug)]
struct In {
    /// None until it was announced, and after its end.
    name: Option<Name>,
    buffer: Vec<u8>,
    /// What its sender may still send.
    outstanding: u64,
    /// What it may send and the reader has not taken, at most.
    window: u64,
    /// Taken, and not given back as credit.
    owed: u64,
    /// What the window takes of the memory for long ones.
    charged: u64,
    ending: Option<Ending>,
    /// Nobody reads it; kept until its sender has ended it.
    is_stopped: bool,
    /// Whether its reader waits.
    is_awaited: bool,
}

/// How a stream ends.
#[derive(Debug)]
enum Ending {
    End(Bytes),
    Abort(Bytes),
    Lost,
}

impl Streams {
    /// Streams that one of the two ends has still to end.
    pub(super) fn live(&self) -> usize {
        self.outs.len() + self.coming
    }

    /// Those that this end sends.
    pub(super) fn sending(&self) -> usize {
        self.outs.len()
    }

    /// Whether some stream has something that can be written.
    pub(super) const fn are_ready(&self) -> bool {
        self.listed > 0
    }

    /// Whether some stream may still send without being given credit.
    pub(super) fn can_send(&self) -> bool {
        self.outs.values().any(|out| out.credit > 0)
    }

    fn add_out(&mut self, lane: Lane, credit: u64) -> StreamId {
        let id = self.next_id();
        let out = Out {
            lane,
            name: None,
            queue: Pieces::default(),
            credit,
            ending: None,
            is_listed: false,
            is_awaited: false,
        };
        self.outs.insert(id, out);
        self.outs_counted += usize::from(lane.counts());
        id
    }

    fn add_in(&mut self, lane: Lane, credit: u64) -> StreamId {
        let id = self.next_id();
        let stream = In {
            name: None,
            buffer: Vec::new(),
            outstanding: credit,
            window: credit,
            owed: 0,
            charged: 0,
            ending: None,
            is_stopped: false,
            is_awaited: false,
        };
        self.ins.insert(id, stream);
        self.coming += 1;
        self.ins_counted += usize::from(lane.counts());
        id
    }

    const fn next_id(&mut self) -> StreamId {
        self.serial += 1;
        StreamId(self.serial)
    }

    /// The stream that this end sends under a name, unless it has ended.
    fn out_of(&self, name: Name) -> Option<StreamId> {
        self.names.get(&name).copied()
    }

    /// The session is over: what came in can still be read, and nothing more is sent.
    pub(super) fn clear(&mut self) {
        self.lose_coming();
        self.outs = HashMap::new();
        self.names = HashMap::new();
        (self.small, self.large) = (VecDeque::new(), VecDeque::new());
        (self.listed, self.outs_counted) = (0, 0);
    }

    /// The peer writes nothing more.
    fn lose_coming(&mut self) -> Vec<StreamId> {
        let mut awaited = Vec::new();
        let names = &mut self.names;
        self.ins.retain(|id, stream| {
            if stream.ending.is_none() {
                stream.ending = Some(Ending::Lost);
                if let Some(name) = stream.name.take() {
                    names.remove(&name);
                }
            }
            // Their memory is counted no more.
            stream.charged = 0;
            if stream.is_awaited {
                awaited.push(*id);
            }
            !stream.is_stopped
        });
        (self.coming, self.ins_counted) = (0, 0);
        awaited
    }

    pub(super) fn trim(&mut self) {
        if self.live() == 0 {
            self.outs.shrink_to_fit();
            self.ins.shrink_to_fit();
            self.names.shrink_to_fit();
            self.small.shrink_to_fit();
            self.large.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let buffered: usize = self.ins.values().map(|stream| stream.buffer.capacity()).sum();
        buffered
            + self.outs.capacity() * size_of::<(StreamId, Out)>()
            + self.ins.capacity() * size_of::<(StreamId, In)>()
            + self.names.capacity() * size_of::<(Name, StreamId)>()
            + (self.small.capacity() + self.large.capacity()) * size_of::<StreamId>()
    }
}

impl Lane {
    /// Whether streams of this kind count against the limit of who receives them. The way back on a connection does
    /// not: it was the receiver that made the call one.
    const fn counts(self) -> bool {
        !matches!(self, Self::Back)
    }

    /// Whose call it is when this end sends on it.
    const fn side_out(self) -> Side {
        match self {
            Self::Caller | Self::Back => Side::Ours,
            Self::Callee => Side::Theirs,
        }
    }

    /// Whose call it is when this end receives on it.
    const fn side_in(self) -> Side {
        match self {
            Self::Caller | Self::Back => Side::Theirs,
            Self::Callee => Side::Ours,
        }
    }
}

impl Name {
    const fn tag(self) -> u64 {
        self.call << 2 | self.lane as u64
    }

    fn of(tag: u64, side: impl FnOnce(Lane) -> Side) -> Result<Self, Closed> {
        let lane = match tag & 3 {
            0 => Lane::Caller,
            1 => Lane::Callee,
            2 => Lane::Back,
            _ => return Err(Closed::protocol("the peer named a stream of a kind that there is not")),
        };
        Ok(Self { side: side(lane), call: tag >> 2, lane })
    }

    /// Of a stream that the peer sends.
    fn of_coming(tag: u64) -> Result<Self, Closed> {
        Self::of(tag, Lane::side_in)
    }

    /// Of a stream that this end sends.
    fn of_going(tag: u64) -> Result<Self, Closed> {
        Self::of(tag, Lane::side_out)
    }
}

/// Reads what stands at the end of a stream, or the reason for which it was given up.
fn read_tail<'a>(reader: &Reader<'a>) -> Result<&'a [u8], Closed> {
    let tail = reader.rest();
    if tail.len() > TAIL_BYTES_MAX {
        return Err(reader.wrong("what it says of the end of a stream is longer than 16 KiB"));
    }
    Ok(tail)
}

/// What may be said with the end of a stream, in bytes.
pub(crate) const TAIL_BYTES_MAX: usize = 16 << 10;

/// What the window of a stream may grow to, in bytes: as much as a batch.
pub(super) const WINDOW_BYTES_MAX: u64 = 256 << 10;

/// A stream with less to write than this goes with the small frames.
const SMALL_BYTES_MAX: usize = 4 << 10;
