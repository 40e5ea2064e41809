//! A server on a port of its own, and clients that send bytes as they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use rpc_runtime::Body;
use rpc_runtime::edge::{self, EdgeOptions, Handler};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Much longer than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<usize>,
}

impl Server {
    pub(crate) async fn start(options: EdgeOptions, handler: impl Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(edge::serve(listener, options, handler, stopped));
        Self { address, stop, serving }
    }

    /// Answers every request with its path, once it has read the body, and counts.
    pub(crate) async fn counting(options: EdgeOptions) -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let server = Self::start(options, move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            echo_path(request)
        })
        .await;
        (server, count)
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// Sends bytes on a connection of its own and gives everything that comes back.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.write(bytes).await;
        client.rest().await
    }

    /// A plain request is answered: whatever happened before harmed nobody else.
    pub(crate) async fn assert_serves(&self) {
        let mut client = self.connect().await;
        client.write("GET /still HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }

    /// Tells the server to stop.
    pub(crate) fn begin_stop(self) -> JoinHandle<usize> {
        let _ = self.stop.send(());
        self.serving
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    /// A write that fails is one to a server that has seen enough.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Everything until the server closes, which it must do in good order.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await;
        read.unwrap_or_else(|_| panic!("still open after {:?}", String::from_utf8_lossy(&bytes))).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// One answer with a `Content-Length`, on a connection that stays open.
    pub(crate) async fn answer(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await.unwrap().unwrap();
            assert!(read > 0, "closed after {text:?}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_none_or(|length| body.len() >= length.parse().unwrap()) {
                    return text;
                }
            }
        }
    }

    /// Nothing comes for a while, and the connection stays open.
    pub(crate) async fn assert_quiet(&mut self, time: Duration) {
        let read = timeout(time, self.stream.read(&mut [0; 64])).await;
        assert!(read.is_err(), "{read:?}");
    }
}

/// The status of every answer in a text.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ")
        .map(|(at, found)| text[at + found.len()..][..3].parse().unwrap())
        .collect()
}

pub(crate) async fn echo_path(request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    match body.bytes().await {
        Ok(body) => Response::new(Body::from(format!("{} {}", head.uri.path(), body.len()))),
        Err(error) => failed(&error.to_string()),
    }
}

/// What a handler answers that does not know better.
pub(crate) fn failed(text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Times short enough for a test.
pub(crate) fn hasty() -> EdgeOptions {
    let mut options = EdgeOptions::default();
    options.head_timeout = Duration::from_millis(300);
    options.idle_timeout = Duration::from_millis(900);
    options.body_window = Duration::from_millis(300);
    options.write_timeout = Duration::from_millis(300);
    options.linger = Duration::from_millis(300);
    options
}

pub(crate) async fn pause() {
    sleep(Duration::from_millis(30)).await;
}
