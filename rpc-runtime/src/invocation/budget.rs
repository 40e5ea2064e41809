//! What is left of a pipeline's limits.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

#[cfg(feature = "fetch")]
use std::sync::OnceLock;

#[cfg(feature = "fetch")]
use tokio::sync::Semaphore;

use super::excess::Excess;
use crate::{
    error::Exceeded,
    limits::{COUNT_MAX, DEPTH_MAX, Limits},
    proto,
};

/// Two counts of what is left, in one word, so that a call pays for both with one subtraction.
///
/// Invocations in the low half, subrequests in the high one, each of 31 bits below a guard bit: a count that
/// goes below zero borrows into its guard.
pub(crate) struct Budget(Cell<u64>);

/// The same counts, for a pipeline that more than one thread may work for.
#[derive(Debug)]
pub(crate) struct SharedBudget {
    counts: AtomicU64,
    /// What was there at first, for the error.
    limits: Limits,
    pub(super) excess: Excess,
    /// The counts of the pipeline around a call with lower limits, which count too.
    outer: Option<Arc<Self>>,
    /// One for each request to the outside that may wait for the head of its answer.
    #[cfg(feature = "fetch")]
    heads: OnceLock<Semaphore>,
}

/// How deep a call is, in the low half, and how much deeper its callees may be, in the high one: an addition and
/// a test per call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth(u64);

/// What is left, for people to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) depth: u32,
    pub(crate) invocations: u32,
    pub(crate) subrequests: u32,
}

const GUARDS: u64 = 1 << 63 | 1 << 31;

/// What a call through a binding of a configuration costs beside its invocation, and a request to the outside.
#[cfg(any(feature = "fetch", feature = "host"))]
pub(crate) const SUBREQUEST: u64 = 1 << 32;

/// What the first call of a pipeline counts from, worked out when its client is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstCounts {
    pub(super) depth: Depth,
    pub(super) budget: u64,
}

impl FirstCounts {
    pub(crate) const fn of(limits: &Limits) -> Self {
        Self { depth: Depth::first(limits.depth), budget: whole(limits) - 1 }
    }
}

impl Budget {
    #[inline]
    pub(super) fn new(left: u64) -> Self {
        Self(Cell::new(left))
    }

    /// Of the first call of a pipeline, which is an invocation itself.
    pub(super) fn first(limits: &Limits) -> Self {
        Self::new(whole(limits) - 1)
    }

    /// Of a call that counts with its caller's pipeline.
    #[inline]
    pub(super) fn elsewhere() -> Self {
        Self::new(0)
    }

    /// Of a call that came over a boundary and is counted when it is served. What its caller says can only make the
    /// limits here lower.
    pub(super) fn arrived(left: Left, limits: &Limits) -> Self {
        let more = |left: u32, limit: u32| u64::from(left.saturating_add(1).min(limit));
        let subrequests = u64::from(left.subrequests.min(limits.subrequests));
        Self(Cell::new(more(left.invocations, limits.invocations) | subrequests << 32))
    }

    pub(super) fn use_up(&self, invocations: u32, subrequests: u32) {
        self.0.set(used_up(self.0.get(), invocations, subrequests));
    }

    pub(super) fn refill(&self, limits: &Limits) {
        self.0.set(whole(limits) - 1);
    }

    #[inline]
    pub(super) fn spend(&self, cost: u64) -> bool {
        let left = self.0.get().wrapping_sub(cost);
        if left & GUARDS != 0 {
            return false;
        }
        self.0.set(left);
        true
    }

    pub(super) fn exceeded(&self, cost: u64, limits: &Limits) -> Exceeded {
        exceeded(self.0.get(), cost, limits)
    }

    pub(super) fn left(&self) -> Left {
        left(self.0.get())
    }

    /// The counts move to where other threads reach them; nothing is left here.
    pub(super) fn moved(
        &self,
        limits: Limits,
        excess: Excess,
        outer: Option<Arc<SharedBudget>>,
    ) -> SharedBudget {
        SharedBudget {
            counts: AtomicU64::new(self.0.replace(0)),
            limits,
            excess,
            outer,
            #[cfg(feature = "fetch")]
            heads: OnceLock::new(),
        }
    }

    /// As much as there can be, of the count that has not this much left: its limit is only warned of.
    pub(super) fn lift(&self, cost: u64) {
        self.0.set(lifted(self.0.get(), cost));
    }
}

impl SharedBudget {
    /// Counts here alone.
    pub(super) fn spend(&self, cost: u64) -> Result<(), Exceeded> {
        let spend = |left: u64| Some(left.wrapping_sub(cost)).filter(|left| left & GUARDS == 0);
        match self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(()),
            Err(left) => Err(exceeded(left, cost, &self.limits)),
        }
    }

    pub(super) fn use_up(&self, invocations: u32, subrequests: u32) {
        let use_up = |left| Some(used_up(left, invocations, subrequests));
        // The closure never refuses.
        let _ = self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, use_up);
    }

    pub(super) fn lift(&self, cost: u64) {
        // The closure never refuses.
        let _ =
            self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(lifted(left, cost)));
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The counts around this one, the nearest first.
    pub(super) fn around(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(self.outer.as_deref(), |outer| outer.outer.as_deref())
    }

    pub(super) fn left_here(&self) -> Left {
        left(self.counts.load(Ordering::Relaxed))
    }

    /// That of the whole pipeline.
    #[cfg(feature = "fetch")]
    pub(super) fn outermost(mut budget: Arc<Self>) -> Arc<Self> {
        while let Some(outer) = &budget.outer {
            budget = Arc::clone(outer);
        }
        budget
    }

    #[cfg(feature = "fetch")]
    pub(crate) fn heads(&self) -> &Semaphore {
        self.heads.get_or_init(|| Semaphore::new(self.limits.connections as usize))
    }

    /// What is left here and in all that is around it.
    pub(crate) fn left(&self) -> Left {
        self.around().fold(self.left_here(), |left, outer| left.min(outer.left_here()))
    }
}

/// What is left for the requests that follow each other because of redirects.
pub(crate) struct RequestBudget {
    budget: Budget,
    limits: Limits,
    cost: u64,
}

impl RequestBudget {
    /// After the first one, as for the first call of a pipeline.
    pub(crate) fn first(limits: Limits, cost: u64) -> Self {
        Self { budget: Budget::first(&limits), limits, cost }
    }

    /// For one more.
    pub(crate) fn spend(&self) -> Result<(), Exceeded> {
        if self.limits.warns() || self.budget.spend(self.cost) {
            return Ok(());
        }
        Err(self.budget.exceeded(self.cost, &self.limits))
    }
}

impl Depth {
    #[inline]
    pub(super) const fn first(limit: u32) -> Self {
        Self(((limit - 1) as u64) << 32 | 1)
    }

    /// Of a call that came over a boundary: its callee is one deeper, and has `left` below it.
    pub(super) fn arrived(left: u32, limit: u32) -> Self {
        let left = left.saturating_add(1).min(limit);
        Self(u64::from(left) << 32 | u64::from(limit - left))
    }

    #[inline]
    pub(super) fn deeper(self) -> Self {
        Self(self.0.wrapping_sub(1 << 32).wrapping_add(1))
    }

    #[inline]
    pub(super) fn is_exceeded(self) -> bool {
        self.0 >> 63 != 0
    }

    /// The same depth, with a limit for what lies below.
    ///
    /// # Errors
    ///
    /// It is deeper than that already.
    pub(super) fn at_most(self, limit: u32) -> Result<Self, Exceeded> {
        let Some(below) = limit.checked_sub(self.now()) else { return Err(too_deep(limit, self.now())) };
        let left = self.left().min(below);
        Ok(Self(u64::from(left) << 32 | u64::from(self.now())))
    }

    /// How deep, the first Worker counted.
    pub(crate) fn now(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn left(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Of a depth that is one too deep.
    pub(super) fn exceeded(self) -> Exceeded {
        too_deep(self.now() - 1, self.now())
    }

    /// The same depth, with all below it that there can be: its limit is only warned of. `None` if there is nothing.
    pub(super) fn lifted(self) -> Option<Self> {
        let left = DEPTH_MAX.checked_sub(self.now())?;
        Some(Self(u64::from(left) << 32 | u64::from(self.now())))
    }

    /// As [`arrived`](Self::arrived), where the limit is only warned of. A caller that enforces a limit has no more
    /// left than that; one that has more left warns itself, and tells how far it is from the end of all.
    pub(super) fn arrived_to_warn(left: u32, limit: u32) -> Self {
        let left = left.saturating_add(1).min(DEPTH_MAX);
        if left <= limit {
            return Self::arrived(left - 1, limit);
        }
        let now = DEPTH_MAX - left;
        Self(u64::from(limit.saturating_sub(now)) << 32 | u64::from(now))
    }
}

impl From<proto::Left> for Left {
    fn from(proto::Left { depth, invocations, subrequests }: proto::Left) -> Self {
        Self { depth, invocations, subrequests }
    }
}

impl From<Left> for proto::Left {
    fn from(Left { depth, invocations, subrequests }: Left) -> Self {
        Self { depth, invocations, subrequests }
    }
}

impl Left {
    /// What a call may use that belongs to no pipeline.
    pub(crate) fn of_new_pipeline() -> Self {
        let Limits { depth, invocations, subrequests, .. } = Limits::new();
        Self { depth: depth - 1, invocations: invocations - 1, subrequests }
    }

    /// Invocations and subrequests that were used until `now`, one invocation left out: the call itself, which its
    /// caller has counted.
    pub(crate) fn used_until(self, now: Self) -> (u32, u32) {
        let used = |at_first: u32, now: u32| match at_first.checked_sub(now) {
            Some(used) => used,
            // It was lifted when nothing was left.
            None => at_first.saturating_add(COUNT_MAX - now),
        };
        let invocations = used(self.invocations, now.invocations).saturating_sub(1);
        (invocations, used(self.subrequests, now.subrequests))
    }

    /// What the callee elsewhere of a call this deep is told, where limits are only warned of.
    pub(super) fn to_warn(depth: Depth) -> Self {
        Self { depth: DEPTH_MAX.saturating_sub(depth.now()), invocations: COUNT_MAX, subrequests: COUNT_MAX }
    }

    pub(super) fn with_depth(self, depth: Depth) -> Self {
        Self { depth: depth.left(), ..self }
    }

    /// The lower of two counts of each.
    pub(super) fn min(self, other: Self) -> Self {
        Self {
            depth: self.depth.min(other.depth),
            invocations: self.invocations.min(other.invocations),
            subrequests: self.subrequests.min(other.subrequests),
        }
    }
}

fn used_up(left: u64, invocations: u32, subrequests: u32) -> u64 {
    let half = |left: u32, used: u32| u64::from(left.saturating_sub(used));
    half(left as u32, invocations) | half((left >> 32) as u32, subrequests) << 32
}

/// Without the limit that stands in the way of `cost`; none, if another thread has lifted it meanwhile.
fn lifted(left: u64, cost: u64) -> u64 {
    if (left as u32) < cost as u32 {
        left >> 32 << 32 | u64::from(COUNT_MAX)
    } else if left >> 32 < cost >> 32 {
        u64::from(left as u32) | u64::from(COUNT_MAX) << 32
    } else {
        left
    }
}

pub(crate) fn too_deep(limit: u32, now: u32) -> Exceeded {
    Exceeded::new(DEPTH, u64::from(limit)).by(u64::from(now))
}

const fn whole(limits: &Limits) -> u64 {
    limits.invocations as u64 | (limits.subrequests as u64) << 32
}

fn left(counts: u64) -> Left {
    Left { depth: 0, invocations: counts as u32, subrequests: (counts >> 32) as u32 }
}

fn exceeded(left: u64, cost: u64, limits: &Limits) -> Exceeded {
    if (left as u32) < cost as u32 {
        return beyond(INVOCATIONS, limits.invocations, left as u32);
    }
    beyond(SUBREQUESTS, limits.subrequests, (left >> 32) as u32)
}

fn beyond(limit: &'static str, value: u32, left: u32) -> Exceeded {
    Exceeded::new(limit, u64::from(value)).by(u64::from(value.saturating_sub(left)) + 1)
}

pub(super) const DEPTH: &str = "Workers deep";
pub(super) const INVOCATIONS: &str = "invocations";
pub(super) const SUBREQUESTS: &str = "subrequests";
