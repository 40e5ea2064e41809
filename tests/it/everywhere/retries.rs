//! Calls that are made again, and by how much that multiplies them.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use rpc_runtime::{
    Result, Server, service,
    transport::{Address, Listener},
};
use tokio::sync::Notify;

use super::*;

#[service]
trait Hop {
    #[rpc(idempotent)]
    async fn run(&self) -> Result<u64>;
}

/// Calls the next one.
struct Relay {
    next: HopClient,
    runs: Arc<AtomicU64>,
}

impl Hop for Relay {
    async fn run(&self) -> Result<u64> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.next.run().await
    }
}

/// Loses its connection with every call.
struct Leaf {
    runs: Arc<AtomicU64>,
    gone: Arc<Notify>,
}

impl Hop for Leaf {
    async fn run(&self) -> Result<u64> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.gone.notify_one();
        pending().await
    }
}

fn anywhere() -> Address {
    "tcp:127.0.0.1:0".parse().unwrap()
}

async fn leaf(runs: &Arc<AtomicU64>) -> Address {
    let mut listener = Listener::bind(&anywhere()).await.unwrap();
    let address = listener.local_address().clone();
    let runs = Arc::clone(runs);
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.stream;
            let gone = Arc::new(Notify::new());
            let leaf = Leaf { runs: Arc::clone(&runs), gone: Arc::clone(&gone) };
            let (_session, driving) = SessionOptions::new().serve(HopClient::new(leaf)).over(stream);
            tokio::spawn(async move {
                tokio::select! {
                    () = driving => {}
                    () = gone.notified() => {}
                }
            });
        }
    });
    address
}

async fn relay(next: Address, runs: &Arc<AtomicU64>) -> Address {
    let relay = Relay { next: HopClient::at(next), runs: Arc::clone(runs) };
    let server = Server::new(HopClient::new(relay)).listen(&anywhere()).await.unwrap();
    let address = server.addresses().next().unwrap().clone();
    tokio::spawn(server.run_until(pending()));
    address
}

/// Without a budget each of three hops would make each call three times, which is 27 at the leaf.
#[tokio::test]
async fn a_leaf_that_fails_is_called_a_fifth_more_often_and_the_hops_before_it_not_at_all() {
    const CALLS: u64 = 300;
    let runs: [Arc<AtomicU64>; 3] = Default::default();
    let [first, second, last] = &runs;
    let leaf = leaf(last).await;
    let chain = HopClient::at(relay(relay(leaf, second).await, first).await);
    let start = Instant::now();
    for _ in 0..CALLS {
        let error = chain.run().await.unwrap_err();
        assert!(!error.is_retryable() && !error.is_unavailable(), "{error}");
        assert!(error.to_string().starts_with("disconnected: "), "{error}");
    }
    let runs = runs.map(|runs| runs.load(Ordering::Relaxed));
    assert_eq!([runs[0], runs[1]], [CALLS; 2], "their calls have run");
    // What is saved at first, a fifth, and ten a second.
    let seconds = start.elapsed().as_secs_f64();
    let most = 10.0 + 1.2 * CALLS as f64 + 10.0 * seconds;
    assert!(runs[2] as f64 <= most, "{} calls at the leaf in {seconds:.1} s, expected {most:.0}", runs[2]);
    assert!(runs[2] > CALLS, "some are made again");
}

#[tokio::test]
async fn a_call_that_is_made_again_in_vain_is_not_one_that_no_handler_has_seen() {
    let mut listener = Listener::bind(&anywhere()).await.unwrap();
    let client = HopClient::at(listener.local_address().clone());
    let runs = Arc::new(AtomicU64::new(0));
    let gone = Arc::new(Notify::new());
    let leaf = Leaf { runs: Arc::clone(&runs), gone: Arc::clone(&gone) };
    let serving = tokio::spawn(async move {
        let stream = listener.accept().await.stream;
        // Nobody else is accepted.
        drop(listener);
        let (_session, driving) = SessionOptions::new().serve(HopClient::new(leaf)).over(stream);
        tokio::select! {
            () = driving => {}
            () = gone.notified() => {}
        }
    });
    let error = client.run().await.unwrap_err();
    serving.await.unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert!(error.is_disconnected() && !error.is_unavailable() && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("; made again, it was not taken: cannot connect to"), "{error}");
}
