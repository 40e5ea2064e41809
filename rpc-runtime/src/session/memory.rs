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
    /// The share of a call with arguments of so many bytes. None for those that cannot take enough to matter: 64 bytes
    /// in each of all calls that a session may have open at once stay below what is allowed.
    pub(super) fn share(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        (bytes > 64).then(|| Held { memory: Arc::clone(self), bytes: AtomicUsize::new(0) })
    }
}

impl Held {
    /// What the arguments may take.
    pub(super) fn budget(&self) -> usize {
        Decoder::BUDGET.min(BYTES_MAX.saturating_sub(self.memory.0.load(Ordering::Relaxed)))
    }

    /// They have taken so much.
    pub(super) fn hold(&self, bytes: usize) {
        self.memory.0.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}
