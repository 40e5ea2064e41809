//! The first start of each process, which the start of the host waits for.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::tell;
use crate::{
    config::{Config, Fault, Faults},
    registry::{Sought, State},
};

/// What becomes of the first start of a process.
#[derive(Debug)]
pub(super) struct First(Mutex<Outcome>);

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The host waits for it, and an end is a fault if that is `final`.
    Waited { is_final: bool },
    /// It has ended and is not started again, for this reason.
    Failed(String),
    /// The host waits for it no longer.
    Over,
}

impl First {
    pub(super) fn new(is_final: bool) -> Self {
        Self(Mutex::new(Outcome::Waited { is_final }))
    }

    /// It has ended. Whether it is not started again, because the host does not start either.
    pub(super) fn ended(&self, why: &str) -> bool {
        let mut outcome = self.outcome();
        let is_final = *outcome == Outcome::Waited { is_final: true };
        *outcome = if is_final { Outcome::Failed(why.to_owned()) } else { Outcome::Over };
        is_final
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that the host waits for.
pub(super) struct Waiting<'a> {
    pub(super) config: &'a Config,
    pub(super) sought: Arc<Sought>,
    /// Another one that serves this Worker until then.
    pub(super) before: Option<u32>,
    pub(super) first: Arc<First>,
}

/// Waits for all of them, and gives what is wrong with those that have ended. One that takes longer than others would
/// wait is waited for further if another host serves meanwhile.
pub(super) fn wait(mut all: Vec<Waiting<'_>>, takes_over: bool) -> Faults {
    let (begun, mut next) = (Instant::now(), START);
    let mut faults = Faults::new();
    let mut failed = None;
    loop {
        all.retain(|waiting| waiting.goes_on(&mut faults));
        if !faults.is_empty() && failed.is_none() {
            failed = Some(Instant::now());
        }
        if all.is_empty() || failed.is_some_and(|failed| failed.elapsed() >= OTHERS) {
            return faults;
        }
        if begun.elapsed() >= next {
            let what = if takes_over {
                "the process before goes on until it is"
            } else {
                "calls are refused until it is"
            };
            for waiting in &all {
                tell(
                    &waiting.config.name,
                    &format!("its process is not up after {} s; {what}", next.as_secs()),
                );
            }
            if !takes_over {
                all.iter().for_each(|waiting| waiting.give_up(&mut faults));
                return faults;
            }
            next *= 2;
        }
        thread::sleep(TICK);
    }
}

impl Waiting<'_> {
    /// Whether it is neither there nor at its end. Else it is waited for no longer.
    fn goes_on(&self, faults: &mut Faults) -> bool {
        let is_up = matches!(self.sought.state(), State::Connected { pid, .. } if Some(pid) != self.before);
        let goes_on = !is_up && matches!(*self.first.outcome(), Outcome::Waited { .. });
        if !goes_on {
            self.give_up(faults);
        }
        goes_on
    }

    /// From now on it is started again when it ends.
    fn give_up(&self, faults: &mut Faults) {
        if let Outcome::Failed(why) = mem::replace(&mut *self.first.outcome(), Outcome::Over) {
            faults.push(self.failed(&why));
        }
    }

    fn failed(&self, why: &str) -> Fault {
        let name = &self.config.name;
        (name.place().fault("a process that ends before its Worker is made"))
            .with_expected("one that serves its Worker")
            .with_received(format_args!("`{}`: {why}", **name))
            .with_help(format_args!("what it has said of that is told above, after `[{}]`", **name))
    }
}

/// How long the start of a host waits, and how long after that it is said for the first time.
const START: Duration = Duration::from_secs(10);

/// How long others have to fail too, so that their faults are told at once.
const OTHERS: Duration = Duration::from_millis(500);

/// How often is looked whether they are up.
const TICK: Duration = Duration::from_millis(10);
