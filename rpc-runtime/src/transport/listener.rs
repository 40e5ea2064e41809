//! Accepting at an address.

use std::{fmt, io, net::SocketAddr};
#[cfg(feature = "host")]
use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{Arc, atomic::AtomicBool},
};

use tokio::net::{TcpListener, TcpStream, UnixStream};
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

#[cfg(feature = "tls")]
use super::tls::{Handshakes, Slot};
use super::{
    accept::{BackOff, drain_tcp},
    address::{Address, Target},
    error::Error,
    peer::Peer,
    runtime,
    stream::{Inner, Stream},
    tcp, unix,
};

/// Accepts connections at an address.
///
/// The file of a Unix socket is removed when its listener is dropped.
pub struct Listener {
    address: Address,
    socket: Socket,
    back_off: BackOff,
}

/// A connection that was accepted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// Its bytes.
    pub stream: Stream,
    /// Who made it.
    pub peer: Peer,
}

enum Socket {
    Unix(Box<unix::Socket>),
    Tcp(TcpListener),
    #[cfg(feature = "tls")]
    Tls(TcpListener, Handshakes),
}

impl Listener {
    /// Listens at an address.
    ///
    /// A Unix socket that a host of this user has left behind is replaced; one that somebody listens at is not.
    ///
    /// # Errors
    ///
    /// - [`is_in_use`](Error::is_in_use): somebody listens there; for a Unix socket it says which process.
    /// - [`is_denied`](Error::is_denied): the folder or what stands in the place of the socket belongs to somebody else,
    ///   is open to others or is a link, or this user may not listen at this port.
    /// - [`is_invalid`](Error::is_invalid): this machine has no such address, an address of TLS has no certificates of a
    ///   server, or there is no tokio runtime here that has I/O and time.
    /// - none of these: the system failed, as its source says.
    ///
    /// # Cancel safety
    ///
    /// Nothing listens; a folder may have been made, a stale socket removed.
    pub async fn bind(address: &Address) -> Result<Self, Error> {
        let bound = Socket::bind(&address.0).await;
        let (target, socket) =
            bound.map_err(|error| error.during(format_args!("cannot listen at {address}")))?;
        Ok(Self { address: Address(target), socket, back_off: BackOff::default() })
    }

    /// Goes on to listen at a socket that another process has bound to this address; `None` if it is not there any more.
    #[cfg(feature = "host")]
    pub(crate) fn inherit(address: &Address, socket: OwnedFd) -> Result<Option<Self>, Error> {
        let inherited = Socket::inherit(&address.0, socket);
        let inherited =
            inherited.map_err(|error| error.during(format_args!("cannot go on to listen at {address}")))?;
        Ok(inherited.map(|(target, socket)| Self {
            address: Address(target),
            socket,
            back_off: BackOff::default(),
        }))
    }

    /// The file of a Unix socket stays where it is if this has become true.
    #[cfg(feature = "host")]
    pub(crate) fn leave_file_if(&mut self, left: Arc<AtomicBool>) {
        if let Socket::Unix(socket) = &mut self.socket {
            socket.leave_file_if(left);
        }
    }

    /// The socket itself.
    #[cfg(feature = "host")]
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Unix(socket) => socket.listener().as_fd(),
            Socket::Tcp(listener) => listener.as_fd(),
            #[cfg(feature = "tls")]
            Socket::Tls(listener, _) => listener.as_fd(),
        }
    }

    /// Where it listens, with the port the system chose.
    ///
    /// ```
    /// # use rpc_runtime::transport::{Address, Listener};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::transport::Error> {
    /// let listener = Listener::bind(&Address::tcp("127.0.0.1:0")?).await?;
    /// assert_ne!(listener.local_address().to_string(), "tcp:127.0.0.1:0");
    /// # Ok(()) }
    /// ```
    pub const fn local_address(&self) -> &Address {
        &self.address
    }

    /// The next connection of a peer that may connect.
    ///
    /// It never fails. Connections that end before they are accepted, peers of another user and TLS handshakes that fail
    /// or take more than 10 s are dropped. When the process has no descriptors left, it tries again after 10 ms, then
    /// twice as long each time up to 1 s, and logs that once.
    ///
    /// Handshakes run beside this, at most 256 of them, so that a slow one holds nobody up.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    pub async fn accept(&mut self) -> Accepted {
        let Self { socket, back_off, .. } = self;
        match socket {
            Socket::Unix(socket) => loop {
                let (stream, _) = back_off.accept(|cx| socket.listener().poll_accept(cx)).await;
                if let Some(peer) = socket.admit(&stream) {
                    return (stream, peer).into();
                }
            },
            Socket::Tcp(listener) => accept_tcp(listener, back_off).await.into(),
            #[cfg(feature = "tls")]
            Socket::Tls(listener, handshakes) => loop {
                tokio::select! {
                    biased;
                    // One that has failed makes room for another, so it is asked again whether there is.
                    ended = handshakes.next() => {
                        if let Some(ended) = ended {
                            return ended.into();
                        }
                    }
                    (stream, address) = accept_tcp(listener, back_off), if handshakes.have_room() => {
                        handshakes.start(stream, address);
                    }
                }
            },
        }
    }

    /// Stops listening, and gives the connections that waited to be accepted.
    ///
    /// Whoever has connected may have sent something; dropping the listener resets these connections instead. The
    /// handshakes of TLS have the time that [`accept`](Self::accept) gives them.
    ///
    /// ```
    /// # use rpc_runtime::transport::{Address, Listener, connect};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::transport::Error> {
    /// let listener = Listener::bind(&Address::tcp("127.0.0.1:0")?).await?;
    /// let stream = connect(listener.local_address()).await?;
    /// assert_eq!(listener.close().await.len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The connections are cut.
    pub async fn close(self) -> Vec<Accepted> {
        let closed = match self.socket {
            Socket::Unix(socket) => {
                socket.close().map(|waiting| waiting.into_iter().map(Into::into).collect())
            }
            Socket::Tcp(listener) => {
                close_tcp(listener).map(|waiting| waiting.into_iter().map(Into::into).collect())
            }
            #[cfg(feature = "tls")]
            Socket::Tls(listener, handshakes) => match close_tcp(listener) {
                Ok(waiting) => Ok(handshakes.finish(waiting).await.into_iter().map(Into::into).collect()),
                Err(error) => Err(error),
            },
        };
        closed.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot empty the queue of the listener");
            Vec::new()
        })
    }
}

impl From<(UnixStream, Peer)> for Accepted {
    fn from((stream, peer): (UnixStream, Peer)) -> Self {
        Self { stream: Stream(Inner::Unix(stream)), peer }
    }
}

impl From<(TcpStream, SocketAddr)> for Accepted {
    fn from((stream, address): (TcpStream, SocketAddr)) -> Self {
        Self { stream: Stream(Inner::Tcp(stream)), peer: Peer::tcp(address) }
    }
}

#[cfg(feature = "tls")]
impl From<(TlsStream<Slot>, Peer)> for Accepted {
    fn from((stream, peer): (TlsStream<Slot>, Peer)) -> Self {
        Self { stream: Stream(Inner::Tls(Box::new(stream.into()))), peer }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Socket {
    /// The socket, and where it is bound.
    async fn bind(target: &Target) -> Result<(Target, Self), Error> {
        let local = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| Error::failed("the system does not say where", error))
        };
        runtime::check()?;
        Ok(match target {
            Target::Unix(at) => (target.clone(), Self::Unix(Box::new(unix::Socket::bind(at).await?))),
            Target::Tcp(at) => {
                let listener = tcp::bind(at).await?;
                (Target::Tcp(local(&listener)?.into()), Self::Tcp(listener))
            }
            #[cfg(feature = "tls")]
            Target::Tls(at, tls) => {
                let handshakes = Handshakes::new(tls.as_ref())?;
                let listener = tcp::bind(at).await?;
                (Target::Tls(local(&listener)?.into(), tls.clone()), Self::Tls(listener, handshakes))
            }
        })
    }
}

#[cfg(feature = "host")]
impl Socket {
    /// The socket, and where it is bound.
    fn inherit(target: &Target, socket: OwnedFd) -> Result<Option<(Target, Self)>, Error> {
        let failed = |error| Error::failed("the socket cannot be used", error);
        let tcp = |socket: OwnedFd| {
            let socket = std::net::TcpListener::from(socket);
            socket.set_nonblocking(true)?;
            let listener = TcpListener::from_std(socket)?;
            io::Result::Ok((listener.local_addr()?, listener))
        };
        Ok(match target {
            Target::Unix(at) => {
                let inherited = unix::Socket::inherit(at, socket)?;
                inherited.map(|socket| (target.clone(), Self::Unix(Box::new(socket))))
            }
            Target::Tcp(_) => {
                let (address, listener) = tcp(socket).map_err(failed)?;
                Some((Target::Tcp(address.into()), Self::Tcp(listener)))
            }
            #[cfg(feature = "tls")]
            Target::Tls(_, tls) => {
                let handshakes = Handshakes::new(tls.as_ref())?;
                let (address, listener) = tcp(socket).map_err(failed)?;
                Some((Target::Tls(address.into(), tls.clone()), Self::Tls(listener, handshakes)))
            }
        })
    }
}

/// The connections that wait in the queue and have not ended.
fn close_tcp(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let mut waiting = drain_tcp(listener)?;
    waiting.retain(|(stream, _)| tcp::set_options(stream).is_ok());
    Ok(waiting)
}

/// # Cancel safety
///
/// As [`BackOff::accept`].
async fn accept_tcp(listener: &TcpListener, back_off: &mut BackOff) -> (TcpStream, SocketAddr) {
    loop {
        let (stream, address) = back_off.accept(|cx| listener.poll_accept(cx)).await;
        match tcp::set_options(&stream) {
            Ok(()) => return (stream, address),
            Err(error) => tracing::debug!(%error, %address, "a connection is dropped: it has ended already"),
        }
    }
}
