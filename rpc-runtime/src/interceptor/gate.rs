//! Where the interceptors of a call and the call itself meet.

use std::{
    cell::RefCell,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::Outcome;
use crate::metadata::{self, Entry};

/// The interceptors ask for the callee here, and the call, which polls both, answers.
///
/// They are polled by one task as a rule; but an interceptor may give what is left of the call to another one,
/// so whoever changes the stage wakes who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Passage>);

#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) stage: Stage,
    /// What the interceptors added to the metadata.
    pub(crate) added: Vec<Entry>,
    /// The interceptor that waits for the callee.
    interceptor: Option<Waker>,
    /// The call, when it waits for an interceptor that it does not poll itself.
    pub(crate) call: Option<Waker>,
}

#[derive(Debug, Default)]
pub(crate) enum Stage {
    /// No interceptor has asked for the callee yet.
    #[default]
    Closed,
    /// The callee is to be polled.
    Open,
    /// The callee is ready.
    Answered(Outcome),
    /// The interceptors want the callee no more.
    Left,
}

thread_local! {
    /// Gates of calls that have ended.
    static SPARE: RefCell<Vec<Arc<Gate>>> = const { RefCell::new(Vec::new()) };
}

/// How many gates a thread keeps: as many calls with interceptors may be inside of each other without an
/// allocation.
const SPARE_MAX: usize = 16;

impl Gate {
    /// One that no call uses.
    pub(crate) fn take() -> Arc<Self> {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        spare.ok().flatten().unwrap_or_default()
    }

    /// Keeps a gate for another call, unless an interceptor still holds it.
    pub(crate) fn give(mut gate: Arc<Self>) {
        let Some(Self(passage)) = Arc::get_mut(&mut gate) else { return };
        *passage = Mutex::default();
        // At the end of the thread there is nobody to keep it for.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(gate);
            }
        });
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Passage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the metadata of the call. Interceptors are asked from the outside in, so the later word counts.
    pub(super) fn add(&self, added: Vec<Entry>) {
        if added.is_empty() {
            return;
        }
        let mut passage = self.lock();
        if passage.added.is_empty() {
            passage.added = added;
            return;
        }
        for entry in added {
            metadata::set(&mut passage.added, entry.key, entry.value);
        }
    }

    /// Lets the call pass, and waits until the callee is ready. Dropping it cancels the callee.
    pub(super) fn pass(&self) -> impl Future<Output = Outcome> + Send {
        Passing(self)
    }

    /// The callee is ready.
    pub(crate) fn answer(&self, outcome: Outcome) {
        let mut passage = self.lock();
        passage.stage = Stage::Answered(outcome);
        let interceptor = passage.interceptor.take();
        drop(passage);
        wake(interceptor);
    }
}

struct Passing<'a>(&'a Gate);

impl Future for Passing<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut passage = self.0.lock();
        if let Stage::Answered(outcome) = &passage.stage {
            return Poll::Ready(outcome.clone());
        }
        passage.interceptor = Some(cx.waker().clone());
        let opens = !matches!(mem::replace(&mut passage.stage, Stage::Open), Stage::Open);
        let call = passage.call.take_if(|_| opens);
        drop(passage);
        wake(call);
        Poll::Pending
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut passage = self.0.lock();
        if matches!(passage.stage, Stage::Answered(_)) {
            return;
        }
        passage.stage = Stage::Left;
        let call = passage.call.take();
        drop(passage);
        wake(call);
    }
}

/// Out of the lock: a waker may do anything.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
