//! One connection, from its first byte to its last.
//!
//! A client that ends its side of an HTTP/1 connection (`shutdown`) while its request runs is taken for one that has gone,
//! and the handler is cancelled: the system shows both as the same end of the stream. With hyper's `half_close` such a
//! client would get its answer, but the handlers of all that have gone would run to their end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use super::exchange::exchange;
use super::transport::{Link, Transport};
use super::tunnel::Tunnel;
use super::{EdgeOptions, Handler, Peer, Shared, Stopping};

/// What all requests of a connection share.
#[derive(Debug)]
pub(super) struct Connection<H> {
    shared: Arc<Shared<H>>,
    link: Arc<Link>,
    peer: Peer,
    /// What takes the place of HTTP when the last answer is written.
    tunnel: Mutex<Option<Tunnel>>,
}

impl<H> Connection<H> {
    pub(super) fn handler(&self) -> &H {
        &self.shared.handler
    }

    pub(super) fn options(&self) -> &EdgeOptions {
        &self.shared.options
    }

    pub(super) const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(super) const fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn hand_over(&self, tunnel: Tunnel) {
        *self.tunnel() = Some(tunnel);
    }

    fn tunnel(&self) -> std::sync::MutexGuard<'_, Option<Tunnel>> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.shared.stopping.has_begun()
    }

    pub(super) fn stopping(&self) -> &Stopping {
        &self.shared.stopping
    }
}

/// Serves a connection until it ends, or until the server stops and no request runs on it.
pub(super) async fn serve<T, H>(mut io: T, peer: Peer, shared: Arc<Shared<H>>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let accepted = Instant::now();
    let Some((protocol, prefix)) = first_bytes(&mut io, &shared).await else { return };
    let link = Arc::<Link>::default();
    let connection = Arc::new(Connection { shared, link: Arc::clone(&link), peer, tunnel: Mutex::default() });
    let options = connection.options();
    let ended = match protocol {
        Protocol::Http1 => {
            let transport = Transport::http1(io, prefix, link, accepted, options);
            serve_http1(transport, &connection).await
        }
        Protocol::Http2 => {
            let transport = Transport::http2(io, prefix, link, options);
            serve_http2(transport, &connection).await
        }
    };
    let tunnel = connection.tunnel().take();
    if let (Ok(()), Some(tunnel)) = (&ended, tunnel) {
        let ended = tunnel.run(&connection.shared.stopping, options.idle_timeout).await;
        if let Err(error) = ended {
            tracing::debug!(?peer, %error, "upgraded connection broke");
        }
    }
    if let Err(error) = ended {
        tracing::debug!(?peer, error = &error as &dyn std::error::Error, "connection ended early");
    }
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// Reads until it is clear which protocol the client speaks. `None` if it says nothing in time,
/// or nothing until the server has stopped: a connection without a first byte holds nobody up.
async fn first_bytes<T, H>(io: &mut T, shared: &Shared<H>) -> Option<(Protocol, Bytes)>
where
    T: AsyncRead + Unpin,
{
    let reading = timeout(shared.options.head_timeout, read_preface(io));
    let stopped = async {
        shared.stopping.begun().await;
        sleep(shared.options.drain_idle).await;
    };
    tokio::select! {
        biased;
        read = reading => read.ok()?.ok().flatten(),
        () = stopped => None,
    }
}

async fn read_preface<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Option<(Protocol, Bytes)>> {
    /// What every HTTP/2 client sends first (RFC 9113, 3.4), and no HTTP/1 client.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut prefix = BytesMut::with_capacity(1024);
    while io.read_buf(&mut prefix).await? > 0 {
        if prefix.starts_with(PREFACE) {
            return Ok(Some((Protocol::Http2, prefix.freeze())));
        }
        if !PREFACE.starts_with(&prefix) {
            return Ok(Some((Protocol::Http1, prefix.freeze())));
        }
    }
    Ok(None)
}

async fn serve_http1<T, H>(transport: Transport<T>, connection: &Arc<Connection<H>>) -> hyper::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let options = connection.options();
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(options.buffer_bytes_max())
        .max_header_size(options.buffer_bytes_max())
        // hyper has one timer for the wait for a head and the head itself, made anew for each
        // request; the transport has one for each, and touches it when it has to wait.
        .header_read_timeout(None);
    let owner = Arc::clone(connection);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&owner);
        async move { Ok::<_, Infallible>(exchange(connection, request).await) }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(transport), service).with_upgrades());
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended,
        () = connection.shared.stopping.begun() => {}
    }
    // Answers now say `Connection: close`. A client that is about to send its next request on a
    // connection that looks idle gets its answer; one that is not is not waited for.
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended,
        () = sleep(options.drain_idle) => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

async fn serve_http2<T, H>(transport: Transport<T>, connection: &Arc<Connection<H>>) -> hyper::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let options = connection.options();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(options.ping)
        .keep_alive_timeout(options.ping)
        .max_concurrent_streams(options.streams_max)
        .max_header_list_size(options.header_list_bytes_max)
        .max_pending_accept_reset_streams(options.resets_max)
        // With 100 streams at most 6.4 MB wait for a client that takes nothing.
        .max_send_buf_size(64 << 10);
    let owner = Arc::clone(connection);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&owner);
        async move { Ok::<_, Infallible>(exchange(connection, request).await) }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(transport), service));
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended,
        () = connection.shared.stopping.begun() => {}
        () = idle(connection.link(), options) => {}
    }
    // Says that no further request is taken up (GOAWAY) and ends when the running ones have.
    serving.as_mut().graceful_shutdown();
    let silent = async {
        loop {
            sleep(options.head_timeout).await;
            if !connection.link().is_busy() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        // A client that does not even answer the GOAWAY.
        () = silent => Ok(()),
    }
}

/// Ready when there was no request for the idle time.
async fn idle(link: &Link, options: &EdgeOptions) {
    let mut started = None;
    loop {
        sleep(options.idle_timeout).await;
        let now = link.started();
        if !link.is_busy() && started == Some(now) {
            return;
        }
        started = Some(now);
    }
}
