//! A callee that dies, stands still, or goes in order, and callers that come and go.

use std::{
    collections::HashSet,
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use futures_util::future::join_all;
use rpc_runtime::{CallOptions, Error};
use rpc_tests_workers::{Ledger as _, Values as _, Work as _};
use rustix::process::Signal;

use super::{
    child::{Serving, place},
    *,
};

/// How often something is tried that depends on the moment; more on demand, for a night.
fn rounds(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What callers were told, by what they may make of it.
#[derive(Debug, Default)]
struct Told {
    answered: u64,
    unavailable: u64,
    disconnected: u64,
    /// Of those the ones that had run.
    disconnected_after_effect: u64,
}

/// Calls until a call fails, from eight callers, and compares what they were told with what was written to the record.
async fn call_until_it_fails(serving: &Serving, goes: impl Future<Output = ()>) -> Told {
    const CALLERS: u64 = 8;
    let place = Place::at(&serving.address());
    let number = AtomicU64::new(0);
    let call = async || {
        let mut ended = Vec::new();
        loop {
            let number = number.fetch_add(1, Ordering::Relaxed);
            let answer = timeout(PATIENCE, place.ledger.write(number)).await.expect("a call hangs");
            let is_over = answer.is_err();
            ended.push((number, answer));
            if is_over {
                return ended;
            }
        }
    };
    let (ended, ()) = tokio::join!(join_all((0..CALLERS).map(|_| call())), goes);
    let record = std::fs::read(serving.record()).unwrap();
    let (written, rest) = record.as_chunks::<8>();
    assert!(rest.is_empty(), "a number was written in part");
    let effects: HashSet<_> = written.iter().map(|number| u64::from_le_bytes(*number)).collect();
    assert_eq!(effects.len(), written.len(), "a call ran twice");
    let mut told = Told::default();
    for (number, answer) in ended.into_iter().flatten() {
        let ran = effects.contains(&number);
        match answer {
            Ok(()) => {
                assert!(ran, "call {number} was answered, and has left no effect");
                told.answered += 1;
            }
            Err(error) if error.is_unavailable() => {
                assert!(!ran, "call {number} has run: {error}");
                assert!(error.is_retryable());
                told.unavailable += 1;
            }
            Err(error) => {
                assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
                told.disconnected += 1;
                told.disconnected_after_effect += u64::from(ran);
            }
        }
    }
    told
}

impl Told {
    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.unavailable += other.unavailable;
        self.disconnected += other.disconnected;
        self.disconnected_after_effect += other.disconnected_after_effect;
    }
}

#[test]
fn a_killed_callee_leaves_no_doubt_where_there_is_none() {
    let rounds = rounds("RPC_TESTS_KILLS", 200);
    let next = AtomicU64::new(0);
    let start = Instant::now();
    let mut all = Told::default();
    thread::scope(|scope| {
        let work = || {
            let mut told = Told::default();
            loop {
                let round = next.fetch_add(1, Ordering::Relaxed);
                if round >= rounds {
                    return told;
                }
                let serving = Serving::start_with_record();
                // From before the first connection to the middle of much work.
                let wait = Duration::from_micros(round * 997 % 15_000);
                told.add(&block_on(call_until_it_fails(&serving, async {
                    tokio::time::sleep(wait).await;
                    serving.signal(Signal::KILL);
                })));
            }
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            all.add(&thread.join().unwrap());
        }
    });
    println!("{rounds} kills in {:?}: {all:?}", start.elapsed());
    assert!(all.answered > 0 && all.unavailable > 0 && all.disconnected > 0, "{all:?}");
}

#[test]
fn a_callee_that_ends_in_order_loses_no_call() {
    let mut all = Told::default();
    for round in 0..rounds("RPC_TESTS_TERMS", 10) {
        let mut serving = Serving::start_with_record();
        let place = Place::at(&serving.address());
        let told = block_on(async {
            place.values.nothing().await.unwrap();
            let running = place.work.sleep(150);
            let told = call_until_it_fails(&serving, async {
                tokio::time::sleep(Duration::from_millis(20 + 3 * round)).await;
                serving.signal(Signal::TERM);
            });
            let (running, told) = tokio::join!(running, told);
            running.expect("a call that runs may end");
            told
        });
        assert_eq!(told.disconnected, 0, "{told:?}");
        all.add(&told);
        let start = Instant::now();
        let status = serving.ended(Duration::from_secs(31)).expect("it does not end");
        assert!(status.success(), "{status}");
        assert!(start.elapsed() < Duration::from_secs(4), "nothing was left to wait for");
    }
    println!("{all:?}");
    assert!(all.answered > 0 && all.unavailable > 0, "{all:?}");
}

#[tokio::test]
async fn a_second_signal_ends_what_still_runs() {
    let mut serving = Serving::start();
    let place = Place::at(&serving.address());
    let ended = async {
        until(&place.tally, "it.entered", 1).await;
        serving.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(serving.ended(Duration::from_millis(100)).is_none(), "a call runs");
        serving.signal(Signal::TERM);
        serving.ended(Duration::from_secs(3)).expect("it ends at once")
    };
    let (error, status) = tokio::join!(place.work.wait("it"), ended);
    let error = error.unwrap_err();
    assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_callee_that_stands_still_costs_its_callers_their_deadline_and_nobody_else_anything() {
    let (still, other) = (Serving::start(), Serving::start());
    let (still_place, other_place) = (Place::at(&still.address()), Place::at(&other.address()));
    still_place.values.nothing().await.unwrap();
    still.signal(Signal::STOP);
    let start = Instant::now();
    let within = CallOptions::new().deadline(Duration::from_millis(200));
    // More than the socket takes.
    let long = vec![0; 4 << 20];
    let values = still_place.values.with(within.clone());
    let (one, long, also) = tokio::join!(values.nothing(), values.length(&long), async {
        for _ in 0..20 {
            other_place.values.text("a").await.unwrap();
        }
    });
    let ((), errors) = (also, [one.unwrap_err(), long.map(drop).unwrap_err()]);
    for error in errors {
        assert!(error.is_deadline(), "{error}");
    }
    // One who had no connection before.
    let error = Place::at(&still.address()).values.with(within).nothing().await.unwrap_err();
    assert!(error.is_deadline() || error.is_unavailable(), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    still.signal(Signal::CONT);
    still_place.values.nothing().await.unwrap();
}

#[tokio::test]
async fn an_aborted_callee_is_told_from_one_that_panics() {
    let serving = Serving::start();
    let place = Place::at(&serving.address());
    place.values.nothing().await.unwrap();
    let waiting = place.work.wait("it");
    let killed = async {
        until(&place.tally, "it.entered", 1).await;
        serving.signal(Signal::ABORT);
    };
    let (error, ()) = tokio::join!(waiting, killed);
    let error = error.unwrap_err();
    assert!(error.is_disconnected() && !error.is_retryable() && !error.is_panic(), "{error}");
}

/// A callee that is started again and again under load: no call is lost, and none of those that may not runs twice.
#[test]
fn callers_find_a_callee_that_is_started_again() {
    let mut serving = Serving::start_with_record();
    let place = Place::at(&serving.address());
    let is_over = Arc::new(AtomicBool::new(false));
    let caller = thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            block_on(async {
                let mut answered = 0_u64;
                let mut failed = Vec::<Error>::new();
                while !is_over.load(Ordering::Relaxed) {
                    match timeout(PATIENCE, place.values.again("a")).await.expect("a call hangs") {
                        Ok(_) => answered += 1,
                        Err(error) => {
                            failed.push(error);
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
                place.values.again("a").await.unwrap();
                (answered, failed)
            })
        }
    });
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(30));
        serving = serving.killed_and_started();
    }
    thread::sleep(Duration::from_millis(1500));
    is_over.store(true, Ordering::Relaxed);
    let (answered, failed) = caller.join().unwrap();
    assert!(answered > 10, "{answered}");
    for error in failed {
        assert!(error.is_retryable(), "{error}");
    }
    drop(serving);
}

#[test]
fn a_storm_of_cancelled_calls_leaves_nothing_behind() {
    let serving = Serving::start();
    let calls = rounds("RPC_TESTS_STORM", 20_000);
    let start = Instant::now();
    let said = say(&["storm", serving.socket().to_str().unwrap(), &calls.to_string()]);
    let numbers: Vec<u64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [caller_kib, callee_kib, entered, refused, after] = numbers[..] else { panic!("got {said:?}") };
    println!(
        "{calls} calls dropped in {:?}, {entered} handlers began, {refused} calls refused: \
         {caller_kib} KiB more at the caller, {callee_kib} KiB at the callee",
        start.elapsed(),
    );
    assert_eq!(after, 1, "it serves");
    assert!(entered > calls / 10, "the storm did not get there");
    assert!(caller_kib <= 8 << 10 && callee_kib <= 8 << 10);
}

#[test]
fn a_session_that_rests_takes_little() {
    let said = say(&["idle", "1000"]);
    let bytes: u64 = said.trim().parse().unwrap();
    println!("{bytes} bytes for the two ends of a session that rests");
    assert!(bytes <= 2 * (20 << 10), "{bytes} bytes");
}

/// What the program says, if it ends well.
fn say(arguments: &[&str]) -> String {
    let mut child = place().args(arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let (mut said, mut complaints) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert!(child.wait().unwrap().success(), "{complaints}");
    said
}
