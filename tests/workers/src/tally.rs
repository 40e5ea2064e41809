//! What happened to the Workers, counted by name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rpc_runtime::{Result, service};
use tokio::sync::Notify;

/// Counts by name; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    by_name: Mutex<HashMap<String, u64>>,
    changed: Notify,
}

/// Adds one when it is dropped.
pub(crate) struct AtDrop {
    tally: Tally,
    name: String,
}

impl Tally {
    pub(crate) fn add(&self, name: impl Into<String>) -> u64 {
        let mut by_name = self.0.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_name.entry(name.into()).or_default();
        *count += 1;
        let count = *count;
        drop(by_name);
        self.0.changed.notify_waiters();
        count
    }

    pub(crate) fn at_drop(&self, name: impl Into<String>) -> AtDrop {
        AtDrop { tally: self.clone(), name: name.into() }
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let by_name = self.0.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.get(name).copied().unwrap_or_default()
    }
}

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.tally.add(std::mem::take(&mut self.name));
    }
}

/// What was counted.
#[service]
pub trait Tallied {
    /// How often something has happened.
    async fn count(&self, name: &str) -> Result<u64>;

    /// Answers when it has happened so often.
    async fn until(&self, name: &str, count: u64) -> Result<()>;

    /// The id of the process that counts.
    async fn process(&self) -> Result<u32>;
}

impl Tallied for Tally {
    async fn count(&self, name: &str) -> Result<u64> {
        Ok(self.count(name))
    }

    async fn until(&self, name: &str, count: u64) -> Result<()> {
        loop {
            let changed = self.0.changed.notified();
            if self.count(name) >= count {
                return Ok(());
            }
            changed.await;
        }
    }

    async fn process(&self) -> Result<u32> {
        Ok(std::process::id())
    }
}
