//! Handshakes, each with an end.

use std::{future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{InvalidMessage, pki_types::ServerName};
use socket2::SockRef;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::{Config, Role, Slot, Tls, names::dns_names};
use crate::transport::{error::Error, peer::Peer, seldom::Seldom};

/// A handshake that a client is going to make.
pub(in crate::transport) struct ClientHandshake {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

/// Looked at before anything is connected.
pub(in crate::transport) fn client_handshake(
    tls: Option<&Tls>,
    host: &str,
) -> Result<ClientHandshake, Error> {
    let tls = tls.ok_or_else(|| no_certificates("client"))?;
    let (Role::Client { server_name: expected }, Config::Client(config)) = (&tls.0.role, tls.config()) else {
        return Err(Error::invalid(
            "this is the TLS of a server: connecting takes one made by `Tls::client()`",
        ));
    };
    let server_name = expected.clone().map_or_else(|| server_name(host), Ok)?;
    Ok(ClientHandshake { connector: config.into(), server_name })
}

/// A DNS name or an IP address.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|error| {
        Error::invalid(format!(
            "{name:?} is no name a certificate could have: expected a DNS name or an IP address"
        ))
        .because(error)
    })
}

fn no_certificates(role: &str) -> Error {
    Error::invalid(format!(
        "the address has no certificates: make it by `Address::tls`, or give them by `with_tls`, made by \
         `Tls::{role}()`"
    ))
}

impl ClientHandshake {
    pub(in crate::transport) async fn run(self, stream: TcpStream) -> Result<client::TlsStream<Slot>, Error> {
        self.connector.connect(self.server_name, Slot::new(stream)).await.map_err(|error| {
            match refusal(&error) {
                Some(refusal) => Error::denied(said_of(refusal)).because(error),
                None => Error::failed("the connection ended in the TLS handshake", error),
            }
        })
    }
}

/// What one side has against the other, if the connection itself has not failed.
fn refusal(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn said_of(refusal: &rustls::Error) -> &'static str {
    match refusal {
        rustls::Error::InvalidCertificate(_) => "the certificate of the server is not trusted",
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there does not speak TLS"
        }
        rustls::Error::AlertReceived(_) => "the server refuses TLS with this client",
        _ => "the two sides do not agree on TLS",
    }
}

/// The handshakes of a server, beside each other.
#[derive(Debug)]
pub(in crate::transport) struct Handshakes {
    tls: Tls,
    /// Those that have ended and were not taken yet count too.
    running: JoinSet<Option<(server::TlsStream<Slot>, Peer)>>,
    warnings: Arc<Seldom>,
}

impl Handshakes {
    pub(in crate::transport) fn new(tls: Option<&Tls>) -> Result<Self, Error> {
        let tls = tls.ok_or_else(|| no_certificates("server"))?;
        match tls.0.role {
            Role::Server { .. } => {
                Ok(Self { tls: tls.clone(), running: JoinSet::new(), warnings: Arc::default() })
            }
            Role::Client { .. } => Err(Error::invalid(
                "this is the TLS of a client: listening takes one made by `Tls::server()`",
            )),
        }
    }

    pub(in crate::transport) fn have_room(&self) -> bool {
        self.running.len() < HANDSHAKES_MAX
    }

    pub(in crate::transport) fn start(&mut self, stream: TcpStream, address: SocketAddr) {
        let Config::Server(config) = self.tls.config() else { return };
        self.running.spawn(run(config.into(), stream, address, Arc::clone(&self.warnings)));
    }

    /// The next one that ends, if it succeeds; never, while none runs.
    ///
    /// # Cancel safety
    ///
    /// None is lost.
    pub(in crate::transport) async fn next(&mut self) -> Option<(server::TlsStream<Slot>, Peer)> {
        match self.running.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => {
                tracing::error!(%error, "a TLS handshake did not end");
                None
            }
            None => pending().await,
        }
    }

    /// Makes the handshakes of these too, and gives all that succeed.
    pub(in crate::transport) async fn finish(
        mut self,
        waiting: Vec<(TcpStream, SocketAddr)>,
    ) -> Vec<(server::TlsStream<Slot>, Peer)> {
        let mut accepted = Vec::new();
        for (stream, address) in waiting {
            if !self.have_room() {
                accepted.extend(self.next().await);
            }
            self.start(stream, address);
        }
        while !self.running.is_empty() {
            accepted.extend(self.next().await);
        }
        accepted
    }
}

async fn run(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    warnings: Arc<Seldom>,
) -> Option<(server::TlsStream<Slot>, Peer)> {
    match timeout(PATIENCE, acceptor.accept(Slot::new(stream)).into_fallible()).await {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let peer = Peer::tls(address, certificate.map(dns_names).unwrap_or_default());
            Some((stream, peer))
        }
        Ok(Err((error, mut slot))) => {
            // Whoever only looks whether the port is open ends the connection, and refuses nothing.
            match refusal(&error).and_then(|_| warnings.one_more()) {
                Some(unsaid) => tracing::warn!(%error, %address, unsaid, "a TLS handshake was refused"),
                None => tracing::debug!(%error, %address, "a TLS handshake failed"),
            }
            // A socket that is closed with bytes unread is reset, and the reason that was sent may be lost on the way.
            let _ = timeout(LINGER, read_to_end(slot.take().ok()?)).await;
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a TLS handshake took too long");
            None
        }
    }
}

async fn read_to_end(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream).shutdown(std::net::Shutdown::Write)?;
    let mut space = [0; 4096];
    let mut left = LINGER_BYTES_MAX;
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut space) {
            Ok(0) => break,
            Ok(length) => left = left.saturating_sub(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// More wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 256;

/// For the whole handshake, the goal of a hello over TLS. One takes a few milliseconds and two round trips.
const PATIENCE: Duration = Duration::from_secs(10);

const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 64 << 10;
