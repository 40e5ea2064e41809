//! Who is on the other side.

use std::net::SocketAddr;

/// What is known of the other side of an accepted connection.
///
/// ```
/// use rpc_runtime::transport::{Kind, Peer};
///
/// fn describe(peer: &Peer) -> String {
///     match peer.kind {
///         Kind::Unix => format!("process {:?} of user {:?}", peer.pid, peer.uid),
///         Kind::Tls => peer.certificate_names.join(", "),
///         _ => format!("{:?}", peer.address),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// How it is connected.
    pub kind: Kind,
    /// The effective user id it had when it connected; over a Unix socket.
    pub uid: Option<u32>,
    /// The process that connected; over a Unix socket, where the system tells.
    ///
    /// For people who read logs: by the time it is read, the process may have ended and another may have its number.
    pub pid: Option<u32>,
    /// Where it connected from; over TCP and TLS.
    pub address: Option<SocketAddr>,
    /// The DNS names its certificate is valid for, as the certificate spells them, such as `*.shop.internal`; over TLS.
    ///
    /// Empty when it showed no certificate, which a server has to allow, or one for addresses alone.
    pub certificate_names: Vec<String>,
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// By a Unix socket.
    Unix,
    /// By TCP, in the clear.
    Tcp,
    /// By TLS over TCP.
    Tls,
}

impl Peer {
    pub(super) const fn unix(uid: u32, pid: Option<u32>) -> Self {
        Self { kind: Kind::Unix, uid: Some(uid), pid, address: None, certificate_names: Vec::new() }
    }

    pub(super) const fn tcp(address: SocketAddr) -> Self {
        Self { kind: Kind::Tcp, uid: None, pid: None, address: Some(address), certificate_names: Vec::new() }
    }

    /// Whether it is a process of this user, who says so over a socket of the kernel.
    pub(crate) fn is_this_user(&self) -> bool {
        self.kind == Kind::Unix && self.uid == Some(rustix::process::geteuid().as_raw())
    }

    #[cfg(feature = "tls")]
    pub(super) const fn tls(address: SocketAddr, certificate_names: Vec<String>) -> Self {
        Self { kind: Kind::Tls, uid: None, pid: None, address: Some(address), certificate_names }
    }
}
