//! Bodies that stream, and connections, over every path.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt as _, poll, stream};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use rpc_runtime::{Body, BodyError, CallOptions, Error, Request, Response, Upgraded};
use rpc_tests_workers::{SiteClient, flows};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};

use super::*;

everywhere! {
    a_long_answer_is_never_ahead_of_its_reader_by_much
    a_long_request_streams_too
    an_answer_and_its_request_stream_at_the_same_time
    a_body_of_known_length_says_it
    trailers_follow_their_body
    a_reader_that_goes_ends_what_makes_the_body
    a_body_that_fails_tells_its_reader_why
    a_request_that_fails_tells_its_handler_why
    a_handler_that_reads_no_further_ends_the_body_of_its_request
    a_handler_that_does_not_read_holds_the_request_back
    a_body_is_made_in_the_invocation_of_its_maker
    the_deadline_of_a_request_is_for_its_head
    a_body_that_is_short_and_late_is_whole
    a_connection_speaks_both_ways_and_ends_by_halves
    a_connection_that_is_dropped_ends_in_the_worker
    a_connection_carries_more_than_its_credit_both_ways
    flows_pass_two_hops
}

fn get(path: &str) -> Request {
    http::Request::get(format!("http://site{path}")).body(Body::none()).unwrap()
}

fn post(path: &str, body: Body) -> Request {
    http::Request::post(format!("http://site{path}")).body(body).unwrap()
}

async fn fetched(site: &SiteClient, request: Request) -> Response {
    let response = timeout(PATIENCE, site.fetch(request)).await.expect("no answer").unwrap();
    assert!(matches!(response.status().as_u16(), 200 | 101), "{response:?}");
    response
}

async fn chunk(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    timeout(PATIENCE, body.chunk()).await.expect("no piece")
}

async fn text(body: Body) -> String {
    timeout(PATIENCE, body.text()).await.expect("no end").unwrap()
}

/// An endless body, how many of its pieces were made, and how often it was dropped.
fn endless() -> (Body, Arc<AtomicU64>, Arc<()>) {
    let (made, alive) = (Arc::<AtomicU64>::default(), Arc::new(()));
    let (counted, held) = (Arc::clone(&made), Arc::clone(&alive));
    let pieces = flows::pieces(move || {
        let _held = &held;
        counted.fetch_add(1, Ordering::SeqCst);
    });
    (Body::from_stream(pieces), made, alive)
}

async fn until_dropped(alive: &Arc<()>) {
    let dropped = async {
        while Arc::strong_count(alive) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, dropped).await.expect("the body is held");
}

/// More than a value may be.
const PIECES: u64 = 1100;

/// How many pieces lie between a maker and its reader: what there is credit for at both ends, and in the transport.
const AHEAD_MAX: u64 = 40;

async fn a_long_answer_is_never_ahead_of_its_reader_by_much(there: &There) {
    let response = fetched(&there.place.site, get(&format!("/flow/long?{PIECES}"))).await;
    let (mut body, mut length) = (response.into_body(), 0);
    let mut looked_at = 0;
    while let Some(data) = chunk(&mut body).await.unwrap() {
        let is_right = |at: usize| data[at] == flows::byte_at(length + at as u64);
        assert!(is_right(0) && is_right(data.len() - 1), "another byte at {length}");
        length += data.len() as u64;
        let read = length / flows::PIECE as u64;
        if read >= looked_at + 100 {
            looked_at = read;
            let made = there.count("made").await;
            assert!((read..=read + AHEAD_MAX).contains(&made), "{made} were made when {read} were read");
        }
    }
    assert_eq!(length, PIECES * flows::PIECE as u64);
    assert!(length > 64 << 20);
}

async fn a_long_request_streams_too(there: &There) {
    let pieces = flows::pieces(|| {}).take(PIECES as usize);
    let response = fetched(&there.place.site, post("/flow/count", Body::from_stream(pieces))).await;
    assert_eq!(text(response.into_body()).await, (PIECES * flows::PIECE as u64).to_string());
}

async fn an_answer_and_its_request_stream_at_the_same_time(there: &There) {
    let (say, mut said) = mpsc::channel::<Result<String, Error>>(1);
    let said = stream::poll_fn(move |cx| said.poll_recv(cx));
    let response = fetched(&there.place.site, post("/flow/echo", Body::from_stream(said))).await;
    let mut body = response.into_body();
    for word in ["one", "two", "three"] {
        let mut next = std::pin::pin!(chunk(&mut body));
        assert!(poll!(&mut next).is_pending(), "nothing was said");
        say.try_send(Ok(word.to_owned())).unwrap();
        assert_eq!(next.await.unwrap().unwrap(), word);
    }
    drop(say);
    assert_eq!(chunk(&mut body).await.unwrap(), None);
}

async fn a_body_of_known_length_says_it(there: &There) {
    let body = fetched(&there.place.site, get("/flow/known")).await.into_body();
    assert_eq!(body.size_hint().exact(), Some(200_000));
    assert_eq!(body.bytes().await.unwrap(), vec![7; 200_000]);
    let body = Body::from(vec![3; 100_000]);
    let body = fetched(&there.place.site, post("/flow/echo", body)).await.into_body();
    assert_eq!(body.size_hint().exact(), Some(100_000));
    assert_eq!(body.bytes().await.unwrap(), vec![3; 100_000]);
}

async fn trailers_follow_their_body(there: &There) {
    let body = fetched(&there.place.site, get("/flow/trailers")).await.into_body();
    let collected = timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
    assert_eq!(collected.trailers().unwrap()["etag"], "abc");
    assert_eq!(collected.to_bytes(), "data");
}

async fn a_reader_that_goes_ends_what_makes_the_body(there: &There) {
    let mut body = fetched(&there.place.site, get("/flow/endless")).await.into_body();
    chunk(&mut body).await.unwrap().unwrap();
    assert_eq!(there.count("body.dropped").await, 0);
    drop(body);
    there.until("body.dropped", 1).await;
    drop(fetched(&there.place.site, get("/flow/endless")).await);
    there.until("body.dropped", 2).await;
    assert!(there.count("made").await <= 2 + 2 * AHEAD_MAX);
}

/// The error of the runtime behind that of a body.
fn behind(error: &BodyError) -> &Error {
    error.source().and_then(|source| source.downcast_ref()).unwrap_or_else(|| panic!("{error:?}"))
}

async fn a_body_that_fails_tells_its_reader_why(there: &There) {
    let mut body = fetched(&there.place.site, get("/flow/breaks")).await.into_body();
    for expected in ["one", "two"] {
        assert_eq!(chunk(&mut body).await.unwrap().unwrap(), expected);
    }
    let error = chunk(&mut body).await.unwrap_err();
    assert_eq!(error.to_string(), "the body ended early");
    let why = behind(&error);
    assert!(why.is_denied() && why.to_string().contains("out of pieces"), "{why}");
    assert_eq!(why.is_remote(), there.is_remote());
    assert_eq!(chunk(&mut body).await.unwrap(), None);

    let body = fetched(&there.place.site, get("/flow/panics")).await.into_body();
    let error = timeout(PATIENCE, body.text()).await.unwrap().unwrap_err();
    assert!(flows::why(&error).contains("out of numbers"), "{error:?}");
}

async fn a_request_that_fails_tells_its_handler_why(there: &There) {
    let pieces = [Ok(Bytes::from(vec![0; 1000])), Err(Error::denied("no more of it"))];
    let request = post("/flow/count", Body::from_stream(stream::iter(pieces)));
    let answer = text(fetched(&there.place.site, request).await.into_body()).await;
    assert!(answer.starts_with("1000 and then ") && answer.contains("no more of it"), "{answer}");
}

async fn a_handler_that_reads_no_further_ends_the_body_of_its_request(there: &There) {
    for path in ["/flow/unread", "/flow/one"] {
        let (body, _, alive) = endless();
        let answer = fetched(&there.place.site, post(path, body)).await;
        until_dropped(&alive).await;
        assert!(!answer.into_body().bytes().await.unwrap().is_empty());
    }
    let (body, _, alive) = endless();
    assert!(there.place.site.fetch(post("/denied", body)).await.unwrap_err().is_denied());
    until_dropped(&alive).await;
}

async fn a_handler_that_does_not_read_holds_the_request_back(there: &There) {
    let (body, made, alive) = endless();
    let site = there.place.site.clone();
    let call = tokio::spawn(async move { site.fetch(post("/flow/hold", body)).await });
    there.until("held", 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = made.load(Ordering::SeqCst);
    assert!(before <= AHEAD_MAX, "{before}");
    call.abort();
    until_dropped(&alive).await;
    there.until("hold.dropped", 1).await;
    assert_eq!(made.load(Ordering::SeqCst), before);
}

async fn a_body_is_made_in_the_invocation_of_its_maker(there: &There) {
    let site = there.place.site.with(CallOptions::new().metadata("tenant", "a1"));
    let body = fetched(&site, get("/flow/tenant")).await.into_body();
    assert_eq!(text(body).await, "a1a1");
}

async fn the_deadline_of_a_request_is_for_its_head(there: &There) {
    there.place.site.fetch(get("/empty")).await.unwrap();
    let hasty = there.place.site.with(CallOptions::new().deadline(Duration::from_millis(100)));
    let Ok(response) = hasty.fetch(get("/flow/late")).await else { return };
    assert_eq!(text(response.into_body()).await, "onetwothree");
}

async fn a_body_that_is_short_and_late_is_whole(there: &There) {
    let body = fetched(&there.place.site, get("/flow/late")).await.into_body();
    assert!(!body.is_none());
    assert_eq!(text(body).await, "onetwothree");
}

async fn connected(site: &SiteClient, path: &str) -> Upgraded {
    let mut response = fetched(site, get(path)).await;
    assert_eq!((response.status().as_u16(), &response.headers()["upgrade"]), (101, &"chat".parse().unwrap()));
    Upgraded::take(&mut response).expect("it is upgraded")
}

async fn a_connection_speaks_both_ways_and_ends_by_halves(there: &There) {
    let mut chat = connected(&there.place.site, "/flow/chat").await;
    let mut heard = [0; 5];
    for (word, answer) in [(b"hello", b"HELLO"), (b"again", b"AGAIN")] {
        chat.write_all(word).await.unwrap();
        timeout(PATIENCE, chat.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, *answer);
    }
    assert_eq!(there.count("chat.ended").await, 0);
    chat.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, chat.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "bye");
    there.until("chat.over", 1).await;
}

async fn a_connection_that_is_dropped_ends_in_the_worker(there: &There) {
    let mut chat = connected(&there.place.site, "/flow/chat").await;
    chat.write_all(b"x").await.unwrap();
    assert_eq!(timeout(PATIENCE, chat.read_u8()).await.unwrap().unwrap(), b'X');
    drop(chat);
    there.until("chat.over", 1).await;
    drop(fetched(&there.place.site, get("/flow/chat")).await);
    there.until("chat.over", 2).await;
}

async fn a_connection_carries_more_than_its_credit_both_ways(there: &There) {
    let chat = connected(&there.place.site, "/flow/chat").await;
    let (mut heard, mut say) = tokio::io::split(chat);
    let length = 3 << 20;
    let saying = async {
        say.write_all(&vec![b'x'; length]).await.unwrap();
        say.shutdown().await.unwrap();
    };
    let mut all = Vec::new();
    let (_, ()) = tokio::join!(async { heard.read_to_end(&mut all).await.unwrap() }, saying);
    assert_eq!(all.len(), length + 3);
    assert!(all[..length].iter().all(|byte| *byte == b'X') && all.ends_with(b"bye"));
}

async fn flows_pass_two_hops(there: &There) {
    let site = &there.place.site;
    let pieces = flows::pieces(|| {}).take(100);
    let response = fetched(site, post("/far/flow/count", Body::from_stream(pieces))).await;
    assert_eq!(text(response.into_body()).await, (100 * flows::PIECE).to_string());

    let body = fetched(site, get("/far/flow/long?100")).await.into_body();
    assert_eq!(body.bytes().await.unwrap().len(), 100 * flows::PIECE);

    let mut body = fetched(site, get("/far/flow/breaks")).await.into_body();
    let error = loop {
        match chunk(&mut body).await {
            Ok(piece) => drop(piece.expect("it fails before its end")),
            Err(error) => break error,
        }
    };
    assert!(behind(&error).is_denied(), "{error:?}");

    let mut body = fetched(site, get("/far/flow/endless")).await.into_body();
    chunk(&mut body).await.unwrap().unwrap();
    drop(body);
    there.until("body.dropped", 1).await;

    let mut chat = connected(site, "/far/flow/chat").await;
    chat.write_all(b"x").await.unwrap();
    assert_eq!(timeout(PATIENCE, chat.read_u8()).await.unwrap().unwrap(), b'X');
    chat.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, chat.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "bye");
}

#[tokio::test]
async fn a_reader_is_told_when_the_process_dies() {
    let serving = Serving::start();
    let place = Place::at(&serving.address());
    let mut body = fetched(&place.site, get("/flow/endless")).await.into_body();
    chunk(&mut body).await.unwrap().unwrap();
    let mut chat = connected(&place.site, "/flow/chat").await;
    serving.signal(rustix::process::Signal::KILL);
    let error = loop {
        match chunk(&mut body).await {
            Ok(piece) => drop(piece.expect("a body that was not ended has no end")),
            Err(error) => break error,
        }
    };
    assert!(behind(&error).is_disconnected(), "{error:?}");
    let error = timeout(PATIENCE, chat.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    let error = chat.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
}

#[tokio::test]
async fn a_handler_is_told_when_its_caller_goes() {
    let served = Place::new(None);
    let (here, there) = tokio::io::duplex(64 << 10);
    let _there = served.options().start(there).unwrap();
    let (session, driving) = SessionOptions::new().over(here);
    let driving = tokio::spawn(driving);
    let site = Place::over(&session).site;
    let (body, _, alive) = endless();
    let call = tokio::spawn(async move { site.fetch(post("/flow/count", body)).await });
    until_at_least(&served, "chunk").await;
    driving.abort();
    assert!(call.await.unwrap().unwrap_err().is_disconnected());
    until_dropped(&alive).await;
}

/// Waits until something has happened.
async fn until_at_least(served: &Place, name: &str) {
    timeout(PATIENCE, served.tally.until(name, 1)).await.expect("it never happens").unwrap();
}

#[tokio::test]
async fn a_server_that_stops_lets_streams_end_and_cuts_the_others() {
    let served = Place::new(None);
    let server = rpc_runtime::Server::with(served.options()).drain(Duration::from_millis(500));
    let server = server.listen(&"tcp:127.0.0.1:0".parse().unwrap()).await.unwrap();
    let place = Place::at(&server.addresses().next().unwrap().clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let late = fetched(&place.site, get("/flow/late")).await.into_body();
    let mut endless = fetched(&place.site, get("/flow/endless")).await.into_body();
    drop(stop);
    assert_eq!(text(late).await, "onetwothree");
    let error = loop {
        match chunk(&mut endless).await {
            Ok(piece) => drop(piece.expect("a body that was not ended has no end")),
            Err(error) => break error,
        }
    };
    let why = behind(&error);
    assert!(why.is_disconnected() && why.to_string().contains("the time to drain is over"), "{why}");
    timeout(PATIENCE, serving).await.expect("it ends in time").unwrap();
    until(&served.tally, "body.dropped", 1).await;
}

/// Workers, and a client of them over a session one of whose ends is of an older version.
fn with_older(is_caller: bool) -> (Place, Session, SiteClient) {
    let served = Place::new(None);
    let (here, there) = tokio::io::duplex(64 << 10);
    let (mut calling, mut serving) = (SessionOptions::new(), served.options());
    if is_caller {
        calling = calling.without_streams();
    } else {
        serving = serving.without_streams();
    }
    let session = serving.start(there).unwrap();
    let site = Place::over(&calling.start(here).unwrap()).site;
    (served, session, site)
}

#[tokio::test]
async fn to_an_end_that_takes_no_streams_a_body_goes_whole() {
    for is_caller in [true, false] {
        let (_served, _session, site) = with_older(is_caller);
        let pieces = flows::pieces(|| {}).take(20);
        let answer =
            text(fetched(&site, post("/flow/count", Body::from_stream(pieces))).await.into_body()).await;
        assert_eq!(answer, (20 * flows::PIECE).to_string());
        let body = fetched(&site, get("/flow/long?20")).await.into_body();
        assert_eq!(body.size_hint().exact(), Some(20 * flows::PIECE as u64));
        assert_eq!(body.bytes().await.unwrap().len(), 20 * flows::PIECE);
        let error = site.fetch(get("/flow/long?1000")).await.unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("33554432"), "{error}");
        let error =
            site.fetch(post("/flow/count", Body::from_stream(flows::pieces(|| {})))).await.unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("33554432"), "{error}");
        let error = site.fetch(get("/flow/breaks")).await.unwrap_err();
        assert!(error.is_application(), "{error}");
        let error = site.fetch(get("/flow/chat")).await.unwrap_err();
        assert!(error.to_string().contains("older version"), "{error}");
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_with_its_last_stream() {
    let served = Place::new(None);
    let (here, there) = tokio::io::duplex(64 << 10);
    let _there = served.options().start(there).unwrap();
    let (session, driving) = SessionOptions::new().over(here);
    let driving = tokio::spawn(driving);
    let body = {
        let site = Place::over(&session).site;
        drop(session);
        fetched(&site, get("/flow/late")).await.into_body()
    };
    assert_eq!(text(body).await, "onetwothree");
    timeout(PATIENCE, driving).await.expect("nobody needs it").unwrap();
}
