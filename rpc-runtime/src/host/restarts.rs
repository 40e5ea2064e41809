//! When a process that has ended is started again.

use std::time::Duration;

use crate::backoff::Backoff;

/// How long to wait before each start: longer after each end that comes soon.
#[derive(Debug)]
pub(super) struct Restarts(Backoff);

impl Restarts {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// How long after the end of a process that has run for so long the next one is started.
    pub(super) fn pause_after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY {
            self.0 = FIRST;
        }
        self.0.pause()
    }
}

/// At first; twice as long each time, up to the longest.
const FIRST: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));

/// How long a process runs before its next end counts as the first one.
const STEADY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(59_999);

    /// The most that such a pause is; the least is half of it.
    fn assert_at_most(pause: Duration, most_ms: u64) {
        let most = Duration::from_millis(most_ms);
        assert!((most / 2..=most).contains(&pause), "{pause:?} of {most:?}");
    }

    #[test]
    fn a_process_that_ends_again_and_again_is_waited_for_up_to_30_s() {
        let mut restarts = Restarts::new();
        for most in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000] {
            assert_at_most(restarts.pause_after(SOON), most);
        }
    }

    #[test]
    fn one_that_has_run_for_60_s_begins_anew() {
        let mut restarts = Restarts::new();
        for _ in 0..20 {
            restarts.pause_after(Duration::ZERO);
        }
        assert_at_most(restarts.pause_after(STEADY), 100);
        assert_at_most(restarts.pause_after(SOON), 200);
    }
}
