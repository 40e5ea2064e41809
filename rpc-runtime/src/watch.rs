//! Which handler a thread is inside of, told to a supervisor on another thread.
//!
//! It costs a handler that a host delivers, or that has suspended, a few plain stores a poll. A callee that is ready at
//! its first poll is not told of, because that would cost every call; its caller is.

use std::{
    cell::OnceCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::service::MethodInfo;

/// What one thread tells.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Counts the polls that were begun outside of any handler.
    polls: AtomicU64,
    /// The innermost handler, 0 outside of any: the number of its Worker in the high 16 bits, its method in the
    /// others.
    inside: AtomicU64,
}

thread_local! {
    /// Nothing on a thread that no host supervises.
    static HERE: OnceCell<Arc<Pulse>> = const { OnceCell::new() };
}

/// The number of a Worker that is watched; 0 for all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched(u16);

impl Watched {
    pub(crate) const NOT: Self = Self(0);

    /// Runs `act` as a poll or a drop of this Worker's handler of `method`.
    #[inline]
    pub(crate) fn inside<R>(self, method: &'static MethodInfo, act: impl FnOnce() -> R) -> R {
        let _inside = (self != Self::NOT).then(|| Inside::enter(self, method));
        act()
    }
}

struct Inside(Option<u64>);

impl Inside {
    fn enter(worker: Watched, method: &'static MethodInfo) -> Self {
        let outer = with_pulse(|pulse| {
            let outer = pulse.inside.load(Ordering::Relaxed);
            if outer == 0 {
                // No other thread writes it.
                pulse.polls.store(pulse.polls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            let inside = u64::from(worker.0) << METHOD_BITS | of_method(method);
            pulse.inside.store(inside, Ordering::Relaxed);
            outer
        });
        Self(outer)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(outer) = self.0 {
            with_pulse(|pulse| pulse.inside.store(outer, Ordering::Relaxed));
        }
    }
}

fn with_pulse<R>(look: impl FnOnce(&Pulse) -> R) -> Option<R> {
    HERE.try_with(|here| here.get().map(|pulse| look(pulse))).ok().flatten()
}

/// What stands for a method: most of its identity, as its address is not the same everywhere in a program.
fn of_method(method: &MethodInfo) -> u64 {
    method.id.get() & ((1 << METHOD_BITS) - 1)
}

const METHOD_BITS: u32 = 48;

#[cfg(feature = "host")]
pub(crate) use self::told::Seen;

/// The side that is told.
#[cfg(feature = "host")]
mod told {
    use std::{
        collections::BTreeMap,
        fmt,
        sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    };

    use super::{HERE, METHOD_BITS, Pulse, Watched, of_method};
    use crate::{fetch::FETCH, service::MethodInfo};

    /// What the numbers stand for. It grows with the Workers and services of the program alone.
    #[derive(Default)]
    struct Known {
        workers: Vec<Arc<str>>,
        methods: BTreeMap<u64, &'static MethodInfo>,
    }

    fn known() -> MutexGuard<'static, Known> {
        static KNOWN: Mutex<Known> = Mutex::new(Known { workers: Vec::new(), methods: BTreeMap::new() });
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Watched {
        /// The Worker of that name, whose handlers of these methods are watched.
        pub(crate) fn new(worker: &str, methods: &[&'static MethodInfo]) -> Self {
            let mut known = known();
            for method in methods.iter().copied().chain([&FETCH]) {
                known.methods.insert(of_method(method), method);
            }
            let at = known.workers.iter().position(|name| **name == *worker).unwrap_or_else(|| {
                known.workers.push(worker.into());
                known.workers.len() - 1
            });
            // Those that no number is left for are not watched.
            Self(u16::try_from(at + 1).unwrap_or_default())
        }
    }

    /// A poll, as it was seen.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Seen {
        poll: u64,
        inside: u64,
    }

    impl Pulse {
        /// From now on this thread tells where it is.
        pub(crate) fn of_this_thread() -> Arc<Self> {
            HERE.with(|here| Arc::clone(here.get_or_init(Arc::default)))
        }

        /// The poll that the thread is inside of, if it is inside of any.
        pub(crate) fn seen(&self) -> Option<Seen> {
            let seen = Seen {
                poll: self.polls.load(Ordering::Relaxed),
                inside: self.inside.load(Ordering::Relaxed),
            };
            (seen.inside != 0).then_some(seen)
        }
    }

    impl Seen {
        pub(crate) fn is_same_poll(self, other: Self) -> bool {
            self.poll == other.poll
        }

        pub(crate) fn worker(self) -> Arc<str> {
            let at = (self.inside >> METHOD_BITS) as usize;
            let name = at.checked_sub(1).and_then(|at| known().workers.get(at).cloned());
            name.unwrap_or_else(|| "an unknown Worker".into())
        }

        pub(crate) fn method(self) -> impl fmt::Display {
            match known().methods.get(&(self.inside & ((1 << METHOD_BITS) - 1))) {
                Some(MethodInfo { service: "", name, .. }) => (*name).to_owned(),
                Some(MethodInfo { service, name, .. }) => format!("{service}/{name}"),
                None => "an unknown method".to_owned(),
            }
        }
    }
}
