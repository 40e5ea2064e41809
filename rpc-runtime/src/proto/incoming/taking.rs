//! Services are opened by the peer, and calls arrive.

use std::time::{Duration, Instant};

use super::{PeerService, Stage, TheirCall};
use crate::proto::{
    alarm::Side,
    call::{CallId, Head, PeerSlot, Target},
    closed::Closed,
    config::Config,
    end::{Refusal, Verdict},
    event::{Event, Incoming, Opened},
    frame::Kind,
    payload::{Payload, Received},
    props::Beside,
    session::Core,
    streams::{Arrived, Lane, Length, Name},
    table::Key,
    value::Value,
    wire::{Reader, put_number},
};

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

    pub(in crate::proto) fn receive_open(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("Open", body);
        let slot = reader.short_number()?;
        let digest = reader.array()?;
        let service = reader.text(NAME_BYTES_MAX)?.to_owned();
        let entrypoint = reader.text(NAME_BYTES_MAX)?.to_owned();
        let Beside { props, has_unknown } = Beside::read(&mut reader)?;
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
        let slot = PeerSlot(slot);
        if has_unknown {
            // What this side would do for a caller, it must not do for one that it has not understood.
            self.opened(slot, Opened::Absent);
        } else {
            self.events.push_back(Event::Open { slot, service, entrypoint, digest, props });
        }
        Ok(())
    }

    pub(in crate::proto) fn receive_call(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let head = Head::read(body)?;
        let (number, next) = (head.number, self.theirs.next_number());
        if number != next {
            return Err(Closed::protocol(format!("the peer made call {number} where {next} is the next")));
        }
        if self.draining {
            // Its maker reads in our `GoAway` that it was not taken, and gives its stream up.
            self.theirs.skipped += 1;
            if head.stream.is_some() {
                self.check_streams()?;
                self.open_ignored(Name::new(Side::Theirs, number, Lane::Caller))?;
            }
            return Ok(());
        }
        let refusal = self.check_call(&head)?;
        self.theirs.next += 1;
        self.theirs.running += 1;
        self.theirs.first_bytes += head.piece.len() as u64;
        let max = self.config.deadline_max;
        let deadline = head.deadline.filter(|_| refusal.is_none());
        let deadline = deadline.and_then(|left| now.checked_add(Duration::from_micros(left).min(max)));
        let call = TheirCall {
            stage: Stage::RUNNING,
            piece: head.piece.len() as u32,
            reply: 0,
            granted: 0,
            awaited: 0,
            has_deadline: deadline.is_some(),
            abrupt_until: deadline.and_then(|deadline| now.checked_add(deadline.duration_since(now) / 4)),
        };
        let index = self.theirs.calls.insert(number, call);
        let key = (index, number);
        self.theirs.calls.name(index, number);
        self.pace.in_use(now);
        let arrived = match head.stream {
            Some(length) => Some(self.open_upload(number, length, refusal.is_none())?),
            None => None,
        };
        if let Some(refusal) = refusal {
            self.put_end(key, Verdict::Refusal(refusal), (0, 0), Payload::default());
            return Ok(());
        }
        if let Some(deadline) = deadline {
            self.alarms.set(deadline, Side::Theirs, key);
        }
        self.take_call(head, key, deadline, arrived, now);
        Ok(())
    }

    /// The stream that comes with a call.
    #[cold]
    fn open_upload(&mut self, number: u64, length: Length, is_wanted: bool) -> Result<Box<Arrived>, Closed> {
        self.check_streams()?;
        let id = self.open_in(Name::new(Side::Theirs, number, Lane::Caller), is_wanted)?;
        Ok(Box::new(Arrived { id, length, back: None }))
    }

    /// That the peer has said that it can do what it does.
    pub(in crate::proto) fn check_streams(&self) -> Result<(), Closed> {
        if self.takes_streams() == Some(true) {
            return Ok(());
        }
        Err(Closed::protocol("the peer sent a stream, which it or this side has not said that it can do"))
    }

    /// Whether there is credit for a call, and whether it is refused all the same.
    fn check_call(&self, head: &Head<'_>) -> Result<Option<Refusal>, Closed> {
        let Config { in_flight_max, first_bytes_max, value_bytes_max, .. } = self.config;
        if self.theirs.calls.len() >= in_flight_max as usize {
            return Err(Closed::flow_control(format!(
                "the peer made more than {in_flight_max} calls at a time"
            )));
        }
        if self.theirs.first_bytes + head.piece.len() as u64 > u64::from(first_bytes_max) {
            return Err(Closed::flow_control(format!(
                "the peer's calls go beyond their credit of {first_bytes_max} bytes"
            )));
        }
        if let Target::Slot(slot) = head.target {
            match self.theirs.slots.get(slot as usize) {
                None => {
                    return Err(Closed::protocol(format!("the peer called slot {slot} before it opened it")));
                }
                Some(PeerService::Absent) => return Ok(Some(Refusal::Absent)),
                Some(PeerService::Asked | PeerService::Found) => {}
            }
        }
        Ok(match head.refusal {
            Some(refusal) => Some(refusal),
            None if head.total > u64::from(value_bytes_max) => Some(Refusal::ValueTooLong),
            None if head.deadline == Some(0) => Some(Refusal::Deadline),
            None => None,
        })
    }

    /// Hands a call over, or waits for the rest of its arguments.
    fn take_call(
        &mut self,
        head: Head<'_>,
        (index, number): Key,
        deadline: Option<Instant>,
        arrived: Option<Box<Arrived>>,
        now: Instant,
    ) {
        let Head { method, fingerprint, left, metadata, trace, total, piece, .. } = head;
        let slot = match head.target {
            Target::Slot(slot) => slot,
            // Was refused.
            Target::Other => return,
        };
        let is_whole = total == piece.len() as u64;
        let payload = if is_whole { Received::copied(piece) } else { Received::default() };
        let (id, slot) = (CallId { index, number }, PeerSlot(slot));
        let incoming =
            Incoming { id, slot, method, fingerprint, left, deadline, metadata, trace, payload, arrived };
        if is_whole {
            self.events.push_back(Event::Call(incoming));
        } else if let Some(call) = self.theirs.calls.get_mut((index, number)) {
            // At most `value_bytes_max`, which fits.
            let value = Value::new(piece, total as usize, now);
            call.stage = Stage::Receiving(Box::new((incoming, value)));
            self.grants.waiting_arguments.push((index, number));
            self.grant_waiting();
        }
    }
}

const NAME_BYTES_MAX: usize = 255;

/// So many fit into one frame.
const METHODS_MAX: usize = 2700;
