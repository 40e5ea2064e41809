//! Calls of the peer.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::{
    alarm::Side,
    call::{CallId, Head, PeerSlot, Target},
    closed::Closed,
    end::{End, Refusal, Status, Verdict, put_head},
    event::{Event, Incoming, Opened},
    frame::{Kind, PIECE_BYTES_MAX},
    grant::{Rest, Waiting},
    payload::{Payload, Pieces, Received},
    session::Core,
    table::{Key, Line, Table},
    value::Value,
    wire::{Reader, put_number},
};

/// Calls of the peer, and the credit that it gave for their replies.
#[derive(Debug, Default)]
pub(super) struct Theirs {
    pub(super) calls: Table<TheirCall>,
    /// Calls that were taken, which is the number of the next one.
    pub(super) next: u64,
    /// Calls that were made after this side had said that it takes no more.
    skipped: u64,
    /// Bytes of first pieces of calls that have not ended.
    pub(super) first_bytes: u64,
    /// Bytes of first pieces of replies that may still be written.
    pub(super) reply_credit: u64,
    /// Services that the peer opened, and whether they were found absent.
    slots: Vec<PeerService>,
    /// Calls whose end can be written, those without a value, which need no credit.
    empty_ends: Line,
    ends: Line,
    /// Calls that a handler, or the rest of its arguments, is still awaited for.
    running: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PeerService {
    Asked,
    Found,
    Absent,
}

#[derive(Debug)]
pub(super) struct TheirCall {
    stage: Stage,
    /// First-piece bytes that count against the peer's credit.
    piece: u32,
    /// Granted bytes that are held until its end.
    granted: u64,
    /// Granted bytes that have not come.
    awaited: usize,
    has_deadline: bool,
}

#[derive(Debug)]
enum Stage {
    Receiving(Box<(Incoming, Value)>),
    Running {
        is_cancelled: bool,
    },
    /// To be written.
    Ending {
        verdict: Verdict,
        used: (u32, u32),
        payload: Payload,
    },
    /// The rest of the reply is still to be written.
    Sending {
        pieces: Pieces,
        granted: bool,
    },
    /// Ended while the rest of its arguments came, which goes on until the peer has noticed.
    Draining,
}

impl Theirs {
    /// Whether a handler may still end a call, or the peer may still begin one.
    pub(super) const fn are_running(&self) -> bool {
        self.running > 0
    }

    pub(super) fn value_mut(&mut self, key: Key) -> Option<&mut Value> {
        match &mut self.calls.get_mut(key)?.stage {
            Stage::Receiving(receiving) => Some(&mut receiving.1),
            _ => None,
        }
    }

    pub(super) fn waiting_value(&mut self, key: Key) -> Option<Waiting<'_>> {
        let call = self.calls.get_mut(key)?;
        match &mut call.stage {
            Stage::Receiving(receiving) if !receiving.1.granted => {
                let awaited = Some(&mut call.awaited);
                Some(Waiting { number: key.1, value: &mut receiving.1, granted: &mut call.granted, awaited })
            }
            _ => None,
        }
    }

    pub(super) fn rest_of(&mut self, number: u64) -> Rest<'_> {
        let Some(index) = self.calls.index_of(number) else { return Rest::None };
        match self.calls.at_mut(index) {
            Some((serial, TheirCall { stage: Stage::Sending { granted, .. }, .. })) if !*granted => {
                Rest::Waits((index, serial), granted)
            }
            _ => Rest::None,
        }
    }

    pub(super) fn pieces_mut(&mut self, key: Key) -> Option<(u64, &mut Pieces)> {
        match &mut self.calls.get_mut(key)?.stage {
            Stage::Sending { pieces, .. } => Some((key.1, pieces)),
            _ => None,
        }
    }

    pub(super) fn has_deadline(&self, key: Key) -> bool {
        self.calls.get(key).is_some_and(|call| call.has_deadline)
    }

    /// The number that the next call must have.
    const fn next_number(&self) -> u64 {
        self.next + self.skipped
    }

    fn waits_for_grant(&self, key: Key) -> bool {
        let stage = self.calls.get(key).map(|call| &call.stage);
        matches!(stage, Some(Stage::Receiving(receiving)) if !receiving.1.granted)
    }

    /// Whether some end can be written.
    pub(super) fn can_end(&self) -> bool {
        let has_credit = |length: usize| length.min(PIECE_BYTES_MAX) as u64 <= self.reply_credit;
        let front = self.ends.front();
        self.empty_ends.front().is_some()
            || front.is_some_and(|key| self.reply_length(key).is_none_or(has_credit))
    }

    /// The length of the reply of a call whose end waits among those with a value. None: it left that line.
    fn reply_length(&self, key: Key) -> Option<usize> {
        reply_length(&self.calls, key)
    }

    /// Takes the next call whose end can be written out of its line.
    fn next_end(&mut self) -> Option<Key> {
        if let Some(key) = self.empty_ends.front() {
            self.empty_ends.pop();
            return Some(key);
        }
        while let Some(key) = self.ends.front() {
            match self.reply_length(key) {
                None => self.ends.pop_stale(),
                Some(length) if length.min(PIECE_BYTES_MAX) as u64 > self.reply_credit => return None,
                Some(_) => {
                    self.ends.pop();
                    return Some(key);
                }
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.calls = Table::default();
        self.empty_ends.clear();
        self.ends.clear();
        self.running = 0;
        self.first_bytes = 0;
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.calls.heap_bytes()
            + self.empty_ends.heap_bytes()
            + self.ends.heap_bytes()
            + self.slots.capacity()
    }

    pub(super) fn trim(&mut self) {
        self.calls.trim();
        self.empty_ends.trim();
        self.ends.trim();
    }
}

impl Core {
    /// Answers an [`Event::Open`]. A second answer for a slot is ignored.
    pub(crate) fn opened(&mut self, slot: PeerSlot, opened: Opened) {
        let state = self.theirs.slots.get_mut(slot.index()).filter(|state| **state == PeerService::Asked);
        let Some(state) = state else { return };
        *state = if opened == Opened::Absent { PeerService::Absent } else { PeerService::Found };
        if !self.is_open() {
            return;
        }
        self.output.control(Kind::Opened, |to| {
            put_number(to, u64::from(slot.0));
            match opened {
                Opened::Same => to.push(0),
                Opened::Different { methods } => {
                    to.push(1);
                    let methods = &methods[..methods.len().min(METHODS_MAX)];
                    put_number(to, methods.len() as u64);
                    for (method, fingerprint) in methods {
                        to.extend_from_slice(&method.to_le_bytes());
                        to.extend_from_slice(fingerprint);
                    }
                }
                Opened::Absent => to.push(2),
            }
        });
    }

    /// Ends a call of the peer: exactly once for each [`Event::Call`], also after it was cancelled or its deadline
    /// passed. An id that means nothing any more is ignored.
    pub(crate) fn end(&mut self, id: CallId, end: End) {
        let key = (id.index, id.number);
        let is_running = |call: &TheirCall| matches!(call.stage, Stage::Running { .. });
        if !self.theirs.calls.get(key).is_some_and(is_running) {
            return;
        }
        let End { status, used, payload } = end;
        let max = self.peer.map_or(0, |limits| limits.value_bytes as usize);
        if payload.len() > max {
            self.put_end(key, Verdict::Refusal(Refusal::ReplyTooLong), used, Payload::default());
        } else {
            self.put_end(key, Verdict::Status(status), used, payload);
        }
        self.settle();
    }

    pub(super) fn receive_open(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("Open", body);
        let slot = reader.short_number()?;
        let digest = reader.array()?;
        let service = reader.text(NAME_BYTES_MAX)?.to_owned();
        let entrypoint = reader.text(NAME_BYTES_MAX)?.to_owned();
        reader.end()?;
        if slot as usize != self.theirs.slots.len() {
            return Err(Closed::protocol(format!(
                "the peer opened slot {slot} where {} is the next",
                self.theirs.slots.len()
            )));
        }
        if slot >= self.config.slots_max {
            return Err(Closed::flow_control(format!(
                "the peer opened more than {} services",
                self.config.slots_max
            )));
        }
        self.theirs.slots.push(PeerService::Asked);
        self.events.push_back(Event::Open { slot: PeerSlot(slot), service, entrypoint, digest });
        Ok(())
    }

    pub(super) fn receive_call(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let head = Head::read(body)?;
        let number = head.number;
        let next = self.theirs.next_number();
        if number != next {
            return Err(Closed::protocol(format!("the peer made call {number} where {next} is the next")));
        }
        if self.draining {
            // Its maker reads in our `GoAway` that it was not taken.
            self.theirs.skipped += 1;
            return Ok(());
        }
        self.theirs.next += 1;
        if self.theirs.calls.len() >= self.config.in_flight_max as usize {
            return Err(Closed::flow_control(format!(
                "the peer made more than {} calls at a time",
                self.config.in_flight_max
            )));
        }
        let piece = head.piece.len() as u32;
        if self.theirs.first_bytes + u64::from(piece) > u64::from(self.config.first_bytes_max) {
            return Err(Closed::flow_control(format!(
                "the peer's calls go beyond their credit of {} bytes",
                self.config.first_bytes_max
            )));
        }
        self.theirs.first_bytes += u64::from(piece);
        let slot = match head.target {
            Target::Slot(slot) => slot,
            Target::Other => 0,
        };
        let refusal = match self.theirs.slots.get(slot as usize) {
            _ if head.refusal.is_some() => head.refusal,
            None => return Err(Closed::protocol(format!("the peer called slot {slot} before it opened it"))),
            Some(PeerService::Absent) => Some(Refusal::Absent),
            _ if head.total > u64::from(self.config.value_bytes_max) => Some(Refusal::ValueTooLong),
            _ if head.deadline == Some(0) => Some(Refusal::Deadline),
            _ => None,
        };
        let max = self.config.deadline_max;
        let deadline = head.deadline.and_then(|left| now.checked_add(Duration::from_micros(left).min(max)));
        let call = TheirCall {
            stage: Stage::Running { is_cancelled: false },
            piece,
            granted: 0,
            awaited: 0,
            has_deadline: false,
        };
        self.theirs.running += 1;
        let index = self.theirs.calls.insert(number, call);
        let key = (index, number);
        self.theirs.calls.name(index, number);
        if let Some(refusal) = refusal {
            self.put_end(key, Verdict::Refusal(refusal), (0, 0), Payload::default());
            return Ok(());
        }
        if let Some(call) = self.theirs.calls.get_mut(key)
            && let Some(deadline) = deadline
        {
            call.has_deadline = true;
            self.alarms.set(deadline, Side::Theirs, key);
        }
        self.pace.in_use(now);
        let is_whole = head.total == u64::from(piece);
        let incoming = Incoming {
            id: CallId { index, number },
            slot: PeerSlot(slot),
            method: head.method,
            fingerprint: head.fingerprint,
            left: head.left,
            deadline,
            metadata: head.metadata,
            trace: head.trace,
            payload: if is_whole { Received::copied(head.piece) } else { Received::default() },
        };
        if is_whole {
            self.events.push_back(Event::Call(incoming));
        } else if let Some(call) = self.theirs.calls.get_mut(key) {
            // At most `value_bytes_max`, which fits.
            let value = Value::new(head.piece, head.total as usize, now);
            call.stage = Stage::Receiving(Box::new((incoming, value)));
            self.grants.waiting_arguments.push(key);
            self.grant_waiting();
        }
        Ok(())
    }

    /// The beginning of a part of arguments, or the peer's word that there will be none.
    pub(super) fn receive_argument_part(
        &mut self,
        number: u64,
        aborted: bool,
    ) -> Result<(Key, usize), Closed> {
        let index = self.theirs.calls.index_of(number);
        let call = index.and_then(|index| Some((index, self.theirs.calls.at_mut(index)?)));
        let Some((index, (serial, call))) = call else {
            return Err(Closed::protocol(format!(
                "the peer sent a part of the arguments of call {number}, which is not open"
            )));
        };
        let key = (index, serial);
        let is_ended = matches!(call.stage, Stage::Draining | Stage::Ending { .. });
        if aborted {
            // Its maker may say so only after it has seen the end.
            if !matches!(call.stage, Stage::Draining) {
                return Err(Closed::protocol(format!(
                    "the peer gave up the arguments of call {number} unasked"
                )));
            }
            self.remove_theirs(key);
            return Ok((key, 0));
        }
        if call.awaited == 0 || !(is_ended || matches!(call.stage, Stage::Receiving(_))) {
            return Err(Closed::flow_control(format!(
                "the peer sent a part of the arguments of call {number} that was not granted"
            )));
        }
        Ok((key, call.awaited))
    }

    /// `length` more bytes of arguments came.
    pub(super) fn arguments_came(&mut self, key: Key, length: usize) {
        let Some(call) = self.theirs.calls.get_mut(key) else { return };
        call.awaited -= length;
        if call.awaited > 0 {
            return;
        }
        match &call.stage {
            Stage::Receiving(_) => {
                let stage = mem::replace(&mut call.stage, Stage::Running { is_cancelled: false });
                let Stage::Receiving(receiving) = stage else { return };
                let (mut incoming, value) = *receiving;
                incoming.payload = value.into_received();
                self.events.push_back(Event::Call(incoming));
            }
            Stage::Draining => {
                self.remove_theirs(key);
            }
            _ => {}
        }
    }

    pub(super) fn receive_cancel(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let mut reader = Reader::new("Cancel", body);
        let number = reader.number()?;
        reader.end()?;
        if number >= self.theirs.next_number() {
            return Err(Closed::protocol(format!("the peer cancelled call {number}, which it never made")));
        }
        // It may have ended meanwhile.
        let Some(index) = self.theirs.calls.index_of(number) else { return Ok(()) };
        let Some((serial, call)) = self.theirs.calls.at_mut(index) else { return Ok(()) };
        let key = (index, serial);
        // It is also the end of its arguments.
        call.awaited = 0;
        match &mut call.stage {
            Stage::Receiving(_) => {
                self.pace.cancelled(now)?;
                self.put_end(key, Verdict::Status(Status::Cancelled), (0, 0), Payload::default());
            }
            Stage::Running { is_cancelled } => {
                if mem::replace(is_cancelled, true) {
                    return self.pace.useless(now);
                }
                self.pace.cancelled(now)?;
                self.events.push_back(Event::Cancelled { id: CallId { index, number } });
            }
            Stage::Ending { verdict, payload, .. } => {
                if !mem::take(payload).is_empty() {
                    *verdict = Verdict::Status(Status::Cancelled);
                    let Theirs { ends, empty_ends, calls, .. } = &mut self.theirs;
                    empty_ends.push(key);
                    ends.leave(|key| reply_length(calls, key).is_some());
                }
            }
            Stage::Sending { .. } => {
                self.put_abort(Side::Theirs, number);
                self.remove_theirs(key);
            }
            Stage::Draining => {
                self.remove_theirs(key);
            }
        }
        Ok(())
    }

    /// A deadline of a call of the peer may have passed.
    pub(super) fn their_deadline(&mut self, key: Key) -> bool {
        let Some(call) = self.theirs.calls.get_mut(key) else { return false };
        if !mem::replace(&mut call.has_deadline, false) {
            return false;
        }
        match &call.stage {
            Stage::Receiving(_) => {
                self.put_end(key, Verdict::Refusal(Refusal::Deadline), (0, 0), Payload::default());
            }
            Stage::Running { is_cancelled: false } => {
                self.events.push_back(Event::DeadlinePassed { id: CallId { index: key.0, number: key.1 } });
            }
            _ => {}
        }
        true
    }

    /// Refuses calls whose granted arguments have made no progress since `since`; gives the oldest progress of the
    /// others.
    pub(super) fn give_up_stalled_arguments(&mut self, since: Instant) -> Option<Instant> {
        let mut oldest = None;
        for key in self.theirs.calls.keys().collect::<Vec<_>>() {
            let Some(value) = self.theirs.value_mut(key).filter(|value| value.granted) else { continue };
            if value.progress > since {
                let progress = value.progress;
                oldest = Some(oldest.map_or(progress, |oldest: Instant| oldest.min(progress)));
                continue;
            }
            self.put_end(key, Verdict::Refusal(Refusal::Stalled), (0, 0), Payload::default());
        }
        oldest
    }

    /// Arguments that have not come will not come any more.
    pub(super) fn give_up_arguments(&mut self) {
        for key in self.theirs.calls.keys().collect::<Vec<_>>() {
            let Some(call) = self.theirs.calls.get_mut(key) else { continue };
            call.awaited = 0;
            match &call.stage {
                Stage::Receiving(_) => {
                    self.put_end(key, Verdict::Status(Status::Cancelled), (0, 0), Payload::default());
                }
                Stage::Draining => {
                    self.remove_theirs(key);
                }
                _ => {}
            }
        }
    }

    /// Puts the end of a call in line.
    fn put_end(&mut self, key: Key, verdict: Verdict, used: (u32, u32), payload: Payload) {
        let Some(call) = self.theirs.calls.get_mut(key) else { return };
        self.theirs.running -= 1;
        let line = if payload.is_empty() { &mut self.theirs.empty_ends } else { &mut self.theirs.ends };
        line.push(key);
        let before = mem::replace(&mut call.stage, Stage::Ending { verdict, used, payload });
        if mem::replace(&mut call.has_deadline, false) {
            self.leave_alarm();
        }
        if matches!(before, Stage::Receiving(receiving) if !receiving.1.granted) {
            self.grants.waiting_arguments.leave(|key| self.theirs.waits_for_grant(key));
            self.grant_waiting();
        }
    }

    /// Writes the end of one call, if there is credit for its reply.
    pub(super) fn write_end(&mut self) -> bool {
        let Some(key) = self.theirs.next_end() else { return false };
        let Some(call) = self.theirs.calls.get_mut(key) else { return false };
        let Stage::Ending { verdict, used, payload } = &mut call.stage else { return false };
        let (verdict, used, payload) = (*verdict, *used, mem::take(payload));
        let (length, rest) = self.output.value(Kind::End, payload, |to, payload| {
            put_head(to, key.1, verdict, used, payload.len() as u64);
        });
        self.theirs.reply_credit -= length as u64;
        self.theirs.first_bytes -= u64::from(mem::take(&mut call.piece));
        let granted = mem::take(&mut call.granted);
        match rest {
            Some(pieces) => call.stage = Stage::Sending { pieces, granted: false },
            None if call.awaited > 0 => call.stage = Stage::Draining,
            None => {
                self.remove_theirs(key);
            }
        }
        if granted > 0 {
            self.grants.give_back(Side::Theirs, granted);
            self.grant_waiting();
        }
        true
    }

    /// The last byte of a reply was written.
    pub(super) fn reply_written(&mut self, key: Key) {
        self.remove_theirs(key);
    }

    fn remove_theirs(&mut self, key: Key) -> Option<TheirCall> {
        self.theirs.calls.remove(key, Some(key.1))
    }
}

fn reply_length(calls: &Table<TheirCall>, key: Key) -> Option<usize> {
    match &calls.get(key)?.stage {
        Stage::Ending { payload, .. } => Some(payload.len()).filter(|&length| length > 0),
        _ => None,
    }
}

const NAME_BYTES_MAX: usize = 255;

/// So many fit into one frame.
const METHODS_MAX: usize = 2700;
