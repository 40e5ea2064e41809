//! Accepting in a process that has no descriptor left (D7); in a process of its own, because it takes them all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "it/transport/certificates.rs"]
#[expect(dead_code, reason = "one certificate is enough here")]
mod certificates;
#[path = "it/transport/folder.rs"]
#[expect(dead_code, reason = "one folder is enough here")]
mod folder;
#[path = "it/recorder.rs"]
#[expect(dead_code, reason = "spans are not looked at here")]
mod recorder;

use std::{
    any::Any,
    fs::File,
    time::{Duration, Instant},
};

use ::tracing::Level;
use rpc_runtime::transport::{Address, Listener, Stream, Tls, connect};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use self::{certificates::Authority, folder::Folder, recorder::Recorder};

const DESCRIPTORS: u64 = 64;

/// How long there is no descriptor.
const STARVED: Duration = Duration::from_secs(2);

#[tokio::test]
async fn without_descriptors_accepting_neither_ends_nor_spins_and_recovers() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..getrlimit(Resource::Nofile) })
        .unwrap();
    let folder = Folder::new();
    let unix = Address::unix(folder.join("a.sock")).unwrap();
    starve(&unix, |address| address, open_unix).await;

    let tcp = Address::tcp("127.0.0.1:0").unwrap();
    starve(&tcp, |address| address, open_tcp).await;

    let authority = Authority::new();
    let files = authority.issue("both", &["127.0.0.1"], |_| {});
    let server = files.on_server(Tls::server()).authority(authority.path()).build().unwrap();
    let client = files.on_client(Tls::client()).authority(authority.path()).build().unwrap();
    let tls = Address::tls("127.0.0.1:0", server).unwrap();
    starve(&tls, |address| address.with_tls(client), open_tcp).await;
}

async fn open_unix(address: String) -> Box<dyn Any> {
    Box::new(UnixStream::connect(address.strip_prefix("unix:").unwrap()).await.unwrap())
}

async fn open_tcp(address: String) -> Box<dyn Any> {
    Box::new(TcpStream::connect(address.split_once(':').unwrap().1).await.unwrap())
}

/// `open` connects with one descriptor.
async fn starve(
    address: &Address,
    towards: impl FnOnce(Address) -> Address,
    open: impl AsyncFnOnce(String) -> Box<dyn Any>,
) {
    let (recorder, _guard) = Recorder::listen();
    let mut listener = Listener::bind(address).await.unwrap();
    let address = towards(listener.local_address().clone());
    let (stream, accepted) = tokio::join!(connect(&address), listener.accept());
    let (mut stream, mut accepted) = (stream.unwrap(), accepted.stream);

    let mut ballast = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        ballast.push(file);
    }
    assert!(!ballast.is_empty());
    // The last descriptor is that of a client, so that there is somebody to accept.
    ballast.pop();
    let _waiting = open(address.to_string()).await;
    File::open("/dev/null").unwrap_err();

    let before = processor_time();
    let start = Instant::now();
    while start.elapsed() < STARVED {
        // Often, as in a loop that does other things too: each time the future is dropped.
        let none = timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(none.is_err(), "{address}: {none:?}");
        exchange(&mut stream, &mut accepted).await;
    }
    let spent = processor_time() - before;
    assert!(spent < STARVED / 20, "{address}: {spent:?} of processor time in {STARVED:?}");
    assert_eq!(recorder.messages(Level::ERROR), ["cannot accept connections; trying again until it works"]);
    assert!(recorder.messages(Level::INFO).is_empty());

    drop(ballast);
    let start = Instant::now();
    let (connected, _) = tokio::join!(connect(&address), listener.accept());
    connected.unwrap();
    // The longest pause is 1 s; the rest is what a busy machine may add.
    assert!(start.elapsed() < Duration::from_millis(1500), "{address}: {:?}", start.elapsed());
    assert_eq!(recorder.messages(Level::ERROR).len(), 1);
    assert_eq!(recorder.messages(Level::INFO), ["connections are accepted again"]);
}

/// What existed before goes on.
async fn exchange(left: &mut Stream, right: &mut Stream) {
    left.write_all(b"x").await.unwrap();
    left.flush().await.unwrap();
    assert_eq!(right.read_u8().await.unwrap(), b'x');
    right.write_all(b"y").await.unwrap();
    right.flush().await.unwrap();
    assert_eq!(left.read_u8().await.unwrap(), b'y');
}

/// Of all threads of this process.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}
