//! A session whose peer, and whose application, do what some bytes say.

use std::{
    collections::{BTreeSet, VecDeque},
    io::IoSlice,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::is_a_line;
use crate::proto::{
    Beside, Call, CallId, CallKey, Closing, Config, Core, End, Ended, Event, HostBudget, InFlight, Inflow,
    Left, Open, Opened, Room, Slot, Status, StreamId, frame::MAY_BE_SKIPPED, hello::Hello, wire::put_number,
};

/// Bytes of a peer, and an application that goes on whatever happens: each call ends once, and nothing is left when
/// the session is over. Gives whether a call got through in either direction, and how many bytes the peer has sent.
///
/// # Panics
///
/// If not.
pub(crate) fn session(bytes: &[u8]) -> (bool, usize) {
    let mut script = Script(bytes);
    let mut session = Session::new(script.byte().unwrap_or_default());
    while let Some(op) = script.byte() {
        session.step(op, &mut script);
    }
    session.end()
}

/// What happens, byte by byte.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> usize {
        self.byte().unwrap_or_default().into()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Session {
    core: Core,
    host: HostBudget,
    now: Instant,
    slot: Option<Slot>,
    /// Calls of this side without an outcome, and how many were made.
    open: BTreeSet<(u64, usize)>,
    keys: VecDeque<CallKey>,
    /// Calls of the peer that have not been ended.
    handlers: VecDeque<CallId>,
    /// The number of the peer's next call, if it counts right.
    theirs: u64,
    /// Streams of either direction, ended ones too.
    outs: Vec<StreamId>,
    ins: Vec<StreamId>,
    closed: bool,
    got_through: bool,
    fed: usize,
}

/// What all values are made of: shared, so that it is not memory that the session takes.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

impl Session {
    /// Where `how` is even the peer begins in order, with a `Hello` and a service.
    fn new(how: u8) -> Self {
        let host = HostBudget::new(1 << 20);
        let config = Config { granted_bytes_max: 512 << 10, host: host.clone(), ..Config::default() };
        let now = Instant::now();
        let mut session = Self {
            core: Core::new(config.clone(), now),
            host,
            now,
            slot: None,
            open: BTreeSet::new(),
            keys: VecDeque::new(),
            handlers: VecDeque::new(),
            theirs: 0,
            outs: Vec::new(),
            ins: Vec::new(),
            closed: false,
            got_through: false,
            fed: 0,
        };
        let open = Open { service: "Auth", entrypoint: "", digest: [7; 16], props: None };
        session.slot = session.core.open(open).ok();
        if how.is_multiple_of(2) {
            let mut hello = Vec::new();
            Hello::new(config.checked().limits()).put(&mut hello);
            session.feed_frame(0x01, &hello);
            let mut open = vec![0];
            open.extend_from_slice(&[7; 16]);
            open.extend_from_slice(b"\x04Auth\0");
            session.feed_frame(0x02, &open);
        }
        session
    }

    fn step(&mut self, op: u8, script: &mut Script<'_>) {
        match op % 12 {
            0 => {
                let length = script.number();
                let bytes = script.take(length);
                self.feed(bytes, 1 + usize::from(op) / 12);
            }
            1 | 2 => {
                let (kind, length) = (script.number(), script.number());
                let streams = (kind >= 224).then(|| 0x10 + kind as u8 % 4);
                let kind = streams
                    .unwrap_or([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, MAY_BE_SKIPPED, 0x20][kind % 14]);
                let body = script.take(length);
                self.feed_frame(kind, body);
            }
            3 => self.feed_call(script),
            4 => self.feed_end(script),
            5 => {
                let mut part = Vec::new();
                put_number(&mut part, script.number() as u64);
                self.feed_value(0x06, &part, script.number() << 8);
            }
            6 | 7 => self.call(script),
            8 => self.cancel(script.number()),
            9 => self.answer(script),
            10 => {
                self.now += Duration::from_millis([1, 50, 1000, 20_000][usize::from(op) / 12 % 4]);
                self.core.tick(self.now);
                self.react();
            }
            _ => self.last_things(script.number()),
        }
        self.write(if op < 128 { usize::MAX } else { script.number() << 6 });
    }

    /// A call that is counted right, to a service that was opened.
    fn feed_call(&mut self, script: &mut Script<'_>) {
        let (piece, more) = (script.number() << 4, script.number() << 8);
        let mut head = Vec::new();
        put_number(&mut head, self.theirs);
        head.extend_from_slice(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
        let deadline = script.number();
        let stream = deadline >= 192;
        head.push(if deadline.is_multiple_of(2) { 0 } else { 2 } | if stream { 32 } else { 0 });
        head.extend_from_slice(&[1, 1, 1]);
        if !deadline.is_multiple_of(2) {
            put_number(&mut head, 1000 * deadline as u64);
        }
        if stream {
            put_number(&mut head, 0);
        }
        put_number(&mut head, (piece + more) as u64);
        self.theirs += 1;
        self.feed_value(0x04, &head, piece);
    }

    fn feed_end(&mut self, script: &mut Script<'_>) {
        let (number, status) = (script.number() as u64, script.byte().unwrap_or_default());
        let (piece, more) = (script.number() << 4, script.number() << 8);
        let mut head = Vec::new();
        put_number(&mut head, number);
        match status {
            0xf0.. => head.extend_from_slice(&[0, 0, 64, 1, 1]),
            0xe0.. => head.extend_from_slice(&[0, 0, 32, 1, 1, 0]),
            _ => head.extend_from_slice(&[status % 0x50, 0, 0, 1, 1]),
        }
        put_number(&mut head, (piece + more) as u64);
        self.feed_value(0x05, &head, piece);
    }

    fn feed_frame(&mut self, kind: u8, body: &[u8]) {
        self.feed(&header(kind, body.len()), 4);
        self.feed(body, 64);
    }

    /// A frame that ends with so many zeros.
    fn feed_value(&mut self, kind: u8, head: &[u8], zeros: usize) {
        let zeros = &ZEROS[..zeros.min(64 << 10)];
        self.feed(&header(kind, head.len() + zeros.len()), 4);
        self.feed(head, head.len());
        self.feed(zeros, 3000);
    }

    /// Reads of at most so many bytes, where the session wants them.
    fn feed(&mut self, mut bytes: &[u8], at_once: usize) {
        self.fed += bytes.len();
        while !bytes.is_empty() {
            let most = bytes.len().min(at_once.max(1));
            let taken = match self.core.space() {
                Some(space) => {
                    let length = space.len().min(most);
                    assert!(length > 0, "there is space, and none");
                    space[..length].copy_from_slice(&bytes[..length]);
                    self.core.filled(length, self.now);
                    length
                }
                None => {
                    self.core.receive(&bytes[..most], self.now);
                    most
                }
            };
            bytes = &bytes[taken..];
            self.react();
        }
    }

    fn call(&mut self, script: &mut Script<'_>) {
        let Some(slot) = self.slot else { return };
        let (length, deadline) = (script.number() << 10, script.number());
        let deadline = (deadline % 4 == 0).then(|| self.now + Duration::from_millis(deadline as u64));
        let call = Call {
            slot,
            method: 1,
            fingerprint: None,
            left: Left { depth: 1, invocations: 1, subrequests: 1 },
            deadline,
            metadata: &[],
            trace: None,
            payload: Bytes::from_static(&ZEROS[..length.min(ZEROS.len())]).into(),
            stream: (self.core.streams_left() > 0 && length == 1 << 10).then_some(None),
        };
        if let Ok(key) = self.core.call(call, self.now) {
            assert!(self.open.insert((key.generation(), key.index())), "a key is new");
            self.keys.push_back(key);
            self.outs.extend(self.core.upload_of(key));
        }
    }

    fn cancel(&mut self, which: usize) {
        if self.keys.is_empty() {
            return;
        }
        let key = self.keys.remove(which % self.keys.len()).expect("it is one of them");
        self.open.remove(&(key.generation(), key.index()));
        self.core.cancel(key);
        self.react();
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let (which, length) = (script.number(), script.number() << 10);
        if self.handlers.is_empty() {
            return;
        }
        let id = self.handlers.remove(which % self.handlers.len()).expect("it is one of them");
        self.end_call(id, Status::Ok, length);
    }

    fn end_call(&mut self, id: CallId, status: Status, length: usize) {
        let payload = Bytes::from_static(&ZEROS[..length.min(ZEROS.len())]).into();
        let beside = match length >> 10 {
            3 if self.core.streams_left() > 0 => Beside::Stream(None),
            5 if self.core.streams_left() > 0 => Beside::Connection,
            _ => Beside::Nothing,
        };
        if let Some(begun) = self.core.end(id, End { status, used: (0, 0), payload, beside }) {
            self.outs.push(begun.id);
            self.ins.extend(begun.back);
        }
        self.react();
    }

    fn last_things(&mut self, which: usize) {
        match which {
            0 => self.core.drain("enough"),
            1 => self.core.close(Closing { why: "enough".to_owned() }, self.now),
            2 => self.core.end_of_stream(),
            3 => self.core.lost("gone"),
            _ => self.flow(which),
        }
        self.react();
    }

    /// Somebody writes, ends or gives up a stream, reads one or stops it.
    fn flow(&mut self, how: usize) {
        let (which, how) = (how / 6, how % 6);
        if let Some(&id) = self.outs.get(which % self.outs.len().max(1)) {
            match how {
                0 => {
                    if let Room::Bytes(room) = self.core.stream_room(id) {
                        self.core.stream_write(id, Bytes::from_static(&ZEROS[..room.min(ZEROS.len())]));
                    }
                }
                1 => self.core.stream_end(id, Bytes::new()),
                2 => self.core.stream_abort(id, Bytes::from_static(b"why")),
                _ => {}
            }
        }
        if let Some(&id) = self.ins.get(which % self.ins.len().max(1)) {
            match how {
                3 | 4 => drop(self.core.stream_read(id)),
                5 => self.core.stream_stop(id),
                _ => {}
            }
        }
    }

    /// Does what the events say.
    fn react(&mut self) {
        while let Some(event) = self.core.event() {
            assert!(!self.closed, "nothing follows the end: {event:?}");
            match event {
                Event::Open { slot, .. } => {
                    let opened = [Opened::Same, Opened::Absent, Opened::Different { methods: vec![] }];
                    self.core.opened(slot, opened[slot.index() % 3].clone());
                }
                Event::Call(incoming) => {
                    self.got_through = true;
                    self.handlers.push_back(incoming.id);
                    self.ins.extend(incoming.arrived.map(|arrived| arrived.id));
                }
                Event::Cancelled { id } | Event::DeadlinePassed { id } => {
                    let at = self.handlers.iter().position(|handler| *handler == id);
                    self.handlers.remove(at.expect("a handler that runs is told to stop"));
                    self.end_call(id, Status::Cancelled, 0);
                }
                Event::Ended { key, ended } => self.ended(key, &ended),
                Event::Closed(closed) => {
                    is_a_line(&closed);
                    self.closed = true;
                    assert!(self.open.is_empty(), "calls without an outcome: {:?}", self.open);
                }
                Event::Opened { .. } | Event::GoAway { .. } | Event::Stream { .. } => {}
            }
        }
    }

    fn ended(&mut self, key: CallKey, ended: &Ended) {
        assert!(self.open.remove(&(key.generation(), key.index())), "a second outcome: {ended:?}");
        self.keys.retain(|open| *open != key);
        if let Ended::Reply { payload, arrived, .. } = ended {
            if let Some(arrived) = arrived {
                self.ins.push(arrived.id);
                self.outs.extend(arrived.back);
            }
            self.got_through = true;
            self.core.taken(payload.len() as u64);
        }
    }

    /// The transport takes at most so much.
    fn write(&mut self, most: usize) {
        let mut left = most;
        // Each turn writes something, or there is nothing more that can be written.
        for _ in 0..1000 {
            if left == 0 || !self.core.has_output() {
                return;
            }
            let mut slices = [IoSlice::new(&[]); 8];
            let count = self.core.slices(self.now, &mut slices);
            let length = slices[..count].iter().map(|slice| slice.len()).sum::<usize>();
            let sent = length.min(left);
            self.core.sent(sent);
            left -= sent;
            self.react();
        }
        assert!(most < usize::MAX || !self.core.has_output(), "it writes without end");
    }

    fn end(mut self) -> (bool, usize) {
        self.core.lost("the end of the script");
        self.react();
        assert!(self.core.is_over().is_some() && self.closed);
        assert_eq!(self.core.in_flight(), InFlight::default());
        assert_eq!(self.host.granted(), 0);
        for id in self.ins {
            while matches!(self.core.stream_read(id), Inflow::Data(_)) {}
            assert!(!matches!(self.core.stream_read(id), Inflow::Nothing), "somebody waits for more");
        }
        for id in self.outs {
            assert_eq!(self.core.stream_room(id), Room::Gone, "somebody waits for room");
        }
        (self.got_through, self.fed)
    }
}

fn header(kind: u8, length: usize) -> [u8; 4] {
    let [a, b, c, ..] = length.to_le_bytes();
    [a, b, c, kind]
}
