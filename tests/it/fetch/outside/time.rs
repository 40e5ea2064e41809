//! How long a request to the outside may take, and how it ends before.

use super::*;

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_given_up() {
    let mut server = Bare::start().await;
    let outside = Fetcher::new(local().head_timeout(Duration::from_millis(100)));
    let error = outside.fetch(server.url("/")).await.unwrap_err();
    assert!(error.is_disconnected(), "{error:?}");
    assert!(error.to_string().contains("in 100ms; it may have acted on the request"), "{error}");
    server.accept().await.closed().await;
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_is_given_up() {
    let server = Bare::start().await;
    let outside = local().connect_timeout(Duration::from_millis(100));
    // It takes the connection, and says nothing of TLS.
    let error = outside.fetch(get(&format!("https://{}/", server.address))).await.unwrap_err();
    assert!(error.is_unavailable() && error.is_retryable(), "{error:?}");
    assert!(error.to_string().starts_with("unavailable: no connection to 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn the_deadline_of_the_invocation_holds_and_closes_the_connection() {
    let mut server = Bare::start().await;
    let (url, outside) = (server.url("/"), Fetcher::new(local()));
    let worker = by(move |_| {
        let (url, outside) = (url.clone(), outside.clone());
        async move { outside.fetch(url).await }
    });
    let worker = worker.with(CallOptions::new().deadline(Duration::from_millis(100)));
    let error = worker.fetch(get("http://worker/")).await.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    server.accept().await.closed().await;
}

#[tokio::test]
async fn dropping_closes_the_connection_before_the_head_and_in_the_body() {
    let mut server = Bare::start().await;
    let (url, outside) = (server.url("/"), Fetcher::new(local()));
    let fetching = tokio::spawn({
        let (url, outside) = (url.clone(), outside.clone());
        async move { outside.fetch(url).await }
    });
    let mut connection = server.accept().await;
    connection.request().await;
    fetching.abort();
    connection.closed().await;

    let fetching = tokio::spawn(async move { outside.fetch(url).await.unwrap() });
    let mut connection = server.accept().await;
    connection.request().await;
    connection.answer("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    drop(fetching.await.unwrap());
    connection.closed().await;
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_its_server_back() {
    let mut server = Bare::start().await;
    let url = server.url("/");
    let fetching = tokio::spawn(async move { Fetcher::new(local()).fetch(url).await.unwrap() });
    let mut connection = server.accept().await;
    connection.request().await;
    let length = 64 << 20;
    connection.answer(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")).await;
    let mut body = fetching.await.unwrap().into_body();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writing = tokio::spawn(async move {
        let piece = vec![7; 64 << 10];
        for _ in 0..length / piece.len() {
            connection.0.write_all(&piece).await.unwrap();
            count.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    // It gets no further when what lies between is full, however much that is.
    let mut before = usize::MAX;
    while before != written.load(Ordering::Relaxed) {
        before = written.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(before < length / 2, "{before}");
    let mut read = 0;
    while let Some(piece) = body.chunk().await.unwrap() {
        read += piece.len();
    }
    assert_eq!(read, length);
    writing.await.unwrap();
}
