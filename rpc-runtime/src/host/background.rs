//! Work given to `wait_until` on the threads of a host, which lets it come to its end before it stops.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{sync::Notify, time::timeout_at};

/// The work of one thread.
#[derive(Clone, Default)]
pub(super) struct Background(Arc<Tally>);

#[derive(Default)]
struct Tally {
    works: AtomicUsize,
    none_left: Notify,
}

thread_local! {
    /// `None` on a thread that no host waits for.
    static HERE: RefCell<Option<Background>> = const { RefCell::new(None) };
}

/// One work; dropped with it, on whatever thread that is.
pub(crate) struct Counted(Arc<Tally>);

/// Counts work that this thread has been given, if a host waits for it.
pub(crate) fn count() -> Option<Counted> {
    let tally = HERE.with_borrow(|here| Some(Arc::clone(&here.as_ref()?.0)))?;
    tally.works.fetch_add(1, Ordering::Relaxed);
    Some(Counted(tally))
}

impl Background {
    /// From now on, work on this thread is counted.
    pub(super) fn of_this_thread() -> Self {
        HERE.with_borrow_mut(|here| here.get_or_insert_default().clone())
    }

    /// Waits until then for none to be left.
    pub(super) async fn settle(&self, end: Instant) {
        while self.0.works.load(Ordering::Acquire) > 0 {
            if timeout_at(end.into(), self.0.none_left.notified()).await.is_err() {
                return;
            }
        }
    }

    /// The same when every invocation has ended: only work could begin another then. What is left is cut.
    pub(super) async fn drain(&self, end: Instant) {
        self.settle(end).await;
        let cut = self.0.works.load(Ordering::Acquire);
        if cut > 0 {
            tracing::warn!(cut, "work given to `wait_until` is cut, because the host stops");
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.works.fetch_sub(1, Ordering::Release) == 1 {
            self.0.none_left.notify_one();
        }
    }
}
