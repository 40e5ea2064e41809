//! Requests to servers outside: which of them are reached, and what arrives there.

use std::io;
use std::net::SocketAddr;

use rpc_runtime::{Limits, Outside, Redirect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

mod addresses;
mod counting;
mod heads;
mod time;
mod tls;

/// Much longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that is reached by its connections alone.
struct Bare {
    address: SocketAddr,
    accepted: mpsc::UnboundedReceiver<Accepted>,
}

/// One connection to it.
struct Accepted(TcpStream);

impl Bare {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if sender.send(Accepted(stream)).is_err() {
                    return;
                }
            }
        });
        Self { address, accepted }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn accept(&mut self) -> Accepted {
        timeout(PATIENCE, self.accepted.recv()).await.expect("a connection").unwrap()
    }

    /// Nobody connects for a while.
    async fn assert_quiet(&mut self) {
        assert!(timeout(Duration::from_millis(100), self.accepted.recv()).await.is_err());
    }
}

impl Accepted {
    /// The text up to the end of a head, and of the body that it declares.
    async fn request(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut bytes)).await.expect("a request").unwrap();
            assert!(read > 0, "closed after {text:?}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let ended = if head.contains("transfer-encoding: chunked") {
                body.ends_with("0\r\n\r\n")
            } else {
                body.len() == length.map_or(0, |length| length.parse().unwrap())
            };
            if ended {
                return text;
            }
        }
    }

    async fn answer(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The other side goes away.
    async fn closed(&mut self) {
        let closed = async { while matches!(self.0.read(&mut [0; 64]).await, Ok(1..)) {} };
        timeout(PATIENCE, closed).await.expect("the connection is closed");
    }
}

/// What may reach this machine.
fn local() -> Outside {
    Outside::new().allow("127.0.0.1").unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers each of these in turn on one connection, and gives what was asked.
async fn answers<const N: usize>(
    mut server: Bare,
    answers: [impl AsRef<str> + Send + 'static; N],
) -> Vec<String> {
    let mut requests = Vec::new();
    let mut connection = server.accept().await;
    for answer in answers {
        requests.push(connection.request().await);
        connection.answer(answer.as_ref()).await;
    }
    requests
}

#[tokio::test]
async fn a_request_goes_out_and_an_answer_comes_back() {
    let server = Bare::start().await;
    let url = server.url("/a?b=%20");
    let asked = tokio::spawn(answers(
        server,
        ["HTTP/1.1 201 Made\r\nx-word: one\r\nx-word: two\r\ncontent-length: 5\r\n\r\nhello"],
    ));
    let request = http::Request::put(&url).header("x-name", "Ada").body(Body::from("body")).unwrap();
    let answer = Fetcher::new(local()).fetch(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers().get_all("x-word").iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(answer.into_body().text().await.unwrap(), "hello");
    let asked = asked.await.unwrap().remove(0);
    assert!(asked.starts_with("PUT /a?b=%20 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nx-name: Ada\r\n") && asked.ends_with("\r\n\r\nbody"), "{asked}");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Bare::start().await;
    let url = server.url("/");
    let asked = tokio::spawn(answers(server, [OK, OK, OK]));
    let outside = Fetcher::new(local());
    for _ in 0..3 {
        let answer = outside.fetch(url.as_str()).await.unwrap();
        assert_eq!(answer.into_body().text().await.unwrap(), "ok");
        tokio::task::yield_now().await;
    }
    assert_eq!(asked.await.unwrap().len(), 3, "over one connection");
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let mut server = Bare::start().await;
    let (pieces, body) = mpsc::channel::<io::Result<&'static str>>(1);
    let body = Body::from_stream(stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) }));
    let request = http::Request::post(server.url("/")).body(body).unwrap();
    let outside = Fetcher::new(local());
    let fetching = tokio::spawn(async move { outside.fetch(request).await });
    let mut connection = server.accept().await;
    pieces.send(Ok("one")).await.unwrap();
    connection.answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n").await;
    let mut answer = timeout(PATIENCE, fetching).await.unwrap().unwrap().unwrap().into_body();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "two");
    drop(pieces);
    let asked = connection.request().await;
    assert!(asked.ends_with("\r\n\r\n3\r\none\r\n0\r\n\r\n"), "{asked}");
    connection.answer("0\r\n\r\n").await;
    assert!(answer.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn redirects_are_followed_for_a_url_and_for_whoever_asks() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n";
    let server = Bare::start().await;
    let url = server.url("/a");
    let asked = tokio::spawn(answers(server, [moved, OK, moved, moved, OK]));
    let outside = Fetcher::new(local());
    assert_eq!(outside.fetch(url.as_str()).await.unwrap().into_body().text().await.unwrap(), "ok");
    let post = || http::Request::post(&url).header("authorization", "s3cret");
    assert_eq!(outside.fetch(post().body(Body::from("body")).unwrap()).await.unwrap().status(), 302);
    let post = post().extension(Redirect::Follow).body(Body::from("body")).unwrap();
    assert_eq!(outside.fetch(post).await.unwrap().status(), 200);
    let asked = asked.await.unwrap();
    let lines: Vec<_> = asked.iter().map(|asked| asked.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        ["GET /a", "GET /b", "POST /a", "POST /a", "GET /b"].map(|line| format!("{line} HTTP/1.1"))
    );
    assert!(
        asked[4].contains("authorization: s3cret") && !asked[4].contains("content-length"),
        "{}",
        asked[4]
    );
}

#[tokio::test]
async fn what_fails_after_a_redirect_is_not_safe_to_send_again() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let moved = format!("HTTP/1.1 303 See Other\r\nlocation: http://{free}/\r\ncontent-length: 0\r\n\r\n");
    let server = Bare::start().await;
    let order = http::Request::post(server.url("/orders")).extension(Redirect::Follow);
    let asked = tokio::spawn(answers(server, [Box::leak(moved.into_boxed_str())]));
    let error = local().fetch(order.body(Body::from("1 loaf")).unwrap()).await.unwrap_err();
    assert_eq!(asked.await.unwrap().len(), 1);
    assert!(error.to_string().starts_with("disconnected: after a redirect: no connection to "), "{error}");
    assert!(error.is_disconnected() && !error.is_unavailable() && !error.is_retryable());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_one_that_hangs_up_is_disconnected() {
    let mut server = Bare::start().await;
    let outside = Fetcher::new(local());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = outside.fetch(format!("http://{free}/")).await.unwrap_err();
    assert!(
        error.to_string().starts_with("unavailable: no connection to 127.0.0.1: Connection refused"),
        "{error}"
    );
    let error = outside.fetch("http://no-such-host.invalid/").await.unwrap_err();
    assert!(error.to_string().starts_with("unavailable: the name no-such-host.invalid"), "{error}");

    for answer in ["", "HTTP/1.1 200 OK\r\nconte", "not http at all\r\n\r\n"] {
        let url = server.url("/");
        let fetching = tokio::spawn({
            let outside = outside.clone();
            async move { outside.fetch(url).await }
        });
        let mut connection = server.accept().await;
        connection.request().await;
        connection.answer(answer).await;
        drop(connection);
        let error = fetching.await.unwrap().unwrap_err();
        assert!(error.is_disconnected() && !error.is_retryable(), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_body_that_fails_on_the_way_out_fails_the_request() {
    let server = Bare::start().await;
    let pieces = [Ok("one"), Err(io::Error::other("disk gone"))];
    let request = http::Request::post(server.url("/")).body(Body::from_stream(stream::iter(pieces))).unwrap();
    let error = Fetcher::new(local()).fetch(request).await.unwrap_err();
    assert!(error.is_application(), "{error:?}");
    assert!(error.to_string().starts_with("the body of the request: the body ended early"), "{error}");
}

#[tokio::test]
async fn an_answer_that_ends_early_is_an_error_of_its_body() {
    let server = Bare::start().await;
    let url = server.url("/");
    let asked = tokio::spawn(answers(server, ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"]));
    let answer = Fetcher::new(local()).fetch(url).await.unwrap();
    asked.await.unwrap();
    assert_eq!(answer.into_body().text().await.unwrap_err().to_string(), "the body ended early");
}

#[test]
fn without_a_runtime_the_error_says_so() {
    let error = block_on(Fetcher::new(local()).fetch("http://127.0.0.1:1/")).unwrap_err();
    assert!(error.to_string().starts_with("`fetch` needs a tokio runtime"), "{error}");
}

#[test]
fn what_is_not_understood_of_the_options_is_refused_with_what_to_write() {
    let told = |outside: Result<Outside>| outside.unwrap_err().to_string();
    for network in ["", "localhost", "10.0.0.0/33", "10.0.0/8"] {
        assert!(
            told(Outside::new().allow(network)).contains("expected an address or a network"),
            "{network:?}"
        );
    }
    assert!(told(Outside::new().trust(b"")).contains("expected PEM"));
    assert!(
        told(Outside::new().trust(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")).len() > 25
    );
}
