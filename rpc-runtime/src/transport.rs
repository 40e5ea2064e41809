//! Byte streams between hosts: Unix sockets, TCP, and TLS over TCP.
//!
//! A transport knows no service and no protocol. A [`Listener`] accepts at an [`Address`], [`connect`] reaches one, and
//! both give a [`Stream`] of bytes. What they do know is who is on the other side, so that nobody else gets to send a
//! first byte:
//!
//! | address | the peer is known by | for |
//! | --- | --- | --- |
//! | `unix:/path/to.sock` | its user id, which the kernel tells | hosts of one user on one machine |
//! | `tls:host:port` | its certificate, each side that of the other | hosts on different machines |
//! | `tcp:host:port` | nothing | where something else protects the network |
//!
//! ```
//! use std::io;
//!
//! use rpc_runtime::transport::{Address, Listener, connect};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("rpc-transport-{}", std::process::id()));
//! let address = Address::unix(folder.join("auth.sock"))?;
//! let mut listener = Listener::bind(&address).await?;
//!
//! let (mut caller, mut accepted) = tokio::try_join!(connect(&address), async { Ok(listener.accept().await) })?;
//! assert_eq!(accepted.peer.pid, Some(std::process::id()));
//!
//! caller.write_all(b"hello").await?;
//! let mut bytes = [0; 5];
//! accepted.stream.read_exact(&mut bytes).await?;
//! assert_eq!(&bytes, b"hello");
//! # drop(listener); std::fs::remove_dir(folder)?;
//! # Ok(()) }
//! ```

pub(crate) mod accept;
mod address;
mod connect;
mod error;
mod listener;
mod peer;
mod runtime;
#[cfg(feature = "tls")]
mod seldom;
mod stream;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod unix;

pub use self::{
    address::Address,
    connect::connect,
    error::Error,
    listener::{Accepted, Listener},
    peer::{Kind, Peer},
    stream::{Detached, Stream},
};

#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsClient, TlsServer};
