//! Work beside an invocation: children that end with it, and work that outlives it for a while.

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::{AbortHandle, JoinHandle},
    time::{Instant, Sleep},
};

use super::{Ctx, Kept, Subject};
use crate::{
    clock::{self, Deadline},
    error::{Error, Kind},
    invocation::{Frame, State, sleep_until},
    observe, raw,
};

/// How long work given to [`Ctx::wait_until`] may go on after its invocation has ended. What the model gives.
const GRACE: Duration = Duration::from_secs(30);

impl Ctx {
    /// Starts work that belongs to this invocation, in a task of its own. It is aborted when the invocation ends.
    ///
    /// It inherits deadline, metadata, depth and counts. It owns what it uses: clone the client and move it in.
    ///
    /// ```no_run
    /// # use rpc_runtime::{Ctx, Error, Result};
    /// # async fn slow() -> u32 { 1 }
    /// # async fn handler() -> Result<u32> {
    /// let child = Ctx::current().spawn(slow())?;
    /// let other = 2;
    /// Ok(child.await? + other)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no invocation, or no tokio runtime, to belong to.
    pub fn spawn<F>(&self, work: F) -> Result<Child<F::Output>, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = self.runtime("spawn")?;
        let deadline = match &self.0.subject {
            Subject::Invocation(invocation) => invocation.deadline,
            Subject::Work(_) | Subject::Nothing => Deadline::NONE,
        };
        let task = runtime.spawn(Within::new(self.clone(), deadline, work));
        self.0.scope.adopt(task.abort_handle());
        Ok(Child { task })
    }

    /// Gives work to the executor that the invocation does not wait for: it goes on when the call returns or is
    /// cancelled, for at most 30 s after that, and is then dropped, with one warning for all the work of an invocation.
    ///
    /// It inherits metadata, depth and counts, but no deadline. It owns what it uses: clone the client and move
    /// it in. A panic in it is logged, and stops nothing else. What it spawns itself ends with it; what it gives to
    /// `wait_until` has what is left of the 30 s.
    ///
    /// ```no_run
    /// # use rpc_runtime::{Ctx, Result, service};
    /// # #[service] trait Log { async fn write(&self, line: &str) -> Result<()>; }
    /// # struct Env { log: LogClient }
    /// # async fn handler(env: &Env, line: String) -> Result<()> {
    /// let log = env.log.clone();
    /// Ctx::current().wait_until(async move {
    ///     let _ = log.write(&line).await;
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no invocation, or no tokio runtime with its timer on, to belong to.
    pub fn wait_until(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let runtime = self.runtime("wait_until")?;
        let grace = sleep_until(clock::now()).ok_or_else(|| {
            Error::new(Kind::Setup(
                "`wait_until` needs the timer of its tokio runtime: build it with `enable_time` or `enable_all`".into(),
            ))
        })?;
        let of = match &self.0.subject {
            Subject::Work(of) => of.clone(),
            Subject::Invocation(_) | Subject::Nothing => self.clone(),
        };
        let ctx = Self(Arc::new(Kept { subject: Subject::Work(of.clone()), scope: Scope::new() }));
        let mut work = Within::new(ctx.clone(), Deadline::NONE, work);
        let ends = Ends(ctx);
        #[cfg(feature = "host")]
        let counted = crate::host::count_background();
        runtime.spawn(async move {
            #[cfg(feature = "host")]
            let _counted = counted;
            let work = poll_fn(|cx| {
                catch_unwind(AssertUnwindSafe(|| Pin::new(&mut work).poll(cx))).unwrap_or_else(|payload| {
                    observe::panic_in_work(ends.0.method(), ends.0.binding(), payload);
                    Poll::Ready(())
                })
            });
            tokio::select! {
                biased;
                () = work => {}
                () = of.0.scope.ended_for(GRACE, grace) => of.warn_of_cut(),
            }
        });
        Ok(())
    }

    /// Work of this invocation is dropped before its end; it is told once for all of it.
    fn warn_of_cut(&self) {
        if !self.0.scope.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "rpc_runtime",
                worker = self.worker(),
                invocation = ?self,
                "work given to `wait_until` was dropped, {GRACE:?} after its invocation ended",
            );
        }
    }

    fn runtime(&self, what: &str) -> Result<Handle, Error> {
        if self.invocation().is_none() {
            return Err(Error::new(Kind::Setup(
                format!("`{what}` needs an invocation, and this context was taken outside of any").into(),
            )));
        }
        Handle::try_current().map_err(|_| {
            Error::new(Kind::Setup(
                format!("`{what}` needs a tokio runtime, and there is none on this thread").into(),
            ))
        })
    }
}

/// Work that belongs to an invocation. See [`Ctx::spawn`].
///
/// Dropping it lets the work go on until the invocation ends.
#[derive(Debug)]
#[must_use = "a child goes on by itself, but what it returns and whether it panicked is known only here"]
pub struct Child<T> {
    task: JoinHandle<T>,
}

impl<T> Child<T> {
    /// Ends the work where it awaits. Awaiting it then returns [`is_cancelled`](Error::is_cancelled).
    pub fn abort(&self) {
        self.task.abort();
    }
}

/// Ready with what the work returned, with [`is_cancelled`](Error::is_cancelled) if it was aborted, or with
/// [`is_panic`](Error::is_panic).
impl<T> Future for Child<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(|ended| {
            ended.map_err(|why| match why.try_into_panic() {
                Ok(payload) => Error::new(Kind::panicked("the work of `spawn`", payload)),
                Err(_) => Error::new(Kind::Cancelled("the work of `spawn` was aborted".into())),
            })
        })
    }
}

/// The work of one invocation that runs in tasks of its own.
pub(super) struct Scope {
    /// The handler, until it has answered or was dropped, and what goes on after it.
    parts: AtomicUsize,
    children: Mutex<Vec<AbortHandle>>,
    has_ended: AtomicBool,
    has_warned: AtomicBool,
    ended: Notify,
    ended_at: OnceLock<Instant>,
}

impl Scope {
    pub(super) fn new() -> Self {
        Self {
            parts: AtomicUsize::new(1),
            children: Mutex::default(),
            has_ended: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
            ended: Notify::new(),
            ended_at: OnceLock::new(),
        }
    }

    fn adopt(&self, child: AbortHandle) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: `end` sets it before it takes the children.
        if self.has_ended.load(Ordering::Acquire) {
            child.abort();
            return;
        }
        children.retain(|child| !child.is_finished());
        children.push(child);
    }

    /// Something of the invocation goes on when its handler has answered.
    pub(super) fn hold(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
    }

    /// One part has come to its end, and with the last one the invocation.
    pub(super) fn release(&self) {
        // What ends last sees all that the others did.
        if self.parts.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end();
        }
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        let children = std::mem::take(&mut *self.children.lock().unwrap_or_else(PoisonError::into_inner));
        children.iter().for_each(AbortHandle::abort);
        self.ended.notify_waiters();
    }

    /// Waits until the invocation has ended, and then for this long, by this timer.
    async fn ended_for(&self, grace: Duration, timer: Sleep) {
        let mut ended = std::pin::pin!(self.ended.notified());
        // Registered before the flag is read, so an end in between is not missed.
        ended.as_mut().enable();
        if !self.has_ended.load(Ordering::Acquire) {
            ended.await;
        }
        // Whoever sees the end first reads the clock, so that an invocation which keeps its context does not.
        let ended_at = *self.ended_at.get_or_init(Instant::now);
        let mut timer = std::pin::pin!(timer);
        timer.as_mut().reset(ended_at + grace);
        timer.await;
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("has_ended", &self.has_ended).finish_non_exhaustive()
    }
}

/// Work given to `wait_until`: its children end with it.
struct Ends(Ctx);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A future that runs inside of an invocation, its drop included.
struct Within<F> {
    ctx: Ctx,
    deadline: Deadline,
    /// Boxed, to be dropped where it lies without being `Unpin`.
    work: Option<Pin<Box<F>>>,
}

impl<F> Within<F> {
    fn new(ctx: Ctx, deadline: Deadline, work: F) -> Self {
        Self { ctx, deadline, work: Some(Box::pin(work)) }
    }
}

impl<F> Unpin for Within<F> {}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let work = this.work.as_mut().expect("a task is not polled after its end");
        inside(&this.ctx, this.deadline, || work.as_mut().poll(cx))
    }
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        let work = self.work.take();
        inside(&self.ctx, self.deadline, || {
            // A task that is dropped in the middle of an unwinding must not panic again.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(work))) {
                self.ctx.binding().note_panic();
                observe::panic_in_drop("cancelled work", self.ctx.method(), self.ctx.binding(), payload);
            }
        });
    }
}

/// Runs `act` as part of the invocation of `ctx`.
pub(super) fn inside<R>(ctx: &Ctx, deadline: Deadline, act: impl FnOnce() -> R) -> R {
    let state = State::of_task(ctx, deadline);
    raw::current(|innermost| {
        innermost.enter(&Frame::alone(&state), || {
            let _entered = ctx.trace().entered();
            ctx.binding().watched.inside(ctx.method(), act)
        })
    })
}
