//! What goes on when a Worker has answered: bodies that stream, WebSockets, and requests that go on to the outside.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use rpc_runtime::{Body, Ctx, Outside, Upgraded, fetch};
use tokio_tungstenite::tungstenite::{Message, handshake::server::create_response, protocol::Role};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

/// Forwards everything to `Behind`, but for `/outside`, which goes to the outside.
struct Gateway {
    env: GatewayEnv,
}

#[derive(Env)]
struct GatewayEnv {
    behind: Fetcher,
    origin: Option<String>,
}

impl Worker for Gateway {
    type Env = GatewayEnv;

    async fn new(env: GatewayEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Gateway {
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if let (Some(path), Some(origin)) = (request.uri().path().strip_prefix("/outside"), &self.env.origin)
        {
            *request.uri_mut() = format!("{origin}{path}").parse().map_err(Error::application)?;
            return fetch(request).await;
        }
        self.env.behind.fetch(request).await
    }
}

/// Streams, and chats.
struct Behind {
    probe: Instance,
}

#[derive(Env)]
struct BehindEnv {
    probe: Instance,
}

impl Worker for Behind {
    type Env = BehindEnv;

    async fn new(env: BehindEnv) -> Result<Self> {
        Ok(Self { probe: env.probe })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

/// Counts that it was dropped.
struct Cancelled(Arc<Probe>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

const PIECE: usize = 64 << 10;

impl Fetch for Behind {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let probe = Arc::clone(&self.probe.probe);
        match request.uri().path() {
            "/chat" => chat(&request, probe),
            "/endless" => {
                let guard = Cancelled(Arc::clone(&probe));
                Ok(Response::new(Body::from_stream(stream::iter(0..).map(move |_| {
                    let _guard = &guard;
                    probe.made.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, Error>(Bytes::from_static(&[7; PIECE]))
                }))))
            }
            "/swallow" => {
                let mut body = request.into_body();
                // As slow as can be: it does not read at all.
                std::future::pending::<()>().await;
                body.chunk().await?;
                Ok(Response::new(Body::none()))
            }
            "/breaks" => {
                let pieces = stream::iter([Ok("piece"), Err(Error::denied("s3cret reason"))]);
                // The first one goes out by itself.
                let pieces = pieces.then(|piece| async {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    piece
                });
                Ok(Response::new(Body::from_stream(pieces)))
            }
            path => Ok(Response::new(path.to_owned().into())),
        }
    }
}

/// Answers each message in capitals.
fn chat(request: &Request, probe: Arc<Probe>) -> Result<Response> {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.headers_mut() = request.headers().clone();
    let head = create_response(&head).map_err(Error::application)?;
    let (here, there) = tokio::io::duplex(PIECE);
    Ctx::current().wait_until(async move {
        let mut socket = WebSocketStream::from_raw_socket(here, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                socket.send(text.to_uppercase().into()).await.unwrap();
            }
        }
        probe.finished.fetch_add(1, Ordering::SeqCst);
    })?;
    Ok(Upgraded::new(there).answer(head))
}

fn start(probe: &str, origin: Option<SocketAddr>, host: Host) -> Running {
    let origin = origin.map_or_else(String::new, |origin| format!("vars = {{ ORIGIN = 'http://{origin}' }}"));
    let gateway = format!(
        "name = 'gateway'\nmain = 'gateway'\nservices = [{{ binding = 'BEHIND', service = 'behind' }}]\n{origin}"
    );
    let behind = format!("name = 'behind'\nmain = 'behind'\nvars = {{ PROBE = '{probe}' }}");
    let host = host.threads(1).worker::<Gateway>("gateway").worker::<Behind>("behind");
    on_a_free_port(host, &[&gateway, &behind]).unwrap()
}

async fn open(running: &Running) -> WebSocketStream<tokio::net::TcpStream> {
    let stream = tokio::net::TcpStream::connect(running.address().unwrap()).await.unwrap();
    client_async("ws://site/chat", stream).await.unwrap().0
}

#[test]
fn a_web_socket_passes_a_gateway_and_outlives_its_request() {
    let probe = probe("chat");
    let running = start("chat", None, Host::new());
    on_tokio(async {
        let mut socket = open(&running).await;
        for word in ["hello", "there"] {
            socket.send(word.into()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(word.to_uppercase()));
        }
        assert_eq!(count(&probe.finished), 0);
        socket.close(None).await.unwrap();
    });
    wait_until("the Worker has seen the end", || count(&probe.finished) == 1);
}

#[test]
fn a_web_socket_whose_client_vanishes_ends_in_the_worker() {
    let probe = probe("vanishes");
    let running = start("vanishes", None, Host::new());
    on_tokio(async {
        let mut socket = open(&running).await;
        socket.send("hello".into()).await.unwrap();
        socket.next().await.unwrap().unwrap();
        drop(socket);
    });
    wait_until("the Worker has seen the end", || count(&probe.finished) == 1);
}

#[test]
fn a_web_socket_ends_when_the_host_stops() {
    let probe = probe("stops");
    let running = start("stops", None, Host::new());
    on_tokio(async {
        let mut socket = open(&running).await;
        socket.send("hello".into()).await.unwrap();
        socket.next().await.unwrap().unwrap();
        let begun = Instant::now();
        let stopping = std::thread::spawn(move || running.stop());
        assert!(socket.next().await.is_none_or(|message| message.is_err()), "its connection is closed");
        drop(socket);
        stopping.join().unwrap();
        assert!(begun.elapsed() < PATIENCE, "it does not wait for the time to drain");
    });
    assert_eq!(count(&probe.finished), 1);
}

#[test]
fn a_request_without_an_upgrade_is_told_so() {
    let running = start("plain", None, Host::new());
    assert_eq!(get(running.address(), "/chat").status, 500);
    assert_eq!(get(running.address(), "/still").body, "/still");
}

/// Waits until a number stands still, and gives it.
fn settled(number: impl Fn() -> usize) -> usize {
    let mut before = usize::MAX;
    while before != number() {
        before = number();
        std::thread::sleep(Duration::from_millis(200));
    }
    before
}

#[test]
fn a_client_that_does_not_read_holds_the_worker_back_and_one_that_goes_ends_it() {
    let probe = probe("endless");
    let running = start("endless", None, Host::new());
    let mut connection = Connection::open(running.address());
    connection.send("/endless");
    wait_until("the body is made", || count(&probe.made) > 0);
    let made = settled(|| count(&probe.made));
    // What the kernel's buffers and hyper's hold, and no more.
    assert!(made * PIECE < 64 << 20, "{made} pieces");
    connection.0.read_exact(&mut vec![0; 16 << 20]).unwrap();
    wait_until("more is made for whoever reads", || count(&probe.made) > made);
    assert_eq!(count(&probe.cancelled), 0);
    drop(connection);
    wait_until("the body is dropped", || count(&probe.cancelled) == 1);
    assert_eq!(get(running.address(), "/still").body, "/still");
}

#[test]
fn a_worker_that_does_not_read_holds_the_client_back() {
    let running = start("swallow", None, Host::new());
    let mut connection = Connection::open(running.address());
    let length = 256 << 20;
    write!(connection.0, "POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").unwrap();
    connection.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut written = 0;
    while let Ok(more) = connection.0.write(&[7; PIECE]) {
        written += more;
    }
    assert!(written < length / 4, "{written}");
}

#[test]
fn a_body_that_fails_cuts_its_answer_and_tells_nothing() {
    let running = start("breaks", None, Host::new());
    let mut connection = Connection::open(running.address());
    connection.send("/breaks");
    let mut text = String::new();
    let _ = connection.0.read_to_string(&mut text);
    assert!(text.ends_with("5\r\npiece\r\n"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn a_request_is_forwarded_to_the_outside_where_the_host_allows_it() {
    let origin = start("origin", None, Host::new());
    let address = origin.address();
    let outside = Outside::new().allow("127.0.0.1").unwrap();
    let gateway = start("forwards", address, Host::new().outside(outside));
    let mut connection = Connection::open(gateway.address());
    write!(
        connection.0,
        "POST /outside/a?b HTTP/1.1\r\nHost: site\r\nConnection: x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nbody\r\n0\r\n\r\n"
    )
    .unwrap();
    let answer = connection.answer();
    assert_eq!((answer.status, &*answer.body), (200, "/a"));

    let closed = start("closed", address, Host::new());
    let answer = get(closed.address(), "/outside/a");
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("127.0.0.1"), "{}", answer.body);
}
