//! HTTP/2 on the same socket: the same checks, and the floods of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use rpc_runtime::Body;
use rpc_runtime::edge::EdgeOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::server::{PATIENCE, Server, failed, hasty, pause};

struct Connection {
    client: SendRequest<Bytes>,
    ended: JoinHandle<Result<(), h2::Error>>,
}

async fn connect(server: &Server) -> Connection {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    Connection { client: client.ready().await.unwrap(), ended: tokio::spawn(connection) }
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

async fn text(mut body: RecvStream) -> String {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        bytes.extend_from_slice(&data.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

impl Connection {
    async fn send(&mut self, request: Request<()>) -> Response<RecvStream> {
        let (response, _) = self.client.send_request(request, true).unwrap();
        timeout(PATIENCE, response).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn requests_are_served_beside_each_other() {
    let (server, _) = Server::counting(EdgeOptions::default()).await;
    let mut connection = connect(&server).await;
    let (first, mut upload) =
        connection.client.send_request(Request::post("http://a/1").body(()).unwrap(), false).unwrap();
    let second = connection.send(get("http://a/2")).await;
    assert_eq!(text(second.into_body()).await, "/2 0");
    upload.send_data(Bytes::from("abc"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("content-length", "99".parse().unwrap());
    upload.send_trailers(trailers).unwrap();
    assert_eq!(text(first.await.unwrap().into_body()).await, "/1 3");
}

#[tokio::test]
async fn hosts_are_checked_and_the_connection_goes_on() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let mut connection = connect(&server).await;
    let disagreeing = Request::get("http://evil/").header("host", "good").body(()).unwrap();
    let response = connection.send(disagreeing).await;
    assert_eq!(response.status(), 400);
    assert!(response.headers().get("connection").is_none());
    assert_eq!(handled.load(Ordering::Relaxed), 0);
    assert_eq!(connection.send(get("http://a/")).await.status(), 200);
}

#[tokio::test]
async fn a_list_of_headers_that_is_too_long_is_refused() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let mut connection = connect(&server).await;
    // Each is small enough for one frame; together they are 80 KiB.
    let mut large = Request::get("http://a/");
    for index in 0..20 {
        large = large.header(format!("x-{index}"), "y".repeat(4096));
    }
    let (response, _) = connection.client.send_request(large.body(()).unwrap(), true).unwrap();
    match response.await {
        Ok(response) => assert_eq!(response.status(), 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
    assert_eq!(handled.load(Ordering::Relaxed), 0);
    server.assert_serves().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_with_408_and_others_go_on() {
    let (server, _) = Server::counting(hasty()).await;
    let mut connection = connect(&server).await;
    let (stalled, _upload) =
        connection.client.send_request(Request::post("http://a/1").body(()).unwrap(), false).unwrap();
    assert_eq!(connection.send(get("http://a/2")).await.status(), 200);
    assert_eq!(timeout(PATIENCE, stalled).await.unwrap().unwrap().status(), 408);
    assert_eq!(connection.send(get("http://a/3")).await.status(), 200);
}

#[tokio::test]
async fn a_panic_ends_its_own_stream() {
    let server = Server::start(EdgeOptions::default(), async |request: Request<Body>| {
        assert_ne!(request.uri().path(), "/panic", "s3cret");
        Response::new(Body::from("fine"))
    })
    .await;
    let mut connection = connect(&server).await;
    let response = connection.send(get("http://a/panic")).await;
    assert_eq!(response.status(), 500);
    let reference = response.headers()["x-error-reference"].to_str().unwrap().to_owned();
    let body = text(response.into_body()).await;
    assert!(body.contains(&reference) && !body.contains("s3cret"), "{body}");
    assert_eq!(connection.send(get("http://a/")).await.status(), 200);
}

#[tokio::test]
async fn streams_are_limited_and_a_reset_cancels_the_handler() {
    struct Counts(Arc<AtomicUsize>);
    impl Counts {
        fn new(running: &Arc<AtomicUsize>) -> Self {
            running.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(running))
        }
    }
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let running = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&running);
    let mut options = EdgeOptions::default();
    options.streams_max = 3;
    let server = Server::start(options, move |_: Request<Body>| {
        let counts = Counts::new(&counter);
        async move {
            let _counts = counts;
            std::future::pending().await
        }
    })
    .await;
    let mut connection = connect(&server).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(connection.client.send_request(get("http://a/"), true).unwrap());
        connection.client = connection.client.ready().await.unwrap();
    }
    pause().await;
    assert_eq!(connection.client.current_max_send_streams(), 3);
    assert_eq!(running.load(Ordering::SeqCst), 3);
    streams[0].1.send_reset(Reason::CANCEL);
    let start = Instant::now();
    while running.load(Ordering::SeqCst) != 2 {
        assert!(start.elapsed() < PATIENCE);
        pause().await;
    }
    // A connection that goes away takes the rest with it.
    connection.ended.abort();
    drop((streams, connection.client));
    while running.load(Ordering::SeqCst) != 0 {
        assert!(start.elapsed() < PATIENCE);
        pause().await;
    }
}

/// `length u24, kind, flags, stream u32, payload` (RFC 9113, 4.1)
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The frames in some bytes, as kind and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        frames.push((bytes[3], bytes[9..9 + length].to_vec()));
        bytes = &bytes[9 + length..];
    }
    frames
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM_AND_HEADERS: u8 = 5;
const END_STREAM: u8 = 1;
/// GET, http, /, and `a` as the authority (RFC 7541, appendix A).
const GET_A: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

/// Sends a flood behind the preface and gives the reason that the server goes away with.
async fn flood(server: &Server, flood: Vec<u8>) -> u32 {
    let mut client = server.connect().await;
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.write(frame(SETTINGS, 0, 0, &[])).await;
    let (mut read, mut write) = client.stream.into_split();
    let writing = tokio::spawn(async move {
        let _ = write.write_all(&flood).await;
        write
    });
    let mut bytes = Vec::new();
    // The server closes while the flood goes on, which may reset the connection.
    let _ = timeout(PATIENCE, read.read_to_end(&mut bytes)).await.unwrap();
    writing.abort();
    let gone = frames(&bytes).into_iter().rev().find(|(kind, _)| *kind == GOAWAY).unwrap();
    u32::from_be_bytes(gone.1[4..8].try_into().unwrap())
}

const ENHANCE_YOUR_CALM: u32 = 11;

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let resets = (0..10_000).flat_map(|index| {
        let stream = 2 * index + 1;
        let cancel = u32::from(Reason::CANCEL).to_be_bytes();
        [frame(HEADERS, END_STREAM_AND_HEADERS, stream, GET_A), frame(RST_STREAM, 0, stream, &cancel)]
    });
    assert_eq!(flood(&server, resets.flatten().collect()).await, ENHANCE_YOUR_CALM);
    assert!(handled.load(Ordering::Relaxed) < 1000);
    server.assert_serves().await;
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let begun = frame(HEADERS, END_STREAM, 1, GET_A);
    let field = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x0f][..], &[b'y'; 2048]].concat();
    let endless = std::iter::repeat_n(frame(CONTINUATION, 0, 1, &field), 10_000);
    let reason = flood(&server, std::iter::once(begun).chain(endless).flatten().collect()).await;
    assert_eq!(reason, ENHANCE_YOUR_CALM);
    assert_eq!(handled.load(Ordering::Relaxed), 0);
    server.assert_serves().await;
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go() {
    let (server, _) = Server::counting(hasty()).await;
    let mut connection = connect(&server).await;
    assert_eq!(connection.send(get("http://a/")).await.status(), 200);
    let start = Instant::now();
    let ended = timeout(PATIENCE, connection.ended).await.unwrap().unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    assert!((Duration::from_millis(890)..Duration::from_secs(5)).contains(&start.elapsed()));
}

#[tokio::test]
async fn a_connection_that_sends_nothing_after_the_preface_is_closed() {
    let (server, _) = Server::counting(hasty()).await;
    let mut client = server.connect().await;
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let start = Instant::now();
    let mut bytes = Vec::new();
    timeout(PATIENCE, client.stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn stopping_finishes_what_runs_and_takes_up_nothing_more() {
    let server = Server::start(EdgeOptions::default(), async |request: Request<Body>| {
        if request.uri().path() != "/slow" {
            return failed("nothing else was asked for");
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        Response::new(Body::from("done"))
    })
    .await;
    let mut connection = connect(&server).await;
    let (running, _) = connection.client.send_request(get("http://a/slow"), true).unwrap();
    pause().await;
    let start = Instant::now();
    let stopping = server.begin_stop();
    assert_eq!(text(running.await.unwrap().into_body()).await, "done");
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(connection.client.ready().await.is_err());
}
