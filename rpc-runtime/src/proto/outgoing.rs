//! Calls of this side.

use std::{mem, sync::Arc, time::Instant};

use super::{
    alarm::Side,
    call::{CallKey, More, Request, Slot, metadata_bytes},
    closed::Closed,
    config::Limits,
    end::{Head, Refusal, Verdict},
    event::{Call, Ended, Event, Open, Opened, Refused},
    frame::{Kind, PIECE_BYTES_MAX},
    grant::{Rest, Waiting},
    payload::{Pieces, Received},
    session::Core,
    table::{Key, Line, Table},
    value::Value,
    wire::{Reader, put_number, put_run},
};

/// Calls of this side, and the credit that the peer gave for them.
#[derive(Debug, Default)]
pub(super) struct Ours {
    pub(super) calls: Table<OurCall>,
    /// Calls made so far, whether written or not.
    serial: u64,
    /// The number of the next call that is written.
    pub(super) next: u64,
    /// Calls that are not written yet.
    pub(super) waiting: Line,
    /// Bytes of first pieces of calls that have not ended.
    first_bytes: u64,
    /// Whether the peer has answered, for each service that was opened.
    slots: Vec<bool>,
    pub(super) replies: Replies,
    /// The peer takes no calls from here on.
    pub(super) mark: Option<u64>,
}

#[derive(Debug)]
pub(super) struct OurCall {
    stage: Stage,
    /// None until its head is written.
    number: Option<u64>,
    /// First-piece bytes that count against the peer's credit.
    piece: u32,
    /// Where its last byte lies in all that this side writes.
    last_byte: u64,
    has_deadline: bool,
}

#[derive(Debug)]
enum Stage {
    Waiting {
        request: Request,
        deadline: Option<Instant>,
    },
    /// All of it is written.
    Sent,
    /// The rest of its arguments is not.
    Sending {
        pieces: Pieces,
        granted: bool,
    },
    Receiving(Box<Reply>),
    /// Nobody waits for it any more: kept so that its end is known from a forged one. Once a reply has begun it goes
    /// on to its last byte, or until the callee gives it up.
    Dropped {
        reply: Option<DroppedReply>,
    },
}

/// A reply of more than one piece.
#[derive(Debug)]
struct Reply {
    verdict: Verdict,
    used: (u32, u32),
    /// Bytes of its first piece.
    first: u64,
    value: Value,
    granted: u64,
}

#[derive(Debug, Clone, Copy)]
struct DroppedReply {
    left: usize,
    granted: bool,
}

/// Bytes of replies that the application has, and what the peer was told of it.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Of first pieces: received, and not given back as credit.
    outstanding: u64,
    /// Of first pieces: not taken by the application.
    first_untaken: u64,
    /// Of first pieces: taken, and not given back yet.
    owed: u64,
    /// Of whole values beyond their first pieces: delivered and not taken.
    rest_untaken: u64,
}

impl Replies {
    pub(super) const fn untaken(&self) -> u64 {
        self.first_untaken + self.rest_untaken
    }
}

impl Ours {
    /// Calls that were written and have not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.calls.len() - self.waiting.len()
    }

    pub(super) fn value_mut(&mut self, key: Key) -> Option<&mut Value> {
        match &mut self.calls.get_mut(key)?.stage {
            Stage::Receiving(reply) => Some(&mut reply.value),
            _ => None,
        }
    }

    pub(super) fn waiting_value(&mut self, key: Key) -> Option<Waiting<'_>> {
        let call = self.calls.get_mut(key)?;
        match (&mut call.stage, call.number) {
            (Stage::Receiving(reply), Some(number)) if !reply.value.granted => {
                let Reply { value, granted, .. } = &mut **reply;
                Some(Waiting { number, value, granted, awaited: None })
            }
            _ => None,
        }
    }

    fn waits_for_grant(&self, key: Key) -> bool {
        let stage = self.calls.get(key).map(|call| &call.stage);
        matches!(stage, Some(Stage::Receiving(reply)) if !reply.value.granted)
    }

    pub(super) fn rest_of(&mut self, number: u64) -> Rest<'_> {
        let Some(index) = self.calls.index_of(number) else { return Rest::None };
        match self.calls.at_mut(index) {
            Some((serial, OurCall { stage: Stage::Sending { granted, .. }, .. })) if !*granted => {
                Rest::Waits((index, serial), granted)
            }
            Some((_, OurCall { stage: Stage::Dropped { reply: None }, .. })) => Rest::NotWanted,
            _ => Rest::None,
        }
    }

    pub(super) fn pieces_mut(&mut self, key: Key) -> Option<(u64, &mut Pieces)> {
        let call = self.calls.get_mut(key)?;
        match (&mut call.stage, call.number) {
            (Stage::Sending { pieces, .. }, Some(number)) => Some((number, pieces)),
            _ => None,
        }
    }

    /// The last byte of its arguments was written, `at` so many bytes.
    pub(super) fn written(&mut self, key: Key, at: u64) {
        if let Some(call) = self.calls.get_mut(key) {
            call.stage = Stage::Sent;
            call.last_byte = at;
        }
    }

    pub(super) fn has_deadline(&self, key: Key) -> bool {
        self.calls.get(key).is_some_and(|call| call.has_deadline)
    }

    /// Takes the first call out of the line, so that the next one that is still meant is the first.
    fn pop_waiting(&mut self) {
        self.waiting.pop();
        while let Some(front) = self.waiting.front()
            && self.calls.get(front).is_none()
        {
            self.waiting.pop_stale();
        }
    }

    /// Whether the first call in line can be written, or ended, now.
    pub(super) fn can_write(&self, peer: Option<Limits>) -> bool {
        let call = self.waiting.front().and_then(|key| self.calls.get(key));
        let Some(OurCall { stage: Stage::Waiting { request, .. }, .. }) = call else { return false };
        let limits = peer.unwrap_or(Limits::ASSUMED);
        let length = request.payload.len();
        if length > limits.value_bytes as usize {
            return peer.is_some();
        }
        self.in_flight() < limits.in_flight as usize
            && self.first_bytes + length.min(PIECE_BYTES_MAX) as u64 <= u64::from(limits.first_bytes)
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.calls.heap_bytes() + self.waiting.heap_bytes() + self.slots.capacity()
    }

    pub(super) fn trim(&mut self) {
        self.calls.trim();
        self.waiting.trim();
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.calls = Table::default();
        self.replies = Replies::default();
    }
}

impl Core {
    /// Opens a service at the peer; calls may follow at once. The answer is an [`Event::Opened`].
    pub(crate) fn open(&mut self, open: Open<'_>) -> Result<Slot, Refused> {
        self.check_open()?;
        let max = self.peer.unwrap_or(Limits::ASSUMED).slots;
        let slot = u32::try_from(self.ours.slots.len()).ok().filter(|&slot| slot < max);
        let slot = slot.ok_or(Refused::Slots { max })?;
        if open.service.len() > NAME_BYTES_MAX || open.entrypoint.len() > NAME_BYTES_MAX {
            return Err(Refused::Name);
        }
        self.ours.slots.push(false);
        self.output.control(Kind::Open, |to| {
            put_number(to, u64::from(slot));
            to.extend_from_slice(&open.digest);
            put_run(to, open.service.as_bytes());
            put_run(to, open.entrypoint.as_bytes());
        });
        Ok(Slot(slot))
    }

    /// Makes a call. Its [`Event::Ended`] follows, unless it is cancelled before.
    pub(crate) fn call(&mut self, call: Call<'_>, now: Instant) -> Result<CallKey, Refused> {
        self.check_open()?;
        if call.slot.index() >= self.ours.slots.len() {
            return Err(Refused::Slot);
        }
        let waiting_max = self.config.waiting_max;
        if self.ours.waiting.len() >= waiting_max as usize {
            return Err(Refused::Overloaded { waiting_max });
        }
        let (length, max) = (call.payload.len(), self.peer.map(|limits| limits.value_bytes as usize));
        if let Some(max) = max.filter(|&max| length > max) {
            return Err(Refused::TooLong { length, max });
        }
        let needs_more = call.fingerprint.is_some() || !call.metadata.is_empty() || call.trace.is_some();
        let more = if needs_more {
            let metadata = metadata_bytes(call.metadata).ok_or(Refused::Metadata)?;
            Some(Box::new(More { fingerprint: call.fingerprint, metadata, trace: call.trace }))
        } else {
            None
        };
        let deadline = match call.deadline {
            Some(deadline) => {
                Some(now.checked_add(self.config.deadline_max).map_or(deadline, |max| max.min(deadline)))
            }
            None => None,
        };
        let Call { slot: Slot(slot), method, left, payload, .. } = call;
        let stage = Stage::Waiting { request: Request { slot, method, left, payload, more }, deadline };
        let serial = self.ours.serial;
        self.ours.serial += 1;
        let call =
            OurCall { stage, number: None, piece: 0, last_byte: u64::MAX, has_deadline: deadline.is_some() };
        let index = self.ours.calls.insert(serial, call);
        self.ours.waiting.push((index, serial));
        if let Some(deadline) = deadline {
            self.alarms.set(deadline, Side::Ours, (index, serial));
        }
        self.pace.in_use(now);
        Ok(CallKey { index, serial })
    }

    /// Nobody waits for a call any more. One that was not written vanishes, of any other the peer is told. No event
    /// follows; a key that means nothing any more is ignored.
    pub(crate) fn cancel(&mut self, key: CallKey) {
        self.drop_ours((key.index, key.serial));
        self.settle();
    }

    /// The application has taken `bytes` of replies: the whole lengths of their values, each once.
    pub(crate) fn taken(&mut self, bytes: u64) {
        let is_open = self.is_open();
        let replies = &mut self.ours.replies;
        // Which of them were first pieces does not matter: their sum is what is limited.
        let first = bytes.min(replies.first_untaken);
        replies.first_untaken -= first;
        replies.owed += first;
        let rest = (bytes - first).min(replies.rest_untaken);
        replies.rest_untaken -= rest;
        let owed = replies.owed;
        if owed > 0 && owed >= u64::from(self.config.reply_bytes_max / 4) && is_open {
            replies.owed = 0;
            replies.outstanding -= owed;
            self.output.control(Kind::Credit, |to| put_number(to, owed));
        }
        if rest > 0 {
            self.grants.give_back(Side::Ours, rest);
            self.grant_waiting();
        }
    }

    fn check_open(&self) -> Result<(), Refused> {
        if !self.is_open() || self.half_closed {
            return Err(Refused::Closed);
        }
        if self.ours.mark.is_some() {
            return Err(Refused::GoingAway);
        }
        Ok(())
    }

    /// Writes the first call in line, if there is credit for it.
    pub(super) fn write_call(&mut self, now: Instant) -> bool {
        while self.ours.can_write(self.peer)
            && let Some(key) = self.ours.waiting.front()
            && let Some(call) = self.ours.calls.get_mut(key)
            && let Stage::Waiting { request, deadline } = &mut call.stage
        {
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.end_ours_with(key, Ended::Deadline);
                continue;
            }
            let max = self.peer.unwrap_or(Limits::ASSUMED).value_bytes as usize;
            if request.payload.len() > max {
                self.end_ours_with(key, Ended::Refused(Refusal::ValueTooLong));
                continue;
            }
            // Never 0, which is a deadline that has passed.
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now).as_micros().max(1));
            let left = left.map(|left| u64::try_from(left).unwrap_or(u64::MAX));
            let number = self.ours.next;
            let payload = mem::take(&mut request.payload);
            let (piece, rest) = self.output.value(Kind::Call, payload, |to, payload| {
                request.put_head(to, number, left, payload.len());
            });
            call.piece = piece as u32;
            call.number = Some(number);
            match rest {
                Some(pieces) => call.stage = Stage::Sending { pieces, granted: false },
                None => {
                    call.stage = Stage::Sent;
                    call.last_byte = self.output.encoded;
                }
            }
            self.ours.next += 1;
            self.ours.first_bytes += piece as u64;
            self.ours.pop_waiting();
            self.ours.calls.name(key.0, number);
            return true;
        }
        false
    }

    pub(super) fn receive_opened(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("Opened", body);
        let slot = reader.short_number()?;
        let opened = match reader.byte()? {
            0 => Opened::Same,
            1 => {
                let mut methods = Vec::new();
                for _ in 0..reader.number()? {
                    methods.push((reader.word()?, reader.array()?));
                }
                Opened::Different { methods }
            }
            2 => Opened::Absent,
            _ => return Err(reader.wrong("its answer is neither same, nor different, nor absent")),
        };
        reader.end()?;
        match self.ours.slots.get_mut(slot as usize) {
            Some(answered) if !*answered => {
                *answered = true;
                self.events.push_back(Event::Opened { slot: Slot(slot), opened });
                Ok(())
            }
            _ => {
                Err(Closed::protocol("the peer answered an `Open` that was answered before, or never asked"))
            }
        }
    }

    pub(super) fn receive_end(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let Head { number, verdict, used, total, piece } = Head::read(body)?;
        let index = self.ours.calls.index_of(number);
        let Some((index, (serial, call))) =
            index.and_then(|index| Some((index, self.ours.calls.at_mut(index)?)))
        else {
            return Err(Closed::protocol(format!("the peer ended call {number}, which is not open")));
        };
        if matches!(call.stage, Stage::Receiving(_) | Stage::Dropped { reply: Some(_) }) {
            return Err(Closed::protocol(format!("the peer ended call {number} twice")));
        }
        let key = (index, serial);
        let rest = usize::try_from(total - piece.len() as u64).unwrap_or(usize::MAX);
        if matches!(verdict, Verdict::Refusal(_)) && total > 0 {
            return Err(Closed::protocol(format!("the peer refused call {number} and sent a value with it")));
        }
        if total > u64::from(self.config.value_bytes_max) {
            return Err(Closed::flow_control(format!(
                "the peer's reply to call {number} is {total} bytes long where {} were allowed",
                self.config.value_bytes_max
            )));
        }
        self.ours.replies.outstanding += piece.len() as u64;
        if self.ours.replies.outstanding > u64::from(self.config.reply_bytes_max) {
            return Err(Closed::flow_control(format!(
                "the peer's reply to call {number} goes beyond its credit of {} bytes",
                self.config.reply_bytes_max
            )));
        }
        self.ours.replies.first_untaken += piece.len() as u64;
        self.ours.first_bytes -= u64::from(mem::take(&mut call.piece));
        match &mut call.stage {
            Stage::Dropped { reply } => {
                if rest > 0 {
                    *reply = Some(DroppedReply { left: rest, granted: false });
                } else {
                    self.remove_ours(key);
                }
                self.taken(piece.len() as u64);
                return Ok(());
            }
            // The peer need not wait for what this side will not send.
            Stage::Sending { granted: true, .. } => self.put_abort(Side::Ours, number),
            _ => {}
        }
        if rest == 0 {
            let ended = match verdict {
                Verdict::Status(status) => Ended::Reply { status, used, payload: Received::copied(piece) },
                Verdict::Refusal(refusal) => Ended::Refused(refusal),
            };
            self.end_ours_with(key, ended);
        } else if let Some(call) = self.ours.calls.get_mut(key) {
            let value = Value::new(piece, piece.len() + rest, now);
            call.stage = Stage::Receiving(Box::new(Reply {
                verdict,
                used,
                first: piece.len() as u64,
                value,
                granted: 0,
            }));
            self.grants.waiting_replies.push(key);
            self.grant_waiting();
        }
        Ok(())
    }

    /// The beginning of a part of a reply, or its abort.
    pub(super) fn receive_reply_part(&mut self, number: u64, aborted: bool) -> Result<(Key, usize), Closed> {
        let index = self.ours.calls.index_of(number);
        let call = index.and_then(|index| Some((index, self.ours.calls.at_mut(index)?)));
        let Some((index, (serial, call))) = call else {
            return Err(Closed::protocol(format!(
                "the peer sent a part of a reply to call {number}, which is not open"
            )));
        };
        let key = (index, serial);
        let (granted, left) = match &call.stage {
            Stage::Receiving(reply) => (reply.value.granted, reply.value.left()),
            Stage::Dropped { reply: Some(reply) } => (reply.granted, reply.left),
            _ => {
                return Err(Closed::protocol(format!(
                    "the peer sent a part of a reply to call {number} before its end"
                )));
            }
        };
        if aborted {
            self.reply_given_up(key);
            return Ok((key, 0));
        }
        if !granted {
            return Err(Closed::flow_control(format!(
                "the peer sent a part of its reply to call {number} before it was granted"
            )));
        }
        Ok((key, left))
    }

    /// The callee will not send the rest of a reply.
    fn reply_given_up(&mut self, key: Key) {
        match self.ours.calls.get(key).map(|call| &call.stage) {
            Some(Stage::Receiving(_)) => {
                self.drop_reply(key);
                self.end_ours_with(key, Ended::Lost("the callee gave up its reply half-way".into()));
            }
            _ => {
                self.remove_ours(key);
            }
        }
    }

    /// `length` more bytes of a reply came.
    pub(super) fn reply_came(&mut self, key: Key, length: usize) {
        let Some(call) = self.ours.calls.get_mut(key) else { return };
        match &mut call.stage {
            Stage::Receiving(reply) if reply.value.left() == 0 => {
                let stage = mem::replace(&mut call.stage, Stage::Sent);
                let Stage::Receiving(reply) = stage else { return };
                let Reply { verdict, used, value, granted, .. } = *reply;
                self.ours.replies.rest_untaken += granted;
                let Verdict::Status(status) = verdict else { return };
                self.end_ours_with(key, Ended::Reply { status, used, payload: value.into_received() });
            }
            Stage::Dropped { reply: Some(reply) } => {
                reply.left -= length;
                if reply.left == 0 {
                    self.remove_ours(key);
                }
            }
            _ => {}
        }
    }

    /// Credit for replies: the peer's application has taken some.
    pub(super) fn receive_credit(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("Credit", body);
        let bytes = reader.number()?;
        reader.end()?;
        let max = self.peer.map_or(0, |limits| u64::from(limits.reply_bytes));
        let credit = self.theirs.reply_credit.checked_add(bytes).filter(|&credit| credit <= max);
        match credit {
            Some(_) if bytes == 0 => Err(Closed::protocol("the peer sent a `Credit` of nothing")),
            Some(credit) => {
                self.theirs.reply_credit = credit;
                Ok(())
            }
            None => Err(Closed::flow_control(format!(
                "the peer gave back {bytes} bytes of credit that were not used"
            ))),
        }
    }

    /// A deadline of ours may have passed.
    pub(super) fn our_deadline(&mut self, key: Key) -> bool {
        if !self.ours.has_deadline(key) {
            return false;
        }
        self.events
            .push_back(Event::Ended { key: CallKey { index: key.0, serial: key.1 }, ended: Ended::Deadline });
        if let Some(call) = self.ours.calls.get_mut(key) {
            // Its alarm has gone off.
            call.has_deadline = false;
        }
        self.drop_ours(key);
        true
    }

    /// Gives up granted replies that have made no progress since `since`; gives the oldest progress of the others.
    pub(super) fn give_up_stalled_replies(&mut self, since: Instant) -> Option<Instant> {
        let mut oldest = None;
        for key in self.ours.calls.keys().collect::<Vec<_>>() {
            let Some(value) = self.ours.value_mut(key).filter(|value| value.granted) else { continue };
            if value.progress > since {
                let progress = value.progress;
                oldest = Some(oldest.map_or(progress, |oldest: Instant| oldest.min(progress)));
                continue;
            }
            let ended = Ended::Lost("the reply made no progress after it was granted".into());
            self.events.push_back(Event::Ended { key: CallKey { index: key.0, serial: key.1 }, ended });
            self.drop_ours(key);
        }
        oldest
    }

    /// Forgets a call, and tells the peer if that is needed.
    fn drop_ours(&mut self, key: Key) {
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
    }

    /// Gives the memory of a reply that is being received back.
    fn drop_reply(&mut self, key: Key) {
        let Some(call) = self.ours.calls.get_mut(key) else { return };
        let Stage::Receiving(reply) = &mut call.stage else { return };
        let (left, granted) = (reply.value.left(), reply.value.granted);
        let (first, rest) = (reply.first, reply.granted);
        call.stage = Stage::Dropped { reply: Some(DroppedReply { left, granted }) };
        if granted {
            self.grants.give_back(Side::Ours, rest);
        } else {
            self.grants.waiting_replies.leave(|key| self.ours.waits_for_grant(key));
        }
        self.taken(first);
        self.grant_waiting();
    }

    /// Ends a call of which the session will hear nothing more.
    pub(super) fn end_one_of_ours(&mut self, key: Key, why: &Arc<str>, threshold: u64) {
        let is_dropped = |call: &OurCall| matches!(call.stage, Stage::Dropped { .. });
        let is_dropped = self.ours.calls.get(key).is_some_and(is_dropped);
        self.drop_reply(key);
        let Some(call) = self.remove_ours(key) else { return };
        let ended = match call {
            _ if is_dropped => return,
            _ if call.last_byte > threshold => Ended::NotSent(Arc::clone(why)),
            _ => Ended::Lost(Arc::clone(why)),
        };
        self.events.push_back(Event::Ended { key: CallKey { index: key.0, serial: key.1 }, ended });
    }

    /// The peer takes no calls from `mark` on.
    pub(super) fn refuse_ours_from(&mut self, mark: u64, why: &Arc<str>) {
        for key in self.ours.calls.keys().collect::<Vec<_>>() {
            let number = self.ours.calls.get(key).and_then(|call| call.number);
            if number.is_none_or(|number| number >= mark) {
                self.end_one_of_ours(key, why, 0);
            }
        }
    }

    fn end_ours_with(&mut self, key: Key, ended: Ended) {
        if self.remove_ours(key).is_some() {
            self.events.push_back(Event::Ended { key: CallKey { index: key.0, serial: key.1 }, ended });
        }
    }

    /// Takes a call out, with all that counts for it.
    fn remove_ours(&mut self, key: Key) -> Option<OurCall> {
        let number = self.ours.calls.get(key)?.number;
        let call = self.ours.calls.remove(key, number)?;
        self.ours.first_bytes -= u64::from(call.piece);
        if call.has_deadline {
            self.leave_alarm();
        }
        if number.is_none() {
            let Ours { waiting, calls, .. } = &mut self.ours;
            if waiting.front() == Some(key) {
                self.ours.pop_waiting();
            } else {
                waiting.leave(|key| calls.get(key).is_some());
            }
        }
        Some(call)
    }
}

const NAME_BYTES_MAX: usize = 255;
