//! Services are opened, and calls are made and written.

use std::{mem, time::Instant};

use super::{OurCall, Stage};
use crate::proto::{
    alarm::Side,
    call::{CallKey, More, Request, Slot, metadata_bytes},
    closed::Closed,
    config::Limits,
    end::Refusal,
    event::{Call, Ended, Event, Open, Opened, Refused},
    frame::Kind,
    session::Core,
    streams::{Lane, Name, StreamId},
    wire::{Reader, put_number, put_run},
};

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
        if open.props.is_some_and(|props| !props.fits()) {
            return Err(Refused::Props);
        }
        self.ours.slots.push(false);
        self.output.control(Kind::Open, |to| {
            put_number(to, u64::from(slot));
            to.extend_from_slice(&open.digest);
            put_run(to, open.service.as_bytes());
            put_run(to, open.entrypoint.as_bytes());
            if let Some(props) = open.props {
                props.put(to);
            }
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
        if call.stream.is_some() && self.streams_left() == 0 {
            return Err(Refused::Streams { max: self.peer.map_or(0, |peer| peer.streams) });
        }
        let needs_more = call.fingerprint.is_some()
            || !call.metadata.is_empty()
            || call.trace.is_some()
            || call.stream.is_some();
        let more = if needs_more {
            let metadata = metadata_bytes(call.metadata).ok_or(Refused::Metadata)?;
            let stream = call.stream.map(|length| (self.begin_out(Lane::Caller), length));
            Some(Box::new(More { fingerprint: call.fingerprint, metadata, trace: call.trace, stream }))
        } else {
            None
        };
        let latest = now.checked_add(self.config.deadline_max);
        let deadline = call.deadline.map(|deadline| latest.map_or(deadline, |latest| latest.min(deadline)));
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

    /// The stream of a call that was just made with one.
    pub(crate) fn upload_of(&self, key: CallKey) -> Option<StreamId> {
        let call = self.ours.calls.get((key.index, key.serial))?;
        let Stage::Waiting { request, .. } = &call.stage else { return None };
        request.stream().map(|(id, _)| id)
    }

    pub(super) fn check_open(&self) -> Result<(), Refused> {
        if !self.is_open() || self.half_closed.is_some() {
            return Err(Refused::Closed);
        }
        if self.ours.mark.is_some() {
            return Err(Refused::GoingAway);
        }
        Ok(())
    }

    /// Writes the first call in line, if there is credit for it.
    pub(in crate::proto) fn write_call(&mut self, now: Instant) -> bool {
        while let Some(most) = self.ours.can_write(self.peer)
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
            let (piece, rest) = self.output.value(Kind::Call, payload, most, |to, payload| {
                request.put_head(to, number, left, payload.len());
            });
            let stream = request.stream();
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
            if let Some((id, _)) = stream {
                self.name_out(id, Name::new(Side::Ours, number, Lane::Caller));
            }
            return true;
        }
        false
    }

    pub(in crate::proto) fn receive_opened(&mut self, body: &[u8]) -> Result<(), Closed> {
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
}

const NAME_BYTES_MAX: usize = 255;
