//! The socket below TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A socket that can be taken out of the TLS around it, which offers no way to be put around another one.
#[derive(Debug)]
pub(in crate::transport) struct Slot(Option<TcpStream>);

impl Slot {
    pub(in crate::transport) const fn new(socket: TcpStream) -> Self {
        Self(Some(socket))
    }

    pub(in crate::transport) fn take(&mut self) -> io::Result<TcpStream> {
        self.0.take().ok_or_else(empty)
    }

    pub(in crate::transport) const fn socket(&self) -> &TcpStream {
        self.0.as_ref().expect("only a detached stream has an empty slot, and it shows none")
    }

    fn project(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        self.get_mut().0.as_mut().map(Pin::new).ok_or_else(empty)
    }
}

fn empty() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Slot {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Slot {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.project()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project()?.poll_shutdown(cx)
    }
}
