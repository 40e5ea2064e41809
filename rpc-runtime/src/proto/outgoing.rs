//! Calls of this side.

mod leaving;
mod making;
mod reply;

use std::time::Instant;

use super::{
    call::Request,
    config::Limits,
    end::Verdict,
    frame::first_piece_bytes,
    grant::{Rest, Waiting},
    payload::Pieces,
    streams::Arrived,
    table::{Key, Line, Table},
    value::Value,
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
    arrived: Option<Box<Arrived>>,
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

    /// Whether the first call in line can be written, or ended, now; then how long its first piece may be.
    pub(super) fn can_write(&self, peer: Option<Limits>) -> Option<usize> {
        let call = self.waiting.front().and_then(|key| self.calls.get(key));
        let Some(OurCall { stage: Stage::Waiting { request, .. }, .. }) = call else { return None };
        let limits = peer.unwrap_or(Limits::ASSUMED);
        let length = request.payload.len();
        if length > limits.value_bytes as usize {
            return peer.map(|_| 0);
        }
        if self.in_flight() >= limits.in_flight as usize {
            return None;
        }
        let left = u64::from(limits.first_bytes).saturating_sub(self.first_bytes);
        let piece = first_piece_bytes(length);
        let piece = if peer.is_some() { piece.min(credit_of_one(left, limits)) } else { piece };
        (piece as u64 <= left).then_some(piece)
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

/// How much of the credit that is left the first piece of one call may take.
///
/// A call keeps its credit until its end, and its handler may wait for a call behind it: a caller that holds 64 calls
/// of 64 KiB, whose handlers wait for the 65th, would wait for ever. So the last quarter of the credit is shared out
/// among all calls that the peer takes, and what does not fit comes as the rest of a value.
fn credit_of_one(left: u64, limits: Limits) -> usize {
    let kept = u64::from(limits.first_bytes / 4);
    let share = (kept / u64::from(limits.in_flight.max(1))).max(SHARE_BYTES_MIN);
    usize::try_from(left.saturating_sub(kept).max(share)).unwrap_or(usize::MAX)
}

/// The arguments of most calls, whatever a peer says of its limits.
const SHARE_BYTES_MIN: u64 = 64;
