//! Arguments of more than one piece.

use std::{mem, time::Instant};

use super::Stage;
use crate::proto::{
    closed::Closed,
    end::{Refusal, Status, Verdict},
    event::Event,
    payload::Payload,
    session::Core,
    table::Key,
};

impl Core {
    /// The beginning of a part of arguments, or the peer's word that there will be none.
    pub(in crate::proto) fn receive_argument_part(
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
    pub(in crate::proto) fn arguments_came(&mut self, key: Key, length: usize) {
        let Some(call) = self.theirs.calls.get_mut(key) else { return };
        call.awaited -= length;
        if call.awaited > 0 {
            return;
        }
        match &call.stage {
            Stage::Receiving(_) => {
                let stage = mem::replace(&mut call.stage, Stage::RUNNING);
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

    /// Refuses calls whose granted arguments have made no progress since `since`; gives the oldest progress of the
    /// others.
    pub(in crate::proto) fn give_up_stalled_arguments(&mut self, since: Instant) -> Option<Instant> {
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
    pub(in crate::proto) fn give_up_arguments(&mut self) {
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
}
