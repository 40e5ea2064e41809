//! M5, M8, M9: bodies that do not add up, stall, or are not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use rpc_runtime::Body;
use rpc_runtime::edge::EdgeOptions;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::server::{Client, Server, echo_path, failed, hasty, pause, statuses};

#[tokio::test]
async fn m5_chunks_that_do_not_add_up_fail_the_body_and_end_the_connection() {
    let (seen, mut errors) = mpsc::unbounded_channel();
    let server = Server::start(EdgeOptions::default(), move |request: Request<Body>| {
        let seen = seen.clone();
        async move {
            match request.into_body().bytes().await {
                Ok(_) => Response::new(Body::from("read")),
                Err(error) => {
                    seen.send(error.to_string()).unwrap();
                    failed("the handler knows no better")
                }
            }
        }
    })
    .await;
    for chunks in [
        "20000000000000000\r\nabc\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "zz\r\n",
        &format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(20 << 10)),
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = server.send(format!("{head}{chunks}GET /second HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let shown = &chunks[..chunks.len().min(40)];
        assert_eq!(statuses(&answer), [400], "{shown:?}: {answer}");
        assert!(answer.contains("connection: close"), "{shown:?}: {answer}");
        assert_eq!(errors.recv().await.unwrap(), "the body ended early", "{shown:?}");
    }
}

#[tokio::test]
async fn m5_a_handler_that_knows_better_is_heard() {
    let server = Server::start(EdgeOptions::default(), |request: Request<Body>| async {
        let failed = request.into_body().bytes().await.is_err();
        Response::builder().status(422).body(Body::from(format!("failed: {failed}"))).unwrap()
    })
    .await;
    let answer = server.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    assert_eq!(statuses(&answer), [422]);
    assert!(answer.ends_with("failed: true"));
}

#[tokio::test]
async fn m8_a_body_that_stalls_is_answered_with_408() {
    let (server, _) = Server::counting(hasty()).await;
    for begun in ["", "ab"] {
        let start = Instant::now();
        let mut client = server.connect().await;
        client.write(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{begun}")).await;
        let answer = client.rest().await;
        assert_eq!(statuses(&answer), [408], "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        let open = start.elapsed();
        assert!((Duration::from_millis(290)..Duration::from_secs(3)).contains(&open), "{open:?}");
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn m8_a_body_that_drips_is_answered_with_408() {
    let (server, _) = Server::counting(hasty()).await;
    let mut client = server.connect().await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await;
    // 33 bytes a second, where 1,024 are asked for.
    for _ in 0..20 {
        client.write("x").await;
        pause().await;
    }
    assert_eq!(statuses(&client.rest().await), [408]);
}

#[tokio::test]
async fn m8_a_body_that_keeps_the_pace_may_take_longer_than_the_window() {
    let (server, _) = Server::counting(hasty()).await;
    let mut client = server.connect().await;
    client.write("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\nConnection: close\r\n\r\n").await;
    let start = Instant::now();
    for _ in 0..20 {
        client.write("x".repeat(200)).await;
        sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() > Duration::from_millis(900));
    assert!(client.rest().await.ends_with("/slow 4000"));
}

#[tokio::test]
async fn m8_a_slow_handler_is_not_its_clients_fault() {
    let server = Server::start(hasty(), |request: Request<Body>| async {
        let mut body = request.into_body();
        let mut length = 0;
        while let Some(piece) = body.chunk().await.unwrap() {
            length += piece.len();
            sleep(Duration::from_millis(400)).await;
        }
        Response::new(Body::from(length.to_string()))
    })
    .await;
    let mut client = server.connect().await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab").await;
    sleep(Duration::from_millis(500)).await;
    client.write("cd").await;
    assert!(client.rest().await.ends_with("\r\n\r\n4"));
}

#[tokio::test]
async fn m9_a_short_rest_of_an_unread_body_is_dropped_and_the_connection_kept() {
    let server = Server::start(hasty(), |request: Request<Body>| async move {
        Response::new(Body::from(request.uri().path().to_owned()))
    })
    .await;
    // Arrived with the head; a moment later; in chunks; nothing of it yet when answered.
    for (head, pieces) in [
        ("Content-Length: 5", vec!["abcde"]),
        ("Content-Length: 5", vec!["ab", "cde"]),
        ("Content-Length: 5", vec!["", "abcde"]),
        ("Transfer-Encoding: chunked", vec!["2\r\nab\r\n", "3\r\ncde\r\n", "0\r\n\r\n"]),
    ] {
        let mut client = server.connect().await;
        client.write(format!("POST /1 HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{}", pieces[0])).await;
        assert!(client.answer().await.ends_with("/1"), "{head} {pieces:?}");
        for piece in &pieces[1..] {
            pause().await;
            client.write(piece).await;
        }
        client.write("GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(client.rest().await.ends_with("/2"), "{head} {pieces:?}");
    }
}

#[tokio::test]
async fn m9_a_long_rest_ends_the_connection_and_the_answer_is_seen() {
    let server = Server::start(hasty(), async |_: Request<Body>| Response::new(Body::from("early"))).await;
    let begun = "x".repeat(30_000);
    let smuggled = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    for length in ["Content-Length: 100000", "Expect: 100-continue\r\nContent-Length: 100000"] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n{begun}{smuggled}");
        let answer = server.send(text).await;
        assert_eq!(statuses(&answer), [200], "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with("early"), "{answer}");
    }
}

#[tokio::test]
async fn m9_a_rest_that_never_ends_is_given_up() {
    let server = Server::start(hasty(), async |_: Request<Body>| Response::new(Body::from("early"))).await;
    let start = Instant::now();
    let mut client = server.connect().await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert!(client.answer().await.ends_with("early"));
    assert_eq!(client.rest().await, "");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn m9_the_client_is_asked_for_its_body_only_by_a_handler_that_reads_it() {
    let (server, _) = Server::counting(EdgeOptions::default()).await;
    let mut client = server.connect().await;
    let head = "POST /asked HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    client.write(head).await;
    assert_eq!(client.answer().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("ab").await;
    assert!(client.answer().await.ends_with("/asked 2"));

    let server =
        Server::start(EdgeOptions::default(), async |_: Request<Body>| Response::new(Body::none())).await;
    let answer = server.send(head).await;
    assert_eq!(statuses(&answer), [200]);
    assert!(answer.contains("connection: close"));
}

#[tokio::test]
async fn m9_the_client_is_asked_for_its_body_by_an_answer_that_is_made_of_it() {
    let server = Server::start(EdgeOptions::default(), async |request: Request<Body>| {
        Response::new(request.into_body())
    })
    .await;
    let mut client = server.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
    client.write(head).await;
    let mut answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\n"), "{answer}");
    client.write("ab").await;
    answer.push_str(&client.rest().await);
    assert_eq!(statuses(&answer), [100, 200], "{answer}");
    assert!(answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\nab"), "{answer}");

    // One that is there already loses nothing by that it is looked for.
    for (body, expected) in [("", "content-length: 0"), ("early", "content-length: 5")] {
        let server = Server::start(EdgeOptions::default(), move |_: Request<Body>| async move {
            Response::new(Body::from(body))
        });
        let answer = server.await.send(head).await;
        assert_eq!(statuses(&answer), [200], "{answer}");
        assert!(answer.contains(expected) && answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
    let server = Server::start(EdgeOptions::default(), async |_: Request<Body>| {
        let pieces = ["one", "two"].map(Ok::<_, std::io::Error>);
        Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
    });
    let answer = server.await.send(head).await;
    assert!(answer.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn m9_trailers_that_would_change_the_message_are_dropped() {
    let (seen, mut trailers) = mpsc::unbounded_channel::<HeaderMap>();
    let server = Server::start(EdgeOptions::default(), move |request: Request<Body>| {
        let seen = seen.clone();
        async move {
            let body = request.into_body().collect().await.unwrap();
            seen.send(body.trailers().cloned().unwrap()).unwrap();
            Response::new(Body::from(body.to_bytes()))
        }
    })
    .await;
    let answer = server
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\
             Content-Length: 99\r\nHost: evil\r\nAuthorization: x\r\nTransfer-Encoding: chunked\r\nChecksum: 7\r\n\r\n",
        )
        .await;
    assert!(answer.ends_with("abc"), "{answer}");
    let trailers = trailers.recv().await.unwrap();
    assert_eq!(trailers.len(), 1, "{trailers:?}");
    assert_eq!(trailers["checksum"], "7");
}

#[tokio::test]
async fn none_and_empty_bodies_stay_different() {
    let server = Server::start(EdgeOptions::default(), async |request: Request<Body>| {
        Response::new(Body::from(format!("{:?}", request.body())))
    })
    .await;
    for (length, expected) in [
        ("", "Body(none)"),
        ("Content-Length: 0\r\n", "Body(0 bytes)"),
        ("Content-Length: 1\r\n", "Body(stream)"),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{length}\r\na");
        assert!(server.send(head).await.ends_with(expected));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let counter = Arc::clone(&dropped);
    let server = Server::start(hasty(), move |request: Request<Body>| {
        let counts = Counts(Arc::clone(&counter));
        async move {
            if request.uri().path() == "/still" {
                return echo_path(request).await;
            }
            let endless = futures_util::stream::repeat_with(move || {
                let _kept = &counts;
                Ok::<_, std::io::Error>(vec![7; 64 << 10])
            });
            Response::new(Body::from_stream(endless))
        }
    })
    .await;
    let mut client = server.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.stream.read_exact(&mut [0; 1000]).await.unwrap();
    let start = Instant::now();
    while dropped.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "still writing");
        pause().await;
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn m8_a_client_that_takes_its_answer_too_slowly_is_cut() {
    const LENGTH: usize = 64 << 20;
    // How much of the answer a client gets that reads 2 MiB a second.
    let taken = async |pace: u64| {
        let mut options = EdgeOptions::default();
        options.body_pace_min = pace;
        options.body_window = Duration::from_millis(300);
        let server =
            Server::start(options, async |_: Request<Body>| Response::new(Body::from(vec![7; LENGTH]))).await;
        // A small buffer, so that what is read makes room soon.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut client = Client { stream: socket.connect(server.address).await.unwrap() };
        client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let (mut bytes, mut taken) = (vec![0; 64 << 10], 0);
        let end = Instant::now() + Duration::from_secs(2);
        while let Ok(read @ 1..) = client.stream.read(&mut bytes).await {
            taken += read;
            if Instant::now() < end {
                sleep(Duration::from_millis(30)).await;
            }
        }
        taken
    };
    assert!(taken(1 << 30).await < LENGTH);
    assert!(taken(1 << 10).await > LENGTH);
}
