//! What moves a session: bytes in, handlers, bytes out, in turns of one task.
//!
//! A turn reads what there is, hands it to the protocol, polls at most [`READY_PER_TURN`] handlers that were woken, and
//! writes what came of it with a vectored write for [`FIRST_ANSWERS`] answers, then for twice as many, and one for the
//! rest. Then other tasks of the thread have their turn.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    io::{self, IoSlice},
    mem,
    pin::{Pin, pin},
    sync::{Arc, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
    time::Sleep,
};

use super::{
    arrival::{Arrival, Handled, Handler},
    contracts::known,
    handlers::Handlers,
    memory::Memory,
    props::TakenProps,
    services::{Served, Services},
    shared::{Over, Shared, State as Table, payload},
    stream::{Coming, Flow},
};
use crate::{
    buffer,
    clock::{self, Deadline},
    error::{Kind, leaving::Hook},
    invocation::sleep_until,
    options::CallOptions,
    proto::{
        Begun, Beside, CallId, Closed, ClosedKind, Closing, End, Event, Incoming, Opened, PeerSlot, Props,
        Status,
    },
};

/// How many handlers are polled before what they gave is written.
const READY_PER_TURN: usize = 64;

/// How many answers of a turn are written before the next one is made; twice as many after each such write. With all 64
/// calls of a caller answered in one write, each end waited while the other one worked: 0.28 of a raw multiplexer's
/// calls/s, and 0.65 with a write after 16 (32: 0.43, 8: 0.56). Twice as many each time, so that a large batch has few
/// writes.
const FIRST_ANSWERS: usize = 16;

/// How many bytes are read before the handlers have their turn: as much as a socket holds, so that a small call that
/// stands behind a part of a long value waits for no more than that.
const READ_PER_TURN: usize = 128 * 1024;

/// How many bytes of answers a peer may leave unread before its further calls are refused, and before the answers of
/// those that run are dropped.
const UNWRITTEN_MAX: usize = 64 << 20;
const UNWRITTEN_HELD_MAX: usize = 256 << 20;

/// How many bytes are written before the other end is read again. A peer that takes what it is given as fast as it comes
/// would keep this end writing a long value to its end: small calls beside 32 MiB waited 6 ms for it.
const WRITTEN_PER_TURN: usize = 128 * 1024;

/// What is read at once, in bytes. One buffer for each thread: an idle session has none.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Moves one session until it is over.
pub(super) struct Driver<S> {
    shared: Arc<Shared>,
    stream: S,
    services: Services,
    ways: Ways,
    /// The services that the other end has opened, by its slots.
    slots: Vec<Option<Slot>>,
    taken_props: TakenProps,
    handlers: Handlers<CallId, Handled>,
    /// What sends streams.
    works: Handlers<(), ()>,
    /// Streams whose call was just answered, and those that are not to be sent.
    begun: Vec<(Box<Flow>, Option<Begun>)>,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    events: VecDeque<Event>,
    /// Who is to be woken, once no lock is held.
    woken: Vec<Waker>,
    ends: Vec<(CallId, Handled)>,
    /// Bytes of answers that the other end has not taken, at the beginning of the turn.
    unwritten: usize,
    /// How many of them are written before the turn goes on.
    due: usize,
    /// Whether the other end may still send.
    readable: bool,
    /// Whether the first turn has begun.
    has_begun: bool,
    _keeping: buffer::Keeping,
}

/// How calls are served.
#[derive(Clone, Default)]
pub(super) struct Ways {
    pub(super) spawn: bool,
    /// What may leave of errors.
    pub(super) hook: Option<Arc<Hook>>,
    /// Whether the other end is believed what it says in the name of a configuration.
    pub(super) trusts: bool,
    pub(super) memory: Arc<Memory>,
    /// Whether the other end takes streams.
    pub(super) streams: bool,
}

struct Slot {
    /// Or why its calls are refused.
    served: Result<Arc<Served>, Kind>,
    /// Whether the other end has the same contract; else each call must prove it for its method.
    same: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(super) fn new(shared: Arc<Shared>, stream: S, services: Services, ways: Ways) -> Self {
        Self {
            shared,
            stream,
            services,
            ways,
            slots: Vec::new(),
            taken_props: TakenProps::default(),
            handlers: Handlers::new(),
            works: Handlers::new(),
            begun: Vec::new(),
            timer: None,
            events: VecDeque::new(),
            woken: Vec::new(),
            ends: Vec::new(),
            unwritten: 0,
            due: FIRST_ANSWERS,
            readable: true,
            has_begun: false,
            _keeping: buffer::Keeping::new(),
        }
    }

    fn begin_turn(&mut self, cx: &mut Context<'_>) {
        self.due = FIRST_ANSWERS;
        let shared = Arc::clone(&self.shared);
        let mut table = shared.lock();
        table.now = clock::now();
        table.driver = None;
        if !mem::replace(&mut self.has_begun, true) {
            // The first call may have come with the other end's `Hello`. Its handler may hold this thread, and meanwhile the
            // other end would give up one that says nothing. A failure is met again by the write that ends the turn.
            let _ = self.write(cx, &mut table);
        }
    }

    /// Reads what there is. Returns whether there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut left = READ_PER_TURN;
        while left > 0 {
            if !self.readable {
                return false;
            }
            match self.read_once(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => {
                    self.readable = false;
                    self.shared.lock().core.end_of_stream();
                }
                Poll::Ready(Ok(count)) => left = left.saturating_sub(count),
                Poll::Ready(Err(error)) => {
                    self.readable = false;
                    self.shared.lock().core.lost(&error.to_string());
                }
            }
        }
        true
    }

    fn read_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut table = self.shared.lock();
        let now = table.now;
        if let Some(space) = table.core.space() {
            let mut buffer = ReadBuf::new(space);
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            return read.map_ok(|()| {
                table.core.filled(count, now);
                count
            });
        }
        drop(table);
        // Taken out for the length of the read, because a stream may be made of another session on this thread.
        let mut bytes = READ.take();
        bytes.resize(READ_BYTES, 0);
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
        let read = read.map_ok(|()| {
            let bytes = buffer.filled();
            if !bytes.is_empty() {
                self.shared.lock().core.receive(bytes, now);
            }
            bytes.len()
        });
        READ.set(bytes);
        read
    }

    /// Does what the protocol asks for, and wakes whoever waits.
    fn handle_events(&mut self, cx: &mut Context<'_>) {
        {
            let mut table = self.shared.lock();
            if table.events.is_empty() {
                table.core.swap_events(&mut self.events);
                for event in &mut self.events {
                    table.hand_out(event, &mut self.woken);
                }
            } else {
                // Some were handed out already, by a call of another thread.
                table.sort_events(&mut self.woken);
                mem::swap(&mut table.events, &mut self.events);
            }
            self.unwritten = table.core.reply_bytes();
            if !table.greeted && table.core.is_greeted() {
                table.greeted = true;
                self.ways.streams = table.core.takes_streams() == Some(true);
                self.woken.append(&mut table.watchers);
            }
        }
        for waker in self.woken.drain(..) {
            waker.wake();
        }
        // Handled where they lie: they are large, and most of what is in a call moves into its handler.
        let mut events = mem::take(&mut self.events);
        for event in &mut events {
            self.answer_due(cx);
            match event {
                Event::Call(call) => self.begin(call),
                Event::Cancelled { id } => self.cancel(*id, Status::Cancelled),
                Event::DeadlinePassed { id } => self.cancel(*id, Status::Deadline),
                Event::Open { slot, service, entrypoint, digest, props } => {
                    self.open(*slot, service, entrypoint, *digest, props.take())
                }
                Event::Opened { .. } | Event::Ended { .. } | Event::GoAway { .. } | Event::Stream { .. } => {}
                Event::Closed(closed) => self.over(closed),
            }
        }
        events.clear();
        self.events = events;
    }

    fn begin(&mut self, call: &mut Incoming) {
        let coming = call.arrived.take().map(|arrived| Coming::of(&self.shared, *arrived));
        if self.unwritten > UNWRITTEN_MAX {
            let why = "64 MiB of answers wait to be taken by this caller";
            self.ends.push((call.id, Handled::refused(Kind::Overloaded(why.into()))));
            return;
        }
        let handled = match accept(&self.slots, call, coming, &self.ways) {
            Ok(handler) => match self.handlers.begin(call.id, handler) {
                Some(handled) => handled,
                None => return,
            },
            Err(why) => Handled::refused(why),
        };
        self.ends.push((call.id, handled));
    }

    /// Polls handlers that were woken. Returns whether there are more.
    fn poll_handlers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut left = READY_PER_TURN;
        while left > 0 {
            let most = self.due.min(left);
            left -= most;
            let ends = &mut self.ends;
            if !self.handlers.poll_ready(most, cx.waker(), |id, handled| ends.push((id, handled))) {
                return false;
            }
            self.answer_due(cx);
        }
        true
    }

    /// Writes what handlers have answered, if it is enough: the other end works on these answers while this one makes
    /// the next.
    fn answer_due(&mut self, cx: &mut Context<'_>) {
        if self.ends.len() < self.due {
            return;
        }
        self.due *= 2;
        let shared = Arc::clone(&self.shared);
        let mut table = shared.lock();
        self.end_calls(&mut table);
        let (mut table, _) = self.send_streams(cx, &shared, table);
        // A failure is met again by the write that ends the turn.
        let _ = self.write(cx, &mut table);
    }

    fn end_calls(&mut self, table: &mut Table) {
        for (id, mut handled) in self.ends.drain(..) {
            if let Some(why) = has_no_room(table, &handled) {
                // Dropped later: a body is code of a user, and the table is locked.
                self.begun.extend(handled.flow.take().map(|flow| (flow, None)));
                handled = Handled::failed_on_the_way(Kind::Overloaded(why.into()));
            }
            let Handled { status, used, payload: value, flow } = handled;
            let beside = flow.as_ref().map_or(Beside::Nothing, |flow| flow.beside());
            let begun = table.core.end(id, End { status, used, payload: payload(value), beside });
            self.begun.extend(flow.map(|flow| (flow, begun)));
        }
        self.unwritten = table.core.reply_bytes();
    }

    /// Moves what sends streams, also what goes on after the answers just made: so that its first bytes go with them.
    /// Returns whether more of it may be ready.
    fn send_streams<'s>(
        &mut self,
        cx: &Context<'_>,
        shared: &'s Shared,
        mut table: MutexGuard<'s, Table>,
    ) -> (MutexGuard<'s, Table>, bool) {
        if self.works.is_empty() && self.begun.is_empty() && table.works.is_empty() {
            return (table, false);
        }
        let works = mem::take(&mut table.works);
        // What makes a body is code of a user, and may hold streams of this session.
        drop(table);
        for work in works {
            let _ended = self.works.begin((), work);
        }
        for (flow, begun) in mem::take(&mut self.begun) {
            if let Some(begun) = begun {
                let _ended = self.works.begin((), flow.into_work(&self.shared, begun));
            }
        }
        let more = self.works.poll_ready(READY_PER_TURN, cx.waker(), |(), ()| {});
        (shared.lock(), more)
    }

    /// Gives memory back that an idle session does not need.
    fn trim(&mut self, table: &Table) {
        buffer::trim_unused(table.now);
        let in_flight = table.core.in_flight();
        if in_flight.is_none_of_ours() && in_flight.theirs == 0 && in_flight.streams == 0 {
            self.events = VecDeque::new();
            self.ends = Vec::new();
            self.woken = Vec::new();
        }
    }

    fn cancel(&mut self, id: CallId, status: Status) {
        if self.handlers.cancel(id) {
            self.ends.push((id, Handled::without_value(status)));
        }
    }

    fn open(
        &mut self,
        slot: PeerSlot,
        service: &str,
        entrypoint: &str,
        digest: [u8; 16],
        props: Option<Props>,
    ) {
        let (opened, entry) = match self.services.find(entrypoint, service) {
            None => (Opened::Absent, None),
            Some(served) => {
                let same = served.digest().to_bytes() == digest;
                let opened = if same {
                    Opened::Same
                } else {
                    let methods = &known(served.info()).methods;
                    let methods = methods.iter().map(|(id, fingerprint)| (*id, fingerprint.to_bytes()));
                    Opened::Different { methods: methods.collect() }
                };
                let served = match props {
                    None => Ok(Arc::clone(served)),
                    Some(props) => self.taken_props.bind(served, &props, self.ways.trusts),
                };
                (opened, Some(Slot { served, same }))
            }
        };
        if self.slots.len() <= slot.index() {
            self.slots.resize_with(slot.index() + 1, || None);
        }
        self.slots[slot.index()] = entry;
        self.shared.lock().core.opened(slot, opened);
    }

    fn over(&mut self, closed: &Closed) {
        self.handlers.clear();
        self.works.clear();
        let mut table = self.shared.lock();
        let in_order =
            matches!(closed.kind(), ClosedKind::Drained | ClosedKind::Closed | ClosedKind::PeerLeft);
        table.over = Some(Over { why: closed.to_string(), in_order });
        let watchers = mem::take(&mut table.watchers);
        let works = mem::take(&mut table.works);
        drop(table);
        drop(works);
        for waker in watchers {
            waker.wake();
        }
    }

    /// Writes what there is, as far as the stream takes it, and no more than is due in a turn. Returns whether there is
    /// more that the stream would take.
    ///
    /// # Errors
    ///
    /// It takes no more.
    fn write(&mut self, cx: &mut Context<'_>, table: &mut Table) -> io::Result<bool> {
        table.unwritten = false;
        if mem::take(&mut table.is_late) {
            table.now = clock::now();
        }
        let mut turn = 0;
        while table.core.has_output() && table.core.is_over().is_none() {
            if turn >= WRITTEN_PER_TURN {
                return Ok(true);
            }
            let now = table.now;
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = table.core.slices(now, &mut slices);
            if count == 0 {
                break;
            }
            match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::Error::other("the stream takes no more bytes")),
                Poll::Ready(Ok(written)) => {
                    turn += written;
                    table.core.sent(written);
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        // A stream that buffers, TLS for one, sends nothing before it is told to.
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| false),
            Poll::Pending => Ok(false),
        }
    }

    /// Reads what the other end has said before it went: it may have told what becomes of calls that it did not take,
    /// and answered others.
    fn read_last_words(&mut self, cx: &mut Context<'_>) {
        for _ in 0..LAST_READS_MAX {
            if !self.readable || !matches!(self.read_once(cx), Poll::Ready(Ok(1..))) {
                return;
            }
        }
    }

    /// Makes sure that the task is woken when the protocol wants to look at the time. Returns whether it wants to now.
    fn arm(&mut self, cx: &mut Context<'_>, table: &mut Table) -> bool {
        let at = table.core.timer();
        let Some(at) = at else {
            self.timer = None;
            return false;
        };
        let (armed, sleep) = match &mut self.timer {
            Some(timer) => timer,
            none => match sleep_until(at) {
                Some(sleep) => none.insert((at, Box::pin(sleep))),
                None => {
                    table.keeps_time = false;
                    return false;
                }
            },
        };
        // A timer that goes off too early is set again then: what it waits for moves on with most turns.
        if at < *armed {
            *armed = at;
            sleep.as_mut().reset(at.into());
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if at <= *armed {
                return true;
            }
            *armed = at;
            sleep.as_mut().reset(at.into());
        }
        false
    }
}

/// Why an answer cannot be sent to this peer now, if it cannot.
fn has_no_room(table: &Table, handled: &Handled) -> Option<&'static str> {
    if table.core.reply_bytes().saturating_add(handled.payload.len()) > UNWRITTEN_HELD_MAX {
        return Some("256 MiB of answers wait to be taken by this caller");
    }
    let is_stream_too_many = handled.flow.is_some() && table.core.streams_left() == 0;
    is_stream_too_many.then_some("the other end takes no more streams at a time on a session")
}

/// Wakes the task once the runtime has looked at its sockets, which it does after 61 tasks or when there are none: a task
/// that wakes itself at once would move 8 MiB of a long value before it learns that a small call has come.
fn go_on_later(cx: &mut Context<'_>) {
    let _woken_later = pin!(yield_now()).poll(cx);
}

/// Begins to serve a call.
fn accept(
    slots: &[Option<Slot>],
    call: &mut Incoming,
    coming: Option<Coming>,
    ways: &Ways,
) -> Result<Handler, Kind> {
    let Some(Some(Slot { served, same })) = slots.get(call.slot.index()) else {
        return Err(Kind::NotFound("the service is not served here".into()));
    };
    let served = served.as_ref().map_err(Clone::clone)?;
    let Some(method) = served.method(call.method) else {
        let what = format!("the service `{}` has no method {:016x} here", served.name(), call.method);
        return Err(Kind::NotFound(what.into()));
    };
    if !same {
        let own = known(served.info()).methods.get(&call.method).map(|fingerprint| fingerprint.to_bytes());
        if own != call.fingerprint {
            let what = format!("`{}/{}` has another shape here", method.service, method.name);
            return Err(Kind::Contract(what.into()));
        }
    }
    let left = call.left.into();
    let deadline = call.deadline.map_or(Deadline::NONE, Deadline::at);
    let options = (!call.metadata.is_empty()).then(|| {
        mem::take(&mut call.metadata).into_iter().rev().fold(
            CallOptions::new(),
            |options, (key, value, further)| {
                if further { options.propagate(key, value) } else { options.metadata(key, value) }
            },
        )
    });
    let body = match coming {
        Some(Coming::Body(body)) => Some(Box::new(body)),
        Some(Coming::Connection(_)) | None => None,
    };
    let arrival = Arrival::new(method, mem::take(&mut call.payload), left, deadline, body, ways);
    Ok(served.serve(arrival, options))
}

/// How often a stream is read that takes no more: more than a socket holds.
const LAST_READS_MAX: usize = 256;

/// How many slices a write has at most.
const SLICES: usize = 32;

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.begin_turn(cx);
        let more_to_read = this.read(cx);
        this.handle_events(cx);
        let more_ready = this.poll_handlers(cx);
        let shared = Arc::clone(&this.shared);
        let mut table = shared.lock();
        this.end_calls(&mut table);
        let (mut table, more_works) = this.send_streams(cx, &shared, table);
        let now = table.now;
        if table.core.timer().is_some_and(|at| at <= now) {
            table.core.tick(now);
            this.trim(&table);
        }
        if table.unused && this.services.is_empty() && table.core.in_flight().is_unused() {
            table.core.close(Closing { why: "nobody calls any more".to_owned() }, now);
        }
        let written = this.write(cx, &mut table);
        let more_to_write = matches!(written, Ok(true));
        if let Err(error) = written {
            drop(table);
            this.read_last_words(cx);
            table = shared.lock();
            table.core.lost(&error.to_string());
        }
        // What is left to write then, nobody takes any more.
        let over = table.core.is_over().is_some();
        let again = this.arm(cx, &mut table) | more_ready | more_works;
        // Another thread may have taken them out already.
        let happened = table.core.has_events() || !table.events.is_empty();
        drop(table);
        // That the transport is gone, or that a deadline has passed.
        if happened {
            this.handle_events(cx);
        }
        if over {
            return Poll::Ready(());
        }
        let mut table = shared.lock();
        if again || !this.ends.is_empty() || table.unwritten {
            drop(table);
            cx.waker().wake_by_ref();
        } else {
            table.driver = Some(cx.waker().clone());
            if more_to_read || more_to_write {
                drop(table);
                go_on_later(cx);
            }
        }
        Poll::Pending
    }
}
