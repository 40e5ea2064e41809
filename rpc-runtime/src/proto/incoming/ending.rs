//! Calls of the peer end: by their handler, by their caller, or by the clock.

use std::{mem, time::Instant};

use super::{Stage, TheirCall, Theirs, reply_length};
use crate::proto::{
    alarm::Side,
    call::CallId,
    closed::Closed,
    end::{End, Refusal, Status, Verdict, put_head},
    event::Event,
    frame::{Kind, first_piece_bytes},
    payload::Payload,
    session::Core,
    streams::{Begun, Beside, Lane, Name},
    table::Key,
    wire::{Reader, put_number},
};

impl Core {
    /// Ends a call of the peer: exactly once for each [`Event::Call`], also after it was cancelled or its deadline
    /// passed. An id that means nothing any more is ignored.
    ///
    /// Gives the streams that go with it, if there are to be some and somebody will know of them.
    pub(crate) fn end(&mut self, id: CallId, end: End) -> Option<Begun> {
        let key = (id.index, id.number);
        let is_running = |call: &TheirCall| matches!(call.stage, Stage::Running { .. });
        if !self.theirs.calls.get(key).is_some_and(is_running) {
            return None;
        }
        let End { status, used, payload, beside } = end;
        let max = self.peer.map_or(0, |limits| limits.value_bytes as usize);
        if payload.len() > max {
            self.put_end(key, Verdict::Refusal(Refusal::ReplyTooLong), used, Payload::default());
            self.settle();
            return None;
        }
        let begun = match beside {
            Beside::Nothing => None,
            _ => Some(self.begin_streams(beside)),
        };
        self.put_end(key, Verdict::Status(status), used, payload);
        if let Some(begun) = begun
            && let Some(call) = self.theirs.calls.get_mut(key)
            && let Stage::Ending { flows, .. } = &mut call.stage
        {
            *flows = Some(Box::new((beside, begun)));
        }
        self.settle();
        begun
    }

    #[cold]
    fn begin_streams(&mut self, beside: Beside) -> Begun {
        let id = self.begin_out(Lane::Callee);
        let back = (beside == Beside::Connection).then(|| self.expect_back());
        Begun { id, back }
    }

    /// Streams that were to go with an end which is not written.
    pub(super) fn drop_flows(&mut self, flows: Option<Box<(Beside, Begun)>>) {
        let Some(flows) = flows else { return };
        let Begun { id, back } = flows.1;
        self.drop_out(id);
        if let Some(back) = back {
            self.lose_unnamed_in(back);
        }
    }

    /// The peer knows of the streams from here on.
    #[cold]
    fn name_flows(&mut self, number: u64, begun: Begun) {
        // Before the stream of this end, which may end at once and with it the session.
        if let Some(back) = begun.back {
            self.name_in(back, Name::new(Side::Theirs, number, Lane::Back));
        }
        self.name_out(begun.id, Name::new(Side::Theirs, number, Lane::Callee));
    }

    /// Bytes of replies that the peer has not taken.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.theirs.reply_bytes
    }

    pub(in crate::proto) fn receive_cancel(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
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
        // What was about to end by itself is no work begun in vain: callers whose deadlines pass together would else
        // cost each other their session. A caller sees its deadline pass before this side does, which counts from the
        // arrival of the call, and that may be late.
        let is_abrupt = call.abrupt_until.is_none_or(|until| now < until);
        match &mut call.stage {
            Stage::Receiving(_) => {
                if is_abrupt {
                    self.pace.cancelled(now)?;
                }
                self.put_end(key, Verdict::Status(Status::Cancelled), (0, 0), Payload::default());
            }
            Stage::Running { is_cancelled, is_out_of_time } => {
                if mem::replace(is_cancelled, true) {
                    return self.pace.useless(now);
                }
                // The caller's clock and ours often say so at the same moment.
                if *is_out_of_time {
                    return Ok(());
                }
                if is_abrupt {
                    self.pace.cancelled(now)?;
                }
                self.events.push_back(Event::Cancelled { id: CallId { index, number } });
            }
            Stage::Ending { verdict, payload, flows, .. } => {
                let flows = flows.take();
                if flows.is_some() {
                    *verdict = Verdict::Status(Status::Cancelled);
                }
                if !mem::take(payload).is_empty() {
                    self.theirs.reply_bytes -= mem::take(&mut call.reply);
                    *verdict = Verdict::Status(Status::Cancelled);
                    let Theirs { ends, empty_ends, calls, .. } = &mut self.theirs;
                    empty_ends.push(key);
                    ends.leave(|key| reply_length(calls, key).is_some());
                }
                self.drop_flows(flows);
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
    pub(in crate::proto) fn their_deadline(&mut self, key: Key) -> bool {
        let Some(call) = self.theirs.calls.get_mut(key) else { return false };
        if !mem::replace(&mut call.has_deadline, false) {
            return false;
        }
        match &mut call.stage {
            Stage::Receiving(_) => {
                self.put_end(key, Verdict::Refusal(Refusal::Deadline), (0, 0), Payload::default());
            }
            Stage::Running { is_cancelled: false, is_out_of_time } => {
                *is_out_of_time = true;
                self.events.push_back(Event::DeadlinePassed { id: CallId { index: key.0, number: key.1 } });
            }
            _ => {}
        }
        true
    }

    /// Puts the end of a call in line.
    pub(super) fn put_end(&mut self, key: Key, verdict: Verdict, used: (u32, u32), payload: Payload) {
        let Some(call) = self.theirs.calls.get_mut(key) else { return };
        self.theirs.running -= 1;
        let line = if payload.is_empty() { &mut self.theirs.empty_ends } else { &mut self.theirs.ends };
        line.push(key);
        call.reply = payload.len();
        self.theirs.reply_bytes += call.reply;
        let before = mem::replace(&mut call.stage, Stage::Ending { verdict, used, payload, flows: None });
        if mem::replace(&mut call.has_deadline, false) {
            self.leave_alarm();
        }
        let Stage::Receiving(receiving) = before else { return };
        let (incoming, value) = *receiving;
        if let Some(arrived) = incoming.arrived {
            self.stream_stop(arrived.id);
        }
        if !value.granted {
            self.grants.waiting_arguments.leave(|key| self.theirs.waits_for_grant(key));
            self.grant_waiting();
        }
    }

    /// Writes the end of one call, if there is credit for its reply.
    pub(in crate::proto) fn write_end(&mut self) -> bool {
        let Some(key) = self.theirs.next_end() else { return false };
        let Some(call) = self.theirs.calls.get_mut(key) else { return false };
        let Stage::Ending { verdict, used, payload, flows } = &mut call.stage else { return false };
        let (verdict, used, payload, flows) = (*verdict, *used, mem::take(payload), flows.take());
        let beside = flows.as_ref().map_or(Beside::Nothing, |flows| flows.0);
        let most = first_piece_bytes(payload.len());
        let (length, rest) = self.output.value(Kind::End, payload, most, |to, payload| {
            put_head(to, key.1, verdict, used, beside, payload.len() as u64);
        });
        self.theirs.reply_credit -= length as u64;
        self.theirs.first_bytes -= u64::from(mem::take(&mut call.piece));
        let granted = mem::take(&mut call.granted);
        match rest {
            Some(pieces) => call.stage = Stage::Sending { pieces, granted: false },
            None if call.awaited > 0 => {
                self.theirs.reply_bytes -= mem::take(&mut call.reply);
                call.stage = Stage::Draining;
            }
            None => {
                self.remove_theirs(key);
            }
        }
        if granted > 0 {
            self.grants.give_back(Side::Theirs, granted);
            self.grant_waiting();
        }
        if let Some(flows) = flows {
            self.name_flows(key.1, flows.1);
        }
        true
    }

    /// The last byte of a reply was written.
    pub(in crate::proto) fn reply_written(&mut self, key: Key) {
        self.remove_theirs(key);
    }

    pub(super) fn remove_theirs(&mut self, key: Key) {
        let Theirs { calls, reply_bytes, .. } = &mut self.theirs;
        if let Some(call) = calls.get(key) {
            *reply_bytes -= call.reply;
            calls.remove(key, Some(key.1));
        }
    }
}
