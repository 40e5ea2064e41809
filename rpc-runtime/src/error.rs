//! What can go wrong with a call.

mod cause;
mod hop;
mod kind;
pub(crate) mod leaving;
mod reference;
mod wire;

use std::{
    error::Error as StdError,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

pub use self::{
    cause::{Cause, CauseIn, Field, NoCause},
    hop::Hop,
};
pub(crate) use self::{
    kind::{Exceeded, Kind},
    reference::Reference,
};
use crate::{
    client::Binding,
    invocation::{self, Frame},
    service::MethodInfo,
};

/// A call that failed on the way: the one error of the runtime, one pointer wide.
///
/// It says what happened through predicates, where through [`Error::hops`], and why through
/// [`source`](std::error::Error::source). A service's own errors are its own types; they hold an `Error` in a
/// variant, so that a method can return both (see [`Cause`]).
///
/// # Whose call it speaks of
///
/// [`is_unavailable`](Self::is_unavailable), [`is_overloaded`](Self::is_overloaded) and
/// [`is_retryable`](Self::is_retryable) answer for the invocation that made the failed call, and for nobody
/// else: handed up with `?`, the same error answers `false` to the next caller, because that caller's own
/// callee *did* run.
///
/// ```
/// use rpc_runtime::Error;
///
/// let error = Error::denied("the token has expired");
/// assert!(error.is_denied());
/// assert_eq!(error.to_string(), "denied: the token has expired");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// What an error that came in is to who asked.
struct FromHere {
    /// All of the hops.
    hops: Box<[Hop]>,
    /// If it is about a limit of who asked.
    kind: Option<Box<Kind>>,
}

struct Inner {
    kind: Kind,
    hops: Box<[Hop]>,
    /// If it came in with an answer: when it was read, nobody knew yet who had asked.
    from_here: OnceLock<FromHere>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    reference: Option<Box<str>>,
    remote: bool,
    /// The invocation that made the failed call, 0 outside of any; [`ELSEWHERE`] for an error that came in.
    origin: u64,
    /// Whether the method may be run twice.
    idempotent: bool,
    /// Whether a handler has answered with it: it speaks of that handler's call then, not of its caller's.
    handed_up: AtomicBool,
}

/// The origin of an error that was decoded: no invocation of this process.
const ELSEWHERE: u64 = u64::MAX;

impl Error {
    /// An error of the Worker that makes it: of no other kind, and safe to show to its caller.
    ///
    /// The source, and what lies below it, keep their messages.
    ///
    /// ```
    /// # use rpc_runtime::Error;
    /// let error = Error::application(std::io::Error::other("disk full"));
    /// assert!(error.is_application());
    /// assert_eq!(error.to_string(), "disk full");
    /// ```
    #[must_use]
    pub fn application(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source: Box<dyn StdError + Send + Sync> = source.into();
        let below = wire::Source::below(&*source);
        let made = Self::new(Kind::Application(source.to_string().into()));
        match below {
            Some(below) => made.with_source(below),
            None => made,
        }
    }

    /// The caller may not do this. The reason is shown to it.
    #[must_use]
    pub fn denied(reason: impl Into<String>) -> Self {
        Self::new(Kind::Denied(reason.into().into()))
    }

    /// What the caller named does not exist. The text is shown to it.
    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(Kind::NotFound(what.into().into()))
    }

    /// There is no room for this work now, such as in a queue of the Worker. The reason is shown to the caller.
    ///
    /// [`is_overloaded`](Self::is_overloaded) where it is made, and to the caller of an
    /// [interceptor](crate::Interceptor) that refuses with it. The caller of a *handler* that answers with it sees
    /// `false`: that handler ran. Out of a Worker's `fetch` it becomes a 503 at the edge of the host.
    ///
    /// ```
    /// use rpc_runtime::{Error, Result};
    ///
    /// fn admit(waiting: usize) -> Result<()> {
    ///     if waiting < 100 { Ok(()) } else { Err(Error::overloaded("100 jobs are waiting")) }
    /// }
    ///
    /// let error = admit(100).unwrap_err();
    /// assert!(error.is_overloaded() && !error.is_retryable());
    /// assert_eq!(error.to_string(), "overloaded: 100 jobs are waiting");
    /// ```
    #[must_use]
    pub fn overloaded(reason: impl Into<String>) -> Self {
        Self::new(Kind::Overloaded(reason.into().into()))
    }

    /// No handler ran, for a reason that may pass: the callee is not there yet, not there any more, or the
    /// connection was refused. Safe to retry.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.0.kind, Kind::Unavailable(_)) && self.is_own()
    }

    /// The connection was lost after the call was sent: the handler may have run, or not, or in part.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self.0.kind, Kind::Disconnected(_))
    }

    /// The deadline passed. The callee was dropped where it waited; what it had done is done. The text says so if the
    /// call was still waiting for a connection: then nothing was sent.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        matches!(self.0.kind, Kind::Deadline(_) | Kind::DeadlineBefore(..))
    }

    /// The work was cancelled: its invocation ended before it did.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.kind, Kind::Cancelled(_))
    }

    /// A queue or a table is full. No handler ran, and trying again at once makes it worse.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        matches!(self.0.kind, Kind::Overloaded(_)) && self.is_own()
    }

    /// A limit of the pipeline is reached: depth, invocations, subrequests or a size.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.0.kind, Kind::Limit(_))
    }

    /// There is no such method, service, entrypoint or handler.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.0.kind, Kind::NotFound(_) | Kind::NoFetch)
    }

    /// Caller and callee were built against different contracts.
    #[must_use]
    pub fn is_contract(&self) -> bool {
        matches!(self.0.kind, Kind::Contract(_))
    }

    /// A value could not be read, or not written.
    #[must_use]
    pub fn is_decode(&self) -> bool {
        matches!(self.0.kind, Kind::Decode(_))
    }

    /// The handler, or an interceptor, panicked. The message is in the text, and the place too where the callee's program has
    /// called [`install_panic_hook`](crate::install_panic_hook), as every `Host` does.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0.kind, Kind::Panic(_))
    }

    /// The callee, or who stands before it, refused this caller; or this end refuses what it was to call, whose
    /// certificate is not trusted, or whose socket may be anybody's.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self.0.kind, Kind::Denied(_))
    }

    /// The Worker itself made the error, with [`Error::application`].
    #[must_use]
    pub fn is_application(&self) -> bool {
        matches!(self.0.kind, Kind::Application(_))
    }

    /// The error arose behind a boundary, however many hops away.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.0.remote
    }

    /// Running the call again can succeed and cannot run a handler twice that does not allow it: no handler
    /// ran, or the connection was lost and the method is `#[rpc(idempotent)]`.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_own()
            && match self.0.kind {
                Kind::Unavailable(_) => true,
                Kind::Disconnected(_) => self.0.idempotent,
                _ => false,
            }
    }

    /// The chain of Workers that led here, the first one first. The last one is where the call failed.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        self.0.hops()
    }

    /// The id under which the log holds what this error does not tell, if there is more to it.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// An error that arises in the current invocation.
    #[cold]
    pub(crate) fn new(kind: Kind) -> Self {
        invocation::with_current(|frame| {
            Self::in_frame(kind, frame, frame.map_or(0, |frame| frame.state.id()))
        })
    }

    /// An error of a call that `caller` makes to `method`.
    #[cold]
    pub(crate) fn of_call(
        kind: Kind,
        caller: Option<&Frame<'_>>,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> Self {
        let mut made = Self::in_frame(kind, caller, caller.map_or(0, |frame| frame.state.id()));
        let inner = made.make_mut();
        let mut hops = std::mem::take(&mut inner.hops).into_vec();
        hops.push(Hop::of(method, binding));
        inner.hops = hops.into();
        inner.idempotent = method.idempotent;
        made
    }

    /// What an interceptor of a call of `caller` refuses it with: an error that it made there names the callee.
    #[cold]
    pub(crate) fn refusing(
        mut self,
        caller: Option<&Frame<'_>>,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> Self {
        let mut hops = Hop::chain(caller).into_vec();
        if self.hops() == hops {
            hops.push(Hop::of(method, binding));
            let inner = self.make_mut();
            inner.hops = hops.into();
            inner.from_here = OnceLock::new();
        }
        self
    }

    /// An error of no invocation of this program: it says what happened, and nothing of where.
    pub(crate) fn outside(kind: Kind) -> Self {
        Self::in_frame(kind, None, ELSEWHERE)
    }

    /// An error that the callee elsewhere of the call in `frame` has answered with. `refused` says that no handler ran: then
    /// it speaks of this call.
    #[cold]
    pub(crate) fn come_back(mut self, frame: &Frame<'_>, refused: bool) -> Self {
        let origin = frame.parent.map_or(0, |caller| caller.state.id());
        let hops = self.hops_from(frame.parent, frame.state.method, frame.state.binding);
        let limit = self.limit_of(frame);
        let inner = self.make_mut();
        inner.hops = hops;
        if let Some(limit) = limit {
            inner.kind = limit;
        }
        inner.from_here = OnceLock::new();
        inner.remote = true;
        inner.idempotent = frame.state.method.idempotent;
        inner.origin = if refused { origin } else { ELSEWHERE };
        self
    }

    /// The callee elsewhere of the call in `frame` has answered with this error: what it knows of the way to it begins at
    /// that callee, and of limits it knows its own.
    #[cold]
    pub(crate) fn come_in(&self, frame: &Frame<'_>) {
        let hops = self.hops_from(frame.parent, frame.state.method, frame.state.binding);
        // A second time it would come in over nothing.
        let _ = self.0.from_here.set(FromHere { hops, kind: self.limit_of(frame).map(Box::new) });
    }

    /// The same limit as the call in `frame` knows it, if it is lower there: a callee elsewhere is told what is left of
    /// it, and names its own.
    fn limit_of(&self, frame: &Frame<'_>) -> Option<Kind> {
        let Kind::Limit(Exceeded { limit, value, used }) = self.kind() else { return None };
        let own = frame.limit(limit).filter(|own| own < value)?;
        let used = used.map(|used| own.saturating_add(used.saturating_sub(*value)));
        Some(Kind::Limit(Exceeded { limit: limit.clone(), value: own, used }))
    }

    fn hops_from(
        &self,
        caller: Option<&Frame<'_>>,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> Box<[Hop]> {
        let mut hops = Hop::chain(caller).into_vec();
        if self.hops().is_empty() {
            hops.push(Hop::of(method, binding));
        }
        hops.extend_from_slice(self.hops());
        hops.into()
    }

    /// Whether a handler may have run before a call failed with this.
    pub(crate) fn may_follow_a_run(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::Panic(_)
                | Kind::Deadline(_)
                | Kind::Cancelled(_)
                | Kind::Disconnected(_)
                | Kind::Application(_)
        )
    }

    /// The hops for people to read: `gateway fetch > auth Auth/verify`.
    pub(crate) fn chain(&self) -> impl fmt::Display {
        hop::Chain(self.hops())
    }

    pub(crate) fn kind(&self) -> &Kind {
        self.0.kind()
    }

    /// The same without its hops and sources.
    pub(crate) fn shortened(&self) -> Self {
        let mut short = Self::outside(self.kind().shortened());
        short.make_mut().reference = self.0.reference.clone();
        short
    }

    /// The same error with what caused it.
    #[must_use]
    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.with_shared_source(Arc::new(source))
    }

    #[must_use]
    pub(crate) fn with_shared_source(mut self, source: Arc<dyn StdError + Send + Sync>) -> Self {
        self.make_mut().source = Some(source);
        self
    }

    fn in_frame(kind: Kind, frame: Option<&Frame<'_>>, origin: u64) -> Self {
        let hops = Hop::chain(frame);
        Self(Arc::new(Inner {
            kind,
            hops,
            from_here: OnceLock::new(),
            source: None,
            reference: None,
            remote: false,
            origin,
            idempotent: false,
            handed_up: AtomicBool::new(false),
        }))
    }

    /// Whether it tells of overload, whoever's call it speaks of: a host says so to clients that it does not trust
    /// with more, and that make no second call by themselves.
    #[cfg(feature = "host")]
    pub(crate) fn tells_of_overload(&self) -> bool {
        matches!(self.0.kind, Kind::Overloaded(_))
    }

    /// Whether a body was longer than what is read of one.
    #[cfg(feature = "host")]
    pub(crate) fn tells_of_long_body(&self) -> bool {
        matches!(&self.0.kind, Kind::Limit(Exceeded { limit, .. }) if *limit == BODY_BYTES)
    }

    /// An error of a request that a redirect led to. Those before it were answered: so it says no more that nothing ran.
    #[cold]
    pub(crate) fn after_redirects(mut self) -> Self {
        if let Kind::Unavailable(why) = &self.0.kind {
            let why = format!("after a redirect: {why}");
            self.make_mut().kind = Kind::Disconnected(why.into());
        }
        self.hand_up();
        self
    }

    /// What it tells of somebody who is not there, however many hops away.
    #[cfg(feature = "host")]
    pub(crate) fn absence(&self) -> Option<&str> {
        if let Kind::Unavailable(why) = &self.0.kind { Some(why) } else { None }
    }

    /// What happened, in a word.
    pub(crate) fn kind_name(&self) -> &'static str {
        self.0.kind.name()
    }

    fn is_own(&self) -> bool {
        self.0.origin == invocation::current_id() && !self.0.handed_up.load(Ordering::Relaxed)
    }

    /// A handler has answered with this error. The number of the invocation does not tell it from its caller's own
    /// where both stand outside of any: the handler may have got it from a task that left its pipeline.
    pub(crate) fn hand_up(&self) {
        self.0.handed_up.store(true, Ordering::Relaxed);
    }

    fn make_mut(&mut self) -> &mut Inner {
        if Arc::get_mut(&mut self.0).is_none() {
            self.0 = Arc::new(self.0.copy());
        }
        Arc::get_mut(&mut self.0).expect("just made unique")
    }
}

impl Inner {
    fn hops(&self) -> &[Hop] {
        self.from_here.get().map_or(&self.hops, |from_here| &from_here.hops)
    }

    fn kind(&self) -> &Kind {
        self.from_here.get().and_then(|from_here| from_here.kind.as_deref()).unwrap_or(&self.kind)
    }

    fn copy(&self) -> Self {
        Self {
            kind: self.kind().clone(),
            hops: self.hops().into(),
            from_here: OnceLock::new(),
            source: self.source.clone(),
            reference: self.reference.clone(),
            remote: self.remote,
            origin: self.origin,
            idempotent: self.idempotent,
            handed_up: AtomicBool::new(self.handed_up.load(Ordering::Relaxed)),
        }
    }
}

/// Kind and message; where it arose does not matter.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.kind() == other.kind()
    }
}

impl Eq for Error {}

/// The message, then the chain of hops if there is one: `deadline of 2s passed (gateway fetch > auth
/// Auth/verify)`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)?;
        if let Some(reference) = &self.0.reference {
            write!(f, ", reference {reference}")?;
        }
        if self.hops().is_empty() { Ok(()) } else { write!(f, " ({})", self.chain()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", self.kind()).field("hops", &self.hops());
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        if let Some(reference) = &self.0.reference {
            debug.field("reference", reference);
        }
        if self.0.remote {
            debug.field("remote", &true);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// What is limited where a body is longer than its reader allows.
const BODY_BYTES: &str = "bytes of a body";

/// A body that cannot be read to its end: one that is too long has reached a [limit](Error::is_limit).
impl From<crate::BodyError> for Error {
    fn from(error: crate::BodyError) -> Self {
        match error.limit() {
            Some(limit) => Self::new(Kind::Limit(Exceeded::new(BODY_BYTES, limit as u64))),
            None => Self::application(error),
        }
    }
}

/// A request or a response that cannot be made.
impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        Self::application(error)
    }
}
