//! Deadlines as one word.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// A moment on the process's monotonic clock, in nanoseconds since it was first read, or never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Deadline(u64);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Deadline {
    /// No deadline: later than any other.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// So long from now. A duration beyond 584 years is no deadline.
    pub(crate) fn after(duration: Duration) -> Self {
        let at = START.elapsed().checked_add(duration).and_then(|at| u64::try_from(at.as_nanos()).ok());
        at.map_or(Self::NONE, Self)
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        if self == Self::NONE {
            return None;
        }
        START.checked_add(Duration::from_nanos(self.0))
    }

    pub(crate) fn has_passed(self) -> bool {
        self.instant().is_some_and(|at| at <= Instant::now())
    }
}
