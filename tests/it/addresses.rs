//! What a client of an address says when nobody can be reached there.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::date_time_ymd;
use rpc_runtime::{
    CallOptions, Client as _, Error, Result, Server, Session, SessionOptions, service,
    transport::{self, Address, Listener, Tls},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    net::TcpListener,
    runtime::Builder,
    time::timeout,
};

use crate::transport::certificates::{Authority, SERVER};

#[service]
trait Calc {
    async fn add(&self, a: u64, b: u64) -> Result<u64>;
    #[rpc(idempotent)]
    async fn sum(&self, a: u64, b: u64) -> Result<u64>;
}

/// Much longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// What a call to an address fails with.
async fn failed(address: &Address) -> Error {
    timeout(PATIENCE, CalcClient::at(address.clone()).add(1, 2)).await.expect("it ends").unwrap_err()
}

fn within(deadline: Duration) -> CallOptions {
    CallOptions::new().deadline(deadline)
}

/// Serves TLS, for as long as the address is wanted.
async fn trusted(tls: Tls) -> Address {
    let mut listener = Listener::bind(&Address::tls("127.0.0.1:0", tls).unwrap()).await.unwrap();
    let address = listener.local_address().clone();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_said_to_be_the_reason() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = trusted(ours.good_server().build().unwrap()).await;
    let expired = ours.issue("expired", SERVER, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let expired = trusted(expired.on_server(Tls::server()).authority(ours.path()).build().unwrap()).await;
    let rows = [
        ("another authority", &server, theirs.good_client(), "BadSignature"),
        ("another name", &server, ours.good_client().server_name("other.internal"), "not valid for name"),
        ("expired", &expired, ours.good_client(), "expired"),
    ];
    for (row, address, client, reason) in rows {
        let address = address.clone().with_tls(client.build().unwrap());
        let error = failed(&address).await;
        assert!(error.is_denied() && !error.is_retryable(), "{row}: {error}");
        let expected =
            format!("denied: cannot connect to {address}: the certificate of the server is not trusted");
        assert!(error.to_string().starts_with(&expected), "{row}: {error}");
        let source = error.source().expect("it says why").to_string();
        assert!(source.contains(reason), "{row}: {source}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_said_to_be_the_reason() {
    let authority = Authority::new();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = plain.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let address = Address::tls(&at, authority.good_client().build().unwrap()).unwrap();
    let error = failed(&address).await;
    assert!(error.is_denied(), "{error}");
    assert!(error.to_string().contains("what answers there does not speak TLS"), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn an_address_that_can_never_be_called_is_no_reason_to_try_again() {
    let error = failed(&address("tls:127.0.0.1:1")).await;
    assert!(!error.is_unavailable() && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("the address has no certificates"), "{error}");
}

#[tokio::test]
async fn a_name_that_nobody_has_is_named_with_its_source() {
    let error = failed(&address("tcp:nosuch.invalid:1")).await;
    assert!(error.is_unavailable(), "{error}");
    let expected = "cannot connect to tcp:nosuch.invalid:1: the name nosuch.invalid cannot be resolved";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_deadline_that_passes_while_it_connects_says_what_it_waited_for() {
    // One that ends each connection at once.
    let hasty = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = hasty.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            drop(hasty.accept().await);
        }
    });
    let hasty = Address::tls(&at, Authority::new().good_client().build().unwrap()).unwrap();
    let calc = CalcClient::at(hasty.clone()).with(within(Duration::from_millis(1500)));
    let error = timeout(PATIENCE, calc.add(1, 2)).await.unwrap().unwrap_err();
    assert!(error.is_deadline() && !error.is_retryable(), "{error}");
    let expected = format!(
        "the deadline of 1.5s passed; it was still trying to connect: cannot connect to {hasty}: the connection ended in \
         the TLS handshake; nothing was sent"
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.source().is_some());

    // One that accepts no connection: its queue is full.
    let folder = crate::transport::folder::Folder::new();
    let path = folder.join("full.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let full = Address::unix(&path).unwrap();
    let _first = transport::connect(&full).await.unwrap();
    let calc = CalcClient::at(full.clone()).with(within(Duration::from_millis(300)));
    for error in [calc.add(1, 2).await.unwrap_err(), calc.sum(1, 2).await.unwrap_err()] {
        let expected =
            format!("the deadline of 300ms passed; it was still connecting to {full}; nothing was sent");
        assert!(error.is_deadline() && error.to_string().starts_with(&expected), "{error}");
    }
}

/// Runs in a tokio runtime that lacks something.
fn without(alter: impl FnOnce(&mut Builder) -> &mut Builder, work: impl Future<Output = ()>) {
    alter(&mut Builder::new_current_thread()).build().unwrap().block_on(work);
}

#[test]
fn a_runtime_without_io_is_said_to_be_the_reason() {
    let folder = crate::transport::folder::Folder::new();
    let unix = Address::unix(folder.join("a.sock")).unwrap();
    without(Builder::enable_time, async {
        for address in [address("tcp:127.0.0.1:1"), unix.clone()] {
            let expected = "the tokio runtime has no I/O: build it with `enable_io` or `enable_all`";
            let error = failed(&address).await;
            assert!(!error.is_unavailable() && !error.is_retryable(), "{error}");
            let said = format!("cannot connect to {address}: {expected}");
            assert!(error.to_string().starts_with(&said), "{error}");
            let error = Server::new(CalcClient::new(Never)).listen(&address).await.unwrap_err();
            assert!(error.is_invalid());
            assert_eq!(error.to_string(), format!("cannot listen at {address}: {expected}"));
        }
    });
}

#[test]
fn a_server_without_a_runtime_or_its_timers_says_so() {
    let address = address("tcp:127.0.0.1:0");
    let listen = || Server::new(CalcClient::new(Never)).listen(&address);
    without(Builder::enable_io, async {
        let error = listen().await.unwrap_err();
        assert!(
            error.is_invalid() && error.to_string().contains("the tokio runtime has no timer"),
            "{error}"
        );
    });
    let error = crate::block_on(listen()).unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("there is no tokio runtime here"), "{error}");
    let error = crate::block_on(transport::connect(&address)).unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("there is no tokio runtime here"), "{error}");
}

struct Never;

impl Calc for Never {
    async fn add(&self, _: u64, _: u64) -> Result<u64> {
        std::future::pending().await
    }
    async fn sum(&self, _: u64, _: u64) -> Result<u64> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn every_call_after_a_refused_handshake_says_why() {
    let expected = "the peer does not speak this protocol";
    let (here, mut there) = duplex(4096);
    there.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
    let session: Session = SessionOptions::new().start(here).unwrap();
    let calc: CalcClient = session.client();
    for number in 0..3 {
        let error = timeout(PATIENCE, calc.add(1, 2)).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        // The first may be on its way already when the other end speaks.
        assert!(error.is_unavailable() || (number == 0 && error.is_disconnected()), "{error}");
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = address(&format!("tcp:{}", listener.local_addr().unwrap()));
    let accepted = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let accepted = Arc::clone(&accepted);
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
                tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
            }
        }
    });
    let calc = CalcClient::at(at);
    for _ in 0..20 {
        let error = timeout(PATIENCE, calc.add(1, 2)).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(accepted.load(Ordering::Relaxed) > 0);
}
