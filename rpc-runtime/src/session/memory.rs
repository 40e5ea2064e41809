//! What the values of a session take in memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::codec::Decoder;

/// What the arguments of all calls that a session serves may take together once they are read, in bytes: 256 MiB, twice
/// what one value may. A byte on the wire can be a thousand in memory, in honest values too (a vector of absent
/// options of a large type), so it is not the bytes of the peer that are counted.
const BYTES_MAX: usize = 256 << 20;

/// What a call may take without being counted, so that a small one pays for no addition. The 8,192 calls that a session
/// may have open take 32 MiB with it.
const UNCOUNTED_MAX: usize = 4 << 10;

/// The memory of the arguments being worked on.
#[derive(Debug, Default)]
pub(super) struct Memory(AtomicUsize);

/// What one call has of it, until the call ends.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    bytes: AtomicUsize,
}

impl Memory {
    /// The share of a call.
    pub(super) fn share(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), bytes: AtomicUsize::new(0) }
    }
}

impl Held {
    /// What the arguments may take.
    pub(super) fn budget(&self) -> usize {
        Decoder::BUDGET.min(BYTES_MAX.saturating_sub(self.memory.0.load(Ordering::Relaxed)))
    }

    /// They have taken so much. False if others took meanwhile what was there: handlers on several threads read their
    /// arguments at once.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        if bytes <= UNCOUNTED_MAX {
            return true;
        }
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= BYTES_MAX);
        let held = self.memory.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if held.is_ok() {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        held.is_ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        if bytes > 0 {
            self.memory.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_share_what_a_session_may_take_and_give_it_back() {
        let memory = Arc::new(Memory::default());
        let (one, other, third) = (memory.share(), memory.share(), memory.share());
        assert!(one.hold(Decoder::BUDGET));
        assert_eq!(other.budget(), Decoder::BUDGET, "a second value has as much");
        assert!(other.hold(Decoder::BUDGET - 1000));
        assert_eq!(third.budget(), 1000);
        assert!(third.hold(UNCOUNTED_MAX));
        assert_eq!(third.budget(), 1000, "a small value is not counted");
        assert!(!third.hold(Decoder::BUDGET), "another thread was faster");
        assert_eq!(third.budget(), 1000);
        drop(one);
        assert_eq!(third.budget(), Decoder::BUDGET);
        drop(other);
        assert_eq!(memory.0.load(Ordering::Relaxed), 0);
    }
}
