//! A network that drops what is sent, in one direction or in both, and tells nobody (D3).

use std::{future::pending, sync::Arc};

use rpc_runtime::Error;
use rpc_tests_workers::{Tallied as _, Values as _, Work as _};
use tokio::{
    io::{DuplexStream, duplex},
    sync::Notify,
    time::Instant,
};

use super::*;
use crate::proxy::{Faults, Proxy};

/// Both ends of a session, and the Workers that are served at the one.
struct Ends {
    served: Place,
    place: Place,
    here: Session,
    there: Session,
}

fn through(to_right: Faults, to_left: Faults) -> Ends {
    let ((client, left), (right, server)) = (duplex(64 << 10), duplex(64 << 10));
    Proxy::new(left, right).rightwards(to_right).leftwards(to_left).spawn();
    over(client, server)
}

fn over(client: DuplexStream, server: DuplexStream) -> Ends {
    let served = Place::new(None);
    let there = served.options().start(server).unwrap();
    let here = SessionOptions::new().start(client).unwrap();
    Ends { served, place: Place::over(&here), here, there }
}

/// Three pings of 10 s, after 10 s of silence; and what the other end then still has to be told.
const NOTICED: Duration = Duration::from_secs(41);

/// Calls without deadlines, of which the first waits and the others are answered until nothing passes any more, which
/// `falls_silent` may bring about. Gives what the last one was told.
async fn call_until_silence(ends: &Ends, falls_silent: impl Fn()) -> Error {
    let Ends { served, place, here, there } = ends;
    let waiting = tokio::spawn({
        let work = place.work.clone();
        async move { work.wait("it").await }
    });
    let (mut answered, mut silent_since) = (0, Instant::now());
    let error = loop {
        match timeout(3 * NOTICED, place.values.text("twenty bytes of text")).await.expect("it hangs") {
            Ok(_) => (answered, silent_since) = (answered + 1, Instant::now()),
            Err(error) => break error,
        }
        if answered == 10 {
            falls_silent();
        }
    };
    assert!(answered > 3, "{answered}");
    let took = silent_since.elapsed();
    assert!((NOTICED / 2..NOTICED).contains(&took), "{took:?}");
    let lost = waiting.await.unwrap().unwrap_err();
    assert!(lost.is_disconnected(), "its handler has begun: {lost}");
    let late = place.values.nothing().await.unwrap_err();
    assert!(late.is_unavailable(), "nothing is sent any more: {late}");
    // The other end notices as well, and its handler is gone.
    let noticed = timeout(NOTICED, served.tally.until("it.dropped", 1)).await;
    noticed.expect("the handler of a lost call goes on").unwrap();
    assert!(here.is_over());
    while !there.is_over() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    error
}

#[tokio::test(start_paused = true)]
async fn a_network_that_drops_all_both_ways_ends_every_call_in_time() {
    let ((client, mut left), (mut right, server)) = (duplex(64 << 10), duplex(64 << 10));
    let silence = Arc::new(Notify::new());
    tokio::spawn({
        let silence = Arc::clone(&silence);
        async move {
            tokio::select! {
                carried = tokio::io::copy_bidirectional(&mut left, &mut right) => drop(carried),
                () = silence.notified() => pending().await,
            }
        }
    });
    let error = call_until_silence(&over(client, server), || silence.notify_one()).await;
    assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("the peer left 3 pings unanswered"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_drops_requests_ends_every_call_in_time() {
    let ends = through(Faults::default().stall_after(1500), Faults::default());
    let error = call_until_silence(&ends, || {}).await;
    // The other end has said which calls it took.
    assert!(error.is_unavailable(), "{error}");
    assert!(error.to_string().contains("the peer left 3 pings unanswered"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_drops_answers_ends_every_call_in_time() {
    let ends = through(Faults::default(), Faults::default().stall_after(500));
    let error = call_until_silence(&ends, || {}).await;
    assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_does_not_go_on_is_given_up() {
    let stalls = Faults::default().stall_after(300_000);
    let run = vec![0; 1 << 20];
    let start = Instant::now();
    let ends = through(stalls, Faults::default());
    let error = ends.place.values.length(&run).await.unwrap_err();
    assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("the rest of the arguments did not arrive"), "{error}");
    let ends = through(Faults::default(), stalls);
    let error = ends.place.values.zeros(1 << 20).await.unwrap_err();
    assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("the reply made no progress"), "{error}");
    // Each is seen after ten seconds, or up to one later.
    let took = start.elapsed();
    assert!((Duration::from_secs(20)..=Duration::from_secs(23)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_network_is_no_silent_one() {
    let slow = Faults::default().delay(Duration::from_millis(1500));
    let ends = through(slow, slow);
    for _ in 0..20 {
        assert_eq!(ends.place.values.text("a").await.unwrap(), "a");
        tokio::time::sleep(Duration::from_secs(25)).await;
    }
    ends.place.work.sleep(120_000).await.unwrap();
    assert!(!ends.here.is_over() && !ends.there.is_over());
}
