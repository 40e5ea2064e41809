//! Where a host listens.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    path::{Component, Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use super::error::Error;
#[cfg(feature = "tls")]
use super::tls::Tls;

/// Where a host listens: `unix:/path/to.sock`, `tcp:host:port` or `tls:host:port`.
///
/// The path of a Unix socket is absolute, in text too: a relative one would lead elsewhere for each end, whose folders are
/// not the same, and elsewhere again when one of them changes its own. What an address knows beside its text is not part
/// of it: the users of [`unix_shared`](Self::unix_shared), and the certificates of `tls`, which
/// `with_tls` adds to one that was read.
///
/// ```
/// use rpc_runtime::transport::Address;
///
/// let address: Address = "tcp:[::1]:7000".parse()?;
/// assert_eq!(address.to_string(), "tcp:[::1]:7000");
///
/// let error = "tcp:::1:7000".parse::<Address>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"the address "tcp:::1:7000" has no valid host: write an IPv6 address in brackets, as in `tcp:[::1]:7000`"#,
/// );
/// # Ok::<(), rpc_runtime::transport::Error>(())
/// ```
#[derive(Clone)]
pub struct Address(pub(super) Target);

#[derive(Clone)]
pub(super) enum Target {
    Unix(UnixPath),
    Tcp(HostPort),
    /// Without certificates as long as it is text alone.
    #[cfg(feature = "tls")]
    Tls(HostPort, Option<Tls>),
}

/// The absolute path of a socket, which fits into an address of the kernel.
#[derive(Clone, Debug)]
pub(super) struct UnixPath {
    pub(super) path: PathBuf,
    /// User ids that may stand at the other end beside our own.
    pub(super) others: Arc<[u32]>,
}

/// A name or an IP address without brackets, and a port.
#[derive(Clone, Debug)]
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// A Unix socket, for hosts of one user on one machine.
    ///
    /// `path` is absolute, has at most 107 bytes and no `..`. The folder it lies in must belong to this user and be
    /// closed to all others (mode 0700), and is made so by [`Listener::bind`](super::Listener::bind) if there is none.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid), with what to write instead.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::unix_shared(path, [])
    }

    /// A Unix socket that the users with these ids may reach too, and listen at.
    ///
    /// Its folder can be searched by all (mode 0755 if it is made), and its socket be written to by all; who is none of
    /// these users is still let go before a byte is read. It has no text form of its own: shown, it is one of
    /// [`unix`](Self::unix), which leads to the same socket and trusts nobody else.
    ///
    /// ```
    /// # use rpc_runtime::transport::Address;
    /// let address = Address::unix_shared("/run/shop/auth.sock", [33])?;
    /// assert_eq!(address.to_string(), "unix:/run/shop/auth.sock");
    /// # Ok::<(), rpc_runtime::transport::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`unix`](Self::unix).
    pub fn unix_shared(
        path: impl Into<PathBuf>,
        user_ids: impl IntoIterator<Item = u32>,
    ) -> Result<Self, Error> {
        let path = path.into();
        check_path(&path)?;
        Ok(Self(Target::Unix(UnixPath { path, others: user_ids.into_iter().collect() })))
    }

    /// A TCP socket, in the clear: nothing tells who is at the other end.
    ///
    /// `host_port` is a name, an IPv4 address or an IPv6 address in brackets, then `:` and a port: `[::1]:7000`. When
    /// bound, port 0 means any free one.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid), with what to write instead.
    pub fn tcp(host_port: &str) -> Result<Self, Error> {
        Ok(Self(Target::Tcp(HostPort::parse("tcp", host_port)?)))
    }

    /// A TCP socket with TLS.
    ///
    /// `host_port` is as for [`tcp`](Self::tcp); `tls` is that of a server to listen, that of a client to connect.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid), with what to write instead.
    #[cfg(feature = "tls")]
    pub fn tls(host_port: &str, tls: Tls) -> Result<Self, Error> {
        Ok(Self(Target::Tls(HostPort::parse("tls", host_port)?, Some(tls))))
    }

    /// The same address with these certificates, if it is one of TLS: what an address read from text does not have.
    ///
    /// ```no_run
    /// use rpc_runtime::transport::{Address, Tls};
    ///
    /// let tls = Tls::client().certificate("gateway.pem", "gateway.key").authority("ca.pem").build()?;
    /// let address: Address = "tls:auth.internal:7000".parse()?;
    /// let address = address.with_tls(tls);
    /// # Ok::<(), rpc_runtime::transport::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        match self.0 {
            Target::Tls(at, _) => Self(Target::Tls(at, Some(tls))),
            other => Self(other),
        }
    }

    /// Whether it is one of TLS, which says nothing yet of certificates.
    #[cfg(feature = "host")]
    pub(crate) fn is_tls(&self) -> bool {
        !matches!(self.0, Target::Unix(_) | Target::Tcp(_))
    }

    /// The port of a machine that it leads to.
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    pub(crate) fn port(&self) -> Option<u16> {
        match &self.0 {
            Target::Unix(_) => None,
            Target::Tcp(at) => Some(at.port),
            #[cfg(feature = "tls")]
            Target::Tls(at, _) => Some(at.port),
        }
    }

    /// The folder of the socket that it leads to.
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Target::Unix(at) => at.path.parent(),
            _ => None,
        }
    }

    /// Whether it is a Unix socket, which tells the two ends who is at the other one.
    #[cfg(feature = "host")]
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.0, Target::Unix(_))
    }

    /// Whether the system chooses the rest of it when it is bound.
    #[cfg(feature = "host")]
    pub(crate) fn is_any(&self) -> bool {
        matches!(&self.0, Target::Tcp(HostPort { port: 0, .. }))
    }

    fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with(['@', '\0']) => Err(Error::invalid(format!(
                "the address {text:?} has an abstract name, which any user may take or connect to: write a path, as \
                 in `unix:/run/shop/auth.sock`"
            ))),
            Some(("unix", path)) => Self::unix(path),
            Some(("tcp", host_port)) => Self::tcp(host_port),
            #[cfg(feature = "tls")]
            Some(("tls", host_port)) => Ok(Self(Target::Tls(HostPort::parse("tls", host_port)?, None))),
            #[cfg(not(feature = "tls"))]
            Some(("tls", _)) => Err(Error::invalid(format!(
                "the address {text:?} needs the feature `tls` of rpc-runtime, which is not switched on"
            ))),
            _ => Err(Error::invalid(format!(
                "expected an address such as `unix:/path/to.sock`, `tcp:host:port` or `tls:host:port`, got {text:?}"
            ))),
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Address {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// What [`FromStr`] reads.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Unix(unix) => write!(f, "unix:{}", unix.path.display()),
            Target::Tcp(at) => write!(f, "tcp:{at}"),
            #[cfg(feature = "tls")]
            Target::Tls(at, _) => write!(f, "tls:{at}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}")?;
        match &self.0 {
            Target::Unix(unix) if !unix.others.is_empty() => write!(f, ", shared with {:?}", unix.others)?,
            #[cfg(feature = "tls")]
            Target::Tls(_, Some(tls)) => write!(f, ", {tls:?}")?,
            _ => {}
        }
        f.write_str(")")
    }
}

impl HostPort {
    fn parse(scheme: &str, text: &str) -> Result<Self, Error> {
        let wrong =
            |what: &str| Error::invalid(format!("the address \"{scheme}:{}\" {what}", text.escape_debug()));
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(wrong(&format!("has no port: write `{scheme}:host:port`")));
        };
        let Ok(port) = port.parse() else {
            return Err(wrong("has no valid port: write a number from 0 to 65535 after the last `:`"));
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(host),
        };
        if !valid {
            return Err(wrong(&if host.contains(':') {
                format!("has no valid host: write an IPv6 address in brackets, as in `{scheme}:[::1]:7000`")
            } else {
                "has no valid host: write a name of letters, digits, `-`, `_` and `.`, or an IP address"
                    .to_owned()
            }));
        }
        Ok(Self { host: bracketed.unwrap_or(host).to_owned(), port })
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn check_path(path: &Path) -> Result<(), Error> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let wrong = |what: &str| Error::invalid(format!("the path {path:?} of a Unix socket {what}"));
    if bytes.is_empty() {
        return Err(wrong("is empty: write one, as in `unix:/run/shop/auth.sock`"));
    }
    if bytes.contains(&0) {
        return Err(wrong(
            "contains a NUL byte: names in the abstract namespace are not used, because any user \
                          may take or connect to them",
        ));
    }
    if !path.is_absolute() {
        return Err(wrong(
            "is relative: write one that begins with `/`, which leads both ends to the same place",
        ));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(wrong("contains `..`: write the path without it"));
    }
    if path.file_name().is_none() || bytes.ends_with(b"/") {
        return Err(wrong("names no file: write the folder, `/` and the name of the socket"));
    }
    if bytes.len() > PATH_BYTES_MAX {
        return Err(wrong(&format!(
            "has {} bytes, and at most {PATH_BYTES_MAX} fit into the address of a socket: choose a shorter folder",
            bytes.len()
        )));
    }
    Ok(())
}

/// `sun_path` has 108 bytes on Linux (unix(7)), one of them for the NUL at its end.
const PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
