//! A connection that leaves HTTP, and the stream that takes its place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use rpc_runtime::edge::EdgeOptions;
use rpc_runtime::{Body, Upgraded};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::server::{Client, PATIENCE, Server, hasty};

const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n";

/// A server that grants every upgrade, and the Worker's ends of them.
async fn granting(options: EdgeOptions) -> (Server, mpsc::UnboundedReceiver<DuplexStream>) {
    let (sender, ends) = mpsc::unbounded_channel();
    let server = Server::start(options, move |_: Request<Body>| {
        let (here, there) = duplex(1024);
        sender.send(here).unwrap();
        std::future::ready(switch(there))
    })
    .await;
    (server, ends)
}

fn switch(there: DuplexStream) -> Response<Body> {
    let head = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "shout");
    Upgraded::new(there).answer(head.body(()).unwrap())
}

async fn upgraded(
    server: &Server,
    ends: &mut mpsc::UnboundedReceiver<DuplexStream>,
) -> (Client, DuplexStream) {
    let mut client = server.connect().await;
    client.write(HEAD).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, client.stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("upgrade: shout\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    (client, ends.recv().await.unwrap())
}

async fn expect(stream: &mut (impl tokio::io::AsyncRead + Unpin), text: &str) {
    let mut bytes = vec![0; text.len()];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes, text.as_bytes());
}

async fn expect_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 64])).await.unwrap().unwrap_or(0), 0);
}

#[tokio::test]
async fn bytes_pass_both_ways_beyond_the_times_of_http() {
    let (server, mut ends) = granting(hasty()).await;
    let (mut client, mut end) = upgraded(&server, &mut ends).await;
    for _ in 0..2 {
        client.write("bare\nlines\0").await;
        expect(&mut end, "bare\nlines\0").await;
        end.write_all(b"back").await.unwrap();
        expect(&mut client.stream, "back").await;
        sleep(Duration::from_millis(1200)).await;
    }
}

#[tokio::test]
async fn either_end_may_end_its_half_first() {
    let (server, mut ends) = granting(hasty()).await;
    let (mut client, mut end) = upgraded(&server, &mut ends).await;
    client.stream.shutdown().await.unwrap();
    expect_end(&mut end).await;
    end.write_all(b"still").await.unwrap();
    expect(&mut client.stream, "still").await;
    drop(end);
    expect_end(&mut client.stream).await;

    let (mut client, mut end) = upgraded(&server, &mut ends).await;
    end.shutdown().await.unwrap();
    expect_end(&mut client.stream).await;
    client.write("still").await;
    expect(&mut end, "still").await;
    // The client has the idle time of 900 ms for its own half.
    expect_end(&mut end).await;
}

#[tokio::test]
async fn a_connection_that_breaks_drops_the_stream() {
    let (server, mut ends) = granting(EdgeOptions::default()).await;
    let (client, mut end) = upgraded(&server, &mut ends).await;
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    expect_end(&mut end).await;
    assert!(end.write_all(b"nobody is there").await.is_err());
}

#[tokio::test]
async fn a_worker_that_gives_up_closes_the_connection() {
    let (server, mut ends) = granting(EdgeOptions::default()).await;
    let (mut client, end) = upgraded(&server, &mut ends).await;
    drop(end);
    expect_end(&mut client.stream).await;
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_the_other_end_back() {
    let (server, mut ends) = granting(EdgeOptions::default()).await;
    let (mut client, mut end) = upgraded(&server, &mut ends).await;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writing = tokio::spawn(async move {
        let length = 64 << 20;
        for _ in 0..length >> 10 {
            end.write_all(&[7; 1024]).await.unwrap();
            count.fetch_add(1024, Ordering::Relaxed);
        }
    });
    let mut before = usize::MAX;
    while before != written.load(Ordering::Relaxed) {
        before = written.load(Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(before < 32 << 20, "{before}");
    let mut bytes = Vec::new();
    client.stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.len(), 64 << 20);
    writing.await.unwrap();
}

#[tokio::test]
async fn when_the_server_stops_the_worker_hears_it_and_may_say_goodbye() {
    let (server, mut ends) = granting(EdgeOptions::default()).await;
    let (mut client, mut end) = upgraded(&server, &mut ends).await;
    let stopping = server.begin_stop();
    expect_end(&mut end).await;
    end.write_all(b"goodbye").await.unwrap();
    drop(end);
    expect(&mut client.stream, "goodbye").await;
    expect_end(&mut client.stream).await;
    drop(client);
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0, "nothing is cut");
}

#[tokio::test]
async fn what_does_not_end_by_itself_is_cut_at_the_end_of_the_drain() {
    let mut options = EdgeOptions::default();
    options.drain = Duration::from_millis(300);
    let (server, mut ends) = granting(options).await;
    let (mut client, mut end) = upgraded(&server, &mut ends).await;
    let stopping = server.begin_stop();
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 1);
    expect_end(&mut client.stream).await;
    assert!(end.write_all(b"nobody is there").await.is_err());
}

#[tokio::test]
async fn a_stream_that_is_not_asked_for_is_a_failure_and_goes_nowhere() {
    let dropped = Arc::new(Mutex::new(None));
    let end = Arc::clone(&dropped);
    let server = Server::start(EdgeOptions::default(), move |_: Request<Body>| {
        let (here, there) = duplex(1);
        *end.lock().unwrap() = Some(here);
        std::future::ready(switch(there))
    })
    .await;
    let answer = server.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("x-error-reference: "), "{answer}");
    let mut here = dropped.lock().unwrap().take().unwrap();
    expect_end(&mut here).await;
}
