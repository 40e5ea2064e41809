//! Requests from outside: what comes back, and what does not.

use bytes::Bytes;
use rpc_runtime::{Body, Ctx};

use super::*;

/// Does what the path says.
struct Front {
    env: FrontEnv,
}

#[derive(Env)]
struct FrontEnv {
    auth: AuthClient,
    #[env(name = "AUTH_FETCH")]
    site: Fetcher,
    probe: Instance,
}

impl Worker for Front {
    type Env = FrontEnv;

    async fn new(env: FrontEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

/// Counts as cancelled unless it is told that it has finished.
struct Guard(Arc<Probe>);

impl Guard {
    fn finished(self) {
        self.0.finished.fetch_add(1, Ordering::SeqCst);
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

impl Fetch for Front {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.uri().path().to_owned();
        let (word, rest) = path[1..].split_once('/').unwrap_or_else(|| (&path[1..], ""));
        let guard = || Guard(Arc::clone(&self.env.probe.probe));
        let text = match word {
            "verify" => self.env.auth.verify(rest).await?,
            "forward" => return self.env.site.fetch(request).await,
            "calls" => return Ok(Response::new(self.calls(rest.parse().unwrap()).await.into())),
            "denied" => return Err(Error::denied("s3cret reason")),
            "overloaded" => return Err(Error::overloaded("s3cret reason")),
            "source" => {
                let source = std::io::Error::other("s3cret disk");
                return Err(Error::application(std::io::Error::other(source)));
            }
            "read" => format!("{} bytes", request.into_body().bytes_up_to(10).await?.len()),
            "far" => {
                // Not the request's.
                let body = Body::from_stream(futures_util::stream::iter([Ok::<_, Error>(
                    Bytes::from_static(&[0; 20]),
                )]));
                format!("{} bytes", body.bytes_up_to(10).await?.len())
            }
            "panic" => panic!("s3cret panic"),
            "hang" => {
                let _guard = guard();
                std::future::pending().await
            }
            "background" => {
                let (asked, work) = (guard(), guard());
                Ctx::current().wait_until(async move {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    work.finished();
                })?;
                std::future::pending::<()>().await;
                drop(asked);
                unreachable!()
            }
            _ => path,
        };
        Ok(Response::new(text.into()))
    }
}

impl Front {
    /// Makes this many calls, and says how many succeeded and why the next one did not.
    async fn calls(&self, wanted: u32) -> String {
        for made in 0..wanted {
            if let Err(error) = self.env.auth.verify("t").await {
                assert!(error.is_limit());
                return format!("{made}: {error}");
            }
        }
        format!("{wanted}")
    }
}

fn start(probe: &str) -> Running {
    let front = format!(
        r#"
        name = "front"
        main = "front"
        services = [ {{ binding = "AUTH", service = "auth" }}, {{ binding = "AUTH_FETCH", service = "auth" }} ]
        vars = {{ PROBE = "{probe}" }}
        "#
    );
    let host = Host::new().worker::<Front>("front").worker::<AuthWorker>("auth");
    on_a_free_port(host, &[&front, AUTH]).unwrap()
}

#[test]
fn a_request_becomes_a_typed_call_through_a_binding() {
    let running = start("");
    let mut connection = Connection::open(running.address());
    for token in ["t0ken", "other"] {
        let answer = connection.get(&format!("/verify/{token}"));
        assert_eq!((answer.status, answer.body), (200, format!("{token} is known to 0")));
    }
}

#[test]
fn a_request_can_be_forwarded_as_it_is() {
    let running = start("");
    let mut connection = Connection::open(running.address());
    write!(
        connection.0,
        "PUT http://elsewhere.invalid/forward/a?b=%20 HTTP/1.1\r\nHost: elsewhere.invalid\r\nContent-Length: 4\r\n\r\nbody"
    )
    .unwrap();
    let answer = connection.answer();
    assert_eq!(answer.body, r#"auth got PUT http://elsewhere.invalid/forward/a?b=%20 "body""#);
}

#[test]
fn http_2_is_spoken_without_being_asked() {
    let running = start("");
    let address = running.address().unwrap();
    on_tokio(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async { connection.await.unwrap_or_default() });
        let request = |path: &str| http::Request::get(format!("http://site{path}")).body(()).unwrap();
        let (first, _) = client.send_request(request("/verify/a"), true).unwrap();
        let (second, _) = client.send_request(request("/verify/b"), true).unwrap();
        for (answer, token) in [(first, "a"), (second, "b")] {
            let mut body = answer.await.unwrap().into_body();
            let mut text = Vec::new();
            while let Some(piece) = body.data().await {
                let piece: Bytes = piece.unwrap();
                text.extend_from_slice(&piece);
            }
            assert_eq!(String::from_utf8(text).unwrap(), format!("{token} is known to 0"));
        }
    });
}

#[test]
fn what_fails_is_500_with_a_reference_and_nothing_else() {
    let running = start("");
    let mut connection = Connection::open(running.address());
    let mut references = Vec::new();
    for path in ["/denied", "/source", "/panic", "/verify/boom"] {
        let answer = connection.get(path);
        let reference = answer.head.lines().find_map(|line| line.strip_prefix("x-error-reference: "));
        let reference = reference.unwrap().to_owned();
        assert_eq!(answer.status, 500);
        assert_eq!(
            answer.body,
            format!("the request failed; the log has the reason under the reference {reference}\n")
        );
        assert!(!answer.head.contains("s3cret"), "{}", answer.head);
        references.push(reference);
    }
    references.sort_unstable();
    references.dedup();
    assert_eq!(references.len(), 4);
    assert_eq!(connection.get("/still").body, "/still");
}

#[test]
fn a_body_that_is_longer_than_what_is_read_of_it_is_413() {
    let running = start("");
    for framing in [
        "Content-Length: 20\r\n\r\n01234567890123456789",
        "Transfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n0\r\n\r\n",
    ] {
        let mut connection = Connection::open(running.address());
        write!(connection.0, "POST /read HTTP/1.1\r\nHost: a\r\n{framing}").unwrap();
        let answer = connection.answer();
        assert_eq!(answer.status, 413, "{}", answer.body);
        assert_eq!(answer.body, "the body of the request is longer than what is read of it\n");
    }
    // One that the handler has got from elsewhere is not the client's fault.
    assert_eq!(Connection::open(running.address()).get("/far").status, 500);
}

#[test]
fn overload_is_503_with_a_reference_whoever_is_overloaded() {
    let running = start("");
    let mut connection = Connection::open(running.address());
    // The one that is asked, and one that it has called.
    for path in ["/overloaded", "/verify/full"] {
        let answer = connection.get(path);
        let reference = answer.head.lines().find_map(|line| line.strip_prefix("x-error-reference: "));
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.body,
            format!(
                "the service is overloaded or not ready, try again later; the log has the reason under the \
                 reference {}\n",
                reference.unwrap()
            )
        );
    }
    assert_eq!(connection.get("/still").body, "/still");
}

#[test]
fn calls_through_bindings_are_counted_for_each_request() {
    let running = start("");
    let mut connection = Connection::open(running.address());
    // The request itself is an invocation.
    assert_eq!(connection.get("/calls/999").body, "999");
    let told = connection.get("/calls/1001").body;
    assert!(told.starts_with("999: the limit of 1000 invocations is reached"), "{told}");
    assert_eq!(connection.get("/calls/999").body, "999");
}

#[test]
fn a_client_that_goes_away_cancels_its_request() {
    let probe = probe("gone");
    let running = start("gone");
    let mut connection = Connection::open(running.address());
    connection.send("/hang");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count(&probe.cancelled), 0);
    drop(connection);
    wait_until("the handler is dropped", || count(&probe.cancelled) == 1);
    assert_eq!(get(running.address(), "/still").body, "/still");
}

#[test]
fn a_client_that_goes_away_does_not_cancel_background_work() {
    let probe = probe("background");
    let running = start("background");
    let mut connection = Connection::open(running.address());
    connection.send("/background");
    std::thread::sleep(Duration::from_millis(50));
    drop(connection);
    wait_until("the handler is dropped", || count(&probe.cancelled) == 1);
    assert_eq!(count(&probe.finished), 0, "the work goes on");
    wait_until("the work is done", || count(&probe.finished) == 1);
    assert_eq!(count(&probe.cancelled), 1);
}

#[test]
fn an_answer_may_be_a_stream() {
    struct Streams;

    impl Worker for Streams {
        type Env = ();
        async fn new((): ()) -> Result<Self> {
            Ok(Self)
        }
        fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
            entrypoint.fetch()
        }
    }

    impl Fetch for Streams {
        async fn fetch(&self, request: Request) -> Result<Response> {
            Ok(Response::new(Body::new(request.into_body())))
        }
    }

    let host = Host::new().worker::<Streams>("streams");
    let running = on_a_free_port(host, &["name = 'streams'\nmain = 'streams'"]).unwrap();
    let mut connection = Connection::open(running.address());
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    write!(connection.0, "{head}3\r\none\r\n").unwrap();
    let mut echoed = [0; 4096];
    let mut text = String::new();
    while !text.ends_with("3\r\none\r\n") {
        let read = connection.0.read(&mut echoed).unwrap();
        text.push_str(std::str::from_utf8(&echoed[..read]).unwrap());
    }
    write!(connection.0, "3\r\ntwo\r\n0\r\n\r\n").unwrap();
    connection.0.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{text}");
}
