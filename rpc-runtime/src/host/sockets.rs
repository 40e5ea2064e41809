//! Listening sockets that outlive the process: those of the process before this one, and those for the one after it.

#[cfg(feature = "watch")]
use std::sync::atomic::Ordering;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

/// The sockets of a host whose process may be exchanged for another. Those of any other host are none of its business.
#[derive(Debug, Default)]
pub(super) struct Sockets(Option<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// Whether that process serves until this one does.
    takes_over: bool,
    inherited: Vec<(String, OwnedFd)>,
    listening: Vec<Listening>,
}

#[derive(Debug)]
#[cfg_attr(
    not(feature = "watch"),
    expect(dead_code, reason = "what is kept is given to another process by `watch` alone")
)]
struct Listening {
    name: String,
    /// Until it is given away: as long as anybody has it, connections come that somebody must take.
    socket: Option<OwnedFd>,
    left: Arc<AtomicBool>,
}

impl Sockets {
    /// Those of the process before, each with what it is for; `takes_over` if that serves until this one does.
    #[cfg(feature = "watch")]
    pub(super) fn inherited(inherited: Vec<(String, OwnedFd)>, takes_over: bool) -> Self {
        Self(Some(Mutex::new(Held { takes_over, inherited, listening: Vec::new() })))
    }

    /// Whether another process serves until this one does.
    pub(super) fn takes_over(&self) -> bool {
        self.with(|held| held.takes_over).unwrap_or_default()
    }

    /// The one of that name, if the process before had it. Several may have one name, and are given one after the other.
    pub(super) fn inherit(&self, name: &str) -> Option<OwnedFd> {
        self.with(|held| {
            let at = held.inherited.iter().position(|(known, _)| known == name)?;
            Some(held.inherited.swap_remove(at).1)
        })?
    }

    /// Keeps a socket for the process after this one. What it gives is true while another process has it too, so that
    /// its file is not removed by this one: the one before as long as this one does not serve, or the one after.
    pub(super) fn keep(
        &self,
        name: &str,
        socket: impl AsFd,
        is_inherited: bool,
    ) -> io::Result<Arc<AtomicBool>> {
        let left = Arc::new(AtomicBool::new(is_inherited));
        let kept = self.with(|held| {
            let socket = socket.as_fd().try_clone_to_owned()?;
            let (name, socket, left) = (name.to_owned(), Some(socket), Arc::clone(&left));
            held.listening.push(Listening { name, socket, left });
            Ok(())
        });
        kept.unwrap_or(Ok(())).map(|()| left)
    }

    /// Gives away what this process listens at, which serves by now. What it has not asked for of the sockets of the one
    /// before is closed.
    #[cfg(feature = "watch")]
    pub(super) fn give(&self) -> Vec<(String, OwnedFd)> {
        let given = self.with(|held| {
            held.inherited.clear();
            let give = |kept: &mut Listening| {
                kept.left.store(false, Ordering::Release);
                Some((kept.name.clone(), kept.socket.take()?))
            };
            held.listening.iter_mut().filter_map(give).collect()
        });
        given.unwrap_or_default()
    }

    /// The process after this one has these.
    #[cfg(feature = "watch")]
    pub(super) fn leave(&self, names: &[String]) {
        self.with(|held| {
            for kept in held.listening.iter().filter(|kept| names.contains(&kept.name)) {
                kept.left.store(true, Ordering::Release);
            }
        });
    }

    fn with<R>(&self, act: impl FnOnce(&mut Held) -> R) -> Option<R> {
        let held = self.0.as_ref()?;
        Some(act(&mut held.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
