//! Deadlines as one word.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// A moment on the process's monotonic clock, in nanoseconds since an hour before it was first read, or never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Deadline(u64);

/// An hour before: a clock that tokio has paused stands still, and may have done so before this was read.
static START: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
});

/// The time by the clock that fires the timers: tokio's, which tests pause and advance.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Deadline {
    /// No deadline: later than any other.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// So long from now. A duration beyond 584 years is no deadline.
    pub(crate) fn after(duration: Duration) -> Self {
        let since_start = now().saturating_duration_since(*START);
        let at = since_start.checked_add(duration).and_then(|at| u64::try_from(at.as_nanos()).ok());
        at.map_or(Self::NONE, Self)
    }

    /// A moment of the monotonic clock; one before this clock began has passed.
    pub(crate) fn at(at: Instant) -> Self {
        let since_start = at.saturating_duration_since(*START);
        u64::try_from(since_start.as_nanos()).map_or(Self::NONE, Self)
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        if self == Self::NONE {
            return None;
        }
        START.checked_add(Duration::from_nanos(self.0))
    }

    pub(crate) fn has_passed(self) -> bool {
        self.instant().is_some_and(|at| at <= now())
    }
}
