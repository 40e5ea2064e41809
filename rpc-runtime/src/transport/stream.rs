//! The bytes.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
#[cfg(feature = "tls")]
use tokio_rustls::TlsStream;

use super::peer::Kind;

/// An ordered stream of bytes in both directions, over whichever transport the address named.
///
/// Writes of many slices stay one system call. Over TLS, bytes are only sure to leave once they are flushed.
///
/// ```
/// use tokio::io::{AsyncRead, AsyncWrite};
///
/// fn is_a_stream<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>() {}
/// is_a_stream::<rpc_runtime::transport::Stream>();
/// ```
pub struct Stream(pub(super) Inner);

pub(super) enum Inner {
    Unix(UnixStream),
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Which transport it is.
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Inner::Unix(_) => Kind::Unix,
            Inner::Tcp(_) => Kind::Tcp,
            #[cfg(feature = "tls")]
            Inner::Tls(_) => Kind::Tls,
        }
    }
}

/// For options of the socket; what is read or written past the stream is lost to it.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Inner::Unix(stream) => stream.as_fd(),
            Inner::Tcp(stream) => stream.as_fd(),
            #[cfg(feature = "tls")]
            Inner::Tls(stream) => stream.get_ref().0.as_fd(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.kind()).finish()
    }
}

/// The same expression for each transport.
macro_rules! each {
    ($inner:expr, $stream:ident => $result:expr) => {
        match $inner {
            Inner::Unix($stream) => $result,
            Inner::Tcp($stream) => $result,
            #[cfg(feature = "tls")]
            Inner::Tls($stream) => $result,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut self.0, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut self.0, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut self.0, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(&self.0, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.0, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.0, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
