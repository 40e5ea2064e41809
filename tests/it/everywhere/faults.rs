//! A stream that is cut, sliced, stalled or changed on its way: every call ends, in time, with an error that is true.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::future::join_all;
use rpc_runtime::{CallOptions, Error};
use rpc_tests_workers::{Failing as _, Ledger as _, Refusal, Values as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, duplex},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::proxy::{Faults, Proxy, Side};

/// What came of a conversation.
#[derive(Debug, Default)]
struct Told {
    answered: u64,
    errors: Vec<Error>,
    /// Of the calls that have an effect: how many were made, were answered, are said not to have run, and have run.
    with_effect: u64,
    answered_with_effect: u64,
    unavailable: u64,
    effects: u64,
}

impl Told {
    fn hear<T>(&mut self, answer: Result<T, Error>, has_effect: bool) -> Option<T> {
        self.with_effect += u64::from(has_effect);
        match answer {
            Ok(value) => {
                self.answered += 1;
                self.answered_with_effect += u64::from(has_effect);
                Some(value)
            }
            Err(error) => {
                self.unavailable += u64::from(has_effect && error.is_unavailable());
                self.errors.push(error);
                None
            }
        }
    }
}

/// How long a call of a conversation may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Some calls, one after the other and at once.
async fn converse(place: &Place) -> Told {
    let options = CallOptions::new().deadline(DEADLINE);
    let (ledger, values) = (place.ledger.with(options.clone()), place.values.with(options.clone()));
    let failing = place.failing.with(options);
    let mut told = Told::default();
    told.hear(ledger.add("a").await, true);
    let added = join_all((0..4).map(|_| ledger.add("b"))).await;
    for answer in added {
        told.hear(answer, true);
    }
    let long = "x".repeat(200);
    let text = told.hear(values.text(&long).await, false);
    assert!(text.is_none_or(|text| text.len() <= 250));
    match failing.own(7).await {
        Err(Refusal::Rpc(error)) => drop(told.hear(Err::<(), _>(error), false)),
        own => {
            assert!(own.is_err());
            told.answered += 1;
        }
    }
    told
}

const CALLS: u64 = 7;

/// A conversation over a stream with these faults. What each call was told must agree with what has happened.
async fn over<S: Side>(
    client: (S, S),
    server: (S, S),
    to_right: Faults,
    to_left: Faults,
    may_be: fn(&Error) -> bool,
) -> Told {
    let served = Place::new(None);
    let ((client, left), (right, server)) = (client, server);
    let proxy = Proxy::new(left, right).rightwards(to_right).leftwards(to_left).spawn();
    let there = served.options().start(server).unwrap();
    let here = SessionOptions::new().start(client).unwrap();
    let told = timeout(10 * DEADLINE, converse(&Place::over(&here))).await;
    let mut told = told.unwrap_or_else(|_| panic!("a call hangs: {to_right:?} {to_left:?}"));
    here.close();
    // What is still on its way arrives, and may have its effect.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    told.effects = served.ledger.effects().await.unwrap();
    assert!(
        told.effects <= told.with_effect - told.unavailable,
        "to {to_right:?}, back {to_left:?}: {told:?}"
    );
    for error in &told.errors {
        assert!(may_be(error), "{error}, to {to_right:?}, back {to_left:?}");
    }
    proxy.abort();
    there.close();
    told
}

async fn in_memory(to_right: Faults, to_left: Faults) -> Told {
    over(duplex(64 << 10), duplex(64 << 10), to_right, to_left, is_of_a_stream).await
}

/// The errors of a stream that ends too early, or that does not go on.
fn is_of_a_stream(error: &Error) -> bool {
    error.is_disconnected() || error.is_unavailable() || error.is_deadline()
}

/// In each direction, with a fault at every byte until one that the conversation does not reach.
async fn at_every_byte(fault: impl Fn(u64) -> Faults) -> [Vec<Told>; 2] {
    let none = Faults::default();
    let mut both = [Vec::new(), Vec::new()];
    for (back, all) in both.iter_mut().enumerate() {
        for byte in 0.. {
            let (to_right, to_left) = if back == 1 { (none, fault(byte)) } else { (fault(byte), none) };
            let told = in_memory(to_right, to_left).await;
            if told.answered == CALLS {
                assert!(byte > 100, "{byte} bytes are no conversation");
                break;
            }
            all.push(told);
        }
    }
    both
}

fn errors(both: &[Vec<Told>; 2]) -> impl Iterator<Item = &Error> {
    both.iter().flatten().flat_map(|told| &told.errors)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_at_any_byte_ends_every_call() {
    let both = at_every_byte(|bytes| Faults::default().cut_after(bytes)).await;
    assert!(errors(&both).any(Error::is_unavailable) && errors(&both).any(Error::is_disconnected));
    assert!(errors(&both).all(|error| !error.is_deadline()), "an end is seen at once");
}

#[tokio::test(start_paused = true)]
async fn a_direction_that_ends_at_any_byte_ends_every_call() {
    let both = at_every_byte(|bytes| Faults::default().half_close_after(bytes)).await;
    assert!(errors(&both).all(|error| !error.is_deadline()), "an end is seen at once");
    // The byte that lets one more call have its effect is the last of a frame. An end within a frame is a fault, and ends
    // the session there and then; an end behind one leaves the way back open.
    let [there, _] = &both;
    let more = there.windows(2).filter(|told| told[1].effects > told[0].effects);
    let effects: Vec<_> = more
        .map(|told| {
            assert_eq!(told[1].answered_with_effect, told[1].effects, "{:?}", told[1]);
            told[1].effects
        })
        .collect();
    assert_eq!(effects, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stalls_at_any_byte_costs_no_more_than_the_deadline() {
    let both = at_every_byte(|bytes| Faults::default().stall_after(bytes)).await;
    assert!(errors(&both).any(Error::is_deadline));
}

/// Nothing tells that a byte was changed; what can be read is believed. But no call hangs, nothing panics, and no call
/// that has run is said not to have.
#[tokio::test(start_paused = true)]
async fn a_byte_that_is_changed_makes_no_call_hang() {
    for byte in 0..600 {
        let flip = Faults::default().flip(byte);
        let none = Faults::default();
        for (to_right, to_left) in [(flip, none), (none, flip)] {
            let told =
                over(duplex(64 << 10), duplex(64 << 10), to_right, to_left, |error| !error.is_panic()).await;
            assert!(byte > 0 || told.answered == 0, "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_in_slices_of_one_byte_is_the_same_stream() {
    let one = Faults::default().slice(1);
    for (to_right, to_left) in [(one, Faults::default()), (Faults::default(), one), (one, one)] {
        let told = in_memory(to_right, to_left).await;
        assert_eq!(told.answered, CALLS, "{told:?}");
    }
}

#[tokio::test]
async fn long_values_pass_in_slices() {
    let served = Place::new(None);
    let ((client, left), (right, server)) = (duplex(64 << 10), duplex(64 << 10));
    let slices = Faults::default().slice(97);
    Proxy::new(left, right).rightwards(slices).leftwards(slices).spawn();
    let _there = served.options().start(server).unwrap();
    let here = SessionOptions::new().start(client).unwrap();
    let run: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let values = Place::over(&here).values;
    let (one, other) = tokio::join!(values.vector(run.clone()), values.run(&run));
    assert!(one.unwrap() == run && other.unwrap() == run);
}

/// A stream that takes nothing and gives nothing.
struct Blocked;

impl AsyncRead for Blocked {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Blocked {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A stream whose other end takes all until it leaves, between a read and a write; what it said before can be read then.
struct Leaving {
    leaves: Arc<AtomicBool>,
    has_left: bool,
    last_words: io::Cursor<Vec<u8>>,
}

impl AsyncRead for Leaving {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_left {
            return Pin::new(&mut self.last_words).poll_read(cx, buffer);
        }
        Poll::Pending
    }
}

impl AsyncWrite for Leaving {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_left = self.leaves.load(Ordering::Relaxed);
        Poll::Ready(if self.has_left { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn the_last_words_of_a_peer_are_heard_by_who_cannot_write_any_more() {
    // A host that takes no calls, and says so.
    let (there, mut peer) = duplex(64 << 10);
    let (session, driving) = Place::new(None).options().over(there);
    session.drain();
    tokio::spawn(driving);
    let mut said = Vec::new();
    while timeout(Duration::from_millis(50), peer.read_buf(&mut said))
        .await
        .is_ok_and(|read| read.unwrap() > 0)
    {}

    let leaves = Arc::new(AtomicBool::new(false));
    let stream = Leaving { leaves: Arc::clone(&leaves), has_left: false, last_words: io::Cursor::new(said) };
    let place = Place::over(&SessionOptions::new().start(stream).unwrap());
    let written = tokio::spawn({
        let ledger = place.ledger.clone();
        async move { ledger.add("it").await }
    });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    leaves.store(true, Ordering::Relaxed);
    let error = place.values.nothing().await.unwrap_err();
    assert!(error.is_unavailable(), "never written: {error}");
    let error = written.await.unwrap().unwrap_err();
    assert!(error.is_unavailable(), "never taken: {error}");
}

#[tokio::test]
async fn a_session_that_can_write_no_more_lets_go_of_its_stream() {
    let (session, driving) = SessionOptions::new().over(Blocked);
    timeout(PATIENCE, driving).await.expect("it is over, whatever there was to write");
    assert!(session.is_over());
}

#[tokio::test]
async fn a_reset_ends_every_call() {
    for byte in (0..400).step_by(19) {
        let reset = Faults::default().reset_after(byte);
        over(tcp().await, tcp().await, reset, Faults::default(), is_of_a_stream).await;
        over(tcp().await, tcp().await, Faults::default(), reset, is_of_a_stream).await;
    }
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (connected, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}
