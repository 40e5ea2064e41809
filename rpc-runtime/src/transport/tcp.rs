//! TCP sockets: how they are set, and how one is connected to a name with many addresses.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};

use super::{
    address::HostPort,
    error::{Error, Reason},
};

/// Binds the first address of the name that can be bound.
pub(super) async fn bind(at: &HostPort) -> Result<TcpListener, Error> {
    TcpListener::bind((at.host.as_str(), at.port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Error::new(Reason::InUse, "the port is in use: end the process that has it, or choose another")
                .because(error)
        }
        io::ErrorKind::AddrNotAvailable => Error::invalid(
            "this machine has no such address: write one of its own, or 0.0.0.0 for all of them",
        )
        .because(error),
        io::ErrorKind::PermissionDenied => {
            Error::denied("this user may not listen at this port").because(error)
        }
        _ => Error::failed("the system refuses it", error),
    })
}

/// Connects to the address of the name that answers first.
///
/// They are tried in the order the resolver gives, each when the one before has failed or said nothing for a while
/// (RFC 8305, section 5): one that swallows packets would otherwise take all the time there is.
pub(super) async fn connect(at: &HostPort) -> Result<TcpStream, Error> {
    let addresses = lookup_host((at.host.as_str(), at.port)).await;
    let mut addresses = addresses
        .map_err(|error| Error::failed(format!("the name {} cannot be resolved", at.host), error))?
        .peekable();
    let mut attempts = JoinSet::new();
    let mut failures = Failures::default();
    loop {
        match addresses.next() {
            Some(address) => {
                attempts.spawn(async move { (address, attempt(address).await) });
            }
            None if attempts.is_empty() => return Err(failures.into_error()),
            None => {}
        }
        let patience = if addresses.peek().is_some() { STAGGER } else { Duration::MAX };
        match timeout(patience, attempts.join_next()).await {
            Ok(Some(Ok((_, Ok(stream))))) => return Ok(stream),
            Ok(Some(Ok((address, Err(error))))) => failures.add(address, error),
            // The attempt panicked or its runtime is ending; or it is time for the next address.
            Ok(_) | Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Connecting to a port of this machine that nobody listens at, and that the kernel then gives to this very socket,
    // succeeds: with itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    set_options(&stream)?;
    Ok(stream)
}

/// What every stream over TCP is set to.
pub(super) fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE_IDLE)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(KEEP_ALIVE_RETRIES);
    socket.set_tcp_keepalive(&keep_alive)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        // Keep-alive is silent while bytes wait to be acknowledged; this is the same patience for them.
        socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
        socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    }
    Ok(())
}

/// What became of the addresses that did not answer.
#[derive(Default)]
struct Failures {
    addresses: Vec<SocketAddr>,
    refused: bool,
    last: Option<io::Error>,
}

impl Failures {
    fn add(&mut self, address: SocketAddr, error: io::Error) {
        self.addresses.push(address);
        self.refused |= error.kind() == io::ErrorKind::ConnectionRefused;
        self.last = Some(error);
    }

    fn into_error(self) -> Error {
        let Some(last) = self.last else { return Error::not_there("its name has no address") };
        let error = if self.refused {
            Error::not_there(format!("nobody listens at {}", list(&self.addresses)))
        } else {
            Error::new(Reason::Failed, format!("{} cannot be reached", list(&self.addresses)))
        };
        error.because(last)
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" or ")
}

/// How long an address is waited for before the next one is tried beside it (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// A peer that says nothing is asked after this time, then after each interval. After the last one, 30 s in all, the
/// connection is reset: the goal is the interval and 20 s.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_RETRIES: u32 = 4;

#[cfg(any(target_os = "android", target_os = "linux"))]
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// What may wait in the kernel to be sent, so that a small message does not stand behind megabytes.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT_BYTES_MAX: u32 = 128 << 10;
