//! Waiting for a session.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant as StdInstant},
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
    time::Instant,
};

use super::{Attempt, BACKOFF, Dialer, FORGOTTEN, Failure, Line, Wait};
use crate::{clock, error::Kind, session::reply::Why};

fn dialer() -> Dialer {
    Dialer::new("unix:/nowhere/nobody.sock".parse().expect("it is an address"))
}

/// The last attempt failed, and the next one is far away.
fn down(dialer: &Dialer) {
    let line = failed_until(Instant::now() + Duration::from_secs(60));
    dialer.lines().insert(Handle::current().id(), line);
}

fn failed_until(until: Instant) -> Line {
    let why = Failure::unavailable("it is away".to_owned(), false);
    Line::Down { wait: Wait { until, backoff: BACKOFF, generation: 0 }, why }
}

/// What came of waiting for a session until then, and how often that was looked at.
async fn waited(dialer: &Dialer, until: StdInstant) -> (Kind, u32) {
    let mut polls = 0;
    let mut line = pin!(dialer.line(Some(until)));
    let outcome = poll_fn(|cx| {
        polls += 1;
        assert!(polls < 10, "it spins");
        line.as_mut().poll(cx)
    });
    match outcome.await {
        Err(failed) if !failed.ran => match failed.why {
            Why::Here(kind) => (kind, polls),
            Why::There(error) => panic!("nobody is there: {error}"),
        },
        _ => panic!("there is no session"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_past_its_deadline_looks_once() {
    let dialer = dialer();
    let (kind, polls) = waited(&dialer, clock::now()).await;
    assert_eq!((kind, polls), (Kind::Deadline(None), 1));
    assert!(dialer.lines().is_empty(), "nobody is called for it");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_passes_while_it_waits_for_the_next_attempt_does_not_spin() {
    let dialer = dialer();
    down(&dialer);
    let start = clock::now();
    let (kind, polls) = waited(&dialer, start + Duration::from_micros(20_500)).await;
    assert_eq!(kind, Kind::DeadlineBefore(None, "it was still trying to connect: it is away".into()));
    assert!(polls <= 3, "{polls}");
    let took = clock::now() - start;
    assert!((Duration::from_micros(20_500)..Duration::from_millis(40)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_waits_for_no_further_attempt() {
    let dialer = dialer();
    down(&dialer);
    let mut line = pin!(dialer.line(None));
    let outcome = poll_fn(|cx| Poll::Ready(line.as_mut().poll(cx))).await;
    let Poll::Ready(Err(failed)) = outcome else { panic!("it waits") };
    assert!(matches!(failed.why, Why::Here(Kind::Unavailable(why)) if why == "it is away"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_for_runtimes_that_are_gone() {
    let dialer = dialer();
    let (tell, attempt) = watch::channel(Attempt::Going);
    drop(tell);
    let long_ago = Instant::now();
    tokio::time::advance(FORGOTTEN).await;
    let now = Instant::now();
    let lines = [Line::Connecting(attempt), failed_until(long_ago), failed_until(now)];
    let ids = lines.map(|line| {
        let runtime = Builder::new_current_thread().build().expect("it can be made");
        let id = runtime.handle().id();
        runtime.shutdown_background();
        dialer.lines().insert(id, line);
        id
    });
    let Err(failed) = dialer.line(None).await else { panic!("nobody is there") };
    assert!(!failed.ran);
    let lines = dialer.lines();
    assert_eq!(ids.map(|id| lines.contains_key(&id)), [false, false, true]);
    assert!(lines.contains_key(&Handle::current().id()));
}
