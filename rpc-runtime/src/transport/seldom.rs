//! Lines of a log that anybody outside could fill it with.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Says one line a second of its kind, and counts the rest.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    since: u64,
}

const PAUSE: Duration = Duration::from_secs(1);

impl Seldom {
    /// There is one more to say. If it may be said, how many were not since the last one.
    pub(super) fn one_more(&self) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| last.elapsed() < PAUSE) {
            said.since += 1;
            return None;
        }
        said.last = Some(Instant::now());
        Some(std::mem::take(&mut said.since))
    }
}
