//! The bytes.

use std::{
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net,
    },
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
#[cfg(feature = "tls")]
use super::tls::Slot;

/// An ordered stream of bytes in both directions, over whichever transport the address named.
///
/// Writes of many slices stay one system call. Over TLS, bytes are only sure to leave once they are flushed, and the end
/// that follows no `shutdown` of the other side is read as [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): somebody on the
/// way may have cut off the rest.
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
    Tls(Box<TlsStream<Slot>>),
}

impl Stream {
    /// Takes the stream from its runtime, so that another thread can [`attach`](Detached::attach) it to its own.
    ///
    /// A socket wakes its task through the runtime it was made in, and ends with it. Bytes that have arrived are kept.
    ///
    /// ```
    /// # use rpc_runtime::transport::{Detached, Stream};
    /// fn hand_over(stream: Stream, to: &std::sync::mpsc::Sender<Detached>) -> std::io::Result<()> {
    ///     to.send(stream.detach()?).map_err(std::io::Error::other)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The runtime does not let it go; the stream is closed.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(Detached(match self.0 {
            Inner::Unix(stream) => Apart::Unix(stream.into_std()?),
            Inner::Tcp(stream) => Apart::Tcp(stream.into_std()?),
            #[cfg(feature = "tls")]
            Inner::Tls(mut stream) => {
                let socket = stream.get_mut().0.take()?.into_std()?;
                Apart::Tls(stream, socket)
            }
        }))
    }

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
            Inner::Tls(stream) => stream.get_ref().0.socket().as_fd(),
        }
    }
}

/// A stream that belongs to no runtime: what [`Stream::detach`] gives.
pub struct Detached(Apart);

enum Apart {
    Unix(net::UnixStream),
    Tcp(std::net::TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Slot>>, std::net::TcpStream),
}

impl Detached {
    /// The stream in the runtime of this thread.
    ///
    /// # Errors
    ///
    /// The runtime does not take it; the stream is closed.
    ///
    /// # Panics
    ///
    /// There is no runtime, or it was built without I/O.
    pub fn attach(self) -> io::Result<Stream> {
        Ok(Stream(match self.0 {
            Apart::Unix(stream) => Inner::Unix(UnixStream::from_std(stream)?),
            Apart::Tcp(stream) => Inner::Tcp(TcpStream::from_std(stream)?),
            #[cfg(feature = "tls")]
            Apart::Tls(mut stream, socket) => {
                *stream.get_mut().0 = Slot::new(TcpStream::from_std(socket)?);
                Inner::Tls(stream)
            }
        }))
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Apart::Unix(_) => Kind::Unix,
            Apart::Tcp(_) => Kind::Tcp,
            #[cfg(feature = "tls")]
            Apart::Tls(..) => Kind::Tls,
        };
        f.debug_tuple("Detached").field(&kind).finish()
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
