//! TLS over TCP: both sides show a certificate, and both look at that of the other.

mod files;
mod handshake;
mod names;
mod slot;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use tokio::time::Instant;

use self::files::{Files, Stamps};
pub(super) use self::{
    handshake::{Handshakes, client_handshake},
    slot::Slot,
};
use super::error::Error;

/// The certificates of one side of TLS.
///
/// Made by [`Tls::client`] or [`Tls::server`] from PEM files. These are looked at again at a handshake when they were
/// last looked at 10 s ago: if they have changed, new connections use what is in them, and those that exist go on. As
/// long as the new files do not fit together, the old certificates stay in use, which is logged once.
///
/// TLS 1.3 is the only version, and no session is resumed: every connection shows its certificate.
///
/// ```no_run
/// use rpc_runtime::transport::{Address, Listener, Tls, connect};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::transport::Error> {
/// let server = Tls::server()
///     .certificate("/etc/shop/auth.pem", "/etc/shop/auth.key")
///     .authority("/etc/shop/ca.pem")
///     .client_names(["gateway.internal"])
///     .build()?;
/// let listener = Listener::bind(&Address::tls("0.0.0.0:7000", server)?).await?;
///
/// let client = Tls::client()
///     .certificate("/etc/shop/gateway.pem", "/etc/shop/gateway.key")
///     .authority("/etc/shop/ca.pem")
///     .build()?;
/// let stream = connect(&Address::tls("auth.internal:7000", client)?).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: Files,
    role: Role,
    current: Mutex<Current>,
}

/// What only one of the sides has.
#[derive(Debug)]
enum Role {
    Client { server_name: Option<ServerName<'static>> },
    Server { client_names: Option<Arc<[ServerName<'static>]>> },
}

/// What was made of the files.
struct Current {
    config: Config,
    stamps: Stamps,
    looked: Instant,
}

#[derive(Clone)]
enum Config {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

/// How long files are taken to be unchanged.
const FILES_FRESH: Duration = Duration::from_secs(10);

impl Tls {
    /// The side that connects.
    pub fn client() -> TlsClient {
        TlsClient::default()
    }

    /// The side that listens.
    pub fn server() -> TlsServer {
        TlsServer::default()
    }

    fn build(files: Files, role: Role) -> Result<Self, Error> {
        // Looked at before they are read, so that a change meanwhile is seen the next time.
        let stamps = files.stamps();
        let config = load(&files, &role)?;
        let current = Mutex::new(Current { config, stamps, looked: Instant::now() });
        Ok(Self(Arc::new(Shared { files, role, current })))
    }

    /// What new connections use.
    ///
    /// Reading three small files and looking at a signature takes well under a millisecond, once per replacement: not
    /// worth a thread.
    fn config(&self) -> Config {
        let Shared { files, role, current } = &*self.0;
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(current.looked) < FILES_FRESH {
            return current.config.clone();
        }
        current.looked = now;
        let stamps = files.stamps();
        if stamps != current.stamps {
            current.stamps = stamps;
            match load(files, role) {
                Ok(config) => {
                    current.config = config;
                    tracing::info!(?files, "new certificates are in use");
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(tracing::field::display);
                    tracing::warn!(%error, source, "the certificates have changed and are of no use: the old ones stay");
                }
            }
        }
        current.config.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("role", &self.0.role).field("files", &self.0.files).finish()
    }
}

fn load(files: &Files, role: &Role) -> Result<Config, Error> {
    Ok(match role {
        Role::Client { .. } => Config::Client(Arc::new(files.client()?)),
        Role::Server { client_names } => Config::Server(Arc::new(files.server(client_names.as_ref())?)),
    })
}

/// What a client shows, and which servers it trusts. Made by [`Tls::client`].
#[derive(Clone, Debug, Default)]
#[must_use = "it is `build` that makes a `Tls` of it"]
pub struct TlsClient {
    files: Files,
    server_name: Option<String>,
}

impl TlsClient {
    /// The certificate to show, first in a PEM file with those that lead to its authority after it, and its key.
    ///
    /// The key file must be closed to group and others.
    pub fn certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.files.certificate = Some((chain.into(), key.into()));
        self
    }

    /// Shows no certificate: for servers that know their callers by something else.
    pub fn anonymous(mut self) -> Self {
        self.files.anonymous = true;
        self
    }

    /// A PEM file of the certificates by which servers are trusted.
    pub fn authority(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.authority = Some(path.into());
        self
    }

    /// A PEM file of revocation lists, one from each authority that issued a certificate in a server's chain.
    ///
    /// Without one nothing is looked up. A list is used for as long as it is in the file.
    pub fn revocations(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.revocations = Some(path.into());
        self
    }

    /// The name the server's certificate must be valid for, a DNS name or an IP address. Default: the host of the address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid), naming the file: it is missing, is no PEM, holds nothing of its kind, or is a
    /// key that others can read or that belongs to another certificate; or what was left out, or is no name.
    pub fn build(self) -> Result<Tls, Error> {
        let Self { files, server_name } = self;
        files.check("client")?;
        let server_name = server_name.map(|name| handshake::server_name(&name)).transpose()?;
        Tls::build(files, Role::Client { server_name })
    }
}

/// What a server shows, and which clients it trusts. Made by [`Tls::server`].
#[derive(Clone, Debug, Default)]
#[must_use = "it is `build` that makes a `Tls` of it"]
pub struct TlsServer {
    files: Files,
    client_names: Option<Vec<String>>,
}

impl TlsServer {
    /// The certificate to show, first in a PEM file with those that lead to its authority after it, and its key.
    ///
    /// The key file must be closed to group and others.
    pub fn certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.files.certificate = Some((chain.into(), key.into()));
        self
    }

    /// Asks no client for a certificate: for servers that know their callers by something else.
    pub fn anonymous_clients(mut self) -> Self {
        self.files.anonymous = true;
        self
    }

    /// A PEM file of the certificates by which clients are trusted.
    pub fn authority(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.authority = Some(path.into());
        self
    }

    /// Lets in only clients whose certificate is valid for one of these DNS names or IP addresses. Default: any that the
    /// authority issued.
    pub fn client_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.client_names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// A PEM file of revocation lists, one from each authority that issued a certificate in a client's chain.
    ///
    /// Without one nothing is looked up. A list is used for as long as it is in the file.
    pub fn revocations(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.revocations = Some(path.into());
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// As [`TlsClient::build`].
    pub fn build(self) -> Result<Tls, Error> {
        let Self { files, client_names } = self;
        files.check("server")?;
        if files.certificate.is_none() {
            return Err(Error::invalid(
                "the TLS of a server needs `.certificate(chain, key)`: what it shows",
            ));
        }
        if files.anonymous && client_names.is_some() {
            return Err(Error::invalid(
                "anonymous clients have no names: leave out `.anonymous_clients()` or `.client_names(..)`",
            ));
        }
        let parsed = |names: Vec<String>| names.iter().map(|name| handshake::server_name(name)).collect();
        let client_names = client_names.map(parsed).transpose()?;
        Tls::build(files, Role::Server { client_names })
    }
}
