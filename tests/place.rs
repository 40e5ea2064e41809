//! The Workers of `rpc-tests-workers` in a process of their own: `tests/it/everywhere.rs` starts it, and talks to it over
//! a Unix socket. It ends with its parent, whose end of stdin goes away.

use std::{
    env, fs,
    future::poll_fn,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{self, ExitCode},
    task::Poll,
    thread,
    time::Duration,
};

use rpc_runtime::{Result, Server, SessionOptions, transport::Address};
use rpc_tests_workers::{Ledger as _, Place, Tallied as _, Work as _};

const USAGE: &str =
    "rpc-tests-place serve SOCKET [RECORD] | shop old|new SOCKET | storm SOCKET CALLS | idle SESSIONS";

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    thread::spawn(|| {
        // Nothing is ever written there.
        let _ = std::io::stdin().read(&mut [0]);
        process::exit(3);
    });
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve", socket] => serve(socket, None).await,
        ["serve", socket, record] => serve(socket, Some(Path::new(record))).await,
        ["shop", "old", socket] => {
            let shop = rpc_tests_skew_old::ShopClient::new(rpc_tests_skew_old::Shelf);
            run(SessionOptions::new().serve(shop), socket).await
        }
        ["shop", "new", socket] => {
            let shop = rpc_tests_skew_new::ShopClient::new(rpc_tests_skew_new::Shelf);
            run(SessionOptions::new().serve(shop), socket).await
        }
        ["storm", socket, calls] => storm(socket, number(calls)).await,
        ["idle", sessions] => idle(number(sessions)).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("expected a number, got {text:?}: {USAGE}"))
}

fn address(socket: &str) -> Result<Address> {
    Address::unix(PathBuf::from(socket)).map_err(rpc_runtime::Error::application)
}

/// Says `ready` when it listens, and serves until SIGTERM.
async fn serve(socket: &str, record: Option<&Path>) -> Result<()> {
    run(Place::new(record).options(), socket).await
}

async fn run(options: SessionOptions, socket: &str) -> Result<()> {
    let server = Server::with(options).drain(Duration::from_secs(5));
    let server = server.listen(&address(socket)?).await.map_err(rpc_runtime::Error::application)?;
    say("ready");
    server.run().await.map_err(rpc_runtime::Error::application)
}

/// Starts so many calls and drops them. Says by how many KiB this process and the one that serves have grown, how many
/// handlers have begun, how many calls have failed before they were dropped, and the first answer to a call after all that.
async fn storm(socket: &str, calls: u64) -> Result<()> {
    let place = Place::at(&address(socket)?);
    // Tables and allocators have their size before anything is measured: the callee's, with an arena for each thread, after
    // some hundred sessions.
    some_calls(&place, 4 * BATCH + calls / 4).await;
    let served = settled(&place).await?;
    let before = (resident(process::id()), resident(served));
    let refused = some_calls(&place, calls).await;
    settled(&place).await?;
    let after = (resident(process::id()), resident(served));
    let entered = place.tally.count("storm.entered").await?;
    let answer = place.ledger.add("storm.after").await?;
    let (caller, callee) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    say(&format!("{caller} {callee} {entered} {refused} {answer}"));
    Ok(())
}

/// How many calls of a storm are started before they are dropped.
const BATCH: u64 = 500;

/// Every other batch is dropped before it can have been sent, the others after.
async fn some_calls(place: &Place, calls: u64) -> u64 {
    let mut refused = 0;
    for first in (0..calls).step_by(BATCH as usize) {
        let batch = first..calls.min(first + BATCH);
        let mut batch: Vec<_> = batch.map(|_| Some(Box::pin(place.work.wait("storm")))).collect();
        let mut poll_all = async || {
            poll_fn(|cx| {
                for place in &mut batch {
                    let Some(call) = place else { continue };
                    if let Poll::Ready(ended) = call.as_mut().poll(cx) {
                        let error = ended.expect_err("it waits for ever");
                        assert!(error.is_unavailable() || error.is_disconnected(), "{error}");
                        refused += 1;
                        *place = None;
                    }
                }
                Poll::Ready(())
            })
            .await;
        };
        poll_all().await;
        if first / BATCH % 2 == 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            poll_all().await;
        }
    }
    refused
}

/// Waits until every handler that has begun was dropped; gives the process that serves. It asks over a session of its own:
/// those of the storm are closed by the other end again and again, to whom so many cancelled calls are an attack.
async fn settled(place: &Place) -> Result<u32> {
    for _ in 0..500 {
        // Longer than anything takes that is still on its way.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let entered = place.tally.count("storm.entered").await?;
        if entered == place.tally.count("storm.dropped").await? {
            return place.tally.process().await;
        }
    }
    panic!("handlers of dropped calls go on");
}

/// Says how many bytes a session takes that has been used and rests, both ends together.
async fn idle(sessions: u64) -> Result<()> {
    let place = Place::new(None);
    let mut held = Vec::new();
    let mut make = async |count: u64| {
        for _ in 0..count {
            let (here, there) = tokio::net::UnixStream::pair().map_err(rpc_runtime::Error::application)?;
            let there = place.options().start(there)?;
            let here = SessionOptions::new().start(here)?;
            Place::over(&here).ledger.add("idle").await?;
            held.push((here, there));
        }
        Ok::<(), rpc_runtime::Error>(())
    };
    // What the first ones allocate for all of them does not count.
    make(50).await?;
    let before = resident(process::id());
    make(sessions).await?;
    // They give back what they need for calls alone.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = resident(process::id()).saturating_sub(before);
    say(&format!("{}", grown * 1024 / sessions));
    Ok(())
}

/// The memory of a process, in KiB.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_else(|_| panic!("no memory of {process} in {status:?}"))
}

fn say(line: &str) {
    println!("{line}");
    // Whoever reads it waits for it; if nobody does, nobody minds.
    let _ = std::io::stdout().flush();
}
