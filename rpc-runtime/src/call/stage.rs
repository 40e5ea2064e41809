//! Where a call is, and how it goes on: shared by all methods of one signature.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    delivery::{Delivered, Passed, deliver_special},
    intercepted::Intercepted,
};
use crate::{
    client::Binding,
    error::{Error, Kind},
    invocation::{Frame, OwnDeadline, Seat, with_current},
    observe,
    raw::{self, Beside, Given, Pooled, Rest, Suspended, Unready},
    service::{Answers, MethodInfo},
    session::Failure,
};

/// Where a call is.
///
/// `Live` is an enum of its own so that whoever drops a call that has ended makes one comparison.
pub(crate) enum Stage<'s, A, D: ?Sized + Future> {
    Made(Beside<A>),
    Live(Live<'s, A, D>),
    Ended,
}

pub(crate) enum Live<'s, A, D: ?Sized + Future> {
    Running(Running<'s, A, D>),
    Intercepted(Pooled<Intercepted<'s, A, D>>),
}

/// What there is to do beside a first poll that is answered at once.
pub(super) enum Otherwise<'s, A, D: ?Sized + Future> {
    /// The call was polled before.
    Again,
    /// There is more to this call than its arguments.
    Special,
    /// The first poll gave no value.
    Unanswered { delivered: Delivered<'s>, rest: Rest<'s, A, D> },
}

/// Whom a call is made to.
pub(super) struct Callee<'s, 'x, A, D: ?Sized + Future> {
    pub(super) binding: &'s Arc<Binding>,
    pub(super) method: &'static MethodInfo,
    pub(super) answers: Answers<D::Output>,
    /// Calls the twin.
    pub(super) start: &'x mut CallTwin<'s, 'x, A, D>,
    /// Whether the twin is the way to a handler elsewhere.
    pub(super) is_elsewhere: &'x dyn Fn() -> bool,
}

impl<A, D: ?Sized + Future> Callee<'_, '_, A, D> {
    /// A call that failed on the way.
    #[cold]
    fn failed(&self, error: Error) -> Poll<D::Output> {
        with_current(|caller| Failure::keep(&error, error.may_follow_a_run(), caller));
        Poll::Ready((self.answers.failed)(error))
    }

    /// A handler has answered. An error of the runtime in its answer speaks of a call that the handler made.
    ///
    /// Errors know that by the invocation they arose in, but for one case: the handler got it from a task that had left
    /// its pipeline, and is itself called from outside of any. It has suspended then, to wait for that task; so a
    /// handler that is ready at its first poll is spared the look, which is 3 instructions a call.
    ///
    /// What leads to a handler elsewhere tells by itself what it knows of this call; errors of that handler's own have
    /// been read, and speak of no call that was made here.
    fn answered(&self, answer: D::Output) -> D::Output {
        if let Some(error) = (self.answers.cause)(&answer)
            && !(self.is_elsewhere)()
        {
            error.hand_up();
        }
        answer
    }
}

type CallTwin<'s, 'x, A, D> =
    dyn FnMut(Given<'_, 's, A, D>, &mut Context<'_>, &mut Rest<'s, A, D>) -> Poll<<D as Future>::Output> + 'x;

impl<'s, A, D> Stage<'s, A, D>
where
    D: ?Sized + Future,
{
    pub(super) fn poll_otherwise(
        &mut self,
        otherwise: Otherwise<'s, A, D>,
        callee: &mut Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        match otherwise {
            Otherwise::Again => match mem::replace(self, Self::Ended) {
                Self::Live(live) => self.go_on(live, callee, cx),
                _ => panic!("a call was polled after it had ended"),
            },
            Otherwise::Special => match callee.binding.interceptors() {
                Some(_) => self.intercept(callee, cx),
                None => self.begin(Passed::default(), callee, cx),
            },
            Otherwise::Unanswered { delivered, rest } => {
                *self = Self::Ended;
                self.settle(delivered, rest, callee, cx)
            }
        }
    }

    /// The first poll of a call with options, inside of one that has some, or watched.
    pub(super) fn begin(
        &mut self,
        passed: Passed,
        callee: &mut Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        let mut given = Given::of(self);
        let mut rest = Rest::new();
        let mut polled = Poll::Pending;
        let (binding, method, answers) = (callee.binding, callee.method, callee.answers);
        let delivered = raw::current(|innermost| {
            deliver_special(binding, method, passed, innermost, &mut || {
                if let Some(given) = given.take() {
                    polled = (callee.start)(given, cx, &mut rest);
                }
                if let Poll::Ready(value) = &polled {
                    with_current(|frame| {
                        if let Some(frame) = frame {
                            frame.state.note(value, answers);
                        }
                    });
                }
                polled.is_ready()
            })
        });
        *self = Self::Ended;
        match (delivered, polled) {
            (Delivered::Answered, Poll::Ready(value)) => Poll::Ready(callee.answered(value)),
            (delivered, _) => self.settle(delivered, rest, callee, cx),
        }
    }

    /// There is no value: the handler has suspended, or there is none.
    fn settle(
        &mut self,
        delivered: Delivered<'s>,
        rest: Rest<'s, A, D>,
        callee: &Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        let (why, seat) = match (delivered, rest.into_unready()) {
            (Delivered::Suspended(seat), Unready::Pending(tied)) => {
                return self.suspend(Running(tied.suspend(seat)), callee, cx);
            }
            (Delivered::Failed(error), _) => return callee.failed(error),
            (Delivered::Suspended(seat), Unready::Refused(why)) => (why, Some(seat)),
            // A twin that used its slot for nothing; ours do not.
            (delivered, _) => {
                let seat = if let Delivered::Suspended(seat) = delivered { Some(seat) } else { None };
                (Kind::Unavailable("the call was not placed".into()), seat)
            }
        };
        let error = with_current(|caller| Error::of_call(why, caller, callee.method, callee.binding));
        if let Some(seat) = seat {
            seat.state.note_error(&error);
        }
        callee.failed(error)
    }

    fn suspend(
        &mut self,
        mut running: Running<'s, A, D>,
        callee: &Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        let timer = with_current(|caller| running.poll_timer(caller, cx));
        match timer {
            Poll::Ready(error) => {
                running.0.seat_mut().state.note_error(&error);
                callee.failed(error)
            }
            Poll::Pending => {
                *self = Self::Live(Live::Running(running));
                Poll::Pending
            }
        }
    }

    fn go_on(
        &mut self,
        live: Live<'s, A, D>,
        callee: &mut Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        let mut running = match live {
            Live::Running(running) => running,
            Live::Intercepted(intercepted) => return self.go_on_intercepted(intercepted, callee, cx),
        };
        match running.poll(cx) {
            Poll::Pending => {
                *self = Self::Live(Live::Running(running));
                Poll::Pending
            }
            Poll::Ready(Ok(answer)) => {
                running.0.seat_mut().state.note(&answer, callee.answers);
                Poll::Ready(callee.answered(answer))
            }
            Poll::Ready(Err(error)) => {
                running.0.seat_mut().state.note_error(&error);
                callee.failed(error)
            }
        }
    }

    /// The call behind the interceptors of its client.
    fn intercept(&mut self, callee: &mut Callee<'s, '_, A, D>, cx: &mut Context<'_>) -> Poll<D::Output> {
        let (binding, method) = (callee.binding, callee.method);
        let own = match with_current(|caller| OwnDeadline::of_call(caller, method, binding)) {
            Ok(own) => own,
            Err(error) => {
                *self = Self::Ended;
                return callee.failed(error);
            }
        };
        let made = mem::replace(self, Self::Ended);
        let around = Intercepted::new(made, method, binding, own).expect("the client has interceptors");
        self.go_on_intercepted(Pooled::new(around), callee, cx)
    }

    fn go_on_intercepted(
        &mut self,
        mut intercepted: Pooled<Intercepted<'s, A, D>>,
        callee: &mut Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        let polled = intercepted.poll(callee, cx);
        if polled.is_pending() {
            *self = Self::Live(Live::Intercepted(intercepted));
        }
        polled
    }

    /// Polls a call that the interceptors have let pass: for the first time with what they gave it.
    pub(super) fn poll_passed(
        &mut self,
        passed: Option<Passed>,
        callee: &mut Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        if let Some(passed) = passed
            && let Self::Made(_) = self
        {
            return self.begin(passed, callee, cx);
        }
        self.poll_otherwise(Otherwise::Again, callee, cx)
    }
}

/// A call whose handler has suspended.
pub(crate) struct Running<'s, A, D: ?Sized>(Suspended<'s, A, D>);

impl<A, D: ?Sized + Future> Running<'_, A, D> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<D::Output, Error>> {
        raw::current(|innermost| {
            let (seat, mut handler) = self.0.split();
            let state = &seat.state;
            let polled = innermost.enter(&Frame::again(seat, innermost.frame()), || {
                state.enter_span();
                let poll = || {
                    let polled = handler.poll(cx).expect("a call is not polled after its end");
                    if polled.is_ready() {
                        handler.end();
                    }
                    polled
                };
                let watched = state.binding.watched;
                let polled = watched.inside(state.method, || catch_unwind(AssertUnwindSafe(poll)));
                state.leave_span();
                polled
            });
            match polled {
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Ok(Poll::Pending) => self.poll_timer(innermost.frame(), cx).map(Err),
                Err(payload) => {
                    state.binding.note_panic();
                    let why = Kind::panicked("the handler", payload);
                    Poll::Ready(Err(Error::of_call(why, innermost.frame(), state.method, state.binding)))
                }
            }
        })
    }
}

impl<A, D: ?Sized> Running<'_, A, D> {
    /// Ready with the error when the call's own deadline has passed; the handler is gone then.
    fn poll_timer(&mut self, caller: Option<&Frame<'_>>, cx: &mut Context<'_>) -> Poll<Error> {
        let state = &mut self.0.seat_mut().state;
        let at = state.deadline;
        let Some(extras) = state.extras_if_any() else { return Poll::Pending };
        let why = ready!(extras.timer.poll(at, cx));
        let error = Error::of_call(why, caller, state.method, state.binding);
        self.cancel();
        Poll::Ready(error)
    }

    /// Drops the handler as part of its own invocation. Nobody waits for it, so a panic goes to the log.
    #[cold]
    #[inline(never)]
    fn cancel(&mut self) {
        let (seat, mut handler) = self.0.split();
        cancel(seat, &mut || handler.end());
    }
}

impl<A, D: ?Sized> Drop for Running<'_, A, D> {
    #[inline]
    fn drop(&mut self) {
        self.cancel();
    }
}

fn cancel(seat: &Seat<'_>, end: &mut dyn FnMut()) {
    raw::current(|innermost| {
        let state = &seat.state;
        innermost.enter(&Frame::again(seat, innermost.frame()), || {
            state.enter_span();
            let ended = || catch_unwind(AssertUnwindSafe(end));
            if let Err(payload) = state.binding.watched.inside(state.method, ended) {
                state.binding.note_panic();
                observe::panic_in_drop("a cancelled handler", state.method, state.binding, payload);
            }
            state.leave_span();
        });
    });
}
