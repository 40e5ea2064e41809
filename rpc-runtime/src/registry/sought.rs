//! A Worker of another process, which comes and goes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::folder::Folder;
use crate::{
    session::{Found, Lookup},
    transport::Address,
};

/// A Worker that bindings of this host lead to.
#[derive(Debug)]
pub(crate) struct Sought {
    name: String,
    /// Where it is looked for, if anywhere.
    folder: Option<Folder>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    state: State,
    /// How often it has changed.
    generation: u64,
    is_news: bool,
    /// Why it is not there, if that is known.
    why: Option<String>,
}

/// What there is of it.
#[derive(Clone, Debug, Default)]
pub(crate) enum State {
    #[default]
    Absent,
    /// There is something, and why it is of no use.
    Unusable(String),
    Connected {
        pid: u32,
        started: Option<u64>,
        address: Address,
        /// Whether this process may have its name too.
        is_kin: bool,
        /// The names of its entrypoints; the default one has none.
        entrypoints: Vec<String>,
    },
}

impl Sought {
    pub(super) fn new(name: String, folder: Folder) -> Self {
        Self { name, folder: Some(folder), known: Mutex::default() }
    }

    /// One that never comes.
    pub(crate) fn nowhere(name: String) -> Self {
        Self { name, folder: None, known: Mutex::default() }
    }

    /// Looks what there is now. It takes a few microseconds where there is no file, some tens where there is one.
    pub(super) fn look(&self) {
        if let Some(folder) = &self.folder {
            self.set(folder.look_for(&self.name));
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says why it is not there, and what is done about it.
    pub(crate) fn explain(&self, why: String) {
        self.known().why = Some(why);
    }

    pub(crate) fn state(&self) -> State {
        self.known().state.clone()
    }

    /// What there is, if it has changed since this was asked last.
    pub(crate) fn news(&self) -> Option<State> {
        let mut known = self.known();
        std::mem::take(&mut known.is_news).then(|| known.state.clone())
    }

    fn set(&self, state: State) {
        let mut known = self.known();
        if !known.state.is_like(&state) {
            known.generation += 1;
            known.is_news = true;
        }
        known.state = state;
    }

    /// What a caller is told while it is not there.
    pub(super) fn absent(&self) -> String {
        let (name, known) = (&self.name, self.known());
        let why = match (&known.why, &known.state) {
            (Some(why), _) | (None, State::Unusable(why)) => why.clone(),
            // One that has ended may still be known.
            (None, State::Absent | State::Connected { .. }) => format!(
                "start it in another terminal with `dev -c {name}/worker.toml`, or wherever its configuration lies"
            ),
        };
        format!("the Worker `{name}` is not connected: {why}")
    }

    fn found(&self) -> Option<Found> {
        let known = self.known();
        let State::Connected { address, .. } = &known.state else { return None };
        Some(Found { address: address.clone(), generation: known.generation })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup for Sought {
    fn find(&self) -> Result<Found, String> {
        self.found()
            .or_else(|| {
                // It may have come since it was looked for last, and a call does not wait for the next time.
                self.look();
                self.found()
            })
            .ok_or_else(|| self.absent())
    }

    /// It has ended, so its entry is that of a dead process by now.
    fn not_there(&self, _: &str) -> String {
        self.look();
        self.absent()
    }
}

impl State {
    /// Whether it is no other process, and no other reason.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Unusable(one), Self::Unusable(other)) => one == other,
            (
                Self::Connected { pid, started, .. },
                Self::Connected { pid: other_pid, started: other_started, .. },
            ) => (pid, started) == (other_pid, other_started),
            _ => false,
        }
    }
}
