//! A call that has become a connection.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Broken, Reading, Writing};
use crate::{Upgraded, error::Error};

/// The end of a connection that is elsewhere, as a stream of bytes both ways.
pub(in crate::session) struct Connection {
    reading: Reading,
    /// What was read and not asked for.
    chunk: Bytes,
    is_at_end: bool,
    writing: Writing,
}

impl Connection {
    pub(super) const fn new(reading: Reading, writing: Writing) -> Self {
        Self { reading, chunk: Bytes::new(), is_at_end: false, writing }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_at_end {
            return Poll::Ready(Ok(()));
        }
        if this.chunk.is_empty() {
            match ready!(this.reading.poll(cx)) {
                Ok(data) => this.chunk = data,
                Err(Ok(_)) => {
                    this.is_at_end = true;
                    return Poll::Ready(Ok(()));
                }
                Err(Err(broken)) => return Poll::Ready(Err(broken.into_io())),
            }
        }
        let length = this.chunk.len().min(buf.remaining());
        buf.put_slice(&this.chunk[..length]);
        this.chunk.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(room) = ready!(self.writing.poll_room(cx)) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let length = room.min(bytes.len());
        self.writing.write(Bytes::copy_from_slice(&bytes[..length]));
        Poll::Ready(Ok(length))
    }

    /// What was written is on its way: the session waits for nobody.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing.end(Bytes::new());
        Poll::Ready(Ok(()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // As with any stream that is dropped: the other end reads the end, and cannot write any more.
        self.writing.end(Bytes::new());
    }
}

impl Broken {
    fn into_io(self) -> io::Error {
        match self {
            Self::Aborted(error) => io::Error::other(error),
            Self::Lost(why) => io::Error::new(io::ErrorKind::ConnectionReset, why),
        }
    }
}

/// Passes what a Worker says on a connection to the other end, and what that says to the Worker, until both have ended.
pub(super) async fn join(upgraded: Upgraded, to: Writing, from: Option<Reading>) {
    let mut joint = Joint { upgraded, to: Some(to), from, chunk: Bytes::new(), is_ending: false };
    poll_fn(|cx| joint.poll(cx)).await;
}

struct Joint {
    upgraded: Upgraded,
    /// `None` after the Worker has ended its half, or when nobody reads it.
    to: Option<Writing>,
    /// `None` after the other end has ended its half, or when the Worker reads it no further.
    from: Option<Reading>,
    /// What the Worker has not taken.
    chunk: Bytes,
    /// The other end has ended its half, and the Worker is being told.
    is_ending: bool,
}

impl Joint {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _pending = self.pass_out(cx);
        if let Poll::Ready(Err(())) = self.pass_in(cx) {
            // The other end is lost. The Worker sees its stream end, as that of a client that has gone.
            return Poll::Ready(());
        }
        if self.to.is_none() && self.from.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn pass_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; AT_ONCE];
        while let Some(to) = &mut self.to {
            let Some(room) = ready!(to.poll_room(cx)) else {
                self.to = None;
                break;
            };
            let mut buffer = ReadBuf::new(&mut bytes[..room.min(AT_ONCE)]);
            let read = ready!(Pin::new(&mut self.upgraded).poll_read(cx, &mut buffer));
            match (read, buffer.filled()) {
                (Ok(()), []) => {
                    to.end(Bytes::new());
                    self.to = None;
                }
                (Ok(()), filled) => to.write(Bytes::copy_from_slice(filled)),
                (Err(error), _) => {
                    to.abort(&Error::application(error));
                    self.to = None;
                }
            }
        }
        Poll::Ready(())
    }

    fn pass_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while let Some(from) = &mut self.from {
            let upgraded = Pin::new(&mut self.upgraded);
            if self.is_ending {
                let _ended = ready!(upgraded.poll_shutdown(cx));
                self.from = None;
                break;
            }
            if self.chunk.is_empty() {
                match from.poll(cx) {
                    Poll::Ready(Ok(data)) => self.chunk = data,
                    Poll::Ready(Err(Ok(_))) => self.is_ending = true,
                    Poll::Ready(Err(Err(_))) => return Poll::Ready(Err(())),
                    Poll::Pending => {
                        let _flushing = upgraded.poll_flush(cx);
                        return Poll::Pending;
                    }
                }
                continue;
            }
            match ready!(upgraded.poll_write(cx, &self.chunk)) {
                Ok(written @ 1..) => self.chunk.advance(written),
                // It is not read any more; what the Worker says is passed on until its end.
                Ok(0) | Err(_) => {
                    self.from = None;
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What is read of a Worker at once, in bytes.
const AT_ONCE: usize = 8 << 10;
