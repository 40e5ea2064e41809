//! An end whose peer writes bytes by hand.

use std::time::{Duration, Instant};

use super::pair::{Side, auth};
use crate::proto::{
    CallKey, ClosedKind, Config, Event, PeerSlot, Slot,
    config::Limits,
    hello::Hello,
    wire::{put_number, put_run},
};

/// One end; its peer has said `Hello` and opened one service, and it has opened one.
pub(super) struct Raw {
    pub(super) side: Side,
    pub(super) now: Instant,
    pub(super) slot: Slot,
}

impl Raw {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let mut raw = Self::silent(config);
        raw.write(&hello());
        raw.write(&frame(0x02, &open(0, "Auth", "")));
        assert!(matches!(raw.side.events.pop(), Some(Event::Open { slot: PeerSlot(0), .. })));
        raw.slot = raw.side.core.open(auth()).unwrap();
        raw.read();
        raw
    }

    /// Its peer has not said anything.
    pub(super) fn silent(config: Config) -> Self {
        let now = Instant::now();
        Self { side: Side::new(config, now), now, slot: Slot(0) }
    }

    /// The peer writes.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.side.read(bytes, self.now);
    }

    pub(super) fn write_frame(&mut self, kind: u8, body: &[u8]) {
        self.write(&frame(kind, body));
    }

    /// Frames that this end writes, in order.
    pub(super) fn read(&mut self) -> Vec<(u8, Vec<u8>)> {
        frames(&self.side.write_all(self.now))
    }

    /// The peer makes its next call.
    pub(super) fn write_call(&mut self, number: u64, value: &[u8]) {
        self.write_frame(0x04, &call_head(number, value.len() as u64, value));
    }

    /// This end makes a call, and the peer reads it.
    pub(super) fn make_call(&mut self, value: Vec<u8>) -> CallKey {
        let key = self.side.call(self.slot, value, self.now);
        assert!(self.read().iter().any(|(kind, _)| *kind == 0x04), "the call was written");
        key
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.side.core.tick(self.now);
        self.side.drain_events();
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        (!self.side.events.is_empty()).then(|| self.side.events.remove(0))
    }

    #[track_caller]
    pub(super) fn assert_open(&self) {
        assert_eq!(self.side.closed(), None);
    }

    /// The session ended for this reason, whose sentence holds `why`, and the peer was told.
    #[track_caller]
    pub(super) fn assert_closed(&mut self, kind: ClosedKind, why: &str) {
        let closed = self.side.closed().expect("the session ended").clone();
        assert_eq!(closed.kind(), kind, "{closed}");
        assert!(closed.to_string().contains(why), "{closed}");
        assert!(!closed.to_string().chars().any(char::is_control), "{closed:?}");
        let frames = self.read();
        let (last, body) = frames.last().expect("a `GoAway` is written");
        assert_eq!(*last, 0x0c);
        assert_eq!(body[1], kind as u8);
        assert_eq!(self.side.core.is_over(), Some(&closed));
    }
}

pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32;
    let mut frame = length.to_le_bytes()[..3].to_vec();
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, rest @ ..] = bytes {
        let (body, rest) = rest.split_at(u32::from_le_bytes([*a, *b, *c, 0]) as usize);
        frames.push((*kind, body.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "frames are written whole");
    frames
}

pub(super) fn hello() -> Vec<u8> {
    let mut body = Vec::new();
    Hello::new(Config::default().limits()).put(&mut body);
    frame(0x01, &body)
}

pub(super) fn hello_with(limits: Limits) -> Vec<u8> {
    let mut body = Vec::new();
    Hello::new(limits).put(&mut body);
    frame(0x01, &body)
}

pub(super) fn open(slot: u64, service: &str, entrypoint: &str) -> Vec<u8> {
    let mut body = number(slot);
    body.extend_from_slice(&[7; 16]);
    put_run(&mut body, service.as_bytes());
    put_run(&mut body, entrypoint.as_bytes());
    body
}

/// To slot 0, without anything beside it.
pub(super) fn call_head(call: u64, total: u64, piece: &[u8]) -> Vec<u8> {
    let mut body = number(call);
    body.extend_from_slice(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 1, 1]);
    put_number(&mut body, total);
    body.extend_from_slice(piece);
    body
}

/// With these flags, and what they stand for.
pub(super) fn call_with(call: u64, flags: u8, fields: &[u8], value: &[u8]) -> Vec<u8> {
    let mut body = number(call);
    body.extend_from_slice(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, flags, 1, 1, 1]);
    body.extend_from_slice(fields);
    put_run(&mut body, value);
    body
}

pub(super) fn end_head(call: u64, status: u8, total: u64, piece: &[u8]) -> Vec<u8> {
    let mut body = number(call);
    body.extend_from_slice(&[status, 0, 0, 0, 0]);
    put_number(&mut body, total);
    body.extend_from_slice(piece);
    body
}

pub(super) fn part(call: u64, aborted: bool, reply: bool, piece: &[u8]) -> Vec<u8> {
    let mut body = number(call << 2 | u64::from(aborted) << 1 | u64::from(reply));
    body.extend_from_slice(piece);
    body
}

pub(super) fn grant(call: u64, reply: bool) -> Vec<u8> {
    number(call << 1 | u64::from(reply))
}

pub(super) fn number(number: u64) -> Vec<u8> {
    let mut to = Vec::new();
    put_number(&mut to, number);
    to
}

/// A piece of a stream, of the call and lane.
pub(super) fn data(call: u64, lane: u64, piece: &[u8]) -> Vec<u8> {
    let mut body = number(call << 2 | lane);
    body.extend_from_slice(piece);
    frame(0x10, &body)
}

pub(super) fn stream_credit(call: u64, lane: u64, bytes: u64) -> Vec<u8> {
    let mut body = number(call << 2 | lane);
    put_number(&mut body, bytes);
    frame(0x11, &body)
}

pub(super) fn stream_end(call: u64, lane: u64) -> Vec<u8> {
    frame(0x12, &number(call << 2 | lane))
}

pub(super) fn stream_abort(call: u64, lane: u64, by_receiver: bool) -> Vec<u8> {
    let mut body = number(call << 2 | lane);
    body.push(u8::from(by_receiver));
    frame(0x13, &body)
}

/// A call to slot 0 with a stream of this length, 0 if it is not known and else greater by one.
pub(super) fn call_with_stream(call: u64, length: u64) -> Vec<u8> {
    frame(0x04, &call_with(call, 32, &number(length), b""))
}

/// The end of a call, without a value; 32 announces a stream and 64 a connection.
pub(super) fn end_with(call: u64, status: u8, flags: u8) -> Vec<u8> {
    let mut body = number(call);
    body.extend_from_slice(&[status, 0, flags, 0, 0]);
    if flags & 32 != 0 {
        body.push(0);
    }
    body.push(0);
    frame(0x05, &body)
}
