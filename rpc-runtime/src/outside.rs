//! Requests to servers outside of the system: over the network, and to the public part of it alone.

mod addresses;
mod connect;
mod exchange;

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use self::connect::Connector;
use crate::{
    error::{Error, Kind},
    fetch::{Body, Fetch, IntoRequest, Request, Response, Step, Trail, take_redirect},
};

/// Sends a request to a server outside of the system, over HTTP/1.1 or HTTP/2, with or without TLS.
///
/// ```no_run
/// use rpc_runtime::{Body, Result, fetch};
///
/// # async fn run() -> Result<()> {
/// let page = fetch("https://example.org/").await?.into_body().text().await?;
/// let order = http::Request::post("https://example.org/orders").body(Body::from("1 loaf"))?;
/// assert_eq!(fetch(order).await?.status(), 201);
/// # Ok(()) }
/// ```
///
/// What is reached, and how long it may take, is what the [`Outside`] of this thread says: that of the
/// [`Host`](crate::Host), or [`Outside::new`]. The rules are there.
///
/// # Errors
///
/// As [`Outside`] says.
///
/// # Cancel safety
///
/// Dropping the future closes the connection, or over HTTP/2 the stream; the server may have acted on the request.
pub fn fetch<R: IntoRequest>(request: R) -> impl Future<Output = Result<Response, Error>> + Send + use<R> {
    let mut request = request.into_request();
    let outside = HERE.with_borrow_mut(|here| here.get_or_insert_default().clone());
    async move {
        let mode = take_redirect(&mut request).map_err(Error::new)?;
        let trail = Trail::of(&request, mode);
        outside.follow(request, trail).await
    }
}

thread_local! {
    /// One for each thread: a connection is driven by the runtime that made it.
    static HERE: RefCell<Option<Outside>> = const { RefCell::new(None) };
}

/// What lies outside of the system: which part of the network may be reached, and in what time.
///
/// It answers requests like a Worker, so `Fetcher::new(Outside::new())` is a client of it with all that clients have.
///
/// ```
/// use std::time::Duration;
/// use rpc_runtime::{Fetcher, Outside, Result};
///
/// # fn make() -> Result<Fetcher> {
/// let outside = Outside::new().allow("10.20.0.0/16")?.connect_timeout(Duration::from_secs(2));
/// Ok(Fetcher::new(outside))
/// # }
/// # make().unwrap();
/// ```
///
/// # What is reached
///
/// The public Internet. The name of a URL is resolved, and of its addresses only those are connected to that are
/// neither loopback, link-local (where clouds serve the credentials of a machine), private, unique-local, multicast,
/// kept for documentation nor otherwise special by IANA's registries; an IPv4 address inside of an IPv6 one counts as
/// what it is. The connection goes to the very address that was looked at, so a name cannot mean another one by then.
/// Each redirect is looked at in the same way. [`allow`](Self::allow) makes exceptions.
///
/// The URL is absolute, of `http` or `https`, without user name and password and not of port 0. Proxies that the
/// environment names are not used.
///
/// # What is sent
///
/// The head as it is, but for what speaks of a connection: `Connection` and what it names, `Keep-Alive`, `TE`,
/// `Transfer-Encoding`, `Upgrade`, `Proxy-*` and `Expect` are left out both ways. `Host` is that of the URL and
/// `Content-Length` that of the body, whatever the request says. So an incoming request can be forwarded with another
/// URL. `CONNECT` and `TRACE` are refused. Redirects are as in [`Redirect`](crate::Redirect).
///
/// # What it counts as
///
/// Each request, and each redirect, is a subrequest of the pipeline it is made in ([`Limits`](crate::Limits)). Of the
/// requests of one pipeline 6 at most wait for the head of an answer; further ones queue, and go on when a head has
/// come or a request was dropped. Calls through bindings take part in neither.
///
/// The deadline of the invocation holds as it does for everything in it, and is all that limits how slowly the body of
/// an answer may come.
///
/// # Certificates
///
/// A server is believed by the certificates that this machine believes (on Unix the files that OpenSSL uses, or
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`), read at the first use of TLS: they are renewed with the machine and not with
/// the program, and hold the authority of a company that has one. [`trust`](Self::trust) adds to them.
///
/// # Errors
///
/// | | |
/// | --- | --- |
/// | [`is_denied`](Error::is_denied) | the address, the port, the method or the form of the URL is refused |
/// | [`is_decode`](Error::is_decode) | the URL is not absolute, or of another scheme; a redirect points to no URL |
/// | [`is_unavailable`](Error::is_unavailable) | no such name, no connection, no TLS, not in time: nothing was sent. After a redirect it is the next one |
/// | [`is_disconnected`](Error::is_disconnected) | no answer, not in time, or none that is HTTP: the server may have acted |
/// | [`is_limit`](Error::is_limit) | no subrequests are left, or there were more than 20 redirects |
///
/// [`is_unavailable`](Error::is_unavailable) is for whoever asks directly, with [`fetch`] or [`Fetch::fetch`]: an error
/// that came through a client speaks of a call that the callee made. What happens to the body of an answer is told
/// where it is read.
#[derive(Clone)]
pub struct Outside {
    settings: Arc<Settings>,
    /// Made at the first request; clones share its connections.
    client: Arc<OnceLock<Client<Connector, Body>>>,
}

#[derive(Clone, Debug)]
struct Settings {
    allowed: Vec<IpNet>,
    trusted: Vec<CertificateDer<'static>>,
    connect_timeout: Duration,
    head_timeout: Duration,
    idle_timeout: Duration,
}

impl Outside {
    /// The public Internet, with 10 s to connect and 60 s to begin an answer.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings {
            allowed: Vec::new(),
            trusted: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
        };
        Self { settings: Arc::new(settings), client: Arc::default() }
    }

    /// Lets addresses be reached that are refused otherwise: one (`127.0.0.1`), or a network (`10.0.0.0/8`,
    /// `fd00::/8`).
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn allow(self, network: &str) -> Result<Self, Error> {
        let parsed = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
        let Ok(parsed) = parsed else {
            let why =
                format!("{network:?} is no network: expected an address or a network, such as `10.0.0.0/8`");
            return Err(Error::new(Kind::Setup(why.into())));
        };
        Ok(self.with(|settings| settings.allowed.push(parsed)))
    }

    /// Believes the certificates that these sign too: PEM, `-----BEGIN CERTIFICATE-----` and so on.
    ///
    /// # Errors
    ///
    /// There is none, or it is not valid PEM.
    pub fn trust(self, pem: &[u8]) -> Result<Self, Error> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let wrong = |why: &str| Err(Error::new(Kind::Setup(format!("certificates to trust: {why}").into())));
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                wrong("expected PEM, `-----BEGIN CERTIFICATE-----` and so on, and there is none")
            }
            Ok(certificates) => Ok(self.with(|settings| settings.trusted.extend(certificates))),
            Err(error) => wrong(&error.to_string()),
        }
    }

    /// How long it may take to resolve a name, connect, and agree on TLS. Default 10 s.
    #[must_use]
    pub fn connect_timeout(self, time: Duration) -> Self {
        self.with(|settings| settings.connect_timeout = time)
    }

    /// How long the head of an answer may take, the connection and the request's body included. Default 60 s.
    ///
    /// Time spent in the queue of the pipeline does not count.
    #[must_use]
    pub fn head_timeout(self, time: Duration) -> Self {
        self.with(|settings| settings.head_timeout = time)
    }

    /// How long a connection is kept that nobody uses. Default 60 s, at most 32 for each server.
    #[must_use]
    pub fn idle_timeout(self, time: Duration) -> Self {
        self.with(|settings| settings.idle_timeout = time)
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self.client = Arc::default();
        self
    }

    /// From now on, [`fetch`] on this thread goes here; over connections of its own.
    #[cfg(feature = "host")]
    pub(crate) fn serve_this_thread(self) {
        HERE.set(Some(self.with(|_| {})));
    }

    async fn follow(&self, mut request: Request, mut trail: Option<Trail>) -> Result<Response, Error> {
        loop {
            let moved = trail.as_ref().is_some_and(Trail::has_moved);
            let response = exchange::exchange(self, request).await;
            let response = response.map_err(|error| if moved { error.after_redirects() } else { error })?;
            let Some(trail) = &mut trail else { return Ok(response) };
            match trail.step(response).map_err(Error::new)? {
                Step::Answer(response) => return Ok(response),
                Step::Request(next) => request = next,
            }
        }
    }

    fn client(&self) -> &Client<Connector, Body> {
        self.client.get_or_init(|| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .pool_idle_timeout(self.settings.idle_timeout)
                .pool_max_idle_per_host(IDLE_MAX)
                // A path that has begun to swallow packets would else cost each request its whole time.
                .http2_keep_alive_interval(PING)
                .http2_keep_alive_timeout(PING)
                .build(Connector::new(Arc::clone(&self.settings)))
        })
    }
}

/// How often a ping asks whether the server of an HTTP/2 connection is there, and how long it has to answer. As at the
/// edge.
const PING: Duration = Duration::from_secs(20);

/// Most connections to one server that are kept while nobody uses them.
const IDLE_MAX: usize = 32;

impl Fetch for Outside {
    async fn fetch(&self, mut request: Request) -> Result<Response, Error> {
        let mode = take_redirect(&mut request).map_err(Error::new)?;
        let trail = Trail::of(&request, mode);
        self.follow(request, trail).await
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { allowed, trusted, connect_timeout, head_timeout, idle_timeout } = &*self.settings;
        f.debug_struct("Outside")
            .field("allowed", allowed)
            .field("trusted", &trusted.len())
            .field("connect_timeout", connect_timeout)
            .field("head_timeout", head_timeout)
            .field("idle_timeout", idle_timeout)
            .finish()
    }
}
