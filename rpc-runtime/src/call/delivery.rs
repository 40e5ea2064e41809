//! The policy of a call: what happens around a handler's first poll, whatever its types.

use std::{
    hint::cold_path,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    client::Binding,
    clock::Deadline,
    error::{Error, Kind},
    invocation::{Frame, Seat, State},
    metadata::Entry,
    raw::{self, Innermost, Payload},
    service::MethodInfo,
};

/// What came of the delivery of a call.
pub(super) enum Delivered<'s> {
    /// Nothing was done.
    Nothing,
    /// The handler was ready: the value is where `enter` put it.
    Answered,
    /// The same, and there is more to the end of the invocation than going away.
    Laden(State<'s>),
    /// It has suspended, or there is none.
    Suspended(Seat<'s>),
    Failed(Error),
}

/// Where to go on from a delivery. Beside what came of it, and not read from there, because the compiler then sees
/// that each end of [`deliver`] has a way of its own: the one of a plain answer keeps nothing for the others.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// Answered, and all is done.
    Plain,
    /// Answered, and there is more to the end of the invocation than going away.
    Laden,
    /// For [`deliver_special`] to deliver: there is more to the call than its arguments, or its pipeline counts
    /// where many threads do, or it has reached a limit.
    Special,
    /// The handler has suspended, or there is none, or it panicked.
    Unanswered,
}

/// What a call has got from its interceptors when they let it pass.
#[derive(Default)]
pub(crate) struct Passed {
    /// What they add to the metadata of the call.
    pub(crate) added: Vec<Entry>,
    /// The deadline that the interceptors and the call have in common, and whose timer is theirs. `None` for a
    /// call without interceptors.
    pub(crate) deadline: Option<Deadline>,
}

/// Delivers a plain call. `enter` calls the twin and says whether there is a value.
///
/// The state of the invocation is made on the stack, and comes back only if the handler suspends.
///
/// Generic over what enters, because only then the closure in here belongs to one call alone and is inlined there
/// with the twin's method: shared by all calls, it costs each of them 70 instructions. A debug build has it once,
/// through a `dyn`.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn deliver<'s, E: FnMut() -> bool + ?Sized>(
    binding: &'s Arc<Binding>,
    method: &'static MethodInfo,
    enter: &mut E,
) -> (End, Delivered<'s>) {
    raw::current(|innermost| {
        let caller = innermost.frame();
        if State::is_special(caller, method, binding) {
            cold_path();
            return (End::Special, Delivered::Nothing);
        }
        let state;
        let frame = match caller {
            None => {
                state = State::first(method, binding);
                Frame::alone(&state)
            }
            Some(caller) => {
                let Some(inside) = State::inside(caller, method, binding) else {
                    cold_path();
                    return (End::Special, Delivered::Nothing);
                };
                state = inside;
                Frame::inside(&state, caller)
            }
        };
        let entered = innermost.enter(&frame, || catch_unwind(AssertUnwindSafe(enter)));
        match entered {
            Ok(true) if state.is_plain() => {
                state.end_plain();
                (End::Plain, Delivered::Answered)
            }
            Ok(true) => {
                cold_path();
                (End::Laden, Delivered::Laden(state))
            }
            Ok(false) => {
                cold_path();
                (End::Unanswered, Delivered::Suspended(Seat::new(state, caller)))
            }
            Err(payload) => {
                cold_path();
                (End::Unanswered, panicked(payload, caller, &state))
            }
        }
    })
}

/// Delivers a call with options, inside of one that has some, or watched.
#[cold]
#[inline(never)]
pub(super) fn deliver_special<'s>(
    binding: &'s Arc<Binding>,
    method: &'static MethodInfo,
    passed: Passed,
    innermost: Innermost<'_>,
    enter: &mut dyn FnMut() -> bool,
) -> Delivered<'s> {
    let caller = innermost.frame();
    let mut state = match State::begin(caller, method, binding) {
        Ok(state) => state,
        Err(error) => return Delivered::Failed(error),
    };
    if let Err(error) = state.prepare(caller, passed) {
        return Delivered::Failed(error);
    }
    let entered = innermost.enter(&Frame::first_special(&state, caller), || {
        state.enter_span();
        let entered = binding.watched.inside(method, || catch_unwind(AssertUnwindSafe(enter)));
        state.leave_span();
        entered
    });
    match entered {
        Ok(true) => Delivered::Answered,
        Ok(false) => Delivered::Suspended(Seat::new(state, caller)),
        Err(payload) => panicked(payload, caller, &state),
    }
}

#[cold]
fn panicked<'s>(payload: Payload, caller: Option<&Frame<'_>>, state: &State<'_>) -> Delivered<'s> {
    state.binding.note_panic();
    let why = Kind::panicked("the handler", payload);
    let error = Error::of_call(why, caller, state.method, state.binding);
    state.note_error(&error);
    Delivered::Failed(error)
}
