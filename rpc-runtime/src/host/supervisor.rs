//! The thread of a host that no runtime runs on: it names handlers that hold their threads.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::Dispatch;

use crate::watch::{Pulse, Seen};

/// How long a handler may hold its thread before the log says so.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// What the supervisor knows of the threads; it ends when this goes away.
pub(super) struct Supervisor {
    threads: Vec<(String, Arc<Pulse>)>,
    _ends: Option<Sender<()>>,
}

/// A thread and what it was last seen in.
struct Watching {
    name: String,
    pulse: Arc<Pulse>,
    seen: Option<(Seen, Instant)>,
    is_told: bool,
}

impl Supervisor {
    /// Watches these threads, which `hold` is too long for; zero is never.
    ///
    /// What it says goes to where the starter of the host listens, as a thread of its own has nobody else.
    pub(super) fn start(threads: Vec<(String, Arc<Pulse>)>, hold: Duration) -> std::io::Result<Self> {
        if hold.is_zero() {
            return Ok(Self { threads, _ends: None });
        }
        let (ends, ended) = channel();
        let watching = threads.iter().cloned();
        let watching: Vec<_> =
            watching.map(|(name, pulse)| Watching { name, pulse, seen: None, is_told: false }).collect();
        let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
        thread::Builder::new().name("rpc-supervise".to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || supervise(watching, hold, &ended));
        })?;
        Ok(Self { threads, _ends: Some(ends) })
    }

    /// Who holds the thread of that name, if somebody does.
    pub(super) fn holder(&self, thread: &str) -> Option<Seen> {
        self.threads.iter().find(|(name, _)| name == thread)?.1.seen()
    }
}

fn supervise(mut threads: Vec<Watching>, hold: Duration, ended: &Receiver<()>) {
    // A hold is seen at most a quarter late.
    let pause = (hold / 4).max(Duration::from_millis(1));
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        threads.iter_mut().for_each(|thread| thread.look(now, hold));
    }
}

impl Watching {
    fn look(&mut self, now: Instant, hold: Duration) {
        let seen = self.pulse.seen();
        if let (Some(seen), Some((before, since))) = (seen, self.seen)
            && seen.is_same_poll(before)
        {
            let held = now - since;
            if held >= hold && !self.is_told {
                self.is_told = true;
                // The innermost one of now, and of when it ends.
                self.seen = Some((seen, since));
                tracing::warn!(
                    target: "rpc_runtime",
                    worker = %seen.worker(),
                    method = %seen.method(),
                    thread = %self.name,
                    held_ms = millis(held),
                    "a handler holds its thread, or one that it calls there does, and nothing else goes on: let it \
                     await, or give what blocks to `spawn_blocking`",
                );
            }
            return;
        }
        if let (Some((held, since)), true) = (self.seen, self.is_told) {
            tracing::warn!(
                target: "rpc_runtime",
                worker = %held.worker(),
                method = %held.method(),
                thread = %self.name,
                held_ms = millis(now - since),
                "a handler has let go of its thread, or one that it called there has",
            );
        }
        self.is_told = false;
        self.seen = seen.map(|seen| (seen, now));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
