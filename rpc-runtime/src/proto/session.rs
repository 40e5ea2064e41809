//! A session from its first byte to its last.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    alarm::{Alarms, Side},
    closed::{Closed, ClosedKind, Closing, GoAway, told},
    config::{Config, Limits},
    event::{Event, InFlight},
    frame::Kind,
    grant::Grants,
    hello::Hello,
    incoming::Theirs,
    outgoing::Ours,
    output::Output,
    pace::Pace,
    receive::Input,
    streams::Streams,
    table::Key,
    wire::{put_number, put_run},
};

/// One end of a session; see [`proto`](super).
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) config: Config,
    pub(super) phase: Phase,
    /// What the peer's `Hello` said.
    pub(super) peer: Option<Limits>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) events: VecDeque<Event>,
    pub(super) ours: Ours,
    pub(super) theirs: Theirs,
    pub(super) grants: Grants,
    /// Large values that were granted and are not written yet, in the order of their turns.
    pub(super) rests: VecDeque<(Side, Key)>,
    pub(super) streams: Streams,
    /// Whether the last large piece was one of a stream.
    pub(super) is_turn_of_streams: bool,
    pub(super) alarms: Alarms,
    pub(super) pace: Pace,
    /// What the session ends with when the last answer is written: the peer will write nothing more.
    pub(super) half_closed: Option<Closed>,
    /// This side has said that it takes no more calls.
    pub(super) draining: bool,
    /// What the peer said when it ended the session.
    farewell: Option<Closed>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Open,
    /// The end was told; what is in the batch is still to be written.
    Closing(Closed, Instant),
    Over(Closed),
}

impl Core {
    /// A session that has just begun. Our `Hello` is the first output.
    pub(crate) fn new(config: Config, now: Instant) -> Self {
        let config = config.checked();
        let mut output = Output::default();
        output.control(Kind::Hello, |to| Hello::new(config.limits()).put(to));
        Self {
            phase: Phase::Open,
            peer: None,
            input: Input::default(),
            output,
            events: VecDeque::new(),
            ours: Ours::default(),
            theirs: Theirs::default(),
            grants: Grants::new(&config),
            rests: VecDeque::new(),
            streams: Streams::default(),
            is_turn_of_streams: false,
            alarms: Alarms::new(now),
            pace: Pace::new(&config, now),
            half_closed: None,
            draining: false,
            farewell: None,
            config,
        }
    }

    /// What happened, in order. To be asked until it says None after every other method that takes `&mut self`.
    pub(crate) fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The same for all that happened, which `events` takes over. It must be empty; its room is used again.
    pub(crate) fn swap_events(&mut self, events: &mut VecDeque<Event>) {
        debug_assert!(events.is_empty(), "events are handled before new ones are asked for");
        std::mem::swap(&mut self.events, events);
    }

    /// Whether something happened that was not asked for yet.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The peer closed its half of the stream: it will write nothing more, but may still read.
    ///
    /// Calls of this side are lost, or not sent. Calls of the peer whose arguments are there go on, and their
    /// replies go out; once the last one is written, the session is over. It is over at once if the peer has said that
    /// it ends the session, since then it reads nothing more either.
    pub(crate) fn end_of_stream(&mut self) {
        if !self.is_open() || self.half_closed.is_some() {
            return;
        }
        if self.peer.is_none() {
            let closed = self.went("the peer closed the stream before it said `Hello`", ClosedKind::PeerWent);
            return self.finish(closed, After::Nothing);
        }
        if self.input.is_within_frame() {
            let closed = self.went("the stream ended within a frame", ClosedKind::PeerWent);
            return self.finish(closed, After::Nothing);
        }
        let kind = if self.ours.calls.is_empty() { ClosedKind::PeerLeft } else { ClosedKind::PeerWent };
        let closed = self.went("the peer closed the stream", kind);
        if self.farewell.is_some() {
            return self.finish(closed, After::Nothing);
        }
        self.end_ours(closed.why(), self.output.encoded);
        self.half_closed = Some(closed);
        self.give_up_arguments();
        self.lose_streams();
        self.settle();
    }

    /// The transport failed, in either direction: nothing more will be read or written.
    pub(crate) fn lost(&mut self, why: &str) {
        match &self.phase {
            Phase::Open => {
                let closed = self.went(&format!("the connection was lost: {why}"), ClosedKind::PeerWent);
                self.finish(closed, After::Nothing);
            }
            Phase::Closing(closed, _) => self.phase = Phase::Over(closed.clone()),
            Phase::Over(_) => {}
        }
    }

    /// Takes no more calls of the peer. Those that run go on, as do calls of this side; after the last one the
    /// session is over.
    pub(crate) fn drain(&mut self, why: &str) {
        if self.is_open() && !self.draining {
            self.draining = true;
            self.put_go_away(ClosedKind::Drained, why);
            self.settle();
        }
    }

    /// Ends the session: the peer is told why, and the session is over once that is written.
    pub(crate) fn close(&mut self, why: Closing, now: Instant) {
        if self.is_open() {
            // What is left to write has its time from now on, however long nothing was heard.
            self.pace.now = self.pace.now.max(now);
            self.fail(Closed::new(ClosedKind::Closed, why.why));
        }
    }

    /// Why the session ended, once there is nothing more to read or write.
    pub(crate) const fn is_over(&self) -> Option<&Closed> {
        match &self.phase {
            Phase::Over(closed) => Some(closed),
            _ => None,
        }
    }

    /// Why no call can be made any more, if the session is ending or over.
    pub(crate) fn why_closed(&self) -> Option<&Arc<str>> {
        match &self.phase {
            Phase::Open => self.half_closed.as_ref().map(Closed::why),
            Phase::Closing(closed, _) | Phase::Over(closed) => Some(closed.why()),
        }
    }

    /// Whether the peer has said that it speaks the protocol.
    pub(crate) const fn is_greeted(&self) -> bool {
        self.peer.is_some()
    }

    /// What is under way.
    pub(crate) fn in_flight(&self) -> InFlight {
        InFlight {
            waiting: self.ours.waiting.len(),
            ours: self.ours.in_flight(),
            theirs: self.theirs.calls.len(),
            granted: self.grants.granted(),
            first_bytes: self.theirs.first_bytes,
            untaken: self.ours.replies.untaken(),
            streams: self.streams.live(),
        }
    }

    /// What it holds in buffers and tables.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.ours.heap_bytes()
            + self.theirs.heap_bytes()
            + self.output.heap_bytes()
            + self.alarms.heap_bytes()
            + self.input.partial_capacity()
            + self.grants.waiting_arguments.heap_bytes()
            + self.grants.waiting_replies.heap_bytes()
            + self.streams.heap_bytes()
            + self.rests.capacity() * size_of::<(Side, Key)>()
            + self.events.capacity() * size_of::<Event>()
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// The peer broke a rule, or this side has had enough: says why, and ends.
    #[cold]
    pub(super) fn fail(&mut self, closed: Closed) {
        self.put_go_away(closed.kind(), closed.why());
        self.finish(closed, After::Writing);
    }

    /// Ends what can be ended by itself: a session that drained, or whose peer has left.
    pub(super) fn settle(&mut self) {
        match &self.phase {
            Phase::Closing(closed, _) if self.output.is_empty() => self.phase = Phase::Over(closed.clone()),
            Phase::Open
                if !self.theirs.are_running()
                    && !self.has_output()
                    && self.half_closed.is_some()
                    && !self.streams.can_send() =>
            {
                if let Some(closed) = self.half_closed.take() {
                    self.finish(closed, After::Nothing);
                }
            }
            Phase::Open
                if self.draining
                    && self.theirs.calls.is_empty()
                    && self.ours.calls.is_empty()
                    && self.streams.live() == 0
                    && self.output.is_empty() =>
            {
                self.finish(Closed::new(ClosedKind::Drained, "the session was drained"), After::Nothing);
            }
            _ => {}
        }
    }

    fn finish(&mut self, closed: Closed, after: After) {
        // Before all else, so that nothing that is given up below makes room for something new.
        let (phase, threshold) = match after {
            After::Nothing => (Phase::Over(closed.clone()), self.output.sent),
            // What is in the batch will be written, and may be served.
            After::Writing => (Phase::Closing(closed.clone(), self.pace.flush_until()), self.output.encoded),
        };
        self.phase = phase;
        self.end_ours(closed.why(), threshold);
        self.ours.clear();
        self.theirs.clear();
        self.streams.clear();
        self.grants.clear();
        self.rests.clear();
        self.events.push_back(Event::Closed(closed));
    }

    /// Ends all calls of this side. Those whose last byte lies beyond `threshold` never reach the peer.
    fn end_ours(&mut self, why: &Arc<str>, threshold: u64) {
        for key in self.ours.calls.keys().collect::<Vec<_>>() {
            self.end_one_of_ours(key, why, threshold);
        }
    }

    /// The peer is not there any more; if it has said why, that is the reason.
    fn went(&self, why: &str, kind: ClosedKind) -> Closed {
        self.farewell.clone().unwrap_or_else(|| Closed::new(kind, why))
    }

    fn put_go_away(&mut self, kind: ClosedKind, why: &str) {
        let next = self.theirs.next;
        self.output.control(Kind::GoAway, |to| {
            put_number(to, next);
            to.push(kind as u8);
            put_run(to, told(why).as_bytes());
        });
    }

    /// The peer takes no calls from `next` on.
    pub(super) fn receive_go_away(&mut self, body: &[u8]) -> Result<(), Closed> {
        let go_away = GoAway::read(body)?;
        if self.ours.mark.is_some_and(|mark| go_away.next > mark) {
            return Err(Closed::protocol(
                "the peer sent a second `GoAway` that takes more calls than the first",
            ));
        }
        if go_away.next > self.ours.next {
            return Err(Closed::protocol("the peer sent a `GoAway` that takes calls which were never made"));
        }
        if self.ours.mark == Some(go_away.next) && go_away.kind == ClosedKind::Drained as u8 {
            // It says nothing new, and each would be looked for in all calls.
            return self.pace.useless(self.pace.now);
        }
        self.ours.mark = Some(go_away.next);
        let why = go_away.sentence();
        if go_away.kind != ClosedKind::Drained as u8 {
            let in_order = go_away.kind == ClosedKind::Closed as u8;
            let kind = if in_order { ClosedKind::PeerLeft } else { ClosedKind::PeerWent };
            self.farewell = Some(Closed::new(kind, why.as_str()));
        }
        self.refuse_ours_from(go_away.next, &why.as_str().into());
        self.events.push_back(Event::GoAway { why });
        Ok(())
    }
}

/// What is still to be done at the end of a session.
#[derive(Debug, Clone, Copy)]
enum After {
    Nothing,
    Writing,
}
