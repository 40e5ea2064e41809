//! What leads from an answer to the log.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Names a failure in the answer and in the log, so that the one leads to the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference(u64);

impl Reference {
    /// A number that does not tell how many there were before.
    pub(crate) fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self(RandomState::new().hash_one(MADE.fetch_add(1, Ordering::Relaxed)))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
