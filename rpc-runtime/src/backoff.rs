//! How long to wait before what has failed is tried again.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// The pause that comes next, and which is twice as long after it, up to the longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// Between a half of the pause and all of it, so that what failed together does not come back together.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        // The random keys of a hash table: no secret hangs on it.
        let random = RandomState::new().hash_one(pause);
        pause.mul_f64(0.5 + (random >> 40) as f64 / f64::from(1 << 25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_become_twice_as_long_up_to_the_longest() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(350));
        for _ in 0..100 {
            let mut backoff = Backoff::new(first, longest);
            for most in [100, 200, 350, 350].map(Duration::from_millis) {
                let pause = backoff.pause();
                assert!((most / 2..=most).contains(&pause), "{pause:?} of {most:?}");
            }
        }
    }
}
