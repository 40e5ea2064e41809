//! M1–M4, M6–M8: heads that two parties could read in two ways, that are too large or too slow.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rpc_runtime::edge::EdgeOptions;
use tokio::io::AsyncReadExt as _;

use super::server::{Server, hasty, pause, statuses};

/// Each head is answered with this status, the handler is not asked, the connection is closed, and
/// what was pipelined behind it is not looked at.
async fn assert_refused(status: u16, heads: &[&str]) {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    for head in heads {
        let answer = server.send(format!("{head}GET /second HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(statuses(&answer), [status], "{head:?}: {answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{head:?}: {answer}");
    }
    assert_eq!(handled.load(Ordering::Relaxed), 0);
    server.assert_serves().await;
}

#[tokio::test]
async fn m1_a_request_names_one_valid_host() {
    assert_refused(
        400,
        &[
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b/..\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn m2_the_target_and_the_host_agree() {
    assert_refused(
        400,
        &[
            "GET http://evil/ HTTP/1.1\r\nHost: good\r\n\r\n",
            "GET http://good@evil/ HTTP/1.1\r\nHost: evil\r\n\r\n",
            "GET http://good/ HTTP/1.1\r\n\r\n",
            "GET /public#/../private HTTP/1.1\r\nHost: good\r\n\r\n",
            "CONNECT evil:80 HTTP/1.1\r\nHost: good:80\r\n\r\n",
        ],
    )
    .await;

    let (server, _) = Server::counting(EdgeOptions::default()).await;
    let absolute = "GET http://good/path HTTP/1.1\r\nHost: GOOD:80\r\nConnection: close\r\n\r\n";
    assert!(server.send(absolute).await.ends_with("\r\n\r\n/path 0"));
}

#[tokio::test]
async fn m3_a_body_is_framed_in_one_way() {
    assert_refused(
        400,
        &[
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        ],
    )
    .await;

    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(server.send(old).await.contains(" 400 Bad Request"));
    assert_eq!(handled.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn m4_chunked_is_the_only_transfer_coding_and_there_once() {
    assert_refused(501, &["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"])
        .await;
    assert_refused(
        400,
        &[
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn m6_lines_end_in_crlf_and_hold_nothing_odd() {
    assert_refused(
        400,
        &[
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn m6_however_the_bytes_are_cut() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    for head in ["GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n\n"] {
        for at in 1..head.len() {
            let mut client = server.connect().await;
            client.write(&head[..at]).await;
            tokio::task::yield_now().await;
            client.write(&head[at..]).await;
            assert_eq!(statuses(&client.rest().await), [400], "cut at {at}");
        }
    }
    assert_eq!(handled.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn requests_before_a_bad_one_are_answered_first() {
    let (server, handled) = Server::counting(EdgeOptions::default()).await;
    let good = "POST /good HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = server.send(format!("{good}{good}GET /bad HTTP/1.1\r\nHost: a\n\r\n{good}")).await;
    assert_eq!(statuses(&answer), [200, 200, 400], "{answer}");
    assert_eq!(answer.matches("/good 3").count(), 2);
    assert_eq!(handled.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn m7_heads_are_limited_in_number_and_size() {
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(500_000));
    assert_refused(431, &[&many, &large]).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(70_000));
    assert_refused(414, &[&long]).await;

    let (server, _) = Server::counting(EdgeOptions::default()).await;
    let enough = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(98));
    assert_eq!(statuses(&server.send(enough).await), [200]);
}

#[tokio::test]
async fn m8_a_head_that_does_not_come_in_time_is_closed() {
    let (server, _) = Server::counting(hasty()).await;
    for stalled in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "PRI * HTTP/2.0\r\n"] {
        let start = Instant::now();
        let mut client = server.connect().await;
        client.write(stalled).await;
        assert_eq!(client.rest().await, "", "{stalled:?}");
        let open = start.elapsed();
        assert!(
            (Duration::from_millis(290)..Duration::from_secs(3)).contains(&open),
            "{stalled:?}: {open:?}"
        );
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn m8_a_head_that_drips_is_closed_as_well() {
    let (server, _) = Server::counting(hasty()).await;
    let mut client = server.connect().await;
    let start = Instant::now();
    for byte in "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789012345678901234567890123456789\r\n\r\n".bytes() {
        client.write([byte]).await;
        pause().await;
    }
    assert!(start.elapsed() > Duration::from_secs(1));
    let mut rest = Vec::new();
    // Its last bytes came to a closed socket, so the end may be a reset.
    let _ = client.stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn m8_an_idle_connection_is_kept_for_its_time_and_then_closed() {
    let (server, _) = Server::counting(hasty()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.answer().await.ends_with("/x 0"));
        // Longer than a head may take, shorter than a connection may idle.
        client.assert_quiet(Duration::from_millis(500)).await;
    }
    let start = Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn m8_the_head_of_a_second_request_has_its_full_time() {
    let mut options = hasty();
    options.head_timeout = Duration::from_millis(600);
    let server = Server::start(options, |request| async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        super::server::echo_path(request).await
    })
    .await;
    let mut client = server.connect().await;
    client.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n").await;
    assert!(client.answer().await.ends_with("/1 0"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.write("Host: a\r\n\r\n").await;
    assert!(client.answer().await.ends_with("/2 0"));
}
