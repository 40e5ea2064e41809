//! Calls of the peer.

mod arguments;
mod ending;
mod taking;

use std::time::Instant;

use super::{
    end::Verdict,
    event::Incoming,
    frame::first_piece_bytes,
    grant::{Rest, Waiting},
    payload::{Payload, Pieces},
    streams::{Begun, Beside},
    table::{Key, Line, Table},
    value::Value,
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
    /// Bytes of replies that wait to be written.
    pub(super) reply_bytes: usize,
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
    /// Bytes of its reply, until that is written.
    reply: usize,
    /// Granted bytes that are held until its end.
    granted: u64,
    /// Granted bytes that have not come.
    awaited: usize,
    has_deadline: bool,
    /// When a quarter of the time of its deadline is over: a cancel after that is no surprise.
    abrupt_until: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Receiving(Box<(Incoming, Value)>),
    /// Its handler runs. It is told once to stop, whatever comes first.
    Running {
        is_cancelled: bool,
        is_out_of_time: bool,
    },
    /// To be written.
    Ending {
        verdict: Verdict,
        used: (u32, u32),
        payload: Payload,
        /// What goes with it.
        flows: Option<Box<(Beside, Begun)>>,
    },
    /// The rest of the reply is still to be written.
    Sending {
        pieces: Pieces,
        granted: bool,
    },
    /// Ended while the rest of its arguments came, which goes on until the peer has noticed.
    Draining,
}

impl Stage {
    const RUNNING: Self = Self::Running { is_cancelled: false, is_out_of_time: false };
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
    pub(super) const fn next_number(&self) -> u64 {
        self.next + self.skipped
    }

    fn waits_for_grant(&self, key: Key) -> bool {
        let stage = self.calls.get(key).map(|call| &call.stage);
        matches!(stage, Some(Stage::Receiving(receiving)) if !receiving.1.granted)
    }

    /// Whether some end can be written.
    pub(super) fn can_end(&self) -> bool {
        let has_credit = |length: usize| first_piece_bytes(length) as u64 <= self.reply_credit;
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
                Some(length) if first_piece_bytes(length) as u64 > self.reply_credit => return None,
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
        self.reply_bytes = 0;
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

fn reply_length(calls: &Table<TheirCall>, key: Key) -> Option<usize> {
    match &calls.get(key)?.stage {
        Stage::Ending { payload, .. } => Some(payload.len()).filter(|&length| length > 0),
        _ => None,
    }
}
