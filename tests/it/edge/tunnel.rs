//! M9: what comes after a request for another protocol is for that protocol or for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rpc_runtime::Body;
use rpc_runtime::edge::EdgeOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use tokio::time::timeout;

use super::server::{PATIENCE, Server, hasty, statuses};

#[tokio::test]
async fn m9_nothing_behind_an_upgrade_is_served_when_it_was_not_granted() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let second = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: x\r\n\r\n",
    ] {
        let answer = server.send(format!("{head}{second}")).await;
        assert_eq!(answer.matches(" 200 OK").count(), 1, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");

        // The same when it comes later, in a read of its own.
        let mut client = server.connect().await;
        client.write(head).await;
        tokio::task::yield_now().await;
        client.write(second).await;
        assert_eq!(client.rest().await.matches(" 200 OK").count(), 1);
    }
    assert_eq!(handled.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn m9_a_refused_connect_ends_the_connection() {
    let server = Server::start(EdgeOptions::default(), async |_: Request<Body>| {
        Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).body(Body::none()).unwrap()
    })
    .await;
    let text = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(statuses(&server.send(text).await), [405]);
}

/// Grants the upgrade and sends back whatever comes, in capitals.
async fn shout(mut request: Request<Body>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = [0; 100];
        loop {
            let length = io.read(&mut bytes).await.unwrap();
            if length == 0 {
                return;
            }
            io.write_all(bytes[..length].to_ascii_uppercase().as_slice()).await.unwrap();
        }
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "shout")
        .body(Body::none())
        .unwrap()
}

#[tokio::test]
async fn m9_a_granted_upgrade_passes_bytes_as_they_are() {
    let server = Server::start(hasty(), shout).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n";
    // Nothing, or a beginning that looks like a bad head, comes together with the request.
    for early in ["", "bare\nline feeds: 1\n\n"] {
        let mut client = server.connect().await;
        client.write(format!("{head}{early}")).await;
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{early:?}");
        let mut received = answer.split_once("\r\n\r\n").unwrap().1.as_bytes().to_vec();
        let mut expected = early.to_uppercase();
        // Beyond the time that an HTTP connection may idle.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        client.write("more\n\0").await;
        expected.push_str("MORE\n\0");
        while received.len() < expected.len() {
            timeout(PATIENCE, client.stream.read_buf(&mut received)).await.unwrap().unwrap();
        }
        assert_eq!(String::from_utf8(received).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_switch_nobody_asked_for_is_a_failure_of_the_handler() {
    let server = Server::start(EdgeOptions::default(), async |_: Request<Body>| {
        Response::builder().status(101).body(Body::none()).unwrap()
    })
    .await;
    let answer = server.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&answer), [500]);
    assert!(answer.contains("x-error-reference: "), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_handler() {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&begun), Arc::clone(&ended));
    let server = Server::start(EdgeOptions::default(), move |_: Request<Body>| {
        counters.0.fetch_add(1, Ordering::SeqCst);
        let counts = Counts(Arc::clone(&counters.1));
        async move {
            let _counts = counts;
            std::future::pending().await
        }
    })
    .await;
    let heads = ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n"];
    for (count, head) in heads.iter().enumerate() {
        let mut client = server.connect().await;
        client.write(head).await;
        while begun.load(Ordering::SeqCst) == count {
            tokio::task::yield_now().await;
        }
        drop(client);
        timeout(PATIENCE, async {
            while ended.load(Ordering::SeqCst) == count {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}
