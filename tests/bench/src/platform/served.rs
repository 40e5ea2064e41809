//! The servers, each in a process of its own.

use std::{
    convert::Infallible,
    io::{self, Read, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process, thread,
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rpc_runtime::{
    Client as _, Entrypoint, Env, Error, Fetch, Fetcher, Host, Running, Worker, config::Config, service,
};
use tokio::{net::TcpListener, runtime::Builder};

use crate::harness::Failure;

/// The argument that makes this executable a server; its kind and the path of the socket for sessions follow.
pub const SERVE: &str = "--serve";

/// What a server answers to every request.
pub const HELLO: &str = "hello, Ada";

/// The token that every request has.
pub const TOKEN: &str = "Bearer t0ken";

/// How many Workers an idle host has.
pub const WORKERS: usize = 50;

/// What a process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// hyper's own answer.
    Hyper,
    /// A Worker that answers by itself.
    Hello,
    /// A gateway that asks the auth Worker of the same host, by a typed call.
    Gateway,
    /// The same, where that Worker is another process.
    GatewayFar,
    /// That Worker.
    Auth,
    /// A gateway that hands the request to another Worker's `fetch`.
    Hop,
    /// As many Workers as [`WORKERS`], which do nothing.
    Idle,
}

impl Kind {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Hyper, "hyper"),
        (Self::Hello, "hello"),
        (Self::Gateway, "gateway"),
        (Self::GatewayFar, "gateway_far"),
        (Self::Auth, "auth"),
        (Self::Hop, "hop"),
        (Self::Idle, "idle"),
    ];

    /// As the argument of the process.
    ///
    /// # Panics
    ///
    /// Never: each has a name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).expect("each has a name").1
    }
}

impl std::str::FromStr for Kind {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let known = Self::NAMES.iter().find(|(_, name)| *name == text);
        Ok(known.ok_or_else(|| format!("expected a kind of server, got `{text}`"))?.0)
    }
}

#[service]
trait Auth {
    async fn verify(&self, token: &str) -> Result<String, Error>;
}

struct AuthWorker;

impl Worker for AuthWorker {
    type Env = ();

    async fn new((): ()) -> Result<Self, Error> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AuthClient>().fetch()
    }
}

impl Auth for AuthWorker {
    async fn verify(&self, token: &str) -> Result<String, Error> {
        if token == TOKEN { Ok("Ada".to_owned()) } else { Err(Error::denied("show a token")) }
    }
}

impl Fetch for AuthWorker {
    async fn fetch(&self, _: rpc_runtime::Request) -> Result<rpc_runtime::Response, Error> {
        Ok(Response::new(HELLO.into()))
    }
}

struct Gateway {
    env: GatewayEnv,
}

#[derive(Env)]
struct GatewayEnv {
    auth: Option<AuthClient>,
    next: Option<Fetcher>,
}

impl Worker for Gateway {
    type Env = GatewayEnv;

    async fn new(env: GatewayEnv) -> Result<Self, Error> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Gateway {
    async fn fetch(&self, request: rpc_runtime::Request) -> Result<rpc_runtime::Response, Error> {
        if let Some(next) = &self.env.next {
            return next.fetch(request).await;
        }
        let Some(auth) = &self.env.auth else { return Ok(Response::new(HELLO.into())) };
        let token = request.headers().get(http::header::AUTHORIZATION);
        let token = token.and_then(|token| token.to_str().ok()).unwrap_or_default();
        let user = auth.verify(token).await?;
        Ok(Response::new(format!("hello, {user}").into()))
    }
}

/// What the other process does: serves until the one that has started it is gone. `begun` is when it was.
///
/// # Errors
///
/// It cannot serve.
pub fn serve(kind: Kind, socket: &str, begun: Instant) -> Result<(), Failure> {
    thread::spawn(|| {
        // Nobody writes; the pipe ends with the process that holds its other end.
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    if kind == Kind::Hyper {
        return hyper();
    }
    let running = host(kind, socket)?;
    if let (Kind::Idle, Some(address)) = (kind, running.address()) {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: site\r\n\r\n")?;
        stream.read_exact(&mut [0; 15])?;
    }
    println!("{} {}", running.address().unwrap_or(ANY), begun.elapsed().as_micros());
    loop {
        thread::park();
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn host(kind: Kind, socket: &str) -> Result<Running, Failure> {
    let gateway = |services: &str| format!("name = 'gateway'\nmain = 'gateway'\nservices = [{services}]");
    let auth = "name = 'auth'\nmain = 'auth'".to_owned();
    let texts = match kind {
        Kind::Hyper | Kind::Hello => vec![gateway("")],
        Kind::Gateway => vec![gateway("{ binding = 'AUTH', service = 'auth' }"), auth],
        Kind::GatewayFar => {
            vec![gateway(&format!("{{ binding = 'AUTH', service = 'auth', address = 'unix:{socket}' }}"))]
        }
        Kind::Auth => vec![format!("{auth}\nlisten = ['unix:{socket}']")],
        Kind::Hop => vec![gateway("{ binding = 'NEXT', service = 'auth' }"), auth],
        Kind::Idle => (0..WORKERS).map(idle).collect(),
    };
    let configs = texts.iter().map(|text| Config::parse("worker.toml", text.as_str()));
    let configs = configs.collect::<Result<Vec<_>, _>>().map_err(|faults| faults.to_string())?;
    // An idle host is one as users have it.
    let host = if kind == Kind::Idle { Host::new() } else { Host::new().threads(1) };
    let host = with_workers(host);
    let running = if kind == Kind::Auth { host.start_listening(configs) } else { host.start(configs, ANY) };
    Ok(running.map_err(|faults| faults.to_string())?)
}

/// A host as a user's program is one.
pub fn workers() -> Host {
    with_workers(Host::new())
}

fn with_workers(host: Host) -> Host {
    host.worker::<Gateway>("gateway").worker::<AuthWorker>("auth")
}

/// Each bound to the next one, but the last.
fn idle(at: usize) -> String {
    let next = at + 1;
    let services = format!("services = [{{ binding = 'NEXT', service = 'worker-{next}' }}]");
    let services = if next < WORKERS { &*services } else { "" };
    format!("name = 'worker-{at}'\nmain = 'gateway'\n{services}")
}

/// hyper's hello world: one thread, one task for each connection.
fn hyper() -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(ANY).await?;
        println!("{} 0", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = async |_: Request<Incoming>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(HELLO.as_bytes()))))
            };
            // How a connection ends is for the client to judge.
            tokio::spawn(async move {
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await.is_ok()
            });
        }
    })
}
