//! Sessions that are made from an address, and made again when they are lost.
//!
//! There is one line for each runtime that calls: on a host with a runtime per thread, one for each pair of threads that
//! talk, so no lock is shared between them.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::{
    runtime::{self, Handle},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    SessionOptions,
    explain::explained,
    outgoing::{Outgoing, Waiting},
    reply::{Failed, Reply, Source, Why},
    shared::{Access, Shared},
};
use crate::{
    backoff::Backoff,
    clock,
    error::Kind,
    invocation::{self, with_current},
    proto::Props,
    service::ServiceInfo,
    transport::{self, Address},
};

/// Calls one entrypoint of what is served at an address. All entrypoints share the sessions.
#[derive(Clone)]
pub(crate) struct Dialer {
    dialing: Arc<Dialing>,
    /// Empty for the default one.
    entrypoint: Arc<str>,
    /// What the callee learns of the calls.
    props: Option<Arc<Props>>,
}

struct Dialing {
    target: Target,
    lines: Mutex<HashMap<runtime::Id, Line>>,
    retries: Mutex<RetryBudget>,
}

/// Where sessions lead to.
enum Target {
    At(Address),
    #[cfg(feature = "host")]
    Sought(Arc<dyn Lookup>),
}

/// Somebody who is served now here and now there, or not at all.
#[cfg(feature = "host")]
pub(crate) trait Lookup: fmt::Debug + Send + Sync {
    /// Where that is now, or what a caller is told.
    fn find(&self) -> Result<Found, String>;

    /// What a caller is told when nobody listens where it should be, and why.
    fn not_there(&self, why: &str) -> String;
}

/// Where somebody is served.
pub(crate) struct Found {
    pub(crate) address: Address,
    /// Another number for another one in its place, who has had no failed attempts yet.
    pub(crate) generation: u64,
}

/// The session of one runtime, or the attempt to have one.
#[derive(Clone)]
enum Line {
    /// What was made of it counts as failed if the other end never speaks.
    Up {
        access: Access,
        unless_greeted: Wait,
    },
    Connecting(watch::Receiver<Attempt>),
    /// Not before then, because the last attempt failed.
    Down {
        wait: Wait,
        why: Failure,
    },
}

/// When the next attempt may be made.
#[derive(Clone, Copy)]
struct Wait {
    until: Instant,
    backoff: Backoff,
    generation: u64,
}

/// How an attempt to connect has gone.
#[derive(Clone)]
enum Attempt {
    Going,
    Up(Access),
    Failed(Failure),
}

#[derive(Clone)]
struct Failure {
    /// What kind of error it is to a caller.
    kind: fn(Cow<'static, str>) -> Kind,
    why: String,
    source: Option<Source>,
    /// Whether waiting is of no use to a caller: nobody is there, or it is not who it has to be.
    refused: bool,
}

/// What came of an attempt to send a call.
pub(super) enum Dialed {
    /// It went out at once.
    Waiting(Waiting, Option<Box<Again>>),
    /// There is no session yet.
    Slow(Slow),
}

pub(super) type Slow = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What is needed to send a call again.
pub(super) struct Again {
    dialer: Dialer,
    service: &'static ServiceInfo,
    outgoing: Outgoing,
}

/// How long after a failed attempt the next one is made.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));

/// How long after the next attempt may be made nobody needs to know any more that the last one failed.
const FORGOTTEN: Duration = Duration::from_secs(60);

const NO_TIMER: &str = "a client of an address was called where there is no tokio timer: run it on a tokio runtime \
                        with its time enabled, and poll the call inside of it";

/// How often a call is sent at most.
const ATTEMPTS_MAX: u32 = 3;

impl Dialer {
    pub(crate) fn new(address: Address) -> Self {
        Self::to(Target::At(address))
    }

    /// Calls whoever is found, wherever that is.
    #[cfg(feature = "host")]
    pub(crate) fn sought(lookup: Arc<dyn Lookup>) -> Self {
        Self::to(Target::Sought(lookup))
    }

    fn to(target: Target) -> Self {
        let dialing = Dialing { target, lines: Mutex::default(), retries: Mutex::new(RetryBudget::new()) };
        Self { dialing: Arc::new(dialing), entrypoint: Arc::default(), props: None }
    }

    /// The same, for what a binding leads to: this entrypoint, which learns these props of the calls.
    #[cfg(feature = "host")]
    pub(crate) fn bound(&self, entrypoint: &str, props: Option<Props>) -> Self {
        let dialing = Arc::clone(&self.dialing);
        Self { dialing, entrypoint: entrypoint.into(), props: props.map(Arc::new) }
    }

    /// Sends a call, at once if there is a session.
    pub(super) fn call(
        &self,
        service: &'static ServiceInfo,
        outgoing: Outgoing,
        waker: Option<&Waker>,
    ) -> Dialed {
        let method = outgoing.method;
        let again =
            method.idempotent.then(|| Again { dialer: self.clone(), service, outgoing: outgoing.clone() });
        if again.is_some() {
            self.retries().earn();
        }
        let Ok(runtime) = Handle::try_current() else {
            let why = Failed::before(Kind::Setup(super::NO_RUNTIME.into()));
            return Dialed::Slow(Box::pin(std::future::ready(Reply::Failure(why))));
        };
        let up = match self.lines().get(&runtime.id()) {
            Some(Line::Up { access, .. }) if access.takes_calls() => Some(access.clone()),
            _ => None,
        };
        match up {
            Some(up) => match self.send(&up, service, outgoing, waker) {
                Ok(waiting) => Dialed::Waiting(waiting, again.map(Box::new)),
                Err(failed) if failed.is_contract() => {
                    Dialed::Slow(Box::pin(explained(Arc::clone(&up), service, method)))
                }
                Err(failed) => {
                    Dialed::Slow(Box::pin(self.clone().recover(service, Reply::Failure(failed), again)))
                }
            },
            None => Dialed::Slow(Box::pin(self.clone().slowly(service, outgoing, again))),
        }
    }

    /// Whether who is there takes streams: connects if need be.
    pub(super) async fn takes_streams(&self) -> Result<bool, Failed> {
        let deadline = with_current(|frame| frame.and_then(|frame| frame.state.deadline.instant()));
        self.line(deadline).await.map_err(nothing_was_sent)?.greeted().await
    }

    /// Connects, sends, waits.
    async fn slowly(self, service: &'static ServiceInfo, outgoing: Outgoing, again: Option<Again>) -> Reply {
        let mut reply = self.attempt(service, outgoing).await;
        if let Reply::Failure(failed) = reply {
            reply = Reply::Failure(nothing_was_sent(failed));
        }
        self.recover(service, reply, again).await
    }

    async fn attempt(&self, service: &'static ServiceInfo, outgoing: Outgoing) -> Reply {
        let shared = match self.line(outgoing.deadline).await {
            Ok(shared) => shared,
            Err(failed) => return Reply::Failure(failed),
        };
        let method = outgoing.method;
        let reply = match self.send(&shared, service, outgoing, None) {
            Ok(mut waiting) => poll_fn(|cx| waiting.poll(cx)).await,
            Err(failed) => Reply::Failure(failed),
        };
        if reply.is_contract() { explained(Arc::clone(&shared), service, method).await } else { reply }
    }

    fn send(
        &self,
        shared: &Arc<Shared>,
        service: &'static ServiceInfo,
        outgoing: Outgoing,
        waker: Option<&Waker>,
    ) -> Result<Waiting, Failed> {
        let slot = shared.open(service, &self.entrypoint, self.props.as_ref())?;
        shared.call(slot, outgoing, waker)
    }

    /// Tries again what may be tried again, as long as there is hope, time and budget.
    async fn recover(self, service: &'static ServiceInfo, mut reply: Reply, again: Option<Again>) -> Reply {
        let Some(again) = again else { return reply };
        let mut backoff = BACKOFF;
        for _ in 1..ATTEMPTS_MAX {
            if !reply.may_be_tried_again() || !self.retries().spend() {
                break;
            }
            let pause = backoff.pause();
            if again.outgoing.deadline.is_some_and(|deadline| clock::now() + pause >= deadline) {
                break;
            }
            sleep(pause).await;
            let next = self.attempt(service, again.outgoing.clone()).await;
            reply = next.after(reply);
        }
        reply
    }

    /// The session of this runtime: the one there is, or the next one.
    async fn line(&self, deadline: Option<std::time::Instant>) -> Result<Access, Failed> {
        let mut waiting_for = None;
        loop {
            if deadline.is_some_and(|deadline| deadline <= clock::now()) {
                return Err(too_late(waiting_for));
            }
            let mut attempt = match self.look(deadline.is_some())? {
                Looked::Up(shared) => return Ok(shared),
                Looked::Later(until, why) => {
                    waiting_for = Some(WaitingFor::Next(why));
                    sleep_until(deadline.map_or(until, |deadline| until.min(deadline.into()))).await;
                    continue;
                }
                Looked::Connecting(attempt) => attempt,
            };
            waiting_for.get_or_insert_with(|| WaitingFor::First(self.dialing.target.name()));
            let outcome = attempt.wait_for(|attempt| !matches!(attempt, Attempt::Going));
            let outcome = match deadline {
                Some(deadline) => timeout_at(deadline.into(), outcome).await,
                None => Ok(outcome.await),
            };
            // The call's own timer would end it too, and could not say what it waited for.
            let Ok(outcome) = outcome else { continue };
            match outcome.as_deref() {
                Ok(Attempt::Up(access)) => return Ok(access.clone()),
                Ok(Attempt::Failed(failure)) if failure.refused || deadline.is_none() => {
                    return Err(failure.failed());
                }
                // The next attempt waits for its time; a call has until its deadline.
                Ok(_) => {}
                // Another one would go the same way: what it panicked of, the log has.
                Err(_) => {
                    let why = "the attempt to connect ended without an outcome".to_owned();
                    return Err(Failure::unavailable(why, true).failed());
                }
            }
        }
    }

    /// Looks at the line of this runtime, and begins to connect if it is time to. A call without a deadline waits for
    /// no further attempt: nothing would ever end it.
    fn look(&self, has_deadline: bool) -> Result<Looked, Failed> {
        let runtime =
            Handle::try_current().map_err(|_| Failed::before(Kind::Setup(super::NO_RUNTIME.into())))?;
        let mut lines = self.lines();
        let mut backoff = BACKOFF;
        match lines.get(&runtime.id()) {
            Some(Line::Up { access, .. }) if access.takes_calls() => return Ok(Looked::Up(access.clone())),
            Some(Line::Connecting(attempt)) if attempt.has_changed().is_ok() => {
                return Ok(Looked::Connecting(attempt.clone()));
            }
            _ => {}
        }
        // Attempts take no longer than they may, and wait for each other.
        if invocation::sleep_until(clock::now()).is_none() {
            return Err(Failed::before(Kind::Setup(NO_TIMER.into())));
        }
        let found = self.dialing.target.find().map_err(|failure| failure.failed())?;
        if let Some((wait, why)) = lines.get(&runtime.id()).and_then(Line::failed)
            && wait.generation == found.generation
        {
            if wait.until > Instant::now() {
                let waits = has_deadline && !why.refused;
                return if waits { Ok(Looked::Later(wait.until, why)) } else { Err(why.failed()) };
            }
            backoff = wait.backoff;
        }
        let (tell, attempt) = watch::channel(Attempt::Going);
        lines.insert(runtime.id(), Line::Connecting(attempt.clone()));
        runtime.spawn(self.clone().connect(found, tell, backoff, runtime.id()));
        Ok(Looked::Connecting(attempt))
    }

    async fn connect(
        self,
        Found { address, generation }: Found,
        tell: watch::Sender<Attempt>,
        mut backoff: Backoff,
        runtime: runtime::Id,
    ) {
        let outcome = match transport::connect(&address).await {
            Ok(stream) => SessionOptions::new()
                .start(stream)
                .map(|session| session.0)
                .map_err(|error| Failure::unavailable(error.to_string(), false)),
            Err(error) => Err(self.dialing.target.refused(error)),
        };
        let until = Instant::now() + backoff.pause();
        let wait = Wait { until, backoff, generation };
        let (line, attempt) = match outcome {
            Ok(access) => (Line::Up { access: access.clone(), unless_greeted: wait }, Attempt::Up(access)),
            Err(why) => (Line::Down { wait, why: why.clone() }, Attempt::Failed(why)),
        };
        let mut lines = self.lines();
        let now = Instant::now();
        lines.retain(|_, line| line.is_of_use(now));
        lines.insert(runtime, line);
        drop(lines);
        tell.send_replace(attempt);
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<runtime::Id, Line>> {
        self.dialing.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retries(&self) -> std::sync::MutexGuard<'_, RetryBudget> {
        self.dialing.retries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Whether somebody may still ask for it. Those of runtimes that are gone would pile up.
    fn is_of_use(&self, now: Instant) -> bool {
        match self {
            Self::Up { access, .. } if !access.is_over() => true,
            Self::Connecting(attempt) => attempt.has_changed().is_ok(),
            _ => self.failed().is_some_and(|(wait, _)| now < wait.until + FORGOTTEN),
        }
    }

    /// When the next attempt may be made after one that has failed, and why it has. A peer that accepts and goes again
    /// without a word has refused the session: a certificate that it does not believe, for one.
    fn failed(&self) -> Option<(Wait, Failure)> {
        match self {
            Self::Up { access, unless_greeted } => {
                Some((*unless_greeted, Failure::unavailable(access.failed_to_begin()?, false)))
            }
            Self::Connecting(_) => None,
            Self::Down { wait, why } => Some((*wait, why.clone())),
        }
    }
}

impl Target {
    fn find(&self) -> Result<Found, Failure> {
        match self {
            Self::At(address) => Ok(Found { address: address.clone(), generation: 0 }),
            #[cfg(feature = "host")]
            Self::Sought(lookup) => lookup.find().map_err(|why| Failure::unavailable(why, true)),
        }
    }

    /// For people.
    fn name(&self) -> String {
        match self {
            Self::At(address) => address.to_string(),
            #[cfg(feature = "host")]
            Self::Sought(_) => "the host of the callee".to_owned(),
        }
    }

    fn refused(&self, error: transport::Error) -> Failure {
        let refused = error.is_not_there() || error.is_denied() || error.is_invalid();
        let kind = match () {
            () if error.is_denied() => Kind::Denied,
            () if error.is_invalid() => Kind::Setup,
            () => Kind::Unavailable,
        };
        let why = match self {
            #[cfg(feature = "host")]
            Self::Sought(lookup) if error.is_not_there() => lookup.not_there(&error.to_string()),
            _ => error.to_string(),
        };
        Failure { kind, why, source: error.into_source().map(Source::from), refused }
    }
}

impl Failure {
    fn unavailable(why: String, refused: bool) -> Self {
        Self { kind: Kind::Unavailable, why, source: None, refused }
    }

    fn failed(&self) -> Failed {
        Failed::before((self.kind)(self.why.clone().into())).because(self.source.clone())
    }
}

enum Looked {
    Up(Access),
    Connecting(watch::Receiver<Attempt>),
    /// Not before then, because the last attempt failed with this.
    Later(Instant, Failure),
}

/// What a call with a deadline waits for before it can be sent.
enum WaitingFor {
    /// The first attempt to connect, to this target.
    First(String),
    /// The one after this.
    Next(Failure),
}

/// The deadline passed before there was a session.
fn too_late(waiting_for: Option<WaitingFor>) -> Failed {
    match waiting_for {
        None => Failed::before(Kind::Deadline(None)),
        Some(WaitingFor::First(target)) => {
            let what = format!("it was still connecting to {target}");
            Failed::before(Kind::DeadlineBefore(None, what.into()))
        }
        Some(WaitingFor::Next(Failure { why, source, .. })) => {
            let what = format!("it was still trying to connect: {why}");
            Failed::before(Kind::DeadlineBefore(None, what.into())).because(source)
        }
    }
}

/// Says so, if the deadline of a call passed before there was a session: of a call that was not tried before.
fn nothing_was_sent(mut failed: Failed) -> Failed {
    if let Why::Here(Kind::DeadlineBefore(_, what)) = &mut failed.why {
        what.to_mut().push_str("; nothing was sent");
    }
    failed
}

impl Again {
    /// What is left of a call whose session failed it.
    pub(super) fn recover(self, reply: Reply) -> Slow {
        let Self { dialer, service, .. } = &self;
        let (dialer, service) = (dialer.clone(), *service);
        Box::pin(dialer.recover(service, reply, Some(self)))
    }
}

/// How much of the traffic may be retries: a fifth, and ten a second. In an outage callers then add a fifth to the load,
/// not a multiple of it.
struct RetryBudget {
    /// In tenths of a retry.
    tenths: u32,
    since: std::time::Instant,
}

impl RetryBudget {
    /// What is saved at most, in tenths: ten seconds' worth.
    const MAX: u32 = 1000;

    fn new() -> Self {
        Self { tenths: 100, since: clock::now() }
    }

    /// A call was made: a fifth of a retry.
    fn earn(&mut self) {
        self.tenths = (self.tenths + 2).min(Self::MAX);
    }

    fn spend(&mut self) -> bool {
        let now = clock::now();
        let tenths = now.saturating_duration_since(self.since).as_millis() / 10;
        if tenths > 0 {
            self.since = now;
            self.tenths =
                self.tenths.saturating_add(u32::try_from(tenths).unwrap_or(Self::MAX)).min(Self::MAX);
        }
        match self.tenths.checked_sub(10) {
            Some(left) => {
                self.tenths = left;
                true
            }
            None => false,
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("Dialer");
        match &self.dialing.target {
            Target::At(address) => tuple.field(address).finish(),
            #[cfg(feature = "host")]
            Target::Sought(lookup) => tuple.field(lookup).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
