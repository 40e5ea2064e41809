//! One statement of a behaviour, over every path.
//!
//! A behaviour is an `async fn` of a [`There`]: clients of a set of Workers and the path they lead over. [`everywhere!`]
//! makes a test of it for each path, so that the name of a failing test names the path.

mod calls;
mod cancelling;
mod child;
mod context;
mod deadlines;
mod errors;
mod faults;
mod fetch;
mod flows;
mod honesty;
mod interceptors;
mod limits;
mod metadata;
mod panics;
mod processes;
mod quantity;
mod retries;
mod silence;
mod skew;
mod stopping;
mod tracing;
mod trusted;
mod values;

use std::{any::Any, fmt, time::Duration};

use rpc_runtime::{Client as _, Session, SessionOptions};
use rpc_tests_workers::{Place, Tallied as _, TalliedClient};
use tokio::time::timeout;

use self::{child::Serving, trusted::Trusted};

/// How a call travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Not at all: a client of the implementation.
    Local,
    /// Through a session in this process. Values are compared with their shapes, and idempotent methods are called twice.
    Wire,
    /// To a server in this process, over TCP and TLS that both ends have shown a certificate for.
    Tls,
    /// To a process of its own, over a Unix socket.
    Process,
}

/// Where a behaviour is looked for.
struct There {
    place: Place,
    path: Path,
    /// What must not end before the behaviour was looked for.
    _other_end: Box<dyn Any>,
}

impl There {
    async fn over(path: Path) -> Self {
        match path {
            Path::Local => Self { place: Place::new(None), path, _other_end: Box::new(()) },
            Path::Wire => {
                let (here, there) = tokio::io::duplex(64 << 10);
                let there = Place::new(None).options().start(there).unwrap();
                let here = SessionOptions::new().repeating().start(here).unwrap();
                let place = Place::over(&here);
                Self { place, path, _other_end: Box::new((here, there)) }
            }
            Path::Process => {
                let serving = Serving::start();
                let place = Place::at(&serving.address());
                Self { place, path, _other_end: Box::new(serving) }
            }
            Path::Tls => {
                let server = Trusted::serve(Place::new(None).options()).await;
                let place = Place::at(&server.address());
                Self { place, path, _other_end: Box::new(server) }
            }
        }
    }

    fn is_remote(&self) -> bool {
        self.path != Path::Local
    }

    /// How often a handler runs for one call of an idempotent method.
    fn runs(&self) -> u64 {
        if self.path == Path::Wire { 2 } else { 1 }
    }

    async fn count(&self, name: &str) -> u64 {
        self.place.tally.count(name).await.unwrap()
    }

    /// Waits until something has happened so often, and no more often.
    async fn until(&self, name: &str, count: u64) {
        until(&self.place.tally, name, count).await;
    }
}

impl There {
    /// Waits until every handler that has begun under this name was dropped. What asks goes over another session than
    /// what is asked about, so more of them may begin meanwhile.
    async fn until_all_dropped(&self, name: &str) {
        let all_dropped = async {
            loop {
                let dropped = self.count(&format!("{name}.dropped")).await;
                if dropped == self.count(&format!("{name}.entered")).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, all_dropped).await.expect("the handler of a dropped call goes on");
    }
}

async fn until(tally: &TalliedClient, name: &str, count: u64) {
    let happened = timeout(PATIENCE, tally.until(name, count)).await;
    if happened.is_err() {
        panic!("`{name}` is {} after {PATIENCE:?}, expected {count}", tally.count(name).await.unwrap());
    }
    happened.unwrap().unwrap();
    assert_eq!(tally.count(name).await.unwrap(), count, "{name}");
}

/// How long anything may take that should happen at once, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

async fn hold(path: Path, behaviour: impl AsyncFnOnce(&There)) {
    let there = There::over(path).await;
    let held = timeout(3 * PATIENCE, behaviour(&there)).await;
    assert!(held.is_ok(), "nothing came of it in {:?}, over {path:?}", 3 * PATIENCE);
}

/// A test of each behaviour over each path.
macro_rules! everywhere {
    ($($behaviour:ident)*) => {
        $(mod $behaviour {
            use $crate::everywhere::{Path, hold};

            #[tokio::test]
            async fn local() {
                hold(Path::Local, super::$behaviour).await;
            }

            // What a call and its session share is looked at from several threads.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn wire() {
                hold(Path::Wire, super::$behaviour).await;
            }

            #[tokio::test]
            async fn tls() {
                hold(Path::Tls, super::$behaviour).await;
            }

            #[tokio::test]
            async fn process() {
                hold(Path::Process, super::$behaviour).await;
            }
        })*
    };
}
use everywhere;

impl fmt::Debug for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("There").field("path", &self.path).finish_non_exhaustive()
    }
}
