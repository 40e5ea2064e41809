//! The handlers of a session: polled where the session is, each with a waker of its own.
//!
//! A prototype without codec and policy served a call in 211 and 110 ns at 64 and 256 calls in flight when it polled
//! handlers in the session's own task, and in 518 and 421 ns with a task for each. So handlers lie in a slab, and what
//! wakes one puts its place into a list that the session looks through.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::arrival::Handled;
use crate::{
    error::Kind,
    panics::{self, drop_contained},
    proto::CallId,
    raw::{Payload, PooledFuture},
};

/// All handlers of one session that have not answered, or what sends its streams.
pub(super) struct Handlers<I, T> {
    places: Vec<Place<I, T>>,
    free: Vec<u32>,
    /// Where the handler of a call is, by the index of its id; stale where the occupant is another call's.
    place_of: Vec<u32>,
    ready: Arc<Ready>,
    /// What was ready when the list was last taken.
    turn: Vec<u32>,
}

struct Place<I, T> {
    occupant: Option<(I, PooledFuture<T>)>,
    wake: Arc<WakePlace>,
    /// Of `wake`, made once: a call in the steady state makes none.
    waker: Waker,
}

/// The places whose handlers were woken, and whom to tell.
#[derive(Default)]
pub(super) struct Ready(Mutex<ReadyList>);

#[derive(Default)]
struct ReadyList {
    places: Vec<u32>,
    session: Option<Waker>,
}

struct WakePlace {
    place: u32,
    /// Whether it is in the list already.
    listed: AtomicBool,
    ready: Arc<Ready>,
}

/// By what a handler is known from outside.
pub(super) trait Known: Copy + Eq {
    /// A small number of its own.
    fn index(self) -> usize;
}

impl Known for CallId {
    fn index(self) -> usize {
        Self::index(self)
    }
}

/// Nobody asks for it.
impl Known for () {
    fn index(self) -> usize {
        0
    }
}

/// What becomes of a handler.
pub(super) trait Outcome {
    fn of_panic(payload: Payload) -> Self;
}

impl Outcome for Handled {
    fn of_panic(payload: Payload) -> Self {
        Self::failed_on_the_way(Kind::panicked("the handler", payload))
    }
}

impl Outcome for () {
    fn of_panic(payload: Payload) {
        let panic = panics::describe(payload);
        tracing::error!(target: "rpc_runtime", panic, "what sends a stream panicked");
    }
}

impl<I: Known, T: Outcome> Handlers<I, T> {
    pub(super) const fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            place_of: Vec::new(),
            ready: Arc::default(),
            turn: Vec::new(),
        }
    }

    /// Polls a new handler for the first time. It gets a place only if it suspends.
    pub(super) fn begin(&mut self, id: I, mut handler: PooledFuture<T>) -> Option<T> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => self.add_place(),
        };
        let waker = &self.places[place as usize].waker;
        match poll(&mut handler, waker) {
            Poll::Ready(handled) => {
                self.free.push(place);
                drop_handler(handler);
                Some(handled)
            }
            Poll::Pending => {
                self.places[place as usize].occupant = Some((id, handler));
                self.note_place(id, place);
                None
            }
        }
    }

    fn add_place(&mut self) -> u32 {
        let place = u32::try_from(self.places.len()).expect("the protocol lets fewer calls in");
        let wake =
            Arc::new(WakePlace { place, listed: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        let waker = Waker::from(Arc::clone(&wake));
        self.places.push(Place { occupant: None, wake, waker });
        place
    }

    /// Polls at most `most` of the handlers that were woken, and hands what they answer to `answered`. Returns
    /// whether there are more.
    pub(super) fn poll_ready(
        &mut self,
        most: usize,
        session: &Waker,
        mut answered: impl FnMut(I, T),
    ) -> bool {
        if !self.take_turn(session) {
            return false;
        }
        let count = self.turn.len().min(most);
        for at in 0..count {
            let place = &mut self.places[self.turn[at] as usize];
            place.wake.listed.store(false, Ordering::Release);
            let Some((id, handler)) = &mut place.occupant else { continue };
            if let Poll::Ready(handled) = poll(handler, &place.waker) {
                let id = *id;
                self.leave(self.turn[at]);
                answered(id, handled);
            }
        }
        self.turn.drain(..count);
        self.take_turn(session)
    }

    /// Takes the list of those that were woken, if none is left of the last one. Returns whether there are any.
    fn take_turn(&mut self, session: &Waker) -> bool {
        if !self.turn.is_empty() {
            return true;
        }
        let mut ready = self.ready.lock();
        std::mem::swap(&mut self.turn, &mut ready.places);
        let none = self.turn.is_empty();
        if none {
            // Only who finds nothing waits to be told.
            match &mut ready.session {
                Some(waker) => waker.clone_from(session),
                none => *none = Some(session.clone()),
            }
        }
        !none
    }

    /// Drops the handler of a call, if it has not answered.
    pub(super) fn cancel(&mut self, id: I) -> bool {
        let Some(&place) = self.place_of.get(id.index()) else { return false };
        let occupant = self.places.get(place as usize).and_then(|place| place.occupant.as_ref());
        if occupant.is_none_or(|(occupant, _)| *occupant != id) {
            return false;
        }
        self.leave(place);
        true
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        for place in 0..self.places.len() {
            if self.places[place].occupant.is_some() {
                self.leave(u32::try_from(place).expect("it was made from one"));
            }
        }
    }

    fn note_place(&mut self, id: I, place: u32) {
        if self.place_of.len() <= id.index() {
            self.place_of.resize(id.index() + 1, u32::MAX);
        }
        self.place_of[id.index()] = place;
    }

    /// Drops the handler in a place, which is free then.
    fn leave(&mut self, place: u32) {
        if let Some((_, handler)) = self.places[place as usize].occupant.take() {
            self.free.push(place);
            drop_handler(handler);
        }
    }
}

/// What a handler does to the session's own task is contained in its call.
fn poll<T: Outcome>(handler: &mut PooledFuture<T>, waker: &Waker) -> Poll<T> {
    let polled =
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *handler).poll(&mut Context::from_waker(waker))));
    polled.unwrap_or_else(|payload| Poll::Ready(T::of_panic(payload)))
}

/// Calls contain the panics of their callees' drops; this is for what stands around them.
fn drop_handler<T>(handler: PooledFuture<T>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(handler))) {
        drop_contained(|| drop(payload));
        tracing::error!(target: "rpc_runtime", "a handler panicked while it was dropped");
    }
}

impl Ready {
    fn lock(&self) -> std::sync::MutexGuard<'_, ReadyList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for WakePlace {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let session = {
            let mut ready = self.ready.lock();
            ready.places.push(self.place);
            ready.session.take()
        };
        if let Some(session) = session {
            session.wake();
        }
    }
}
