//! Reaching an address.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    address::{Address, Target},
    error::{Error, Reason},
    runtime,
    stream::{Inner, Stream},
    tcp, unix,
};

/// Connects to an address, within 10 s.
///
/// Over TLS the certificate of the server has been verified when this returns. Whether the server accepts ours shows with
/// the first read: that is the way of TLS 1.3.
///
/// ```
/// use rpc_runtime::transport::{Address, connect};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::transport::Error> {
/// match connect(&"tcp:localhost:1".parse::<Address>()?).await {
///     Ok(stream) => drop(stream),
///     Err(error) if error.is_not_there() => eprintln!("{error}: trying again later"),
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`is_not_there`](Error::is_not_there): nobody listens there; another attempt may succeed later.
/// - [`is_denied`](Error::is_denied): the socket, its folder or the process behind it belongs to somebody else, or the
///   certificate of the server is not one we trust for its name, or it refuses to speak TLS with us.
/// - [`is_timeout`](Error::is_timeout): no answer within 10 s.
/// - [`is_invalid`](Error::is_invalid): an address of TLS without the certificates of a client, or a place without a
///   tokio runtime that has I/O and time.
/// - none of these: the system or the network failed, as its source says.
///
/// # Cancel safety
///
/// The connection is closed.
pub async fn connect(address: &Address) -> Result<Stream, Error> {
    let reached = within_patience(&address.0).await;
    reached.map(Stream).map_err(|error| error.during(format_args!("cannot connect to {address}")))
}

async fn within_patience(target: &Target) -> Result<Inner, Error> {
    runtime::check()?;
    match timeout(PATIENCE, reach(target)).await {
        Ok(reached) => reached,
        Err(_) => Err(Error::new(Reason::TimedOut, format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn reach(target: &Target) -> Result<Inner, Error> {
    Ok(match target {
        Target::Unix(at) => Inner::Unix(unix::connect(at).await?),
        Target::Tcp(at) => Inner::Tcp(tcp::connect(at).await?),
        #[cfg(feature = "tls")]
        Target::Tls(at, tls) => {
            let handshake = super::tls::client_handshake(tls.as_ref(), &at.host)?;
            let stream = tcp::connect(at).await?;
            Inner::Tls(Box::new(handshake.run(stream).await?.into()))
        }
    })
}

/// Name resolution, connecting and the handshake, together.
const PATIENCE: Duration = Duration::from_secs(10);
