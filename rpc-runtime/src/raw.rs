//! The only `unsafe` code of the crate: where the futures of suspended handlers live, and the stack of
//! invocations that this thread is inside of.
//!
//! Five things, each behind a safe interface:
//!
//! - **The pool**: memory blocks in steps of 64 bytes up to 8 KiB, kept per thread, so that a call in the
//!   steady state allocates nothing.
//! - **Arguments** ([`Given`]): moved out of a call once, from where they lie.
//! - **Pooled values** ([`Pooled`], [`PooledFuture`]): boxes whose memory comes from the pool.
//! - **Placed futures** ([`Placed`], [`Suspended`]): a future of any type, made and polled for the first time
//!   in a block, and given away as a trait object when it suspends.
//! - **The stack** ([`Innermost`], [`current`]): a thread-local pointer to the frame of the innermost invocation
//!   being polled. Frames live on the machine stack, so the chain of parents is valid exactly as long as it
//!   can be seen.
//!
//! # Why this is sound
//!
//! - Nothing here forms a reference to the bytes of a block. A reference is formed to the future inside it
//!   for the length of one poll or one drop, always from the raw pointer that the allocation gave.
//! - A future is dropped exactly once, where it lies: when it is ready, when its poll panicked, or with the
//!   [`Suspended`] that owns it. The owner forgets the future *before* it drops it, so a panic in that drop
//!   cannot lead to a second one, and the memory is given back all the same.
//! - A future placed through the [`Threaded`] flavour is `Send`; that bound is the whole reason why the
//!   owner of its block may be `Send`.
//! - Lifetimes are erased in a block, and what owns the block carries what they came from (the lifetime of
//!   the twin, the type of the arguments), so the borrow checker keeps the owner inside all of them.
//! - A frame is reached by safe code only through [`current`], which lends it for the length of a closure
//!   that runs while the frame is linked, and [`Innermost::enter`] unlinks it on every way out, unwinding
//!   included.
//! - A leaked owner leaks its block and what is in it, nothing else.
#![expect(unsafe_code, reason = "the one module that may: storage of suspended handlers and the frame stack")]

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    any::Any,
    cell::Cell,
    fmt,
    future::Future,
    hint::{cold_path, unreachable_unchecked},
    marker::PhantomData,
    mem::{self, ManuallyDrop, MaybeUninit},
    ops::{Deref, DerefMut},
    pin::Pin,
    ptr::{self, NonNull},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    call::Stage,
    error::Kind,
    invocation::{Frame, Seat},
    local::FetchFn,
    panics::drop_contained,
    worker::Entrypoint,
};

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Whether a service's futures may change threads. Sealed: [`Threaded`] and [`SameThread`] are all there is.
pub trait Flavour: sealed::Sealed + 'static {
    /// A suspended handler that answers with `T`.
    type Handler<T>: ?Sized + Future<Output = T>;

    /// How callers of this flavour reach the `fetch` of a Worker, if its entrypoint offers one.
    #[doc(hidden)]
    fn fetch_of<W: 'static>(entrypoint: &Entrypoint<W>) -> Option<FetchFn<W, Self>>
    where
        Self: Sized;
    /// How the clones of a client hold what they share. For a local one it is this pointer that keeps it in
    /// its thread, so that rustc has one thing to say about a client that is sent.
    type Shared<T>: Deref<Target = T> + Clone;

    /// The first pointer to a value.
    fn share<T>(value: T) -> Self::Shared<T>;
}

/// The flavour of `#[service]`: every handler's future is `Send`.
#[derive(Debug)]
pub struct Threaded;

/// The flavour of `#[service(local)]`: nothing leaves its thread.
#[derive(Debug)]
pub struct SameThread;

impl Flavour for Threaded {
    type Handler<T> = dyn Future<Output = T> + Send;

    fn fetch_of<W: 'static>(entrypoint: &Entrypoint<W>) -> Option<FetchFn<W, Self>> {
        entrypoint.threaded_fetch()
    }

    type Shared<T> = Arc<T>;

    fn share<T>(value: T) -> Self::Shared<T> {
        Arc::new(value)
    }
}

impl Flavour for SameThread {
    type Handler<T> = dyn Future<Output = T>;

    fn fetch_of<W: 'static>(entrypoint: &Entrypoint<W>) -> Option<FetchFn<W, Self>> {
        entrypoint.same_thread_fetch()
    }

    type Shared<T> = Rc<T>;

    fn share<T>(value: T) -> Self::Shared<T> {
        Rc::new(value)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "sealing is the point")]
    pub trait Sealed {}
    impl Sealed for super::Threaded {}
    impl Sealed for super::SameThread {}
}

/// What a twin's method is called with: the implementation's twin, the arguments, and the slot to answer in.
///
/// Its fields imply that everything in it outlives `'k`. The closure in an expansion takes a `Start<'k, ..>`
/// for *every* `'k`, so what it puts into the slot can borrow from the twin and from the arguments alone.
#[expect(missing_debug_implementations, reason = "expansions alone name it, for the length of one call")]
pub struct Start<'k, 's, D: ?Sized, A, T, L: Flavour> {
    /// The implementation, behind its object-safe twin.
    pub twin: &'k D,
    /// The arguments, as the caller gave them.
    pub args: A,
    /// Where the handler's future goes.
    pub slot: Slot<'k, T, L>,
    tie: PhantomData<&'k (&'s D, A)>,
}

/// Where a twin's method puts the future of its handler.
#[expect(missing_debug_implementations, reason = "expansions alone name it, for the length of one call")]
pub struct Slot<'k, T, L: Flavour> {
    cx: &'k mut Context<'k>,
    unready: &'k mut Unready<Placed<L::Handler<T>>>,
}

/// What came of a handler's first poll: made by `Slot::run` and `Slot::refuse` alone.
///
/// The value if the handler was ready, by value; for anything else it is pending, and lies in the slot. The common
/// case is then one comparison for the caller, and the rare ones cost it no moves.
#[expect(missing_debug_implementations, reason = "expansions alone name it, for the length of one call")]
pub struct Started<'k, T> {
    polled: Poll<T>,
    handler: PhantomData<&'k ()>,
}

/// Why a first poll gave no value.
#[repr(usize)]
pub(crate) enum Unready<P> {
    /// What it is until the slot is used. First, and the enum without a niche, so that making it is storing a 0.
    Unused,
    Pending(P),
    Refused(Kind),
}

/// Room for an `Unready` and for what the handler borrows through: the twin, for `'s`, and arguments of type
/// `A`.
#[expect(missing_debug_implementations, reason = "calls alone make it, for the length of one poll")]
pub struct Rest<'s, A, D: ?Sized> {
    unready: Unready<Placed<D>>,
    tie: PhantomData<(&'s (), A)>,
}

/// Makes a future of type `$F`, borrowed for `'k`, in a fresh block with the layout of `Parts<$F>`, and gives it as a
/// `Placed<$D>`.
///
/// No function, because a debug build would compile it for every method.
macro_rules! place {
    ($block:ident, $make:expr, $F:ident, $($D:tt)*) => {{
        let parts: *mut Parts<$F> = $block.0.as_ptr().cast();
        let made = $make;
        // SAFETY: the block has the layout of `Parts<$F>`; no reference is formed.
        let room = unsafe { &raw mut (*parts).future };
        // SAFETY: the block is fresh, and `room` points at room for an `$F` in it.
        unsafe { room.write(made) };
        let parts: *mut Parts<$($D)* + 'k> = parts;
        // SAFETY: only the lifetime bound of the trait object changes. `start` ties the owner of the block to the
        // types that everything in the future was borrowed through.
        let parts = unsafe { mem::transmute::<*mut Parts<$($D)* + 'k>, *mut Parts<$($D)*>>(parts) };
        // SAFETY: the block holds the future that was written above, and nothing else owns it.
        unsafe { Placed::new($block, parts) }
    }};
}

impl<'k, T> Slot<'k, T, Threaded> {
    /// Makes the handler's future in a pooled block and polls it for the first time. A future that is ready gives
    /// the block back before this returns.
    ///
    /// A panic, of `make`, of the poll or of the drop of the finished future, goes on to the call; the block and
    /// what is in it are gone then.
    #[inline]
    pub fn run<W: ?Sized, F>(self, worker: Option<&'k W>, make: impl FnOnce(&'k W) -> F) -> Started<'k, T>
    where
        F: Future<Output = T> + Send + 'k,
    {
        let Some(worker) = worker else { return self.not_started() };
        #[cfg(debug_assertions)]
        let block = Block::take(const { Layout::new::<Parts<F>>() });
        #[cfg(not(debug_assertions))]
        let Some(block) = Block::take_free(const { Layout::new::<Parts<F>>() }) else {
            return self.run_in_new_block(worker, make);
        };
        let placed = place!(block, make(worker), F, dyn Future<Output = T> + Send);
        Started { polled: first_poll(placed, self.cx, self.unready), handler: PhantomData }
    }

    /// The same when no block is free. A way out of its own, so that nothing has to be kept for a way back.
    #[cfg(not(debug_assertions))]
    #[cold]
    #[inline(never)]
    fn run_in_new_block<W: ?Sized, F>(self, worker: &'k W, make: impl FnOnce(&'k W) -> F) -> Started<'k, T>
    where
        F: Future<Output = T> + Send + 'k,
    {
        let block = Block::take(const { Layout::new::<Parts<F>>() });
        let placed = place!(block, make(worker), F, dyn Future<Output = T> + Send);
        Started { polled: first_poll_of_any(placed, self.cx, self.unready), handler: PhantomData }
    }
}

impl<'k, T> Slot<'k, T, SameThread> {
    /// Makes the handler's future in a pooled block and polls it for the first time, as for [`Threaded`]
    /// services, without asking for `Send`.
    #[inline]
    pub fn run<W: ?Sized, F>(self, worker: Option<&'k W>, make: impl FnOnce(&'k W) -> F) -> Started<'k, T>
    where
        F: Future<Output = T> + 'k,
    {
        let Some(worker) = worker else { return self.not_started() };
        #[cfg(debug_assertions)]
        let block = Block::take(const { Layout::new::<Parts<F>>() });
        #[cfg(not(debug_assertions))]
        let Some(block) = Block::take_free(const { Layout::new::<Parts<F>>() }) else {
            return self.run_in_new_block(worker, make);
        };
        let placed = place!(block, make(worker), F, dyn Future<Output = T>);
        Started { polled: first_poll(placed, self.cx, self.unready), handler: PhantomData }
    }

    /// The same when no block is free. A way out of its own, so that nothing has to be kept for a way back.
    #[cfg(not(debug_assertions))]
    #[cold]
    #[inline(never)]
    fn run_in_new_block<W: ?Sized, F>(self, worker: &'k W, make: impl FnOnce(&'k W) -> F) -> Started<'k, T>
    where
        F: Future<Output = T> + 'k,
    {
        let block = Block::take(const { Layout::new::<Parts<F>>() });
        let placed = place!(block, make(worker), F, dyn Future<Output = T>);
        Started { polled: first_poll_of_any(placed, self.cx, self.unready), handler: PhantomData }
    }
}

impl<'k, T, L: Flavour> Slot<'k, T, L> {
    #[inline]
    fn new<A>(cx: &'k mut Context<'_>, rest: &'k mut Rest<'_, A, L::Handler<T>>) -> Self {
        // SAFETY: only the lifetime of the waker behind it changes, to a shorter one that nobody can put another
        // waker in for: `cx` is reached by `first_poll` alone, which hands it to a `Future::poll`, and that one is
        // written for every lifetime.
        let cx = unsafe { mem::transmute::<&'k mut Context<'_>, &'k mut Context<'k>>(cx) };
        Self { cx, unready: &mut rest.unready }
    }

    /// No handler ran, for this reason.
    #[cold]
    pub(crate) fn refuse(self, why: Kind) -> Started<'k, T> {
        *self.unready = Unready::Refused(why);
        Started { polled: Poll::Pending, handler: PhantomData }
    }

    /// The Worker that a binding leads to is not there yet.
    #[cold]
    pub(crate) fn not_started(self) -> Started<'k, T> {
        self.refuse(Kind::Unavailable("the Worker is not started".into()))
    }
}

/// Calls a twin's method through the closure of an expansion. What is not a value lies in `rest` then.
///
/// `'k` is a lifetime that the closure cannot choose, so the handler holds nothing that is not `'static` or
/// reached through `twin` and `args`. What is left in `rest` is tied to `'s` and `A`, and may live as long as they
/// do.
#[inline]
pub(crate) fn start<'s, D: ?Sized + 'static, A, T, L: Flavour>(
    twin: &'s D,
    args: A,
    cx: &mut Context<'_>,
    rest: &mut Rest<'s, A, L::Handler<T>>,
    method: impl for<'k> FnOnce(Start<'k, 's, D, A, T, L>) -> Started<'k, T>,
) -> Poll<T> {
    method(Start { twin, args, slot: Slot::new(cx, rest), tie: PhantomData }).polled
}

/// The same for a method that takes its arguments itself, from where they lie: of large ones, each move less counts.
#[inline]
pub(crate) fn start_with_given<'s, D: ?Sized + 'static, A: 'static, T, L: Flavour>(
    twin: &'s D,
    args: Given<'_, 's, A, L::Handler<T>>,
    cx: &mut Context<'_>,
    rest: &mut Rest<'s, A, L::Handler<T>>,
    method: impl for<'k, 'l> FnOnce(&'k D, Given<'l, 's, A, L::Handler<T>>, Slot<'k, T, L>) -> Started<'k, T>,
) -> Poll<T> {
    method(twin, args, Slot::new(cx, rest)).polled
}

impl<'s, A, D: ?Sized> Rest<'s, A, D> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { unready: Unready::Unused, tie: PhantomData }
    }

    pub(crate) fn into_unready(self) -> Unready<Tied<'s, A, D>> {
        match self.unready {
            Unready::Pending(placed) => Unready::Pending(Tied { placed, tie: PhantomData }),
            Unready::Refused(why) => Unready::Refused(why),
            Unready::Unused => Unready::Unused,
        }
    }
}

/// A value whose spare bit patterns are not used: the tag of an enum around it lies beside it.
///
/// So writing the tag does not touch a value that was moved out before, and the compiler moves a large one straight
/// to where it goes: a request into the block of its handler, without a stop on the stack.
pub(crate) struct Beside<A>(MaybeUninit<A>);

impl<A> Beside<A> {
    #[inline]
    pub(crate) fn new(value: A) -> Self {
        Self(MaybeUninit::new(value))
    }
}

impl<A> Deref for Beside<A> {
    type Target = A;

    #[inline]
    fn deref(&self) -> &A {
        // SAFETY: the value was written by `new`, and whoever moves it out forgets `self`.
        unsafe { self.0.assume_init_ref() }
    }
}

impl<A> DerefMut for Beside<A> {
    fn deref_mut(&mut self) -> &mut A {
        // SAFETY: as above.
        unsafe { self.0.assume_init_mut() }
    }
}

impl<A> Drop for Beside<A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the value was written by `new`, and whoever moves it out forgets `self`.
        unsafe { self.0.assume_init_drop() };
    }
}

/// The arguments of a call that begins, where they lie. They stay there if nobody takes them.
#[expect(missing_debug_implementations, reason = "ways of calling alone see it, for the length of one call")]
pub struct Given<'l, 's, A, D: ?Sized + Future>(&'l mut Stage<'s, A, D>);

impl<'l, 's, A, D: ?Sized + Future> Given<'l, 's, A, D> {
    /// `None` for a call that has begun before.
    #[inline]
    pub(crate) fn of(stage: &'l mut Stage<'s, A, D>) -> Option<Self> {
        matches!(stage, Stage::Made(_)).then_some(Self(stage))
    }

    /// Moves them out. The call has ended, then, unless it goes on.
    ///
    /// `mem::replace` moves all of the enum first, and loads 16 bytes at a time of what the caller has just stored
    /// 8 at a time, for which it has to wait.
    #[inline]
    pub(crate) fn take(self) -> A {
        let Stage::Made(Beside(args)) = &*self.0 else {
            // SAFETY: `of` has seen that it is `Made`, and nobody else reaches it since.
            unsafe { unreachable_unchecked() }
        };
        // SAFETY: there is an `A` until it is overwritten below, without a drop.
        let args = unsafe { args.assume_init_read() };
        // SAFETY: it is a reference. What it held was moved out.
        unsafe { ptr::write(self.0, Stage::Ended) };
        args
    }
}

/// A block: room for the state of the invocation, written when the call suspends, and the handler's future.
struct Parts<F: ?Sized> {
    head: MaybeUninit<Head>,
    future: F,
}

struct Head {
    layout: Layout,
    /// Whether the future has not been dropped yet.
    live: bool,
    seat: Seat<'static>,
}

/// Polls a handler for the first time: gives its value, or puts it into `unready`.
///
/// Generic in the trait object alone, so that a debug build compiles it once for each type of answer. In a release
/// build it is inlined where the future is made: the compiler knows the object's type there, and what is left is
/// the future's own poll, without a virtual call.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
fn first_poll<D: ?Sized + Future>(
    placed: Placed<D>,
    cx: &mut Context<'_>,
    unready: &mut Unready<Placed<D>>,
) -> Poll<D::Output> {
    let unwinding = Unwinding(ManuallyDrop::new(placed));
    // SAFETY: the block holds the future, which stays where it is until it is dropped there.
    let future = unsafe { &mut (*unwinding.0.parts.as_ptr()).future };
    // SAFETY: as above.
    let future = unsafe { Pin::new_unchecked(future) };
    let polled = future.poll(cx);
    let placed = unwinding.over();
    if polled.is_ready() {
        placed.end();
    } else {
        *unready = Unready::Pending(placed);
    }
    polled
}

/// The same for whatever lies in the block, so that a handler's own code is not there twice.
#[cfg(not(debug_assertions))]
#[inline(never)]
fn first_poll_of_any<D: ?Sized + Future>(
    placed: Placed<D>,
    cx: &mut Context<'_>,
    unready: &mut Unready<Placed<D>>,
) -> Poll<D::Output> {
    first_poll(placed, cx, unready)
}

/// Owns a handler while it is polled. When the poll panics, a panic of the handler's drop must not meet the first
/// one: it adds nothing to it, and two at once end the process.
struct Unwinding<D: ?Sized>(ManuallyDrop<Placed<D>>);

impl<D: ?Sized> Unwinding<D> {
    #[inline]
    fn over(self) -> Placed<D> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: neither `this` nor what was in it is used or dropped again.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<D: ?Sized> Drop for Unwinding<D> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: this is the drop, so what was in it is not used again.
        let placed = unsafe { ManuallyDrop::take(&mut self.0) };
        drop_contained(|| drop(placed));
    }
}

/// A handler that suspended at its first poll; its block has no head yet.
struct Placed<D: ?Sized> {
    parts: NonNull<Parts<D>>,
    layout: Layout,
}

/// A handler that suspended at its first poll, and what it borrows through.
pub(crate) struct Tied<'s, A, D: ?Sized> {
    placed: Placed<D>,
    tie: PhantomData<(&'s (), A)>,
}

impl<'s, A, D: ?Sized> Tied<'s, A, D> {
    /// Joins the handler with the state of its invocation.
    #[inline]
    pub(crate) fn suspend(self, seat: Seat<'s>) -> Suspended<'s, A, D> {
        let placed = ManuallyDrop::new(self.placed);
        // SAFETY: only the lifetime changes; the owner made here cannot outlive `'s`.
        let seat = unsafe { mem::transmute::<Seat<'s>, Seat<'static>>(seat) };
        let head = Head { layout: placed.layout, live: true, seat };
        // SAFETY: the block is owned, and no reference is formed.
        let room = unsafe { &raw mut (*placed.parts.as_ptr()).head };
        // SAFETY: `room` is inside the block and holds nothing yet.
        unsafe { room.write(MaybeUninit::new(head)) };
        Suspended { parts: placed.parts, tie: PhantomData }
    }
}

impl<D: ?Sized> Placed<D> {
    /// # Safety
    ///
    /// `parts` points at `block`, in which there is a future that nothing else owns.
    #[inline]
    unsafe fn new(block: Block, parts: *mut Parts<D>) -> Self {
        let block = ManuallyDrop::new(block);
        // SAFETY: it points at a block, so it is not null.
        let parts = unsafe { NonNull::new_unchecked(parts) };
        Self { parts, layout: block.1 }
    }

    /// Drops the handler and gives the block back, as the drop of `self` does, where it is called.
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn end(self) {
        let placed = ManuallyDrop::new(self);
        let _block = Block(placed.parts.cast(), placed.layout);
        // SAFETY: the block is owned; no reference is formed.
        let future = unsafe { &raw mut (*placed.parts.as_ptr()).future };
        // SAFETY: the future is in the block until here, and the drop of `placed` does not run.
        unsafe { ptr::drop_in_place(future) };
    }
}

impl<D: ?Sized> Drop for Placed<D> {
    fn drop(&mut self) {
        let _block = Block(self.parts.cast(), self.layout);
        // SAFETY: the block is owned; no reference is formed.
        let future = unsafe { &raw mut (*self.parts.as_ptr()).future };
        // SAFETY: the future was written by `first_poll`, suspended, and is dropped nowhere else.
        unsafe { ptr::drop_in_place(future) };
    }
}

/// A suspended handler with the state of its invocation.
///
/// The handler borrows through the twin, for `'s`, and through arguments of type `A`: the owner cannot outlive
/// them.
pub(crate) struct Suspended<'s, A, D: ?Sized> {
    parts: NonNull<Parts<D>>,
    tie: PhantomData<(&'s (), A)>,
}

// SAFETY: it owns a `D` and a `Seat`, which are `Send`, and the block may be freed by any thread. No `A` is
// stored: what the handler took from the arguments is part of `D`.
unsafe impl<A, D: ?Sized + Send> Send for Suspended<'_, A, D> where Seat<'static>: Send {}

impl<A, D: ?Sized> Suspended<'_, A, D> {
    /// The invocation's state, and what can be done to the handler while it is entered.
    #[inline]
    pub(crate) fn split(&mut self) -> (&Seat<'_>, Suspension<'_, D>) {
        let head = self.head();
        // SAFETY: the head was written by `suspend`; its two fields and the future do not overlap, and `self` is
        // borrowed for as long as the references made here and below live.
        let seat = unsafe { &(*head).seat };
        // SAFETY: as above.
        let live = unsafe { &mut (*head).live };
        // SAFETY: the block is owned; no reference is formed.
        let future = unsafe { &raw mut (*self.parts.as_ptr()).future };
        (seat, Suspension { live, future })
    }

    #[inline]
    pub(crate) fn seat_mut(&mut self) -> &mut Seat<'static> {
        // SAFETY: the head was written by `suspend`, and `self` is borrowed mutably. The lifetime is that of what
        // the state borrows from, which is behind shared references and thus cannot be written through; putting
        // something shorter-lived in is impossible, as nothing shorter-lived coerces to `'static`.
        unsafe { &mut (*self.head()).seat }
    }

    #[inline]
    fn head(&self) -> *mut Head {
        // SAFETY: the block is owned; no reference is formed. `MaybeUninit<Head>` is laid out like `Head`.
        unsafe { (&raw mut (*self.parts.as_ptr()).head).cast() }
    }
}

impl<A, D: ?Sized> Drop for Suspended<'_, A, D> {
    #[inline(never)]
    fn drop(&mut self) {
        let head = self.head();
        // SAFETY: the head was written by `suspend`.
        let layout = unsafe { (*head).layout };
        let _block = Block(self.parts.cast(), layout);
        self.split().1.end();
        // SAFETY: the block is owned; no reference is formed.
        let seat = unsafe { &raw mut (*head).seat };
        // SAFETY: the state was written by `suspend`, and the owner goes away here.
        unsafe { ptr::drop_in_place(seat) };
    }
}

/// The handler of a suspended call.
pub(crate) struct Suspension<'a, D: ?Sized> {
    live: &'a mut bool,
    future: *mut D,
}

impl<D: ?Sized> Suspension<'_, D> {
    /// Polls the handler. `None` if it was dropped before.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Poll<D::Output>>
    where
        D: Future,
    {
        if !*self.live {
            return None;
        }
        // SAFETY: the future is live, and stays in its block until it is dropped there; the block is borrowed.
        let future = unsafe { &mut *self.future };
        // SAFETY: as above; it does not move.
        let future = unsafe { Pin::new_unchecked(future) };
        Some(future.poll(cx))
    }

    /// Drops the handler where it lies, once.
    #[inline]
    pub(crate) fn end(&mut self) {
        if mem::replace(self.live, false) {
            // SAFETY: `live` was true, so this is the first drop, and no later one sees it true.
            unsafe { ptr::drop_in_place(self.future) };
        }
    }
}

/// Gives a block back on every way out.
struct Block(NonNull<u8>, Layout);

impl Block {
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take(layout: Layout) -> Self {
        Self(take(layout), layout)
    }

    /// A block from the slots of its size.
    #[cfg(not(debug_assertions))]
    #[inline(always)]
    fn take_free(layout: Layout) -> Option<Self> {
        POOL.with(|pool| pool.take_from_slots(class(layout)?)).map(|block| Self(block, layout))
    }
}

impl Drop for Block {
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn drop(&mut self) {
        give(self.0, self.1);
    }
}

/// A value in a pooled block: a `Box` that does not ask the allocator in the steady state.
pub(crate) struct Pooled<T>(NonNull<T>, PhantomData<T>);

// SAFETY: it owns its `T`, as a `Box` does.
unsafe impl<T: Send> Send for Pooled<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Pooled<T> {}

impl<T> Pooled<T> {
    pub(crate) fn new(value: T) -> Self {
        let room = take(Layout::new::<T>()).cast::<T>();
        // SAFETY: the block is fresh and has the layout of `T`.
        unsafe { room.write(value) };
        Self(room, PhantomData)
    }
}

/// The value does not move with its owner.
impl<T> Unpin for Pooled<T> {}

impl<T> Deref for Pooled<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value was written by `new` and is owned.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Pooled<T> {
    /// The value, which never moves.
    pub(crate) fn as_pin(&mut self) -> Pin<&mut T> {
        // SAFETY: the value lies in its own block until it is dropped there, and for a `T` that is not `Unpin`
        // nothing else gives out a `&mut T`.
        let value = unsafe { self.0.as_mut() };
        // SAFETY: as above.
        unsafe { Pin::new_unchecked(value) }
    }
}

impl<T: Unpin> DerefMut for Pooled<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the value was written by `new` and is owned; `self` is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Pooled<T> {
    #[inline(never)]
    fn drop(&mut self) {
        let _block = Block(self.0.cast(), Layout::new::<T>());
        // SAFETY: the value was written by `new` and is dropped here alone.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
    }
}

/// A future of any type in a pooled block: a `Pin<Box<dyn Future + Send>>` that does not ask the allocator in the
/// steady state.
#[must_use = "futures do nothing unless they are polled"]
#[expect(unnameable_types, reason = "it stands in the signature of what serves a call, and rustc infers it")]
pub struct PooledFuture<T>(NonNull<dyn Future<Output = T> + Send>);

// SAFETY: it owns its future, which is `Send`, and the block may be freed by any thread.
unsafe impl<T> Send for PooledFuture<T> {}

impl<T> PooledFuture<T> {
    pub(crate) fn new<F: Future<Output = T> + Send + 'static>(future: F) -> Self {
        let room = take(const { Layout::new::<F>() }).cast::<F>();
        // SAFETY: the block is fresh and has the layout of `F`.
        unsafe { room.write(future) };
        Self(room)
    }
}

/// The future does not move with its owner.
impl<T> Unpin for PooledFuture<T> {}

impl<T> Future for PooledFuture<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: the future was written by `new` and is owned; `self` is borrowed mutably.
        let future = unsafe { self.0.as_mut() };
        // SAFETY: it lies in its block until it is dropped there, and nothing else gives out a reference to it.
        unsafe { Pin::new_unchecked(future) }.poll(cx)
    }
}

impl<T> Drop for PooledFuture<T> {
    fn drop(&mut self) {
        // SAFETY: the future was written by `new`, with this layout, and is owned.
        let layout = Layout::for_value(unsafe { self.0.as_ref() });
        let _block = Block(self.0.cast(), layout);
        // SAFETY: it is dropped here alone.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
    }
}

impl<T> fmt::Debug for PooledFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledFuture").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Pooled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

thread_local! {
    /// The frame of the innermost invocation that is being polled or dropped on this thread.
    static TOP: Cell<*const Frame<'static>> = const { Cell::new(ptr::null()) };
    static POOL: Pool = const { Pool::new() };
    static SWEEP: Sweep = const { Sweep };
}

/// The innermost invocation of this thread, as [`current`] found it.
#[derive(Clone, Copy)]
pub(crate) struct Innermost<'a>(Option<&'a Frame<'a>>);

/// Lends the innermost invocation of this thread.
#[inline(always)]
pub(crate) fn current<R>(look: impl for<'a> FnOnce(Innermost<'a>) -> R) -> R {
    let top = TOP.get();
    // SAFETY: whoever linked the frame borrows it, and unlinks it before that borrow ends, on every way out.
    // `look` runs in between and cannot keep the reference, whose lifetime it does not know. `Frame` is covariant,
    // so a shorter lifetime than that of the linked one is right.
    look(Innermost(unsafe { top.as_ref() }))
}

impl<'a> Innermost<'a> {
    /// The frame, if there is any invocation.
    #[inline]
    pub(crate) fn frame(self) -> Option<&'a Frame<'a>> {
        self.0
    }

    /// Runs `inside` with `frame` as the innermost invocation of this thread.
    ///
    /// Afterwards it is again the one that [`current`] found. That frame outlives `'a` and with it this call,
    /// so what is linked is valid even if somebody were to enter two frames from one `Innermost`.
    #[inline(always)]
    pub(crate) fn enter<R>(self, frame: &Frame<'_>, inside: impl FnOnce() -> R) -> R {
        struct Restore(*const Frame<'static>);
        impl Drop for Restore {
            #[inline(always)]
            fn drop(&mut self) {
                TOP.set(self.0);
            }
        }
        let outer = self.0.map_or(ptr::null(), |outer| ptr::from_ref(outer).cast());
        TOP.set(ptr::from_ref(frame).cast());
        let _restore = Restore(outer);
        inside()
    }
}

/// Free blocks of one thread.
///
/// Each size has a few slots, which a call takes from and gives back to with one store each, and a list for the
/// rest. (Stores are what limits a call: it makes about forty.) Nothing here has a destructor, so reaching it
/// is one load from the thread's own memory; the sweep at the end of the thread is registered by the first block
/// that comes back, which finds the slots shut.
struct Pool {
    /// How many slots of a size are taken; [`SHUT`] before the first block comes back and after the sweep. Never more
    /// than that.
    filled: [Cell<u8>; CLASSES],
    /// The slots of a size, between one that is always empty, which is found when none is taken, and another for
    /// [`SHUT`]: so the block to take lies at `filled`, if there is any.
    slots: [[Cell<*mut Free>; SLOTS + 2]; CLASSES],
    lists: [Cell<*mut Free>; CLASSES],
    /// How many bytes the lists may still keep.
    room: Cell<usize>,
    phase: Cell<Phase>,
}

struct Free {
    next: *mut Self,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Unused,
    Open,
    Swept,
}

/// The step between block sizes. Powers of two would waste up to half of a block: a future of 2,060 bytes
/// would take 4,096.
const STEP: usize = 64;

/// The largest block that is kept; a larger future goes to the allocator.
const BLOCK_MAX: usize = 8 * 1024;

const CLASSES: usize = BLOCK_MAX / STEP;

/// How many slots a size has if its blocks are small: a chain of as many Workers takes one from each.
const SLOTS: usize = 8;

/// What a block may be large, in bytes, to have all the slots; larger sizes have one.
const SMALL_MAX: usize = 1024;

/// More than there are slots, so that nothing can be put into one.
const SHUT: u8 = SLOTS as u8 + 1;

/// What a thread keeps at most, in bytes: blocks beyond it go back to the allocator, so calls that start on one
/// thread and end on another cannot pile up there.
const KEPT_MAX: usize = 1024 * 1024;

/// What the lists may keep of that.
const LISTED_MAX: usize = {
    let (mut in_slots, mut class) = (0, 0);
    while class < CLASSES {
        in_slots += slots(class) * size(class);
        class += 1;
    }
    KEPT_MAX - in_slots
};

/// The alignment of every pooled block, which is what allocators give for free.
const ALIGN: usize = 16;

/// The size class of blocks for this layout, if they are pooled. A constant at each call site.
#[inline]
const fn class(layout: Layout) -> Option<usize> {
    if layout.size() == 0 || layout.size() > BLOCK_MAX || layout.align() > ALIGN {
        return None;
    }
    Some((layout.size() - 1) / STEP)
}

const fn size(class: usize) -> usize {
    (class + 1) * STEP
}

const fn slots(class: usize) -> usize {
    if size(class) <= SMALL_MAX { SLOTS } else { 1 }
}

const fn block_layout(class: usize) -> Layout {
    match Layout::from_size_align(size(class), ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
fn take(layout: Layout) -> NonNull<u8> {
    let Some(class) = class(layout) else { return allocate(layout) };
    POOL.with(|pool| pool.take_from_slots(class)).unwrap_or_else(|| {
        cold_path();
        Pool::take_from_list(class)
    })
}

#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
fn give(block: NonNull<u8>, layout: Layout) {
    let Some(class) = class(layout) else { return free(block, layout) };
    POOL.with(|pool| {
        let filled = &pool.filled[class];
        let next = filled.get();
        if usize::from(next) < slots(class) {
            pool.slots[class][usize::from(next) + 1].set(block.as_ptr().cast());
            filled.set(next + 1);
            return;
        }
        cold_path();
        Pool::give_to_list(block, class);
    });
}

impl Pool {
    const fn new() -> Self {
        Self {
            filled: [const { Cell::new(SHUT) }; CLASSES],
            slots: [const { [const { Cell::new(ptr::null_mut()) }; SLOTS + 2] }; CLASSES],
            lists: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            room: Cell::new(0),
            phase: Cell::new(Phase::Unused),
        }
    }

    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take_from_slots(&self, class: usize) -> Option<NonNull<u8>> {
        let filled = &self.filled[class];
        // SAFETY: `filled` is at most `SHUT`, the index of the last one.
        let last = unsafe { self.slots[class].get_unchecked(usize::from(filled.get())) };
        let block = NonNull::new(last.get())?;
        // Of the slots that were ever written to, none is at 0.
        filled.set(filled.get().wrapping_sub(1));
        Some(block.cast())
    }

    #[inline(never)]
    fn take_from_list(class: usize) -> NonNull<u8> {
        POOL.with(|pool| {
            let list = &pool.lists[class];
            let Some(block) = NonNull::new(list.get()) else { return allocate(block_layout(class)) };
            // SAFETY: a block in a list is free, owned by the list, and begins with its link.
            list.set(unsafe { block.as_ref().next });
            pool.room.set(pool.room.get() + size(class));
            block.cast()
        })
    }

    /// The slots are full, or shut.
    #[inline(never)]
    fn give_to_list(block: NonNull<u8>, class: usize) {
        POOL.with(|pool| {
            if pool.phase.get() == Phase::Unused {
                pool.open();
                if pool.phase.get() == Phase::Open {
                    return give(block, block_layout(class));
                }
            }
            let Some(room) = pool.room.get().checked_sub(size(class)) else {
                return free(block, block_layout(class));
            };
            pool.room.set(room);
            let block = block.cast::<Free>();
            let list = &pool.lists[class];
            // SAFETY: the block is free, at least `STEP` bytes large and aligned for a link.
            unsafe { block.write(Free { next: list.get() }) };
            list.set(block.as_ptr());
        });
    }

    /// Registers the sweep. On a thread whose locals are gone already the pool stays shut.
    #[cold]
    fn open(&self) {
        if SWEEP.try_with(|_| ()).is_err() {
            return self.phase.set(Phase::Swept);
        }
        self.phase.set(Phase::Open);
        self.room.set(LISTED_MAX);
        self.filled.iter().for_each(|filled| filled.set(0));
    }

    fn sweep(&self) {
        self.phase.set(Phase::Swept);
        self.room.set(0);
        for class in 0..CLASSES {
            let filled = self.filled[class].replace(SHUT);
            let filled = if filled == SHUT { 0 } else { usize::from(filled) };
            for slot in &self.slots[class][1..=filled] {
                if let Some(block) = NonNull::new(slot.get()) {
                    free(block.cast(), block_layout(class));
                }
            }
            let mut next = self.lists[class].replace(ptr::null_mut());
            while let Some(block) = NonNull::new(next) {
                // SAFETY: a block in a list is free, owned by the list, and begins with its link.
                next = unsafe { block.as_ref().next };
                free(block.cast(), block_layout(class));
            }
        }
    }
}

struct Sweep;

impl Drop for Sweep {
    fn drop(&mut self) {
        POOL.with(Pool::sweep);
    }
}

#[cold]
fn allocate(layout: Layout) -> NonNull<u8> {
    if layout.size() == 0 {
        return NonNull::without_provenance(
            std::num::NonZero::new(layout.align()).expect("an alignment is not 0"),
        );
    }
    // SAFETY: the size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

fn free(block: NonNull<u8>, layout: Layout) {
    if layout.size() > 0 {
        // SAFETY: the block came from `allocate` with this layout.
        unsafe { dealloc(block.as_ptr(), layout) };
    }
}
