//! Two ends, and what lies between them.

use std::{
    io::IoSlice,
    time::{Duration, Instant},
};

use crate::proto::{
    Beside, Call, CallId, CallKey, Closed, Config, Core, End, Ended, Event, Incoming, Left, Open, Opened,
    Payload, Refused, Slot, Status,
};

/// One end, and the events it gave.
pub(super) struct Side {
    pub(super) core: Core,
    pub(super) events: Vec<Event>,
    /// Reads large values where the core says, as a driver does; false: everything from a buffer.
    pub(super) uses_space: bool,
}

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) client: Side,
    pub(super) server: Side,
}

impl Side {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        Self { core: Core::new(config, now), events: Vec::new(), uses_space: true }
    }

    pub(super) fn drain_events(&mut self) {
        while let Some(event) = self.core.event() {
            self.events.push(event);
        }
    }

    /// At most `max` of the bytes to write next.
    pub(super) fn write(&mut self, now: Instant, max: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = self.core.slices(now, &mut slices);
        let mut bytes = Vec::new();
        for slice in &slices[..count] {
            let room = max - bytes.len();
            bytes.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        self.core.sent(bytes.len());
        self.drain_events();
        bytes
    }

    /// Everything there is to write.
    pub(super) fn write_all(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.core.has_output() {
            bytes.extend(self.write(now, usize::MAX));
        }
        bytes
    }

    pub(super) fn read(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() {
            match self.core.space() {
                Some(space) if self.uses_space => {
                    let length = space.len().min(bytes.len());
                    space[..length].copy_from_slice(&bytes[..length]);
                    self.core.filled(length, now);
                    bytes = &bytes[length..];
                }
                _ => {
                    self.core.receive(bytes, now);
                    bytes = &[];
                }
            }
        }
        self.drain_events();
    }

    /// The calls that came, in order.
    pub(super) fn calls(&mut self) -> Vec<Incoming> {
        let mut calls = Vec::new();
        self.events = std::mem::take(&mut self.events)
            .into_iter()
            .filter_map(|event| match event {
                Event::Call(incoming) => {
                    calls.push(incoming);
                    None
                }
                event => Some(event),
            })
            .collect();
        calls
    }

    pub(super) fn call_of(&mut self) -> Incoming {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "one call came: {calls:?}");
        calls.remove(0)
    }

    /// How calls of this side ended, in order.
    pub(super) fn ended(&mut self) -> Vec<(CallKey, Ended)> {
        let mut all = Vec::new();
        self.events = std::mem::take(&mut self.events)
            .into_iter()
            .filter_map(|event| match event {
                Event::Ended { key, ended } => {
                    all.push((key, ended));
                    None
                }
                event => Some(event),
            })
            .collect();
        all
    }

    pub(super) fn ended_one(&mut self) -> (CallKey, Ended) {
        let mut ended = self.ended();
        assert_eq!(ended.len(), 1, "one call ended: {ended:?}");
        ended.remove(0)
    }

    pub(super) fn closed(&self) -> Option<&Closed> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(closed) => Some(closed),
            _ => None,
        })
    }

    pub(super) fn reply(&mut self, id: CallId, payload: impl Into<Payload>) {
        self.core.end(
            id,
            End { status: Status::Ok, used: (0, 0), payload: payload.into(), beside: Beside::Nothing },
        );
        self.drain_events();
    }

    pub(super) fn call(&mut self, slot: Slot, payload: impl Into<Payload>, now: Instant) -> CallKey {
        self.try_call(slot, payload, None, now).unwrap()
    }

    pub(super) fn try_call(
        &mut self,
        slot: Slot,
        payload: impl Into<Payload>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<CallKey, Refused> {
        let key = self.core.call(call(slot, payload, deadline), now);
        self.drain_events();
        key
    }
}

impl Pair {
    /// Two ends that have not said anything.
    pub(super) fn silent(client: Config, server: Config) -> Self {
        let now = Instant::now();
        Self { now, client: Side::new(client, now), server: Side::new(server, now) }
    }

    /// Two ends that have said `Hello`, and a service that the client has opened.
    pub(super) fn new() -> (Self, Slot) {
        Self::with(Config::default(), Config::default())
    }

    pub(super) fn with(client: Config, server: Config) -> (Self, Slot) {
        let mut pair = Self::silent(client, server);
        let slot = pair.client.core.open(auth()).unwrap();
        pair.settle();
        let Some(Event::Open { slot: peer_slot, .. }) = pair.server.events.pop() else {
            panic!("the service was asked for: {:?}", pair.server.events)
        };
        pair.server.core.opened(peer_slot, Opened::Same);
        pair.settle();
        assert!(matches!(pair.client.events.pop(), Some(Event::Opened { opened: Opened::Same, .. })));
        (pair, slot)
    }

    /// Carries bytes until neither side has any.
    pub(super) fn settle(&mut self) {
        loop {
            let to_server = self.client.write_all(self.now);
            self.server.read(&to_server, self.now);
            let to_client = self.server.write_all(self.now);
            self.client.read(&to_client, self.now);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        for side in [&mut self.client, &mut self.server] {
            side.core.tick(self.now);
            side.drain_events();
        }
    }

    pub(super) fn assert_idle(&self) {
        for side in [&self.client, &self.server] {
            let in_flight = side.core.in_flight();
            assert_eq!(in_flight, Default::default(), "{in_flight:?}");
        }
    }
}

pub(super) fn auth() -> Open<'static> {
    Open { service: "Auth", entrypoint: "", digest: [7; 16], props: None }
}

pub(super) fn call(slot: Slot, payload: impl Into<Payload>, deadline: Option<Instant>) -> Call<'static> {
    Call {
        slot,
        method: 0x0102_0304_0506_0708,
        fingerprint: None,
        left: Left { depth: 32, invocations: 1000, subrequests: 999 },
        deadline,
        metadata: &[],
        trace: None,
        payload: payload.into(),
        stream: None,
    }
}

/// Bytes of which each piece differs from the one before.
pub(super) fn numbered(length: usize) -> Vec<u8> {
    let mut bytes = (0..251).collect::<Vec<u8>>().repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}
