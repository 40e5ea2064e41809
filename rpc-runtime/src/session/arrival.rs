//! A call that has come in, from its bytes to the bytes of its answer.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::{runtime::Handle, task::coop};

use super::{
    driver::Ways,
    longest::Longest,
    memory::Held,
    reply,
    stream::{Flow, StreamBody},
};
use crate::{
    boundary::{Begun, Incoming, Taken},
    buffer,
    clock::Deadline,
    codec::{Codec, Decoder, Encoded, Encoder, Unread, Unwritten},
    error::{
        Error, Kind,
        leaving::{Hook, with_hook},
    },
    invocation::{Frame, Left, State},
    limits::Limits,
    proto::{Received, Status},
    raw::{self, PooledFuture},
    service::{Method, MethodInfo, Reply},
};

/// What is being done about a call: ready with its answer.
pub type Handler = PooledFuture<Handled>;

/// The answer to a call, as it travels.
pub struct Handled {
    pub(super) status: Status,
    /// Invocations and subrequests that it took.
    pub(super) used: (u32, u32),
    pub(super) payload: Encoded,
    /// What goes on after it.
    pub(super) flow: Option<Box<Flow>>,
}

/// A call that has come in and is about to be served.
pub struct Arrival {
    taken: Call,
    begun: Beginning,
}

/// What its handler runs in.
#[expect(unnameable_types, reason = "whoever serves a call holds it, by inference")]
pub struct Beginning {
    /// Of the limits of its caller, and of its time.
    left: Left,
    /// What it may use at most.
    limits: Limits,
    deadline: Deadline,
    spawn: bool,
    hook: Option<Arc<Hook>>,
}

/// A call that is being served.
#[expect(unnameable_types, reason = "handlers alone hold it, by inference")]
pub struct Call {
    method: &'static MethodInfo,
    payload: Received,
    held: Held,
    longest: Longest,
    /// What comes with it as a stream.
    body: Mutex<Option<Box<StreamBody>>>,
    /// Whether its caller takes streams.
    takes_streams: bool,
    is_spawned: bool,
    hook: Option<Arc<Hook>>,
}

impl Arrival {
    pub(super) fn new(
        method: &'static MethodInfo,
        payload: Received,
        left: Left,
        deadline: Deadline,
        body: Option<Box<StreamBody>>,
        ways: &Ways,
    ) -> Self {
        let held = ways.memory.share();
        Self {
            taken: Call {
                method,
                payload,
                held,
                longest: Longest::under(&Limits::new()),
                body: Mutex::new(body),
                takes_streams: ways.streams,
                is_spawned: ways.spawn || method.spawn,
                hook: ways.hook.clone(),
            },
            begun: Beginning {
                left,
                limits: Limits::new(),
                deadline,
                spawn: ways.spawn || method.spawn,
                hook: ways.hook.clone(),
            },
        }
    }

    pub(super) fn limited(self, limits: Limits) -> Self {
        let taken = Call { longest: Longest::under(&limits), ..self.taken };
        Self { taken, begun: Beginning { limits, ..self.begun } }
    }
}

impl Incoming for Arrival {
    type Handler = Handler;
    type Taken = Call;
    type Begun = Beginning;

    fn __is<M: Method>(&self, _: M) -> bool {
        self.taken.method.id == M::INFO.id
    }

    fn __begin(self) -> (Call, Beginning) {
        (self.taken, self.begun)
    }

    fn __unknown(self) -> Handler {
        let MethodInfo { service, name, .. } = self.taken.method;
        let what = format!("`{service}/{name}` is not compiled in here");
        PooledFuture::new(std::future::ready(Handled::refused(Kind::NotFound(what.into()))))
    }
}

impl Begun for Beginning {
    type Handler = Handler;

    fn __run<F>(self, future: F) -> Handler
    where
        F: Future<Output = Result<Handled, Handled>> + Send + 'static,
    {
        let state = State::arrival(self.left, self.deadline, &self.limits);
        let left = state.left_of_arrival();
        let within = Within { left, state, hook: self.hook, future };
        // Handlers share the task of the session, and with it tokio's budget for a task: after 128 operations of all
        // of them together everything would say that it is not ready (1,000 handlers with three semaphores each
        // took 12,240 polls instead of 1,000).
        let within = coop::unconstrained(within);
        if self.spawn { spawned(within) } else { PooledFuture::new(within) }
    }
}

const NO_MEMORY: &str =
    "the arguments of the calls of this session take 256 MiB, and there is no room for more";

impl Taken for Call {
    fn __read<M: Method>(&self, _: M) -> Result<M::Read<'_>, Handled> {
        self.read_with(|decoder| M::codec().read_args(decoder))
    }

    fn __answer<M: Method>(&self, _: M, output: M::Output) -> Result<Handled, Handled> {
        self.take_failure()?;
        self.answer_with(output.is_ok(), |encoder| M::codec().write_output(output, encoder))
    }
}

impl Call {
    /// Reads all of the payload.
    pub(super) fn read_with<'s, T>(
        &'s self,
        read: impl FnOnce(&mut Decoder<'s>) -> Result<T, Unread>,
    ) -> Result<T, Handled> {
        let mut decoder = reply::decoder(&self.payload).within(self.held.budget());
        let read = read(&mut decoder);
        let is_held = self.held.hold(decoder.used());
        let read = read.map_err(|unread| Handled::refused(unread.into_kind(self.method)))?;
        if is_held { Ok(read) } else { Err(Handled::refused(Kind::Overloaded(NO_MEMORY.into()))) }
    }

    /// The answer as bytes.
    pub(super) fn answer_with(
        &self,
        is_ok: bool,
        write: impl FnOnce(&mut Encoder) -> Result<(), Unwritten>,
    ) -> Result<Handled, Handled> {
        let status = if is_ok { Status::Ok } else { Status::ServiceError };
        let mut encoder = Encoder::reusing(buffer::small(), self.longest.bytes()).checked(self.method);
        let written = write(&mut encoder);
        match self.longest.finished(written, encoder, "answer", self.method) {
            Ok(payload) => Ok(Handled::new(status, payload)),
            Err(why) => {
                let error = Error::new(why);
                tracing::warn!(target: "rpc_runtime", %error, "an answer cannot be sent");
                Err(Handled::failed(&error))
            }
        }
    }

    /// The stream that came with it, for who asks first.
    pub(super) fn take_body(&self) -> Option<Box<StreamBody>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether streams may go with the answer.
    pub(super) const fn takes_streams(&self) -> bool {
        self.takes_streams
    }

    /// Whether it runs in a task of its own.
    pub(super) const fn is_spawned(&self) -> bool {
        self.is_spawned
    }

    /// What may leave of errors.
    pub(super) fn hook(&self) -> Option<Arc<Hook>> {
        self.hook.clone()
    }

    /// How long the answer may be, in bytes.
    pub(super) fn bytes_max(&self) -> usize {
        self.longest.bytes()
    }

    /// Looks whether the call that was just made failed on its way.
    pub(super) fn take_failure(&self) -> Result<(), Handled> {
        Failure::take().map_or(Ok(()), |failure| Err(Handled::of_error(&failure)))
    }
}

impl Handled {
    fn new(status: Status, payload: Encoded) -> Self {
        Self { status, used: (0, 0), payload, flow: None }
    }

    /// The same, with what goes on after it.
    pub(super) fn with_flow(self, flow: Option<Flow>) -> Self {
        Self { flow: flow.map(Box::new), ..self }
    }

    /// It has ended before it could answer.
    pub(super) fn without_value(status: Status) -> Self {
        Self::new(status, Encoded::default())
    }

    /// No handler ran, for this reason.
    pub(super) fn refused(why: Kind) -> Self {
        Self::new(Status::Refused, reply::write_error(&Error::outside(why)))
    }

    /// It failed where no call of its own could say so.
    pub(super) fn failed_on_the_way(why: Kind) -> Self {
        Self::failed(&Error::outside(why))
    }

    fn failed(error: &Error) -> Self {
        Self::new(Status::Failed, reply::write_error(error))
    }

    fn of_error(failure: &Failure) -> Self {
        let status = if failure.ran { Status::Failed } else { Status::Refused };
        Self::new(status, reply::write_error(&failure.error))
    }
}

impl fmt::Debug for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handled").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginning").finish_non_exhaustive()
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.taken.fmt(f)
    }
}

pin_project! {
    /// A future inside of the invocation that its caller, elsewhere, is.
    struct Within<F> {
        // What there was at first.
        left: Left,
        state: State<'static>,
        hook: Option<Arc<Hook>>,
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = Result<Handled, Handled>>> Future for Within<F> {
    type Output = Handled;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handled> {
        let this = self.project();
        let (state, future) = (&*this.state, this.future);
        let polled = with_hook(this.hook.as_ref(), || {
            raw::current(|innermost| innermost.enter(&Frame::alone(state), || future.poll(cx)))
        });
        polled.map(|handled| {
            let handled = handled.unwrap_or_else(|failed| failed);
            Handled { used: this.left.used_until(state.left_of_arrival()), ..handled }
        })
    }
}

/// A call that failed on its way to a handler or back, as whoever serves it for a caller elsewhere must know: its
/// answer is an error of the service by then, made of the runtime's, and cannot be told from one that the handler gave.
pub(crate) struct Failure {
    error: Error,
    /// Whether a handler has run, if only in part.
    ran: bool,
}

thread_local! {
    static FAILURE: Cell<Option<Failure>> = const { Cell::new(None) };
}

impl Failure {
    /// Keeps the failure of a call that `caller` made, if that is a call from elsewhere being served: its answer is
    /// made next.
    #[cold]
    pub(crate) fn keep(error: &Error, ran: bool, caller: Option<&Frame<'_>>) {
        if caller.is_some_and(|caller| caller.state.is_arrival()) {
            FAILURE.set(Some(Self { error: error.clone(), ran }));
        }
    }

    fn take() -> Option<Self> {
        FAILURE.take()
    }
}

/// In a task of its own, which ends with its call.
fn spawned(handler: impl Future<Output = Handled> + Send + 'static) -> Handler {
    match Handle::try_current() {
        Ok(runtime) => PooledFuture::new(Aborting(runtime.spawn(handler))),
        Err(_) => {
            let why =
                Kind::Setup("a handler is to run in a task of its own, and there is no tokio runtime".into());
            PooledFuture::new(std::future::ready(Handled::refused(why)))
        }
    }
}

struct Aborting(tokio::task::JoinHandle<Handled>);

impl Future for Aborting {
    type Output = Handled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handled> {
        Pin::new(&mut self.0).poll(cx).map(|joined| {
            joined.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(payload) => Handled::failed_on_the_way(Kind::panicked("the handler", payload)),
                Err(error) => Handled::failed_on_the_way(Kind::Cancelled(error.to_string().into())),
            })
        })
    }
}

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
