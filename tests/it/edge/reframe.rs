//! M10: what speaks of a connection stays with it, and lengths are those of bodies.

use futures_util::stream;
use http::{HeaderValue, Request, Response};
use rpc_runtime::edge::EdgeOptions;
use rpc_runtime::{Body, BodyError};
use tokio::sync::mpsc;

use super::server::{Server, statuses};

/// Gives the answer that `make` makes, to everybody.
async fn answering(make: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Server {
    Server::start(EdgeOptions::default(), move |_: Request<Body>| std::future::ready(make())).await
}

fn streamed(text: &'static str) -> Body {
    Body::from_stream(stream::iter([Ok::<_, BodyError>(text)]))
}

/// The names of the fields in the first head of a text, without those that every answer has.
fn names(answer: &str) -> Vec<&str> {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    let names = head.lines().skip(1).map(|line| line.split_once(": ").unwrap().0);
    names.filter(|name| *name != "date").collect()
}

#[tokio::test]
async fn a_handler_sees_nothing_that_speaks_of_the_connection() {
    let (seen, mut heads) = mpsc::unbounded_channel();
    let server = Server::start(EdgeOptions::default(), move |request: Request<Body>| {
        let mut names: Vec<_> = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
        names.sort_unstable();
        seen.send(names).unwrap();
        async move {
            let length = request.into_body().bytes().await.unwrap().len();
            Response::new(Body::from(length.to_string()))
        }
    })
    .await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Internal-Auth, Host\r\nX-Internal-Auth: me\r\n\
                Keep-Alive: timeout=5\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nProxy-Authorization: Basic eA==\r\n\
                Proxy-Connection: close\r\nX-Kept: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = server.send(head).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n3"), "{answer}");
    assert_eq!(heads.recv().await.unwrap(), ["host", "x-kept"]);
    // The question for another protocol is the handler's to answer.
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: websocket\r\n\r\n";
    server.send(head).await;
    assert_eq!(heads.recv().await.unwrap(), ["connection", "host", "upgrade"]);
}

#[tokio::test]
async fn an_answer_does_not_bring_the_head_of_another_connection() {
    let server = answering(|| {
        let builder = Response::builder().header("connection", "keep-alive, x-hop").header("x-hop", "1");
        let builder = builder.header("keep-alive", "timeout=5").header("transfer-encoding", "gzip, chunked");
        let builder =
            builder.header("upgrade", "h2c").header("proxy-authenticate", "Basic").header("te", "trailers");
        builder.header("x-kept", "1").body(Body::from("body")).unwrap()
    })
    .await;
    let answer = server.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(names(&answer), ["x-kept", "connection", "content-length"], "{answer}");
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("\r\n\r\nbody"), "{answer}");
}

#[tokio::test]
async fn the_head_of_an_answer_without_its_body_tells_a_length_of_its_own_or_that_of_the_body() {
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    type Make = fn() -> Response<Body>;
    let makes: [(Make, Option<&str>); 5] = [
        (|| Response::builder().header("content-length", "9").body(Body::from("hello")).unwrap(), Some("9")),
        (|| Response::builder().header("content-length", "9").body(streamed("hello")).unwrap(), Some("9")),
        (|| Response::builder().header("content-length", "9").body(Body::none()).unwrap(), Some("9")),
        (|| Response::new(Body::from("hello")), Some("5")),
        (|| Response::new(streamed("hello")), None),
    ];
    for (make, length) in makes {
        let answer = answering(make).await.send(HEAD).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
        let told = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(told, length, "{answer}");
    }
}

#[tokio::test]
async fn a_handler_may_close_the_connection() {
    let server =
        answering(|| Response::builder().header("connection", "close").body(Body::none()).unwrap()).await;
    let two = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = server.send(two).await;
    assert_eq!((statuses(&answer).len(), answer.contains("connection: close")), (1, true), "{answer}");
}

#[tokio::test]
async fn the_length_of_an_answer_is_that_of_its_body() {
    for (lengths, body, expected) in [
        (&["99"][..], (|| Body::from("body")) as fn() -> Body, Some("4")),
        (&["1", "4"], || Body::from("body"), Some("4")),
        (&["99"], Body::none, Some("0")),
        (&["4", "5"], || streamed("body"), None),
        (&["+4"], || streamed("body"), None),
        // It knows, and nobody else does.
        (&["4"], || streamed("body"), Some("4")),
    ] {
        let server = answering(move || {
            let mut response = Response::new(body());
            for length in lengths {
                response.headers_mut().append("content-length", HeaderValue::from_static(length));
            }
            response
        })
        .await;
        let answer = server.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let told: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("content-length: ")).collect();
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{lengths:?}: {answer}");
        assert_eq!(answer.contains("transfer-encoding: chunked"), expected.is_none());
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_was_said_harms_no_other_answer() {
    for (said, body) in [("2", "HTTP/1.1 299 Smuggled\r\n\r\n"), ("99", "short")] {
        let server = answering(move || {
            Response::builder().header("content-length", said).body(streamed(body)).unwrap()
        })
        .await;
        let mut client = server.connect().await;
        client.write("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let mut bytes = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut bytes).await;
        let answer = String::from_utf8(bytes).unwrap();
        assert!(statuses(&answer).len() <= 1 && !answer.contains("Smuggled"), "{answer}");
    }
}

#[tokio::test]
async fn where_no_body_is_sent_the_length_may_be_that_of_another() {
    let server =
        answering(|| Response::builder().header("content-length", "99").body(Body::none()).unwrap()).await;
    let answer = server.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("content-length: 99\r\n"), "{answer}");
}

#[test]
fn a_value_cannot_begin_another_field() {
    for value in ["a\r\nx-injected: 1", "a\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_str(value).is_err() && HeaderValue::from_bytes(value.as_bytes()).is_err());
        assert!(http::HeaderName::from_bytes(value.as_bytes()).is_err());
    }
}
