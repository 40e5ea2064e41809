//! The words that the server stops, told to every connection at once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Begins once and for all, and is over once and for all.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    begun: Word,
    over: Word,
}

impl Stopping {
    pub(super) fn begin(&self) {
        self.begun.say();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_said()
    }

    pub(super) async fn begun(&self) {
        self.begun.heard().await;
    }

    /// From now on, nothing that runs is waited for.
    pub(super) fn end(&self) {
        self.over.say();
    }

    pub(super) async fn over(&self) {
        self.over.heard().await;
    }
}

#[derive(Debug, Default)]
struct Word {
    said: AtomicBool,
    notify: Notify,
}

impl Word {
    fn say(&self) {
        self.said.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    fn is_said(&self) -> bool {
        self.said.load(Ordering::Acquire)
    }

    async fn heard(&self) {
        // The waiter exists before the flag is read, so that the word cannot be missed between.
        let notified = self.notify.notified();
        if !self.is_said() {
            notified.await;
        }
    }
}
