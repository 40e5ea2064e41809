//! A server that is told to stop while a call runs that does not end.

use rpc_runtime::{Error, Server, transport::Address};
use rpc_tests_workers::{Values as _, Work as _};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use super::*;

struct Running {
    served: Place,
    address: Address,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// With this time to drain, or the usual one.
async fn running(drain: Option<Duration>) -> Running {
    let served = Place::new(None);
    let server = Server::with(served.options());
    let server = if let Some(drain) = drain { server.drain(drain) } else { server };
    let server = server.listen(&"tcp:127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.addresses().next().unwrap().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    Running { served, address, stop, serving }
}

fn is_told_why(error: &Error) {
    assert!(error.is_disconnected() && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("the time to drain is over"), "{error}");
}

#[tokio::test]
async fn a_drain_past_its_time_cancels_what_runs_and_its_callers_are_told_why() {
    let Running { served, address, stop, serving } = running(Some(Duration::from_millis(300))).await;
    let place = Place::at(&address);
    place.values.nothing().await.unwrap();
    let (work, other) = (place.work.clone(), place.work.clone());
    let waiting = tokio::spawn(async move { work.wait("it").await });
    let spawned = tokio::spawn({
        let work = other.clone();
        async move { work.wait_spawned("spawned").await }
    });
    let in_time = tokio::spawn(async move { other.sleep(100).await });
    until(&served.tally, "it.entered", 1).await;
    until(&served.tally, "spawned.entered", 1).await;
    let start = Instant::now();
    drop(stop);
    timeout(PATIENCE, serving).await.expect("it ends in time").unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    in_time.await.unwrap().expect("it ended before");
    is_told_why(&waiting.await.unwrap().unwrap_err());
    is_told_why(&spawned.await.unwrap().unwrap_err());
    until(&served.tally, "it.dropped", 1).await;
    until(&served.tally, "spawned.dropped", 1).await;
    let error = place.values.nothing().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn running_calls_have_thirty_seconds() {
    let Running { served, address, stop, serving } = running(None).await;
    let place = Place::at(&address);
    let (work, other) = (place.work.clone(), place.work.clone());
    let waiting = tokio::spawn(async move { work.wait("it").await });
    let in_time = tokio::spawn(async move { other.sleep(29_000).await });
    while served.tally.count("it.entered").await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    drop(stop);
    serving.await.unwrap();
    let took = start.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&took), "{took:?}");
    in_time.await.unwrap().expect("it ended before");
    is_told_why(&waiting.await.unwrap().unwrap_err());
}

#[tokio::test]
async fn a_caller_that_listens_no_more_holds_up_no_drain() {
    let Running { served, address, stop, serving } = running(Some(Duration::from_millis(50))).await;
    let Some(port) = address.to_string().rsplit(':').next().map(str::to_owned) else { panic!("{address}") };
    // It has said nothing, and will not.
    let silent = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let place = Place::at(&address);
    place.values.nothing().await.unwrap();
    drop(stop);
    timeout(PATIENCE, serving).await.expect("it ends in time").unwrap();
    drop((silent, served));
}
