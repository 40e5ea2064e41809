//! Calls that end, or that nobody waits for any more.

use std::{mem, sync::Arc, time::Instant};

use super::{DroppedReply, OurCall, Ours, Stage};
use crate::proto::{
    alarm::Side,
    call::CallKey,
    event::{Ended, Event},
    frame::Kind,
    session::Core,
    table::Key,
    wire::put_number,
};

impl Core {
    /// Nobody waits for a call any more. One that was not written vanishes, of any other the peer is told. No event
    /// follows; a key that means nothing any more is ignored.
    pub(crate) fn cancel(&mut self, key: CallKey) {
        self.drop_ours((key.index, key.serial));
        self.settle();
    }

    /// A deadline of ours may have passed.
    pub(in crate::proto) fn our_deadline(&mut self, key: Key) -> bool {
        if !self.ours.has_deadline(key) {
            return false;
        }
        self.tell(key, Ended::Deadline);
        if let Some(call) = self.ours.calls.get_mut(key) {
            // Its alarm has gone off.
            call.has_deadline = false;
        }
        self.drop_ours(key);
        true
    }

    /// Gives up granted replies that have made no progress since `since`; gives the oldest progress of the others.
    pub(in crate::proto) fn give_up_stalled_replies(&mut self, since: Instant) -> Option<Instant> {
        let mut oldest = None;
        for key in self.ours.calls.keys().collect::<Vec<_>>() {
            let Some(value) = self.ours.value_mut(key).filter(|value| value.granted) else { continue };
            if value.progress > since {
                let progress = value.progress;
                oldest = Some(oldest.map_or(progress, |oldest: Instant| oldest.min(progress)));
                continue;
            }
            let ended = Ended::Lost("the reply made no progress after it was granted".into());
            self.tell(key, ended);
            self.drop_ours(key);
        }
        oldest
    }

    /// Forgets a call, and tells the peer if that is needed.
    pub(super) fn drop_ours(&mut self, key: Key) {
        let Some(call) = self.ours.calls.get_mut(key) else { return };
        let number = match (&call.stage, call.number) {
            (Stage::Dropped { .. }, _) => return,
            (_, Some(number)) => number,
            _ => {
                self.remove_ours(key);
                return;
            }
        };
        if mem::replace(&mut call.has_deadline, false) {
            self.leave_alarm();
        }
        self.drop_reply(key);
        if let Some(call) = self.ours.calls.get_mut(key)
            && !matches!(call.stage, Stage::Dropped { .. })
        {
            call.stage = Stage::Dropped { reply: None };
        }
        self.output.control(Kind::Cancel, |to| put_number(to, number));
        self.give_up_upload(number);
    }

    /// Gives the memory of a reply that is being received back.
    pub(super) fn drop_reply(&mut self, key: Key) {
        let Some(call) = self.ours.calls.get_mut(key) else { return };
        let Stage::Receiving(reply) = &mut call.stage else { return };
        let (left, granted) = (reply.value.left(), reply.value.granted);
        let (first, rest, arrived) = (reply.first, reply.granted, reply.arrived.take());
        call.stage = Stage::Dropped { reply: Some(DroppedReply { left, granted }) };
        if granted {
            self.grants.give_back(Side::Ours, rest);
        } else {
            self.grants.waiting_replies.leave(|key| self.ours.waits_for_grant(key));
        }
        self.taken(first);
        self.grant_waiting();
        self.stop_arrived(arrived);
    }

    /// Ends a call of which the session will hear nothing more.
    pub(in crate::proto) fn end_one_of_ours(&mut self, key: Key, why: &Arc<str>, threshold: u64) {
        let is_dropped = |call: &OurCall| matches!(call.stage, Stage::Dropped { .. });
        let is_dropped = self.ours.calls.get(key).is_some_and(is_dropped);
        self.drop_reply(key);
        if let Some(number) = self.ours.calls.get(key).and_then(|call| call.number) {
            self.give_up_upload(number);
        }
        let Some(last_byte) = self.remove_ours(key) else { return };
        if is_dropped {
            return;
        }
        let is_sent = last_byte <= threshold;
        let why = Arc::clone(why);
        self.tell(key, if is_sent { Ended::Lost(why) } else { Ended::NotSent(why) });
    }

    /// The peer takes no calls from `mark` on.
    pub(in crate::proto) fn refuse_ours_from(&mut self, mark: u64, why: &Arc<str>) {
        for key in self.ours.calls.keys().collect::<Vec<_>>() {
            let number = self.ours.calls.get(key).and_then(|call| call.number);
            if number.is_none_or(|number| number >= mark) {
                self.end_one_of_ours(key, why, 0);
            }
        }
    }

    pub(super) fn end_ours_with(&mut self, key: Key, ended: Ended) {
        if self.remove_ours(key).is_some() {
            self.tell(key, ended);
        }
    }

    /// Takes a call out, with all that counts for it. Gives where its last byte lies.
    pub(super) fn remove_ours(&mut self, key: Key) -> Option<u64> {
        let call = self.ours.calls.get(key)?;
        let &OurCall { number, piece, last_byte, has_deadline, .. } = call;
        let stream = match &call.stage {
            Stage::Waiting { request, .. } if number.is_none() => request.stream(),
            _ => None,
        };
        self.ours.calls.remove(key, number);
        self.ours.first_bytes -= u64::from(piece);
        if has_deadline {
            self.leave_alarm();
        }
        if let Some((id, _)) = stream {
            self.drop_out(id);
        }
        if number.is_none() {
            let Ours { waiting, calls, .. } = &mut self.ours;
            if waiting.front() == Some(key) {
                self.ours.pop_waiting();
            } else {
                waiting.leave(|key| calls.get(key).is_some());
            }
        }
        Some(last_byte)
    }

    fn tell(&mut self, (index, serial): Key, ended: Ended) {
        self.events.push_back(Event::Ended { key: CallKey { index, serial }, ended });
    }
}
