//! Connections to servers outside: to addresses that have been looked at, with TLS where the URL says so.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::OnceCell,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower_service::Service;

use super::{Settings, addresses::special};
use crate::error::Kind;

/// Connects to the host of a URL.
#[derive(Clone)]
pub(super) struct Connector {
    settings: Arc<Settings>,
    /// Made for the first URL of `https`.
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl Connector {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, tls: Arc::default() }
    }

    async fn connect(self, url: Uri) -> Result<Stream, Failed> {
        let host = url.host().unwrap_or_default();
        let is_tls = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let time = self.settings.connect_timeout;
        let connecting = async {
            let addresses = self.resolve(host, port).await?;
            let stream = connect_any(&addresses, host).await?;
            // A request is written in one piece; waiting for more to send would only delay it.
            let _ = stream.set_nodelay(true);
            if is_tls { self.handshake(stream, host).await } else { Ok(Stream::Plain(TokioIo::new(stream))) }
        };
        match timeout(time, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Failed::unavailable(format!("no connection to {host}:{port} in {time:?}"))),
        }
    }

    /// The addresses of a host that may be connected to.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failed> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let found: Vec<SocketAddr> = match literal.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => lookup_host((host, port))
                .await
                .map_err(|error| Failed::unavailable(format!("the name {host} cannot be resolved: {error}")))?
                .take(ADDRESSES_MAX)
                .collect(),
        };
        let (good, bad): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| self.may_reach(address.ip()));
        match bad.first() {
            Some(address) if good.is_empty() => Err(Failed::refused(host, address.ip())),
            None if good.is_empty() => Err(Failed::unavailable(format!("the name {host} has no address"))),
            _ => Ok(good),
        }
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        special(address).is_none()
            || self
                .settings
                .allowed
                .iter()
                .any(|network| network.contains(&address) || network.contains(&plain))
    }

    async fn handshake(&self, stream: TcpStream, host: &str) -> Result<Stream, Failed> {
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name)
            .map_err(|_| Failed::unavailable(format!("{host} is no name that a certificate could have")))?;
        let config = self.tls.get_or_try_init(|| config(&self.settings)).await?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let stream = stream.map_err(|error| Failed::unavailable(format!("no TLS with {host}: {error}")))?;
        Ok(Stream::Tls(Box::new(TokioIo::new(stream))))
    }
}

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;

/// How long an address is tried alone before the next one is tried beside it. What RFC 8305, 5 recommends.
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// The first connection that comes about.
async fn connect_any(addresses: &[SocketAddr], host: &str) -> Result<TcpStream, Failed> {
    let mut attempts = JoinSet::new();
    let mut rest = addresses.iter();
    let mut why = None;
    loop {
        if let Some(address) = rest.next() {
            attempts.spawn(TcpStream::connect(*address));
        }
        let wait = if rest.len() == 0 { Duration::MAX } else { NEXT_AFTER };
        match timeout(wait, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => why = Some(error),
            Ok(Some(Err(_))) | Err(_) => {}
            Ok(None) => {
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                return Err(Failed::unavailable(format!("no connection to {host}{why}")));
            }
        }
    }
}

/// What servers are believed by.
async fn config(settings: &Settings) -> Result<Arc<ClientConfig>, Failed> {
    static MACHINE: OnceCell<RootCertStore> = OnceCell::const_new();
    let machine = MACHINE.get_or_try_init(|| async {
        // Reads files.
        let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        let loaded = loaded
            .map_err(|_| Failed::unavailable("the certificates of this machine were not read".into()))?;
        for error in &loaded.errors {
            tracing::warn!(target: "rpc_runtime", %error, "a certificate of this machine cannot be used");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        Ok(roots)
    });
    let mut roots = machine.await?.clone();
    for certificate in &settings.trusted {
        roots.add(certificate.clone()).map_err(|error| {
            Failed(Kind::Setup(format!("a certificate to trust is none of an authority: {error}").into()))
        })?;
    }
    if roots.is_empty() {
        return Err(Failed(Kind::Setup(
            "no server can be believed, because this machine has no certificates: install `ca-certificates`, set \
             `SSL_CERT_FILE`, or give some by `Outside::trust`"
                .into(),
        )));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failed(Kind::Setup(format!("TLS cannot be used: {error}").into())))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Why there is no connection; nothing was sent.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Kind);

impl Failed {
    fn unavailable(why: String) -> Self {
        Self(Kind::Unavailable(why.into()))
    }

    fn refused(host: &str, address: IpAddr) -> Self {
        let what = special(address).unwrap_or("special");
        Self(Kind::Denied(
            format!(
                "{host} is at {address}, which is {what} and not of the public Internet: \
                 `Outside::allow(\"{address}\")` makes an exception"
            )
            .into(),
        ))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}

/// A connection, as hyper takes it.
pub(super) enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Tls(stream) if stream.inner().get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}
