//! The invocation that code runs in, as the code sees it.

mod background;
mod holding;
#[cfg(feature = "host")]
mod props;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tracing::Span;

pub use self::background::Child;
use self::background::Scope;
pub(crate) use self::holding::Holding;
use crate::{
    client::Binding,
    clock::{self, Deadline},
    error::Hop,
    invocation::{self, Depth, Frame, SharedBudget, State},
    metadata::{self, Entry, Inherited},
    service::MethodInfo,
};

/// The invocation that the current code runs in: owned, cheap to clone, and good on any thread.
///
/// Keeping one costs an allocation for the invocation (the first time) and moves the counters of its pipeline
/// to where other threads reach them. To look and go, use [`Ctx::with`], which does neither.
///
/// Outside of any invocation, in a plain unit test for instance, there is a *detached* context: it knows no
/// deadline, no metadata and no caller, and cannot take work.
///
/// ```
/// use rpc_runtime::{CallOptions, Client, Ctx, Result, service};
///
/// #[service]
/// trait Notes {
///     async fn add(&self, note: &str) -> Result<String>;
/// }
///
/// struct Notebook;
///
/// impl Notes for Notebook {
///     async fn add(&self, note: &str) -> Result<String> {
///         let tenant = Ctx::with(|ctx| ctx.metadata("tenant").unwrap_or("nobody").to_owned());
///         let logged = format!("{tenant}: {note}");
///         Ctx::current().wait_until(async move { drop(logged) })?;
///         Ok(tenant)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let notes = NotesClient::new(Notebook).with(CallOptions::new().metadata("tenant", "a1"));
/// assert_eq!(notes.add("milk").await?, "a1");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Ctx(Arc<Kept>);

struct Kept {
    subject: Subject,
    scope: Scope,
}

/// What a context is about.
#[expect(
    clippy::large_enum_variant,
    reason = "it lies in an allocation of its own, and most are invocations"
)]
enum Subject {
    Nothing,
    Invocation(Invocation),
    /// Work given to `wait_until` by an invocation. It sees what the invocation sees, but has no deadline, and what
    /// it spawns ends with it.
    Work(Ctx),
}

/// An invocation, by value.
struct Invocation {
    id: u64,
    method: &'static MethodInfo,
    binding: Binding,
    deadline: Deadline,
    depth: Depth,
    added: Vec<Entry>,
    inherited: Inherited,
    budget: Arc<SharedBudget>,
    /// The way here, this invocation left out.
    before: Box<[Hop]>,
    span: Span,
}

/// The current invocation for the length of a closure. See [`Ctx::with`].
#[derive(Clone, Copy)]
pub struct View<'a>(Option<&'a Frame<'a>>);

/// What is left of the limits of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remaining {
    /// How many more Workers deep a call from here may lead.
    pub depth: u32,
    /// How many more calls and requests may be delivered in all.
    pub invocations: u32,
    /// How many more calls may be made through bindings of a configuration, requests to servers outside among them.
    pub subrequests: u32,
}

impl Ctx {
    /// The current invocation, to keep. Never panics.
    #[must_use]
    pub fn current() -> Self {
        invocation::with_current(|frame| match frame {
            Some(frame) => frame.state.make_extras().kept(|| Self::keep(frame)).clone(),
            None => Self::detached(),
        })
    }

    /// Looks at the current invocation in place. Allocates nothing and never panics.
    pub fn with<R>(look: impl FnOnce(View<'_>) -> R) -> R {
        invocation::with_current(|frame| look(View(frame)))
    }

    /// The moment at which the call that this invocation serves ends with
    /// [`is_deadline`](crate::Error::is_deadline), if there is one.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.0.subject {
            Subject::Invocation(invocation) => invocation.deadline.instant(),
            Subject::Work(_) | Subject::Nothing => None,
        }
    }

    /// What the caller said under this key, or somebody further up under a key that
    /// [propagates](crate::CallOptions::propagate).
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let invocation = self.invocation()?;
        metadata::get(&invocation.added, key)
            .or_else(|| metadata::get(invocation.binding.metadata(), key))
            .or_else(|| invocation.binding.travelling().and_then(|own| own.get(key)))
            .or_else(|| invocation.inherited.get(key))
    }

    /// The name of the Worker that made the call; `None` if the call came from outside of any.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        Some(self.invocation()?.before.last()?.worker())
    }

    /// The name of the Worker that was called, or of its type for a client that the program made itself.
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        Some(&self.invocation()?.binding.worker)
    }

    /// What is left of the limits of the pipeline; `None` if detached.
    #[must_use]
    pub fn remaining(&self) -> Option<Remaining> {
        let invocation = self.invocation()?;
        let left = invocation.budget.left();
        Some(Remaining {
            depth: invocation.depth.left(),
            invocations: left.invocations,
            subrequests: left.subrequests,
        })
    }

    /// The span of the call, disabled if nobody looks.
    #[must_use]
    pub fn trace(&self) -> Span {
        self.invocation().map_or_else(Span::none, |invocation| invocation.span.clone())
    }

    fn detached() -> Self {
        static DETACHED: OnceLock<Ctx> = OnceLock::new();
        DETACHED
            .get_or_init(|| Self(Arc::new(Kept { subject: Subject::Nothing, scope: Scope::new() })))
            .clone()
    }

    fn keep(frame: &Frame<'_>) -> Self {
        let state = frame.state;
        let extras = state.extras();
        let mut hops = Hop::chain(Some(frame)).into_vec();
        hops.pop();
        let invocation = Invocation {
            id: state.id(),
            method: state.method,
            binding: state.binding.clone(),
            deadline: state.deadline,
            depth: state.depth,
            added: extras.map(|extras| extras.added().to_vec()).unwrap_or_default(),
            inherited: extras.map(|extras| extras.inherited().clone()).unwrap_or_default(),
            budget: frame.promote(),
            before: hops.into(),
            span: extras.map_or_else(Span::none, |extras| extras.span().clone()),
        };
        Self(Arc::new(Kept { subject: Subject::Invocation(invocation), scope: Scope::new() }))
    }

    fn invocation(&self) -> Option<&Invocation> {
        match &self.0.subject {
            Subject::Nothing => None,
            Subject::Invocation(invocation) => Some(invocation),
            Subject::Work(of) => of.invocation(),
        }
    }
}

/// What a task that works for the invocation is made of. Only contexts with an invocation have tasks.
impl Ctx {
    fn of_task(&self) -> &Invocation {
        self.invocation().expect("a detached context takes no work")
    }

    pub(crate) fn id(&self) -> u64 {
        self.of_task().id
    }

    pub(crate) fn method(&self) -> &'static MethodInfo {
        self.of_task().method
    }

    pub(crate) fn binding(&self) -> &Binding {
        &self.of_task().binding
    }

    pub(crate) fn depth_left(&self) -> Depth {
        self.of_task().depth
    }

    pub(crate) fn inherited(&self) -> &Inherited {
        &self.of_task().inherited
    }

    pub(crate) fn added(&self) -> &[Entry] {
        &self.of_task().added
    }

    pub(crate) fn hops_before(&self) -> &[Hop] {
        &self.of_task().before
    }

    pub(crate) fn budget(&self) -> &Arc<SharedBudget> {
        &self.of_task().budget
    }

    /// The handler has answered, or was dropped.
    pub(crate) fn end(&self) {
        self.0.scope.release();
    }
}

impl<'a> View<'a> {
    /// As [`Ctx::deadline`].
    #[must_use]
    pub fn deadline(self) -> Option<Instant> {
        self.state()?.deadline.instant()
    }

    /// How long until the deadline; zero when it has passed.
    #[must_use]
    pub fn time_left(self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(clock::now()))
    }

    /// As [`Ctx::metadata`].
    #[must_use]
    pub fn metadata(self, key: &str) -> Option<&'a str> {
        self.state()?.metadata(key)
    }

    /// As [`Ctx::caller`].
    #[must_use]
    pub fn caller(self) -> Option<&'a str> {
        let frame = self.0?;
        match frame.parent {
            // Who calls from elsewhere is not known by name.
            Some(parent) if parent.state.is_arrival() => None,
            Some(parent) => Some(&parent.state.binding.worker),
            None => frame.state.remembered_hops().last().map(Hop::worker),
        }
    }

    /// As [`Ctx::worker`].
    #[must_use]
    pub fn worker(self) -> Option<&'a str> {
        Some(&self.state()?.binding.worker)
    }

    /// How many Workers deep this invocation is, the first one counted; 0 outside of any.
    #[must_use]
    pub fn depth(self) -> u32 {
        self.state().map_or(0, |state| state.depth.now())
    }

    /// As [`Ctx::remaining`].
    #[must_use]
    pub fn remaining(self) -> Option<Remaining> {
        let left = self.0?.left();
        Some(Remaining { depth: left.depth, invocations: left.invocations, subrequests: left.subrequests })
    }

    fn is_invocation(self) -> bool {
        self.0.is_some()
    }

    fn state(self) -> Option<&'a State<'a>> {
        Some(self.0?.state)
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invocation() {
            Some(invocation) => f
                .debug_struct("Ctx")
                .field("worker", &invocation.binding.worker)
                .field("method", &format_args!("{}/{}", invocation.method.service, invocation.method.name))
                .field("depth", &invocation.depth.now())
                .finish_non_exhaustive(),
            None => f.write_str("Ctx(detached)"),
        }
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("worker", &self.worker())
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}
