//! One invocation: what a call keeps while it runs, and how it finds its pipeline.
//!
//! A call future is `Send`: it may be polled once here and finished elsewhere, after the invocation that
//! started it has ended. Therefore a [`State`] keeps plain data only, and no pointer to its parent. Whoever
//! polls it links a [`Frame`] on the machine stack. The frame of a call whose caller is the innermost invocation
//! of the thread counts with that caller's pipeline; any other call goes on *detached*, as a pipeline of its own
//! that keeps its depth, its deadline and its metadata.

mod budget;
mod excess;
mod extras;
mod timer;

use std::{
    cell::{Cell, OnceCell},
    hint::cold_path,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[cfg(any(feature = "fetch", feature = "host"))]
pub(crate) use self::budget::SUBREQUEST;
pub(crate) use self::budget::{RequestBudget, too_deep};
pub(crate) use self::{
    budget::{Budget, Depth, FirstCounts, Left, SharedBudget},
    extras::Extras,
    timer::{OwnDeadline, Timer, sleep_until},
};
use crate::{
    call::Passed,
    client::Binding,
    clock::Deadline,
    context::Ctx,
    error::{Error, Exceeded, Hop, Kind},
    limits::Limits,
    metadata::{self, Entry, Inherited},
    observe,
    raw::{self, Pooled},
    service::{Answers, MethodInfo, NOT_CARRIED},
};

/// What one call keeps about itself, between polls too.
///
/// Every call writes it in full, so every word is paid for by the cheapest of them. What few calls need lies in
/// `extras`.
pub(crate) struct State<'c> {
    pub(crate) method: &'static MethodInfo,
    pub(crate) binding: &'c Binding,
    /// Unique in this process; 0 until somebody asks for it, which few calls live to see.
    id: Cell<u64>,
    pub(crate) deadline: Deadline,
    pub(crate) depth: Depth,
    /// What is left of the limits, if this call is the first of its pipeline.
    budget: Budget,
    extras: OnceCell<Pooled<Extras>>,
}

/// The state of a call that has suspended.
pub(crate) struct Seat<'c> {
    pub(crate) state: State<'c>,
    /// The invocation that made this call; 0 if none did, or if the call has gone on without it.
    caller: Cell<u64>,
}

/// An invocation that this thread is inside of.
pub(crate) struct Frame<'a> {
    pub(crate) state: &'a State<'a>,
    /// The first call of the pipeline, which holds the counters.
    root: &'a State<'a>,
    pub(crate) parent: Option<&'a Self>,
}

impl<'c> State<'c> {
    /// The state of a call that `caller` makes, counted with its pipeline. Reads no clock, does no atomic operation
    /// and allocates nothing.
    ///
    /// # Errors
    ///
    /// A limit of the pipeline is reached.
    pub(crate) fn begin(
        caller: Option<&Frame<'_>>,
        method: &'static MethodInfo,
        binding: &'c Binding,
    ) -> Result<Self, Error> {
        let Some(caller) = caller else { return Ok(Self::first(method, binding)) };
        if let Some(state) = Self::inside(caller, method, binding) {
            return Ok(state);
        }
        let depth = caller.spend_otherwise(caller.state.depth.deeper(), method, binding)?;
        Ok(Self::of_callee(depth, caller.state.deadline, method, binding))
    }

    /// The state of the first call of a pipeline.
    #[inline]
    pub(crate) fn first(method: &'static MethodInfo, binding: &'c Binding) -> Self {
        let FirstCounts { depth, budget } = binding.first;
        let (deadline, budget) = (Deadline::NONE, Budget::new(budget));
        Self { method, binding, id: Cell::new(0), deadline, depth, budget, extras: OnceCell::new() }
    }

    /// The state of a call that `caller` makes, if the plain counters cover it: [`State::begin`] is for the others.
    #[inline]
    pub(crate) fn inside(
        caller: &Frame<'_>,
        method: &'static MethodInfo,
        binding: &'c Binding,
    ) -> Option<Self> {
        // Read before the counter is written, so that nothing has to be read again.
        let (depth, deadline) = (caller.state.depth.deeper(), caller.state.deadline);
        if depth.is_exceeded() || !caller.root.budget.spend(binding.cost) {
            return None;
        }
        Some(Self::of_callee(depth, deadline, method, binding))
    }

    #[inline]
    fn of_callee(
        depth: Depth,
        deadline: Deadline,
        method: &'static MethodInfo,
        binding: &'c Binding,
    ) -> Self {
        let budget = Budget::elsewhere();
        Self { method, binding, id: Cell::new(0), deadline, depth, budget, extras: OnceCell::new() }
    }

    /// Whether [`State::prepare`] has anything to do for a call.
    #[inline]
    pub(crate) fn is_special(
        caller: Option<&Frame<'_>>,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> bool {
        binding.special
            || method.deadline.is_some()
            || observe::is_on()
            || caller.is_some_and(|caller| caller.state.extras.get().is_some())
    }

    /// What only some calls need.
    ///
    /// # Errors
    ///
    /// The call is refused: its deadline has passed, or its client says so.
    #[cold]
    #[inline(never)]
    pub(crate) fn prepare(&mut self, caller: Option<&Frame<'_>>, passed: Passed) -> Result<(), Error> {
        let (method, binding) = (self.method, self.binding);
        if let Some(why) = binding.refusal(method) {
            return Err(Error::of_call(why.clone(), caller, method, binding));
        }
        if !passed.added.is_empty() {
            self.extras_mut().added = passed.added;
        }
        if let Some(inherited) = caller.map(|caller| caller.state.metadata_for_callees())
            && !inherited.is_empty()
        {
            self.extras_mut().inherited = inherited;
        }
        if let Some(exceeded) = metadata::excess(self.metadata_carried().map(|(entry, _)| entry)) {
            return Err(Error::of_call(Kind::Limit(exceeded), caller, method, binding));
        }
        if let Some(options) = &binding.options {
            if let Some(limits) = &options.given.limits
                && let Err(exceeded) = self.tighten(limits, caller.is_some())
            {
                match caller {
                    Some(caller) => caller.exceed(exceeded, method, binding)?,
                    None => return Err(Error::of_call(Kind::Limit(exceeded), caller, method, binding)),
                }
            }
            if options.travelling.is_some() {
                // Whoever is called from here sees by the extras that there is something to inherit.
                self.extras_mut();
            }
        }
        if let Some(common) = passed.deadline {
            self.deadline = self.deadline.min(common);
        } else if let Some(own) = OwnDeadline::of_call(caller, method, binding)? {
            self.deadline = own.at;
            self.extras_mut().timer.arm(Some(own.given));
        }
        if observe::is_on() {
            let span = observe::span(method, binding, caller.is_some_and(|caller| caller.state.is_arrival()));
            if !span.is_disabled() {
                self.extras_mut().span = span.into();
            }
        }
        Ok(())
    }

    fn tighten(&mut self, limits: &Limits, inside: bool) -> Result<(), Exceeded> {
        if !inside {
            self.depth = Depth::first(limits.depth);
            self.budget = Budget::first(limits);
            return Ok(());
        }
        self.extras_mut().own_budget = Some(Budget::first(limits));
        self.depth = self.depth.at_most(limits.depth)?;
        Ok(())
    }

    /// The state of a task that works for the invocation of `ctx`, for the length of one poll.
    pub(crate) fn of_task(ctx: &'c Ctx, deadline: Deadline) -> Self {
        let state = Self {
            method: ctx.method(),
            binding: ctx.binding(),
            id: Cell::new(ctx.id()),
            deadline,
            depth: ctx.depth_left(),
            budget: Budget::elsewhere(),
            extras: OnceCell::new(),
        };
        let _ = state.extras.set(Pooled::new(Extras::of_task(ctx)));
        state
    }

    /// The state of a call that came over a boundary, as the caller of what serves it. `left` is what is left after the
    /// call, which the callee counts again: depth and counts are one more here. It is no more than `limits`.
    pub(crate) fn arrival(left: Left, deadline: Deadline, limits: &Limits) -> State<'static> {
        let mut state = State {
            method: &ARRIVAL,
            binding: &PEER,
            id: Cell::new(0),
            deadline,
            depth: Depth::arrived(left.depth, limits.depth),
            budget: Budget::arrived(left, limits),
            extras: OnceCell::new(),
        };
        if *limits != Limits::new() {
            // It has no client here whose limits it could have.
            state.extras_mut().excess.limits = Some(*limits);
        }
        if limits.warns() {
            state.depth = Depth::arrived_to_warn(left.depth, limits.depth);
            state.extras_mut().excess.keeps_depth = left.depth < limits.depth;
        }
        state
    }

    /// What its callee and all below it may still use.
    pub(crate) fn left_of_arrival(&self) -> Left {
        self.left()
    }

    /// Somebody else ends the call when its time is over.
    pub(crate) fn leave_time(&self) {
        if let Some(extras) = self.extras() {
            extras.timer.leave();
        }
    }

    /// Nobody else does any more.
    pub(crate) fn take_time_back(&self) {
        if let Some(extras) = self.extras() {
            extras.timer.take_back();
        }
    }

    /// What the call made its deadline from, if it made it shorter.
    pub(crate) fn time_given(&self) -> Option<Duration> {
        self.extras()?.timer.given()
    }

    /// Whether this is a call that came over a boundary, which is no Worker's own invocation.
    pub(crate) fn is_arrival(&self) -> bool {
        ptr::eq(self.method, &ARRIVAL)
    }

    /// All metadata that the callee is to see, each entry with whether it goes further than that, one for a key.
    pub(crate) fn metadata_on_the_way(&self) -> Vec<(Entry, bool)> {
        let mut found: Vec<(Entry, bool)> = Vec::new();
        for (entry, further) in self.metadata_carried() {
            // What a nearer one hides would only count.
            if !found.iter().any(|(nearer, _)| nearer.key == entry.key) {
                found.push((entry.clone(), further));
            }
        }
        found
    }

    /// All metadata of the call, the nearest first, each with whether it goes further than one hop.
    fn metadata_carried(&self) -> impl Iterator<Item = (&Entry, bool)> + Clone {
        let extras = self.extras();
        let added = extras.into_iter().flat_map(|extras| &extras.added);
        let own = self.binding.travelling().into_iter().flat_map(|own| own.all());
        let inherited = extras.into_iter().flat_map(|extras| extras.inherited.all());
        let for_callee = added.chain(self.binding.metadata()).map(|entry| (entry, false));
        for_callee.chain(own.chain(inherited).map(|entry| (entry, true)))
    }

    pub(crate) fn extras(&self) -> Option<&Extras> {
        self.extras.get().map(|extras| &**extras)
    }

    pub(crate) fn make_extras(&self) -> &Extras {
        self.extras.get_or_init(|| Pooled::new(Extras::default()))
    }

    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.make_extras();
        self.extras.get_mut().expect("just made")
    }

    pub(crate) fn extras_if_any(&mut self) -> Option<&mut Extras> {
        self.extras.get_mut().map(|extras| &mut **extras)
    }

    /// The value of `key`: from this call alone, from its client, or from further up.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        let extras = self.extras();
        extras
            .and_then(|extras| metadata::get(&extras.added, key))
            .or_else(|| metadata::get(self.binding.metadata(), key))
            .or_else(|| self.binding.travelling().and_then(|own| own.get(key)))
            .or_else(|| extras.and_then(|extras| extras.inherited.get(key)))
    }

    fn metadata_for_callees(&self) -> Inherited {
        // Whoever propagates something has extras, for its callees to see that it does.
        self.extras()
            .map_or_else(Inherited::default, |extras| extras.inherited.joined(self.binding.travelling()))
    }

    /// The way to this invocation that its frames do not show.
    pub(crate) fn remembered_hops(&self) -> &[Hop] {
        self.extras().map_or(&[], |extras| &extras.hops)
    }

    /// Enters the span of the call, if somebody looks; [`State::leave_span`] is its other half. Both are called in
    /// the order of the polls, because panics are caught in between.
    #[inline]
    pub(crate) fn enter_span(&self) {
        if let Some(extras) = self.extras() {
            cold_path();
            extras.enter_span();
        }
    }

    /// Whether there is nothing more to the end of the invocation than going away.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.extras.get().is_none()
    }

    /// The invocation ends. A plain state has nothing to drop, and no drop flag to look at.
    #[inline]
    pub(crate) fn end_plain(self) {
        std::mem::forget(self);
    }

    #[inline]
    pub(crate) fn leave_span(&self) {
        if let Some(extras) = self.extras() {
            cold_path();
            extras.leave_span();
        }
    }

    /// The call has come to its end with this: its span, if somebody looks, says so of a failure.
    pub(crate) fn note<T>(&self, answer: &T, answers: Answers<T>) {
        if let Some(extras) = self.extras()
            && !(answers.is_ok)(answer)
        {
            observe::failure(extras.span(), answer, answers);
        }
    }

    /// The call has failed on the way.
    pub(crate) fn note_error(&self, error: &Error) {
        if let Some(extras) = self.extras() {
            extras.span().record("error.type", error.kind_name());
        }
    }

    /// The number that no other invocation of this process has.
    pub(crate) fn id(&self) -> u64 {
        if self.id.get() == 0 {
            self.id.set(next_id());
        }
        self.id.get()
    }

    /// This call is polled outside of the invocation that made it: it goes on as a pipeline of its own.
    #[cold]
    fn detach(&self) {
        self.budget.refill(&self.binding.limits);
        if self.deadline != Deadline::NONE {
            self.make_extras().timer.arm_if_unarmed();
        }
    }
}

impl<'c> Seat<'c> {
    pub(crate) fn new(state: State<'c>, caller: Option<&Frame<'_>>) -> Self {
        Self { state, caller: Cell::new(caller.map_or(0, |caller| caller.state.id())) }
    }
}

impl<'a> Frame<'a> {
    /// The frame of a call that begins inside `caller`.
    #[inline]
    pub(crate) fn inside(state: &'a State<'a>, caller: &'a Self) -> Self {
        Self { state, root: caller.root, parent: Some(caller) }
    }

    /// The frame of a call that begins, and may have limits of its own.
    pub(crate) fn first_special(state: &'a State<'a>, caller: Option<&'a Self>) -> Self {
        let root = if state.has_own_budget() { state } else { caller.map_or(state, |caller| caller.root) };
        Self { state, root, parent: caller }
    }

    /// The frame of a call that goes on, with `innermost` being the innermost invocation of this thread.
    #[inline]
    pub(crate) fn again(seat: &'a Seat<'a>, innermost: Option<&'a Self>) -> Self {
        let (state, caller) = (&seat.state, seat.caller.get());
        if let Some(frame) = innermost
            && caller != 0
            && frame.state.id.get() == caller
        {
            return Self::first_special(state, innermost);
        }
        if caller != 0 {
            seat.caller.set(0);
            state.detach();
        }
        Self::alone(state)
    }

    /// The frame of the first call of a pipeline.
    pub(crate) fn alone(state: &'a State<'a>) -> Self {
        Self { state, root: state, parent: None }
    }

    /// Counts a call whose cost the plain counters do not cover: they may have been moved, or made lower.
    #[cold]
    #[inline(never)]
    fn spend_otherwise(
        &self,
        mut depth: Depth,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> Result<Depth, Error> {
        if depth.is_exceeded() {
            depth = match depth.lifted() {
                Some(lifted) if !self.keeps_depth() => {
                    self.exceed(depth.exceeded(), method, binding)?;
                    lifted
                }
                _ => {
                    let why = Kind::Limit(depth.exceeded());
                    return Err(Error::of_call(why, Some(self), method, binding));
                }
            };
        }
        self.spend(binding.cost, &|exceeded| self.exceed(exceeded, method, binding))?;
        Ok(depth)
    }

    /// Counts this with the pipeline, and with whatever it counts with; `exceed` says what comes of too much.
    fn spend(&self, cost: u64, exceed: &dyn Fn(Exceeded) -> Result<(), Error>) -> Result<(), Error> {
        let mut frame = self;
        loop {
            while let Err(exceeded) = frame.root.spend(cost) {
                exceed(exceeded)?;
                frame.root.lift(cost);
            }
            match frame.around() {
                Some(outer) => frame = outer,
                None => break,
            }
        }
        // The frames of a task begin with it; what is around its invocation counts as well.
        for outer in frame.root.shared_budget().into_iter().flat_map(SharedBudget::around) {
            while let Err(exceeded) = outer.spend(cost) {
                exceed(exceeded)?;
                outer.lift(cost);
            }
        }
        Ok(())
    }

    /// The nearest invocation that counts elsewhere: a call with limits of its own counts with those of its caller
    /// too.
    fn around(&self) -> Option<&Self> {
        let mut callers = std::iter::successors(self.parent, |frame| frame.parent);
        callers.find(|caller| !ptr::eq(caller.root, self.root))
    }

    /// What is left of the pipeline's limits.
    pub(crate) fn left(&self) -> Left {
        let here = self.root.left().with_depth(self.state.depth);
        self.around().map_or(here, |outer| here.min(outer.left()))
    }

    /// What a callee elsewhere is told of that.
    pub(crate) fn left_to_tell(&self) -> Left {
        let left = self.left();
        if !self.warns() {
            return left;
        }
        let unlimited = Left::to_warn(self.state.depth);
        if self.keeps_depth() { unlimited.with_depth(self.state.depth) } else { unlimited }
    }

    /// The counters of this pipeline, in a place that outlives its first call.
    pub(crate) fn promote(&self) -> Arc<SharedBudget> {
        self.root.promote(|| self.around().map(Self::promote))
    }
}

impl Frame<'_> {
    /// Counts what a call has used elsewhere. More than is left uses up what is left: parallel calls may have spent
    /// the same rest.
    pub(crate) fn count_used(&self, invocations: u32, subrequests: u32) {
        if invocations == 0 && subrequests == 0 {
            return;
        }
        let mut frame = Some(self);
        while let Some(counting) = frame {
            counting.root.use_up(invocations, subrequests);
            frame = counting.around();
        }
    }
}

/// What callers elsewhere are here.
static PEER: Binding = Binding::peer();

/// What they do.
static ARRIVAL: MethodInfo = MethodInfo::new("", "", &[], NOT_CARRIED);

impl State<'_> {
    fn use_up(&self, invocations: u32, subrequests: u32) {
        match self.shared_budget() {
            Some(shared) => shared.use_up(invocations, subrequests),
            None => self.budget_here().use_up(invocations, subrequests),
        }
    }

    #[inline]
    fn has_own_budget(&self) -> bool {
        self.extras().is_some_and(|extras| extras.own_budget.is_some())
    }

    fn spend(&self, cost: u64) -> Result<(), Exceeded> {
        if let Some(shared) = self.shared_budget() {
            return shared.spend(cost);
        }
        let budget = self.budget_here();
        if budget.spend(cost) { Ok(()) } else { Err(budget.exceeded(cost, &self.limits())) }
    }

    fn lift(&self, cost: u64) {
        match self.shared_budget() {
            Some(shared) => shared.lift(cost),
            None => self.budget_here().lift(cost),
        }
    }

    fn left(&self) -> Left {
        self.shared_budget().map_or_else(|| self.budget_here().left(), SharedBudget::left)
    }

    fn budget_here(&self) -> &Budget {
        self.extras().and_then(|extras| extras.own_budget.as_ref()).unwrap_or(&self.budget)
    }

    /// The counters, if they have moved to where they outlive the call.
    fn shared_budget(&self) -> Option<&SharedBudget> {
        Some(self.extras()?.shared_budget.get()?)
    }

    /// The limits that this call counts against when it is the first of a pipeline.
    fn limits(&self) -> Limits {
        if let Some(arrived) = self.extras().and_then(|extras| extras.excess.limits) {
            return arrived;
        }
        let options = self.binding.options.as_ref();
        options.and_then(|options| options.given.limits).unwrap_or(self.binding.limits)
    }

    fn promote(&self, around: impl FnOnce() -> Option<Arc<SharedBudget>>) -> Arc<SharedBudget> {
        let extras = self.make_extras();
        let moved = || {
            let (limits, excess) = (self.limits(), extras.excess.clone());
            Arc::new(self.budget_here().moved(limits, excess, around()))
        };
        Arc::clone(extras.shared_budget.get_or_init(moved))
    }
}

/// Lends the innermost invocation of this thread.
#[inline]
pub(crate) fn with_current<R>(look: impl for<'a> FnOnce(Option<&'a Frame<'a>>) -> R) -> R {
    raw::current(|innermost| look(innermost.frame()))
}

/// Counts something that is no call with the pipeline that this thread is inside of, and gives what all of that
/// pipeline share; `None` outside of any.
///
/// # Errors
///
/// A limit is reached.
#[cfg(feature = "fetch")]
pub(crate) fn spend(cost: u64) -> Result<Option<Arc<SharedBudget>>, Error> {
    with_current(|frame| {
        let Some(frame) = frame else { return Ok(None) };
        frame.spend(cost, &|exceeded| frame.exceed_outside(exceeded))?;
        Ok(Some(SharedBudget::outermost(frame.promote())))
    })
}

/// The innermost invocation of this thread; 0 outside of any.
pub(crate) fn current_id() -> u64 {
    with_current(|frame| frame.map_or(0, |frame| frame.state.id()))
}

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// How many ids a thread takes at a time.
const IDS: u64 = 1 << 32;

/// A number that no other invocation of this process has, and not 0: an addition on this thread, and an atomic
/// operation every four billion calls.
#[inline]
pub(crate) fn next_id() -> u64 {
    let mut id = NEXT.get();
    if id.is_multiple_of(IDS) {
        cold_path();
        id = new_range();
    }
    NEXT.set(id + 1);
    id
}

#[cold]
fn new_range() -> u64 {
    static RANGES: AtomicU64 = AtomicU64::new(0);
    RANGES.fetch_add(1, Ordering::Relaxed) * IDS + 1
}

#[cfg(test)]
mod tests;
