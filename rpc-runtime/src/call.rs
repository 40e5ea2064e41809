//! The call future.

mod intercepted;

use std::{
    fmt,
    future::Future,
    hint::cold_path,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use self::intercepted::Intercepted;
pub(crate) use self::intercepted::Passed;
use crate::{
    client::Inner,
    error::{Error, Kind},
    invocation::{Frame, OwnDeadline, Seat, State},
    observe,
    raw::{self, Flavour, Innermost, Pooled, Rest, Start, Started, Suspended, Unready},
    service::{Method, Reply, Service},
};

/// A call: does nothing until it is polled, and cancels its callee when it is dropped.
///
/// 40 bytes for a method of two words, and `Unpin`: a suspended handler lies in a block of its own.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'s, M: Method, A, F> {
    client: &'s Inner<M::Service>,
    stage: Stage<'s, M, A, F>,
    start: F,
}

/// `Live` is an enum of its own so that whoever drops a call that has ended makes one comparison.
enum Stage<'s, M: Method, A, F> {
    Made(A),
    Live(Live<'s, M, A, F>),
    Ended,
}

enum Live<'s, M: Method, A, F> {
    Running(Running<'s, A, Handler<M>>),
    Intercepted(Pooled<Interception<'s, M, A, F>>),
}

/// Where a call with interceptors is.
enum Interception<'s, M: Method, A, F> {
    /// They stand around it.
    Around(Intercepted<Call<'s, M, A, F>, M::Output>),
    /// It is the call they stand around. They have let it pass, and added to its metadata.
    Passed(A, Passed),
    Over,
}

type FlavourOf<M> = <<M as Method>::Service as Service>::Flavour;
type Twin<M> = <<M as Method>::Service as Service>::Dyn;
type Handler<M> = <FlavourOf<M> as Flavour>::Handler<<M as Method>::Output>;

/// Makes the call of a client's method. `start` calls the twin.
#[inline]
pub fn call<'s, M, A, F>(client: &'s Inner<M::Service>, method: M, args: A, start: F) -> Call<'s, M, A, F>
where
    M: Method,
    F: for<'k> Fn(Start<'k, 's, Twin<M>, A, M::Output, FlavourOf<M>>) -> Started<'k, M::Output> + Copy,
{
    let _ = method;
    Call { client, stage: Stage::Made(args), start }
}

/// Nothing of a call is pinned in place: arguments are moved out, and handlers have their own block.
impl<M: Method, A, F> Unpin for Call<'_, M, A, F> {}

impl<M: Method, A, F> Unpin for Interception<'_, M, A, F> {}

impl<'s, M, A, F> Future for Call<'s, M, A, F>
where
    M: Method,
    F: for<'k> Fn(Start<'k, 's, Twin<M>, A, M::Output, FlavourOf<M>>) -> Started<'k, M::Output> + Copy,
{
    type Output = M::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self.get_mut();
        match mem::replace(&mut this.stage, Stage::Ended) {
            Stage::Made(args) => this.begin(args, cx),
            Stage::Live(live) => {
                cold_path();
                this.go_on(live, cx)
            }
            Stage::Ended => polled_too_often(),
        }
    }
}

impl<'s, M, A, F> Call<'s, M, A, F>
where
    M: Method,
    F: for<'k> Fn(Start<'k, 's, Twin<M>, A, M::Output, FlavourOf<M>>) -> Started<'k, M::Output> + Copy,
{
    /// The first poll: the state of the invocation is made on the stack, and moves into the handler's block only
    /// if the handler suspends.
    #[inline(always)]
    fn begin(&mut self, args: A, cx: &mut Context<'_>) -> Poll<M::Output> {
        let binding = self.client.binding();
        raw::current(|innermost| {
            let caller = innermost.frame();
            if State::is_special(caller, M::INFO, binding) {
                cold_path();
                return self.begin_special(args, None, innermost, cx);
            }
            let state = match State::begin(caller, M::INFO, binding) {
                Ok(state) => state,
                Err(error) => return failed(error),
            };
            let mut rest = Rest::new();
            let value = innermost.enter(&Frame::first(&state, caller), || {
                raw::start(self.client.twin(), args, cx.waker(), &mut rest, self.start)
            });
            match value {
                Some(value) => {
                    rest.forget();
                    Poll::Ready(state.end(value))
                }
                None => {
                    cold_path();
                    self.suspend(rest, state, caller, cx)
                }
            }
        })
    }

    /// The first poll of a call with options, inside of one that has some, or watched.
    #[cold]
    #[inline(never)]
    fn begin_special(
        &mut self,
        args: A,
        passed: Option<Passed>,
        innermost: Innermost<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Output> {
        let (binding, caller) = (self.client.binding(), innermost.frame());
        let passed = match passed {
            Some(passed) => passed,
            None if binding.interceptors().is_some() => return self.intercept(args, caller, cx),
            None => Passed::default(),
        };
        let mut state = match State::begin(caller, M::INFO, binding) {
            Ok(state) => state,
            Err(error) => return failed(error),
        };
        if let Err(error) = state.prepare(caller, passed) {
            return failed(error);
        }
        let mut rest = Rest::new();
        let value = innermost.enter(&Frame::first_special(&state, caller), || {
            state.enter_span();
            let value = raw::start(self.client.twin(), args, cx.waker(), &mut rest, self.start);
            state.leave_span();
            value
        });
        match value {
            Some(value) => {
                state.note::<M>(&value);
                Poll::Ready(value)
            }
            None => self.suspend(rest, state, caller, cx),
        }
    }

    /// There is no value: the handler has suspended, or there is none.
    #[cold]
    #[inline(never)]
    fn suspend(
        &mut self,
        rest: Rest<'s, A, Handler<M>>,
        state: State<'s>,
        caller: Option<&Frame<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Output> {
        let tied = match rest.into_unready() {
            Unready::Pending(tied) => tied,
            unready => {
                let answer = M::Output::failed(unready_error(unready, caller, &state));
                state.note::<M>(&answer);
                return Poll::Ready(answer);
            }
        };
        let mut running = Running(tied.suspend(Seat::new(state, caller)));
        match running.poll_timer(caller, cx) {
            Poll::Ready(error) => Poll::Ready(running.end::<M>(Err(error))),
            Poll::Pending => {
                self.stage = Stage::Live(Live::Running(running));
                Poll::Pending
            }
        }
    }

    #[inline(never)]
    fn go_on(&mut self, live: Live<'s, M, A, F>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let mut running = match live {
            Live::Running(running) => running,
            Live::Intercepted(intercepted) => return self.go_on_intercepted(intercepted, cx),
        };
        match running.poll(cx) {
            Poll::Pending => {
                self.stage = Stage::Live(Live::Running(running));
                Poll::Pending
            }
            Poll::Ready(ended) => Poll::Ready(running.end::<M>(ended)),
        }
    }

    /// The same call behind the interceptors of its client.
    #[cold]
    #[inline(never)]
    fn intercept(&mut self, args: A, caller: Option<&Frame<'_>>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let binding = self.client.binding();
        let own = match OwnDeadline::of_call(caller, M::INFO, binding) {
            Ok(own) => own,
            Err(error) => return failed(error),
        };
        let inner = Call { client: self.client, stage: Stage::Made(args), start: self.start };
        let around = Intercepted::new(inner, M::INFO, binding, own).expect("its client has interceptors");
        self.go_on_intercepted(Pooled::new(Interception::Around(around)), cx)
    }

    #[inline(never)]
    fn go_on_intercepted(
        &mut self,
        mut interception: Pooled<Interception<'s, M, A, F>>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Output> {
        match &mut *interception {
            Interception::Around(around) => {
                let polled = around.poll(cx, Self::pass, M::cause);
                if polled.is_pending() {
                    self.stage = Stage::Live(Live::Intercepted(interception));
                }
                polled
            }
            passed => match mem::replace(passed, Interception::Over) {
                Interception::Passed(args, passed) => {
                    raw::current(|innermost| self.begin_special(args, Some(passed), innermost, cx))
                }
                _ => polled_too_often(),
            },
        }
    }

    /// The interceptors let this call pass.
    fn pass(&mut self, passed: Passed) {
        if let Stage::Made(args) = mem::replace(&mut self.stage, Stage::Ended) {
            self.stage = Stage::Live(Live::Intercepted(Pooled::new(Interception::Passed(args, passed))));
        }
    }
}

/// A call whose handler has suspended.
struct Running<'s, A, D: ?Sized>(Suspended<'s, A, D>);

impl<A, D: ?Sized + Future> Running<'_, A, D> {
    /// Out of line: shared by all methods that answer with the same type.
    #[inline(never)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<D::Output, Error>> {
        raw::current(|innermost| {
            let (seat, mut handler) = self.0.split();
            let state = &seat.state;
            let polled = innermost.enter(&Frame::again(seat, innermost.frame()), || {
                state.enter_span();
                let polled = catch_unwind(AssertUnwindSafe(|| {
                    let polled = handler.poll(cx).expect("a call is not polled after its end");
                    if polled.is_ready() {
                        handler.end();
                    }
                    polled
                }));
                state.leave_span();
                polled
            });
            match polled {
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Ok(Poll::Pending) => self.poll_timer(innermost.frame(), cx).map(Err),
                Err(payload) => {
                    let why = Kind::panicked("the handler", payload);
                    Poll::Ready(Err(Error::of_call(why, innermost.frame(), state.method, state.binding)))
                }
            }
        })
    }
}

impl<A, D: ?Sized> Running<'_, A, D> {
    /// The answer of the call.
    #[inline]
    fn end<M: Method>(mut self, ended: Result<M::Output, Error>) -> M::Output {
        let answer = ended.unwrap_or_else(|error| {
            cold_path();
            M::Output::failed(error)
        });
        self.0.seat_mut().state.note::<M>(&answer);
        answer
    }

    /// Ready with the error when the call's own deadline has passed; the handler is gone then.
    #[inline]
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
        raw::current(|innermost| {
            let (seat, mut handler) = self.0.split();
            let state = &seat.state;
            innermost.enter(&Frame::again(seat, innermost.frame()), || {
                state.enter_span();
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler.end())) {
                    observe::panic_in_drop("a cancelled handler", state.method, state.binding, payload);
                }
                state.leave_span();
            });
        });
    }
}

impl<A, D: ?Sized> Drop for Running<'_, A, D> {
    #[inline]
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A call that failed on the way.
#[cold]
#[inline(never)]
fn failed<T: Reply>(error: Error) -> Poll<T> {
    Poll::Ready(T::failed(error))
}

#[cold]
fn unready_error<P>(unready: Unready<P>, caller: Option<&Frame<'_>>, state: &State<'_>) -> Error {
    let why = match unready {
        Unready::Refused(error) => return error.for_caller(caller.map_or(0, |caller| caller.state.id())),
        Unready::Panicked(payload) => Kind::panicked("the handler", payload),
        // A twin that used its slot for nothing; ours do not.
        Unready::Pending(_) | Unready::Unused => Kind::Unavailable("the call was not placed".into()),
    };
    Error::of_call(why, caller, state.method, state.binding)
}

#[cold]
fn polled_too_often() -> ! {
    panic!("a call was polled after it had ended")
}

impl<M: Method, A, F> fmt::Debug for Call<'_, M, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &M::INFO.name).finish_non_exhaustive()
    }
}
