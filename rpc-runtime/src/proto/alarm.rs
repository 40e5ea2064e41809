//! Deadlines of calls, by the millisecond.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use super::table::Key;

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// We are the caller.
    Ours,
    /// We are the callee.
    Theirs,
}

/// Deadlines, the next one first. Those of calls that have ended stay until their time, or until they are more than
/// the others.
#[derive(Debug)]
pub(super) struct Alarms {
    start: Instant,
    heap: BinaryHeap<Reverse<(u64, Side, Key)>>,
    stale: usize,
}

impl Alarms {
    pub(super) const fn new(start: Instant) -> Self {
        Self { start, heap: BinaryHeap::new(), stale: 0 }
    }

    pub(super) fn set(&mut self, at: Instant, side: Side, key: Key) {
        // Up, so that none goes off before its time.
        let after = at.saturating_duration_since(self.start);
        let part = u64::from(after.subsec_nanos().div_ceil(1_000_000));
        let after = after.as_secs().saturating_mul(1000).saturating_add(part);
        self.heap.push(Reverse((after, side, key)));
    }

    /// One alarm is no longer meant; `is_meant` tells which still are.
    pub(super) fn leave(&mut self, is_meant: impl Fn(Side, Key) -> bool) {
        self.stale += 1;
        if self.stale * 2 > self.heap.len() + STALE_MAX {
            self.heap.retain(|Reverse((_, side, key))| is_meant(*side, *key));
            self.stale = 0;
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let Reverse((after, ..)) = self.heap.peek()?;
        self.start.checked_add(Duration::from_millis(*after))
    }

    /// Takes out one whose time has come. It may be one that was [left](Self::leave).
    pub(super) fn due(&mut self, now: Instant) -> Option<(Side, Key)> {
        self.next().filter(|&at| at <= now)?;
        let Reverse((_, side, key)) = self.heap.pop()?;
        Some((side, key))
    }

    /// The one that [`due`](Self::due) gave had been left.
    pub(super) const fn was_stale(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.heap.capacity() * size_of::<(u64, Side, Key)>()
    }

    pub(super) fn trim(&mut self) {
        if self.heap.len() == self.stale {
            self.heap = BinaryHeap::new();
            self.stale = 0;
        }
    }
}

const STALE_MAX: usize = 64;
