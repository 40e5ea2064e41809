//! M10: a head that is forwarded speaks of its own connection and of no other.

use super::*;

/// What arrives of a request.
async fn sent(request: impl FnOnce(String) -> Request) -> String {
    let server = Bare::start().await;
    let request = request(server.url("/"));
    let asked = tokio::spawn(answers(server, [OK]));
    Fetcher::new(local()).fetch(request).await.unwrap();
    asked.await.unwrap().remove(0)
}

#[tokio::test]
async fn what_speaks_of_a_connection_goes_no_further() {
    let asked = sent(|url| {
        let builder = http::Request::post(url).header("connection", "keep-alive, X-Internal-Auth");
        let builder =
            builder.header("connection", "host , content-length,").header("x-internal-auth", "s3cret");
        let builder = builder.header("keep-alive", "timeout=5").header("te", "trailers, gzip");
        let builder =
            builder.header("transfer-encoding", "gzip, chunked").header("proxy-authorization", "s3cret");
        let builder = builder.header("proxy-connection", "close").header("expect", "100-continue");
        builder.header("x-kept", "1").header("authorization", "kept").body(Body::from("body")).unwrap()
    })
    .await;
    let mut names: Vec<_> =
        asked.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "content-length", "host", "x-kept"], "{asked}");
}

#[tokio::test]
async fn the_host_is_that_of_the_url() {
    let asked =
        sent(|url| http::Request::get(url).header("host", "evil.example").body(Body::none()).unwrap()).await;
    assert_eq!(asked.matches("host: ").count(), 1);
    assert!(asked.contains("\r\nhost: 127.0.0.1:") && !asked.contains("evil"), "{asked}");
}

#[tokio::test]
async fn the_length_is_that_of_the_body() {
    let with = |body: fn() -> Body| {
        move |url| {
            let builder =
                http::Request::post(url).header("content-length", "3").header("content-length", "99");
            builder.body(body()).unwrap()
        }
    };
    let asked = sent(with(|| Body::from("body"))).await;
    assert_eq!(
        (asked.matches("content-length").count(), asked.contains("content-length: 4\r\n")),
        (1, true),
        "{asked}"
    );
    let asked = sent(with(|| Body::from_stream(stream::iter([Ok::<_, BodyError>("body")])))).await;
    assert!(asked.contains("transfer-encoding: chunked\r\n") && !asked.contains("content-length"), "{asked}");
}

#[tokio::test]
async fn an_empty_body_is_told_from_none_both_ways() {
    let request = |body: fn() -> Body| move |url| http::Request::get(url).body(body()).unwrap();
    assert!(sent(request(Body::empty)).await.contains("content-length: 0\r\n"));
    assert!(!sent(request(Body::none)).await.contains("content-length"));

    for (answer, is_none) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", true),
    ] {
        let server = Bare::start().await;
        let url = server.url("/");
        tokio::spawn(answers(server, [answer]));
        let answer = Fetcher::new(local()).fetch(url).await.unwrap();
        assert_eq!(answer.body().is_none(), is_none, "{answer:?}");
        assert_eq!(answer.into_body().bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn an_answer_leaves_its_connection_behind_too() {
    let server = Bare::start().await;
    let url = server.url("/");
    tokio::spawn(answers(
        server,
        [
            "HTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\n\
           x-kept: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ],
    ));
    let answer = Fetcher::new(local()).fetch(url).await.unwrap();
    assert_eq!(answer.headers().keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    assert_eq!(answer.into_body().text().await.unwrap(), "ok");
}

#[tokio::test]
async fn a_request_of_another_version_goes_out_as_one_of_this_connection() {
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
        let asked = sent(|url| http::Request::get(url).version(version).body(Body::none()).unwrap()).await;
        assert!(asked.starts_with("GET / HTTP/1.1\r\n"), "{version:?}: {asked}");
    }
}
