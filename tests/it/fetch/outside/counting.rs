//! What a request to the outside counts as: a subrequest, and a place in the queue of its pipeline.

use futures_util::future::join_all;

use super::*;

/// Makes `ask` the work of one invocation, with these limits.
async fn within<A>(limits: Limits, ask: impl Fn(Fetcher) -> A + Send + Sync + 'static) -> String
where
    A: Future<Output = Result<String>> + Send + 'static,
{
    let outside = Fetcher::new(local());
    let worker = by(move |_| {
        let asked = ask(outside.clone());
        async move { Ok(Response::new(asked.await?.into())) }
    });
    let worker = worker.with(CallOptions::new().limits(limits));
    worker.fetch(get("http://worker/")).await.unwrap().into_body().text().await.unwrap()
}

#[tokio::test]
async fn each_request_is_a_subrequest_and_so_is_each_redirect() {
    let server = Bare::start().await;
    let url = server.url("/");
    let moved = "HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n";
    let asked = tokio::spawn(answers(server, [OK, moved, OK]));
    let told = within(Limits::new().subrequests(4), move |outside| {
        let url = url.clone();
        async move {
            let left = || Ctx::with(|ctx| ctx.remaining()).unwrap().subrequests;
            assert_eq!(left(), 4);
            outside.fetch(url.as_str()).await?.into_body().bytes().await?;
            assert_eq!(left(), 3);
            outside.fetch(url.as_str()).await?.into_body().bytes().await?;
            assert_eq!(left(), 1);
            // Refused before anything is sent, but asked for.
            assert!(outside.fetch("http://10.0.0.1/").await.unwrap_err().is_denied());
            let error = outside.fetch(url.as_str()).await.unwrap_err();
            assert!(error.is_limit(), "{error:?}");
            Ok(error.to_string())
        }
    })
    .await;
    assert!(told.starts_with("the limit of 4 subrequests is reached"), "{told}");
    assert_eq!(asked.await.unwrap().len(), 3);
}

/// Begins this many requests in one invocation.
fn asks(
    url: String,
    many: usize,
) -> impl Fn(Fetcher) -> futures_util::future::BoxFuture<'static, Result<String>> {
    move |outside| {
        let url = url.clone();
        Box::pin(async move {
            let all = (0..many).map(|_| async {
                let answer = outside.fetch(url.as_str()).await?;
                Ok::<_, Error>(answer.into_body().text().await?)
            });
            let all = join_all(all).await.into_iter().collect::<Result<Vec<_>>>()?;
            Ok(all.len().to_string())
        })
    }
}

#[tokio::test]
async fn six_requests_of_a_pipeline_wait_for_a_head_and_the_next_waits_for_one_of_them() {
    let mut server = Bare::start().await;
    let asking = tokio::spawn(within(Limits::new(), asks(server.url("/"), 8)));
    let mut connections = Vec::new();
    for _ in 0..6 {
        let mut connection = server.accept().await;
        connection.request().await;
        connections.push(connection);
    }
    server.assert_quiet().await;
    // The head is enough; the body may take its time.
    connections[0].answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
    let mut seventh = server.accept().await;
    seventh.request().await;
    server.assert_quiet().await;
    connections[1].answer(OK).await;
    let mut last = timeout(PATIENCE, async {
        // Over the connection that has become free, or over a new one.
        tokio::select! {
            asked = connections[1].request() => { assert!(asked.starts_with("GET")); None }
            accepted = server.accept() => Some(accepted),
        }
    })
    .await
    .unwrap();
    match &mut last {
        Some(last) => {
            last.request().await;
            last.answer(OK).await;
        }
        None => connections[1].answer(OK).await,
    }
    seventh.answer(OK).await;
    connections[0].answer("ok").await;
    for connection in &mut connections[2..] {
        connection.answer(OK).await;
    }
    assert_eq!(timeout(PATIENCE, asking).await.unwrap().unwrap(), "8");
}

#[tokio::test]
async fn whoever_is_dropped_while_it_waits_leaves_its_place_to_others() {
    let mut server = Bare::start().await;
    let url = server.url("/");
    let asking = tokio::spawn(within(Limits::new().connections(1), move |outside| {
        let url = url.clone();
        async move {
            let dropped = timeout(Duration::from_millis(200), outside.fetch(url.as_str())).await;
            assert!(dropped.is_err(), "nobody answers");
            Ok(outside.fetch(url.as_str()).await?.into_body().text().await?)
        }
    }));
    let mut first = server.accept().await;
    first.request().await;
    first.closed().await;
    let mut second = server.accept().await;
    second.request().await;
    second.answer(OK).await;
    assert_eq!(asking.await.unwrap(), "ok");
}

#[tokio::test]
async fn calls_through_bindings_wait_for_nobody() {
    let mut server = Bare::start().await;
    let url = server.url("/");
    let other = by(async |_| Ok(Response::new("other".into())));
    let asking = tokio::spawn(within(Limits::new().connections(1), move |outside| {
        let (url, other) = (url.clone(), other.clone());
        async move {
            let mut waiting = std::pin::pin!(outside.fetch(url.as_str()));
            assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
            let answer = other.fetch(get("http://other/")).await?.into_body().text().await?;
            waiting.await?;
            Ok(answer)
        }
    }));
    let mut connection = server.accept().await;
    connection.request().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    connection.answer(OK).await;
    assert_eq!(timeout(PATIENCE, asking).await.unwrap().unwrap(), "other");
}

#[tokio::test]
async fn one_pipeline_does_not_wait_for_another() {
    let mut server = Bare::start().await;
    let asking: Vec<_> = (0..2)
        .map(|_| tokio::spawn(within(Limits::new().connections(1), asks(server.url("/"), 1))))
        .collect();
    let mut connections = [server.accept().await, server.accept().await];
    for connection in &mut connections {
        connection.request().await;
        connection.answer(OK).await;
    }
    for asked in asking {
        assert_eq!(asked.await.unwrap(), "1");
    }
}
