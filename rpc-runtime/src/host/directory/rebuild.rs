//! Workers that are made again when a handler of theirs has panicked.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Entry, Workers};
use crate::{
    config::{Config, Faults},
    env::Bindings,
    error::Error,
};

/// How long after one instance the next one may be made at the soonest, at first and at most. It doubles, and begins
/// anew when there was no panic for the longest of them.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

impl Workers<'_> {
    /// Makes Workers again, as often as they ask for it. Never ends.
    pub(in crate::host) async fn rebuild(&self) {
        let mut all: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> =
            self.entries.iter().map(|entry| Box::pin(self.rebuild_one(entry)) as _).collect();
        poll_fn(|cx| {
            for one in &mut all {
                // Each of them waits for the next panic, for ever.
                let _ = one.as_mut().poll(cx);
            }
            Poll::Pending
        })
        .await
    }

    async fn rebuild_one(&self, Entry { config, instance, .. }: &Entry<'_>) {
        let Some(broken) = instance.as_ref().and_then(|instance| instance.broken()) else {
            return std::future::pending().await;
        };
        let [first, longest] = PAUSE;
        let mut pause = first;
        loop {
            let quiet = Instant::now();
            broken.0.notified().await;
            if quiet.elapsed() > longest {
                pause = first;
            }
            match self.make_again(config).await {
                Ok(()) => tracing::warn!(
                    worker = %*config.name,
                    "a Worker was made again on this thread, because a handler of it has panicked",
                ),
                Err(why) => tracing::error!(
                    worker = %*config.name,
                    "a Worker cannot be made again after a panic, and goes on as it was: {why}",
                ),
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn make_again(&self, config: &Config) -> Result<(), String> {
        let mut faults = Faults::new();
        let entry = self.find(&config.name).and_then(|entry| entry.instance.as_ref());
        let making = entry.and_then(|instance| instance.bind(&mut Bindings::new(config, self, &mut faults)));
        match making {
            Some(making) => making.await.map_err(|error: Error| error.to_string()),
            None => Err(faults.to_string()),
        }
    }
}
