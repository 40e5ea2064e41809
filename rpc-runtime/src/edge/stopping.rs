//! The word that the server stops, told to every connection at once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Begins once and for all.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    begun: AtomicBool,
    notify: Notify,
}

impl Stopping {
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    pub(super) async fn begun(&self) {
        // The waiter exists before the flag is read, so that the word cannot be missed between.
        let notified = self.notify.notified();
        if !self.has_begun() {
            notified.await;
        }
    }
}
