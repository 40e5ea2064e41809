//! The instances of a Worker on one thread of a host, each in the place of the one before.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

/// Where a Worker lies that its host has made, or is going to make.
///
/// An instance that was replaced stays where it is until all of them go: a call that was made before borrows from it,
/// and counts nothing that would tell when it has ended. So there is a limit to how many there are.
#[derive(Debug)]
pub(crate) struct Instances<W> {
    first: OnceLock<W>,
    later: OnceLock<Box<[OnceLock<W>; LATER_MAX]>>,
    /// The number of the instance that calls go to: 0 for the first one.
    current: AtomicUsize,
}

/// How many instances may follow the first one.
pub(crate) const LATER_MAX: usize = 64;

impl<W> Default for Instances<W> {
    fn default() -> Self {
        Self { first: OnceLock::new(), later: OnceLock::new(), current: AtomicUsize::new(0) }
    }
}

/// One that nobody makes again.
impl<W> From<W> for Instances<W> {
    fn from(worker: W) -> Self {
        Self { first: OnceLock::from(worker), ..Self::default() }
    }
}

impl<W> Instances<W> {
    /// The newest instance; `None` if there is none yet.
    #[inline]
    pub(crate) fn get(&self) -> Option<&W> {
        match self.current.load(Ordering::Acquire) {
            0 => self.first.get(),
            at => self.at(at),
        }
    }

    #[cold]
    fn at(&self, at: usize) -> Option<&W> {
        self.later.get()?.get(at - 1)?.get()
    }

    /// Puts an instance in the place of the one there is. `Err` with it if there have been too many, or if another one
    /// is being put at the same time.
    #[cfg(feature = "host")]
    pub(crate) fn put(&self, worker: W) -> Result<(), W> {
        let Err(worker) = self.first.set(worker) else { return Ok(()) };
        let later = self.later.get_or_init(|| Box::new([const { OnceLock::new() }; LATER_MAX]));
        let at = self.current.load(Ordering::Acquire);
        let Some(place) = later.get(at) else { return Err(worker) };
        place.set(worker)?;
        self.current.store(at + 1, Ordering::Release);
        Ok(())
    }
}
