//! Workers that are being made, and who says that it takes long.

use std::{
    collections::BTreeMap,
    future::Future,
    io::{self, Write as _},
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvError, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// What the threads of a host make, each with when that was begun.
#[derive(Debug, Default)]
pub(super) struct Makings(Mutex<Vec<(String, Instant)>>);

impl Makings {
    /// Makes the Worker of that name.
    pub(super) async fn make<T>(&self, name: &str, making: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        self.list().push((name.to_owned(), begun));
        let made = making.await;
        // Who ends the host meanwhile has no use for it.
        self.list().retain(|(other, since)| (&**other, *since) != (name, begun));
        made
    }

    /// Those that are being made, each once, and how long the first thread has been at it.
    fn now(&self) -> BTreeMap<String, Duration> {
        let mut all = BTreeMap::<String, Duration>::new();
        for (name, since) in self.list().iter() {
            let longest = all.entry(name.clone()).or_default();
            *longest = since.elapsed().max(*longest);
        }
        all
    }

    fn list(&self) -> MutexGuard<'_, Vec<(String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for them, and says who keeps it waiting: after 5 s, and each time after twice as long.
pub(super) struct Patience<'a> {
    makings: &'a Makings,
    tell: fn(&str, Duration),
    /// What was told last.
    told: BTreeMap<String, Duration>,
}

impl<'a> Patience<'a> {
    /// Says it to who develops, in the terminal, or else in the log.
    pub(super) fn new(makings: &'a Makings, is_development: bool) -> Self {
        Self { makings, tell: if is_development { tell_terminal } else { tell_log }, told: BTreeMap::new() }
    }

    pub(super) fn receive<T>(&mut self, from: &Receiver<T>) -> Result<T, RecvError> {
        loop {
            match from.recv_timeout(TICK) {
                Ok(received) => return Ok(received),
                Err(RecvTimeoutError::Timeout) => self.look(&self.makings.now()),
                Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
            }
        }
    }

    fn look(&mut self, now: &BTreeMap<String, Duration>) {
        for (name, time) in now {
            let next = self.told.get(name).map_or(FIRST, |told| *told * 2);
            if *time >= next {
                (self.tell)(name, next);
                self.told.insert(name.clone(), next);
            }
        }
    }
}

fn tell_terminal(name: &str, time: Duration) {
    let seconds = time.as_secs();
    // A closed terminal is no reason to fail.
    let _ = writeln!(
        io::stderr().lock(),
        "{name} is still being made, for {seconds} s; its `new` has not returned, and nothing is served before"
    );
}

fn tell_log(name: &str, time: Duration) {
    tracing::warn!(
        target: "rpc_runtime",
        worker = %name,
        for_s = time.as_secs(),
        "a Worker is still being made: its `new` has not returned, and nothing is served before",
    );
}

/// After how long it is said for the first time.
const FIRST: Duration = Duration::from_secs(5);

/// How often it is looked.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static TOLD: RefCell<Vec<(String, u64)>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn it_is_said_after_5_s_and_each_time_after_twice_as_long() {
        let makings = Makings::default();
        let tell = |name: &str, time: Duration| {
            TOLD.with_borrow_mut(|told| told.push((name.to_owned(), time.as_secs())))
        };
        let mut patience = Patience { makings: &makings, tell, told: BTreeMap::new() };
        for second in 0..=45 {
            let mut now = BTreeMap::from([("stock".to_owned(), Duration::from_secs(second))]);
            // Begun later, and made soon.
            if (3..9).contains(&second) {
                now.insert("shop".to_owned(), Duration::from_secs(second - 3));
            }
            patience.look(&now);
        }
        let expected = [("stock", 5), ("shop", 5), ("stock", 10), ("stock", 20), ("stock", 40)];
        assert_eq!(TOLD.take(), expected.map(|(name, time)| (name.to_owned(), time)));
    }

    #[test]
    fn a_worker_is_told_of_from_its_beginning_to_its_end() {
        let makings = Makings::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(makings.make("stock", async {
            assert_eq!(makings.now().into_keys().collect::<Vec<_>>(), ["stock"]);
            makings.make("stock", async {}).await;
            assert_eq!(makings.now().len(), 1, "another thread still makes it");
        }));
        assert!(makings.now().is_empty());
    }
}
