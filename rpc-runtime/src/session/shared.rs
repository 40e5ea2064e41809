//! What the clients of a session and its driver share.
//!
//! One lock, held for the length of a table operation, or of a read or write of the stream by the driver: arguments are
//! encoded and answers decoded outside of it, and whoever is to be woken is woken after it.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    mem,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use tokio::task::coop;

use super::{
    contracts::{Known, known},
    outgoing::{Outgoing, Place, Waiting},
    reply::{Failed, refused},
    stream::{Work, Writing},
};
use crate::{
    clock,
    codec::Encoded,
    error::{Error, Kind},
    proto::{
        Call, CallKey, Closing, Core, Ended, Event, Inflow, Open, Opened, Payload, Props, Room, Slot,
        StreamId,
    },
    raw::PooledFuture,
    service::{MethodInfo, ServiceInfo},
};

/// One end of a session.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Whether idempotent methods are called twice: see [`SessionOptions::repeating`](super::SessionOptions).
    pub(super) repeats: bool,
    /// Where methods differ from those of the other end, as far as was asked: by service and method.
    pub(super) differences: Mutex<HashMap<(&'static str, &'static str), Arc<str>>>,
}

/// A right to call over a session. With the last one, a session that serves nothing ends: nobody could use it any more.
#[derive(Clone)]
pub(crate) struct Access(Arc<LastOne>);

struct LastOne(Arc<Shared>);

pub(super) struct State {
    pub(super) core: Core,
    /// What the protocol has said that is the driver's business.
    pub(super) events: VecDeque<Event>,
    /// Where calls wait for their end. A place is free when the end was taken, the protocol's key of the call already
    /// when the end is there: so the two are not the same number.
    places: Vec<Place>,
    free: Vec<u32>,
    /// The place of a call, by the index of its key.
    place_of: Vec<u32>,
    /// The time when the driver last looked.
    pub(super) now: Instant,
    /// Whether a call with a deadline came since: what is left of it must not be told by an older time.
    pub(super) is_late: bool,
    /// The services that were opened, by name. Few services are opened at more than one entrypoint, or with props.
    opened: HashMap<&'static str, Vec<Binding>>,
    /// Whether something was said that the driver has not tried to write.
    pub(super) unwritten: bool,
    /// Whom to wake when there is. Empty while the driver runs, which looks at `unwritten` before it rests.
    pub(super) driver: Option<Waker>,
    /// The services that were opened, by the index of their slots.
    services: Vec<OpenedService>,
    /// Whether the other end has spoken.
    pub(super) greeted: bool,
    pub(super) over: Option<Over>,
    /// Whether the other end has said that it goes away.
    pub(super) leaving: bool,
    /// Whether there is a timer to end calls with whose time is over.
    pub(super) keeps_time: bool,
    /// Who waits for one of the two.
    pub(super) watchers: Vec<Waker>,
    /// Whether the last [`Access`] is gone.
    pub(super) unused: bool,
    /// Who waits for more of a stream, or for room in one.
    streams: HashMap<StreamId, Waker>,
    /// Why there will be no more of any.
    lost: Option<Arc<str>>,
    /// Streams that the driver has not begun to send.
    pub(super) works: Vec<Work>,
}

/// Why a session has ended.
#[derive(Clone)]
pub(super) struct Over {
    pub(super) why: String,
    /// Whether one of the two ends meant it.
    pub(super) in_order: bool,
}

/// What a service was opened with.
struct Binding {
    entrypoint: Box<str>,
    props: Option<Arc<Props>>,
    slot: Slot,
}

/// A service that was opened.
struct OpenedService {
    info: &'static ServiceInfo,
    known: Arc<Known>,
    agreement: Agreement,
}

/// What the two ends know of each other's version of a service.
enum Agreement {
    /// Nothing yet: each call carries the fingerprint of its method.
    Asked,
    Same,
    /// The fingerprints at the other end, by method.
    Different(HashMap<u64, [u8; 16]>),
    Absent,
}

impl Shared {
    pub(super) fn new(core: Core, now: Instant, repeats: bool) -> Arc<Self> {
        let state = State {
            core,
            events: VecDeque::new(),
            places: Vec::new(),
            free: Vec::new(),
            place_of: Vec::new(),
            now,
            is_late: false,
            opened: HashMap::new(),
            unwritten: false,
            driver: None,
            services: Vec::new(),
            greeted: false,
            over: None,
            leaving: false,
            keeps_time: true,
            watchers: Vec::new(),
            unused: false,
            streams: HashMap::new(),
            lost: None,
            works: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), repeats, differences: Mutex::default() })
    }

    /// A panic under the lock is a mistake of ours, and nobody knows what it left half done: it ends the session.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            self.state.clear_poison();
            let mut state = poisoned.into_inner();
            state.core.lost("a mistake in the session itself");
            state
        })
    }

    /// The slot of a service at an entrypoint, empty for the default one, with these props: opened by the first call,
    /// which follows in the same write.
    pub(super) fn open(
        &self,
        service: &'static ServiceInfo,
        entrypoint: &str,
        props: Option<&Arc<Props>>,
    ) -> Result<Slot, Failed> {
        if let Some(slot) = self.lock().slot(service, entrypoint, props) {
            return Ok(slot);
        }
        let known = known(service);
        let digest = known.digest.to_bytes();
        let mut state = self.lock();
        if let Some(slot) = state.slot(service, entrypoint, props) {
            return Ok(slot);
        }
        let open = Open { service: service.name, entrypoint, digest, props: props.map(|props| &**props) };
        let slot = state.core.open(open).map_err(|why| refused(&why, state.core.why_closed()))?;
        let binding = Binding { entrypoint: entrypoint.into(), props: props.cloned(), slot };
        state.opened.entry(service.name).or_default().push(binding);
        debug_assert_eq!(slot.index(), state.services.len(), "slots are given one after the other");
        state.services.push(OpenedService { info: service, known, agreement: Agreement::Asked });
        Ok(slot)
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }

    /// Whether a new call has a chance: a session that the other end drains goes on with the calls it has, and another
    /// one is made for the next.
    #[cfg(feature = "net")]
    pub(super) fn takes_calls(&self) -> bool {
        let state = self.lock();
        state.over.is_none() && !state.leaving
    }

    /// Whether the other end has never spoken, and why the session is over.
    #[cfg(feature = "net")]
    pub(super) fn failed_to_begin(&self) -> Option<String> {
        let state = self.lock();
        let over = state.over.as_ref().filter(|_| !state.core.is_greeted())?;
        Some(over.why.clone())
    }

    /// Ready when the other end has spoken.
    pub(super) fn poll_greeted(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        if state.greeted {
            return Poll::Ready(Ok(()));
        }
        if let Some(over) = &state.over {
            return Poll::Ready(Err(Error::new(Kind::Unavailable(over.why.clone().into()))));
        }
        if !state.watchers.iter().any(|watcher| watcher.will_wake(cx.waker())) {
            state.watchers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until the other end has spoken, and says whether it takes streams.
    pub(super) async fn greeted(&self) -> Result<bool, Failed> {
        let greeted = poll_fn(|cx| self.poll_greeted(cx)).await;
        greeted.map_err(|error| Failed::before(error.kind().clone()))?;
        Ok(self.takes_streams())
    }

    /// Nobody moves the session any more.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        let mut woken = Vec::new();
        state.core.lost("the session was dropped");
        state.sort_events(&mut woken);
        state.events.clear();
        if state.over.is_none() {
            state.over = Some(Over { why: "the session was dropped".to_owned(), in_order: false });
        }
        woken.append(&mut state.watchers);
        let works = mem::take(&mut state.works);
        drop(state);
        // They may hold streams of this session.
        drop(works);
        for waker in woken {
            waker.wake();
        }
    }

    /// Hands a call to the protocol and wakes the driver to write it.
    ///
    /// `waker` is that of the caller if it is being polled, which then need not ask again before it is woken.
    pub(super) fn call(
        self: &Arc<Self>,
        slot: Slot,
        outgoing: Outgoing,
        waker: Option<&Waker>,
    ) -> Result<Waiting, Failed> {
        let metadata: Vec<_> =
            outgoing.metadata.iter().map(|(entry, further)| (&*entry.key, &*entry.value, *further)).collect();
        self.change(|state| {
            let stream = match &outgoing.upload {
                Some(upload) => Some(upload.announced(state.core.takes_streams())?),
                None => None,
            };
            let call = Call {
                slot,
                method: outgoing.method.id.get(),
                fingerprint: state.agreed(slot, outgoing.method)?,
                left: outgoing.left.into(),
                deadline: outgoing.deadline,
                metadata: &metadata,
                trace: None,
                payload: payload(outgoing.payload),
                stream,
            };
            let (service, method) = (state.services[slot.index()].info, outgoing.method);
            // Not a reading of the clock: what is left of a deadline is looked at when the call is written.
            let now = state.now;
            state.is_late |= outgoing.deadline.is_some();
            let key = state.core.call(call, now).map_err(|why| refused(&why, state.core.why_closed()))?;
            if let Some(upload) = &outgoing.upload
                && let Some(body) = upload.take()
                && let Some(id) = state.core.upload_of(key)
            {
                let to = Writing::new(Arc::clone(self), id);
                state.works.push(PooledFuture::new(coop::unconstrained(body.pour(to))));
            }
            let place = state.add_place(key, waker);
            Ok(Waiting::new(Arc::clone(self), key, place, state.keeps_time, service, method))
        })
    }

    /// The end of a call, if it is there; else `waker` is woken when it is.
    pub(super) fn take_end(&self, place: u32, waker: &Waker) -> Option<Ended> {
        let mut state = self.lock();
        if let Place::Waits(waiting) = &mut state.places[place as usize] {
            match waiting {
                Some(waiting) => waiting.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
            return None;
        }
        let Place::Ended(ended) = state.leave(place) else {
            unreachable!("a call that is waited for has a place until its end is taken")
        };
        Some(ended)
    }

    pub(super) fn cancel(&self, key: CallKey, place: u32) {
        let left = self.change(|state| {
            let mut left = state.leave(place);
            match &mut left {
                Place::Waits(_) => state.core.cancel(key),
                Place::Ended(Ended::Reply { arrived, .. }) => state.core.stop_arrived(arrived.take()),
                Place::Ended(_) | Place::Empty => {}
            }
            left
        });
        // Not under the lock: a waker may own the very task that drops this call, and with it others of the session.
        drop(left);
    }

    /// Takes or gives up keys and places, and has the driver write what comes of it.
    ///
    /// The protocol gives the key of a call that has ended to the next one. Other threads make and drop calls between the
    /// driver's reading of an end and its looking for who waits: so that is done first, else an end would find its way to
    /// the place of another call.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut woken = Vec::new();
        let mut state = self.lock();
        state.sort_events(&mut woken);
        let changed = change(&mut state);
        let driver = state.begin_write();
        drop(state);
        for waker in woken.into_iter().chain(driver) {
            waker.wake();
        }
        changed
    }

    /// What there is of a stream that comes in; if there is nothing, `waker` is woken when there is.
    pub(super) fn read_stream(&self, id: StreamId, waker: &Waker) -> Inflow {
        let mut state = self.lock();
        let inflow = state.core.stream_read(id);
        let (replaced, driver) = match inflow {
            Inflow::Nothing => (state.wait_for_stream(id, waker), None),
            Inflow::Data(_) => (None, state.begin_write()),
            // The end of a session may have waited for this.
            Inflow::End(_) | Inflow::Aborted(_) | Inflow::Lost => {
                (state.streams.remove(&id), state.begin_write())
            }
        };
        drop(state);
        drop(replaced);
        if let Some(driver) = driver {
            driver.wake();
        }
        inflow
    }

    /// How much a stream takes that goes out; `waker` is woken when that changes from nothing to something, or when
    /// nobody reads it any more.
    pub(super) fn stream_room(&self, id: StreamId, waker: &Waker) -> Room {
        let mut state = self.lock();
        let room = state.core.stream_room(id);
        let replaced = match room {
            Room::Gone => state.streams.remove(&id),
            Room::Bytes(_) | Room::None => state.wait_for_stream(id, waker),
        };
        drop(state);
        drop(replaced);
        room
    }

    /// Writes to a stream, and has the driver send it.
    pub(super) fn write_stream(&self, id: StreamId, data: Bytes) {
        self.change(|state| state.core.stream_write(id, data));
    }

    /// The last thing that is done with a stream: nobody waits for it any more.
    pub(super) fn leave_stream(&self, id: StreamId, change: impl FnOnce(&mut Core)) {
        let _waiting = self.change(|state| {
            change(&mut state.core);
            state.streams.remove(&id)
        });
    }

    /// Whether the other end takes streams; it has said something already.
    pub(super) fn takes_streams(&self) -> bool {
        self.lock().core.takes_streams() == Some(true)
    }

    /// Why streams have no more.
    pub(super) fn why_lost(&self) -> String {
        self.lock().lost.as_deref().unwrap_or("the session has ended").to_owned()
    }

    /// Has the driver look at the session.
    pub(super) fn wake(&self) {
        let driver = self.lock().begin_write();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    pub(super) fn close(&self, why: Closing) {
        self.lock().core.close(why, clock::now());
        self.wake();
    }
}

impl Access {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(LastOne(shared)))
    }
}

impl Deref for Access {
    type Target = Arc<Shared>;

    fn deref(&self) -> &Arc<Shared> {
        &self.0.0
    }
}

impl Drop for LastOne {
    fn drop(&mut self) {
        self.0.lock().unused = true;
        self.0.wake();
    }
}

impl State {
    fn slot(
        &self,
        service: &'static ServiceInfo,
        entrypoint: &str,
        props: Option<&Arc<Props>>,
    ) -> Option<Slot> {
        let mut opened = self.opened.get(service.name)?.iter();
        let is_it = |known: &&Binding| *known.entrypoint == *entrypoint && known.props.as_ref() == props;
        opened.find(is_it).map(|known| known.slot)
    }

    /// Hands the ends of calls to who waits for them, who is to be woken then, and keeps what else has happened for the
    /// driver.
    pub(super) fn sort_events(&mut self, woken: &mut Vec<Waker>) {
        while let Some(mut event) = self.core.event() {
            self.hand_out(&mut event, woken);
            self.events.push_back(event);
        }
    }

    /// Does what an event asks of the tables, and leaves the rest of it to the driver.
    pub(super) fn hand_out(&mut self, event: &mut Event, woken: &mut Vec<Waker>) {
        match event {
            // What is left in its place is not looked at again.
            Event::Ended { key, ended } => {
                let ended = mem::replace(ended, Ended::Deadline);
                woken.extend(self.end(*key, ended));
            }
            Event::Opened { slot, opened } => {
                let opened = mem::replace(opened, Opened::Absent);
                self.opened(*slot, opened);
            }
            Event::GoAway { why } => {
                tracing::debug!(target: "rpc_runtime", why, "the other end goes away");
                self.leaving = true;
            }
            Event::Stream { id } => woken.extend(self.streams.remove(id)),
            Event::Closed(closed) => {
                self.lost = Some(Arc::clone(closed.why()));
                woken.extend(self.streams.drain().map(|(_, waker)| waker));
            }
            _ => {}
        }
    }

    /// Gives the waker that waited before, which is not to be dropped under the lock.
    fn wait_for_stream(&mut self, id: StreamId, waker: &Waker) -> Option<Waker> {
        match self.streams.get(&id) {
            Some(waiting) if waiting.will_wake(waker) => None,
            _ => self.streams.insert(id, waker.clone()),
        }
    }

    /// What a call carries to prove that both ends mean the same method: nothing where it is known.
    fn agreed(&self, slot: Slot, method: &'static MethodInfo) -> Result<Option<[u8; 16]>, Failed> {
        let OpenedService { known, agreement, .. } = &self.services[slot.index()];
        let own = || known.methods.get(&method.id.get()).map(|own| own.to_bytes());
        match agreement {
            Agreement::Same => Ok(None),
            Agreement::Asked | Agreement::Absent => Ok(own()),
            Agreement::Different(there) => match there.get(&method.id.get()) {
                Some(there) if Some(*there) == own() => Ok(Some(*there)),
                Some(_) => {
                    let what =
                        format!("`{}/{}` has another shape at the other end", method.service, method.name);
                    Err(Failed::before(Kind::Contract(what.into())))
                }
                None => {
                    let what = format!("the other end has no method `{}/{}`", method.service, method.name);
                    Err(Failed::before(Kind::NotFound(what.into())))
                }
            },
        }
    }

    /// The other end has answered to the opening of a service.
    pub(super) fn opened(&mut self, slot: Slot, opened: Opened) {
        if let Some(OpenedService { agreement, .. }) = self.services.get_mut(slot.index()) {
            *agreement = match opened {
                Opened::Same => Agreement::Same,
                Opened::Different { methods } => Agreement::Different(methods.into_iter().collect()),
                Opened::Absent => Agreement::Absent,
            };
        }
    }

    /// There is something to write. Gives whom to wake for it, once the lock is gone.
    fn begin_write(&mut self) -> Option<Waker> {
        self.unwritten = true;
        self.driver.take()
    }

    fn add_place(&mut self, key: CallKey, waker: Option<&Waker>) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::Empty);
            u32::try_from(self.places.len() - 1).expect("the protocol lets fewer calls in")
        });
        self.places[place as usize] = Place::Waits(waker.cloned());
        if self.place_of.len() <= key.index() {
            self.place_of.resize(key.index() + 1, 0);
        }
        self.place_of[key.index()] = place;
        place
    }

    /// Takes what is in a place, which is free then.
    fn leave(&mut self, place: u32) -> Place {
        let left = mem::take(&mut self.places[place as usize]);
        self.free.push(place);
        left
    }

    /// A call has ended: whoever waits for it is to be woken.
    ///
    /// The bytes of its answer count as taken here, not when the caller polls: one that holds some calls while it waits
    /// for another (`buffer_unordered` with a call in the body of its loop) would wait for ever, because answers come in
    /// their order and those that nobody takes would have all of the credit.
    pub(super) fn end(&mut self, key: CallKey, ended: Ended) -> Option<Waker> {
        if let Ended::Reply { payload, .. } = &ended {
            self.core.taken(payload.len() as u64);
        }
        let place = &mut self.places[self.place_of[key.index()] as usize];
        let waker = if let Place::Waits(waker) = place { waker.take() } else { None };
        *place = Place::Ended(ended);
        waker
    }
}

/// A value as the protocol writes it: long runs lie where they lay.
pub(super) fn payload(encoded: Encoded) -> Payload {
    let (bytes, runs) = encoded.into_parts();
    match runs {
        None => bytes.into(),
        Some(runs) => Payload::spliced(bytes, runs),
    }
}
