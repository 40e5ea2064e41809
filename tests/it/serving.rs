//! A server and its addresses.

use std::{io, pin::pin, time::Duration};

use ::tracing::Level;
use rpc_runtime::{Result, Server, service, transport::Address};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{recorder::Recorder, transport::folder::Folder};

#[service]
trait Calc {
    async fn add(&self, a: u64, b: u64) -> Result<u64>;
}

struct Calculator;

impl Calc for Calculator {
    async fn add(&self, a: u64, b: u64) -> Result<u64> {
        Ok(a + b)
    }
}

/// Much longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server, until it is told to stop.
struct Running {
    addresses: Vec<Address>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn serve(addresses: &[Address], sessions_max: usize) -> Running {
    let mut server = Server::new(CalcClient::new(Calculator)).sessions(sessions_max);
    for address in addresses {
        server = server.listen(address).await.unwrap();
    }
    let addresses = server.addresses().cloned().collect();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    Running { addresses, stop, serving }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.serving).await.expect("it ends in time").unwrap();
    }
}

/// A call over a connection of its own.
async fn call(address: &Address) -> Result<u64> {
    timeout(PATIENCE, CalcClient::at(address.clone()).add(20, 22)).await.expect("it is answered")
}

fn any_port() -> Address {
    "tcp:127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn many_connections_to_one_of_two_addresses_need_none_to_the_other() {
    let folder = Folder::new();
    let unix = |name: &str| Address::unix(folder.join(name)).unwrap();
    let pairs = [
        [unix("a.sock"), any_port()],
        [any_port(), unix("a.sock")],
        [unix("a.sock"), unix("b.sock")],
        [any_port(), any_port()],
    ];
    for pair in pairs {
        for busy in [0, 1] {
            let server = serve(&pair, 100).await;
            for _ in 0..20 {
                assert_eq!(call(&server.addresses[busy]).await.unwrap(), 42, "{pair:?}");
            }
            assert_eq!(call(&server.addresses[1 - busy]).await.unwrap(), 42, "{pair:?}");
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn who_connects_at_a_busy_address_keeps_nobody_from_another() {
    let server = serve(&[any_port(), any_port()], 1000).await;
    let [busy, quiet] = &*server.addresses else { panic!("there are two") };
    let flood: Vec<_> = (0..4)
        .map(|_| {
            let busy = busy.clone();
            tokio::spawn(async move {
                loop {
                    call(&busy).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(call(quiet).await.unwrap(), 42);
    }
    for caller in flood {
        caller.abort();
    }
    server.stop().await;
}

#[tokio::test]
async fn whoever_waits_at_any_of_the_addresses_when_the_server_stops_learns_that_nothing_ran() {
    let server = serve(&[any_port(), any_port()], 1).await;
    let first = CalcClient::at(server.addresses[0].clone());
    first.add(1, 2).await.unwrap();
    let waiting: Vec<_> = (0..6)
        .map(|number| {
            let calc = CalcClient::at(server.addresses[number % 2].clone());
            tokio::spawn(async move { calc.add(1, 2).await })
        })
        .collect();
    sleep(Duration::from_millis(200)).await;
    assert!(waiting.iter().all(|call| !call.is_finished()), "there is room for one session");
    server.stop().await;
    for call in waiting {
        let error = timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_listens_nowhere_says_so() {
    let error = Server::new(CalcClient::new(Calculator)).run().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let expected =
        "the server listens nowhere, so nobody can call it: say `.listen(&address).await?` before it runs";
    assert_eq!(error.to_string(), expected);

    let (recorder, _guard) = Recorder::listen();
    let mut serving =
        pin!(Server::new(CalcClient::new(Calculator)).run_until(sleep(Duration::from_millis(50))));
    timeout(PATIENCE, &mut serving).await.expect("it ends when it is to stop");
    assert_eq!(recorder.messages(Level::WARN), [expected]);
}
