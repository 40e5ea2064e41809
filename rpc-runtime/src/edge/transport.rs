//! The stream below hyper: what passes through it is framed strictly and on time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::EdgeOptions;
use super::alarm::Alarm;
use super::framing::{Framing, Phase, Stop};
use super::pace::Pace;

/// What the transport of a connection and its requests tell each other.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Requests whose answer is not handed over yet.
    in_flight: AtomicUsize,
    /// Requests there have been.
    started: AtomicUsize,
    /// The connection has been handed to another protocol.
    tunnel: AtomicBool,
}

impl Link {
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    pub(super) fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    /// From now on bytes pass as they are.
    pub(super) fn open_tunnel(&self) {
        self.tunnel.store(true, Ordering::Release);
    }

    fn is_tunnel(&self) -> bool {
        self.tunnel.load(Ordering::Acquire)
    }
}

/// A stream whose requests are framed strictly and arrive, as their answers leave, on time.
///
/// The bytes of a head that must be refused are not passed on to their end. In their place hyper
/// gets a NUL, which no part of a head may contain (RFC 9112, 2.2 and 9110, 5.5), and an empty
/// line: so that it answers 400 itself, after the answers to requests before, and closes.
#[derive(Debug)]
pub(super) struct Transport<T> {
    io: T,
    link: Arc<Link>,
    times: Times,
    /// Read before the protocol was known.
    prefix: Bytes,
    /// `None` over HTTP/2, which frames its messages itself.
    framing: Option<Framing>,
    stopped: Option<Stopped>,
    ended: bool,
    /// When the head or the wait for it began; `None` while no client is waited for.
    since: Option<(Phase, Instant)>,
    reading: Alarm,
    /// Since when the client has taken nothing.
    blocked: Option<Instant>,
    writing: Alarm,
    /// How fast it takes what is written, while there is more.
    taking: Pace,
    linger: Linger,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    head: Duration,
    idle: Duration,
    write: Duration,
}

#[derive(Debug)]
enum Stopped {
    /// What is left of [`REFUSAL`].
    Refused(&'static [u8]),
    Broken(&'static str),
    /// What arrived for the other protocol.
    Held(BytesMut),
}

/// What is left to read and drop before an unfinished connection is closed.
#[derive(Debug)]
struct Linger {
    bytes: usize,
    time: Duration,
    deadline: Option<Instant>,
}

const REFUSAL: &[u8] = b"\0\r\n\r\n";

/// What a client may send for another protocol before it was told that it is spoken.
const HELD_BYTES_MAX: usize = 64 << 10;

impl<T> Transport<T> {
    pub(super) fn http1(
        io: T,
        prefix: Bytes,
        link: Arc<Link>,
        accepted: Instant,
        options: &EdgeOptions,
    ) -> Self {
        let since = Some((Phase::Head, accepted));
        Self { since, framing: Some(Framing::default()), ..Self::http2(io, prefix, link, options) }
    }

    pub(super) fn http2(io: T, prefix: Bytes, link: Arc<Link>, options: &EdgeOptions) -> Self {
        let times =
            Times { head: options.head_timeout, idle: options.idle_timeout, write: options.write_timeout };
        Self {
            io,
            link,
            times,
            prefix,
            framing: None,
            stopped: None,
            ended: false,
            since: None,
            reading: Alarm::default(),
            blocked: None,
            writing: Alarm::default(),
            taking: Pace::new(options),
            linger: Linger { bytes: options.unread_bytes_max, time: options.linger, deadline: None },
        }
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    /// Bytes that arrived before the protocol was known, then those of the stream.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix.split_to(length));
        Poll::Ready(Ok(()))
    }

    fn poll_framed(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        let Poll::Ready(read) = self.poll_bytes(cx, buf) else {
            return self.poll_late(cx).map(|why| Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        };
        read?;
        let Some(framing) = &mut self.framing else { return Poll::Ready(Ok(())) };
        let arrived = &buf.filled()[start..];
        self.ended = arrived.is_empty();
        let heads = framing.heads();
        let scanned = framing.scan(arrived);
        let waited = self.since.filter(|(phase, _)| *phase == Phase::Head && framing.heads() == heads);
        self.since = match framing.phase() {
            // The time of a head begins with its first byte, unless that came while the request
            // before it ran: then it begins when it is waited for.
            Phase::Head if framing.heads() == heads && !self.link.is_busy() => {
                waited.or_else(|| Some((Phase::Head, Instant::now())))
            }
            _ => None,
        };
        let Some(stop) = scanned.stop else { return Poll::Ready(Ok(())) };
        let rest = start + scanned.pass;
        self.stopped = Some(match stop {
            Stop::Refused(why) => {
                tracing::debug!(why, "request refused");
                Stopped::Refused(REFUSAL)
            }
            Stop::Broken(why) => Stopped::Broken(why),
            Stop::Held => Stopped::Held(BytesMut::from(&buf.filled()[rest..])),
        });
        buf.set_filled(rest);
        // An empty read would be the end of the stream.
        if scanned.pass > 0 { Poll::Ready(Ok(())) } else { self.poll_stopped(cx, buf) }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stopped {
            None => self.poll_framed(cx, buf),
            // The last of it made hyper stop reading; whoever asks again is waiting for nothing.
            Some(Stopped::Refused([])) => Poll::Pending,
            Some(Stopped::Refused(rest)) => {
                let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
                buf.put_slice(now);
                *rest = later;
                Poll::Ready(Ok(()))
            }
            Some(Stopped::Broken(why)) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *why))),
            Some(Stopped::Held(_)) => self.poll_held(cx, buf),
        }
    }

    /// Until it is known whose the bytes are, they are kept and only the end of the stream is told.
    fn poll_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(Stopped::Held(held)) = &mut self.stopped else { return Poll::Pending };
        if self.link.is_tunnel() {
            let length = held.len().min(buf.remaining());
            buf.put_slice(&held.split_to(length));
            if held.is_empty() {
                self.stopped = None;
                self.framing = None;
            }
            return if length > 0 { Poll::Ready(Ok(())) } else { self.poll_bytes(cx, buf) };
        }
        while held.len() < HELD_BYTES_MAX {
            let mut space = [0; 1024];
            let mut arrived = ReadBuf::new(&mut space);
            if self.prefix.is_empty() {
                ready!(Pin::new(&mut self.io).poll_read(cx, &mut arrived))?;
            } else {
                let length = self.prefix.len().min(arrived.remaining());
                arrived.put_slice(&self.prefix.split_to(length));
            }
            if arrived.filled().is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            held.extend_from_slice(arrived.filled());
        }
        Poll::Pending
    }

    /// Ready when the client has been waited for too long. While a request is being answered it
    /// is the client who waits, and the body of a request has a clock of its own.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        let Some(framing) = &self.framing else { return Poll::Pending };
        let phase = framing.phase();
        if self.link.is_busy() || self.link.is_tunnel() || phase == Phase::Body {
            return Poll::Pending;
        }
        let (phase, since) = *self.since.get_or_insert_with(|| (phase, Instant::now()));
        let (time, why) = match phase {
            Phase::Head => (self.times.head, "the head of a request did not arrive in time"),
            _ => (self.times.idle, "no further request arrived in time"),
        };
        self.reading.poll(cx, since + time).map(|()| why)
    }

    /// Reads and drops what the client still sends, so that closing does not reset the connection
    /// before it has read the answer (RFC 9112, 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unfinished = self.stopped.is_some()
            || self.framing.as_ref().is_some_and(|framing| framing.phase() != Phase::Between);
        if self.ended || !unfinished {
            return Poll::Ready(());
        }
        let time = self.linger.time;
        let deadline = *self.linger.deadline.get_or_insert_with(|| Instant::now() + time);
        let mut space = [0; 4096];
        while self.linger.bytes > 0 {
            let mut arrived = ReadBuf::new(&mut space);
            match Pin::new(&mut self.io).poll_read(cx, &mut arrived) {
                Poll::Ready(Ok(())) if !arrived.filled().is_empty() => {
                    self.linger.bytes = self.linger.bytes.saturating_sub(arrived.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.reading.poll(cx, deadline),
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Transport<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_stopped(cx, buf)
    }
}

impl<T: Unpin> Transport<T> {
    /// The outcome of a write, or an error when the client has taken nothing for too long, or too little.
    fn timed<R>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let late = |why: &'static str| Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        let since = *self.blocked.get_or_insert_with(Instant::now);
        if self.writing.poll(cx, since + self.times.write).is_ready() {
            return late("the client took nothing of the answer in time");
        }
        ready!(self.taking.poll_too_slow(cx));
        late("the client took the answer too slowly")
    }

    /// The same for a write of bytes, which count.
    fn counted(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.taking.passed(*bytes);
        }
        self.timed(cx, written)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.counted(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.counted(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.timed(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.link.is_tunnel() {
            // What the other side still says is not HTTP's to drop.
            return Pin::new(&mut this.io).poll_shutdown(cx);
        }
        if this.linger.deadline.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        this.poll_linger(cx).map(Ok)
    }
}
