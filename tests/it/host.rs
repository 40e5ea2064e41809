//! A host with real sockets: what its Workers reach, who serves which connection, and how it ends.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use rpc_runtime::config::{Config, Faults};
use rpc_runtime::{Client as _, Entrypoint, Env, Error, Fetch, Fetcher, Field, FromEnv, Host, Request};
use rpc_runtime::{Response, Result, Running, Worker, service};

mod bindings;
mod command;
mod ending;
mod exports;
mod load;
mod props;
mod rebuild;
mod remote;
mod requests;
mod shared;
mod starting;
mod streams;
mod threads;
mod watchdog;

/// Much longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a test learns of the Workers it started: they name the probe in a variable.
#[derive(Default)]
struct Probe {
    made: AtomicUsize,
    dropped: AtomicUsize,
    cancelled: AtomicUsize,
    finished: AtomicUsize,
}

fn probe(name: &str) -> Arc<Probe> {
    static PROBES: LazyLock<Mutex<BTreeMap<String, Arc<Probe>>>> = LazyLock::new(Mutex::default);
    Arc::clone(PROBES.lock().unwrap().entry(name.to_owned()).or_default())
}

/// One instance of a Worker; a field of an `Env` as a user may define one.
struct Instance {
    probe: Arc<Probe>,
    number: usize,
}

impl FromEnv for Instance {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        let probe = probe(&field.variable::<String>()?);
        Some(Self { probe, number: usize::MAX })
    }
}

impl Instance {
    /// Counts from when the Worker is made, not its `Env`, which a check makes too.
    fn made(mut self) -> Self {
        self.number = self.probe.made.fetch_add(1, Ordering::SeqCst);
        self
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.number != usize::MAX {
            self.probe.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[service]
trait Auth {
    async fn verify(&self, token: &str) -> Result<String>;
}

#[service]
trait Admin {
    async fn revoke(&self, token: &str) -> Result<String>;
}

/// Answers everything, at two entrypoints.
struct AuthWorker {
    instance: Option<Instance>,
}

#[derive(Env)]
struct AuthEnv {
    probe: Option<Instance>,
}

impl Worker for AuthWorker {
    type Env = AuthEnv;

    async fn new(env: AuthEnv) -> Result<Self> {
        Ok(Self { instance: env.probe.map(Instance::made) })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AuthClient>().fetch().named("Admin", |admin| admin.service::<AdminClient>())
    }
}

impl Auth for AuthWorker {
    async fn verify(&self, token: &str) -> Result<String> {
        if token == "boom" {
            panic!("s3cret of the auth Worker");
        }
        if token == "full" {
            return Err(Error::overloaded("s3cret queue"));
        }
        let instance = self.instance.as_ref().map_or(0, |instance| instance.number);
        Ok(format!("{token} is known to {instance}"))
    }
}

impl Admin for AuthWorker {
    async fn revoke(&self, token: &str) -> Result<String> {
        Ok(format!("{token} is revoked"))
    }
}

impl Fetch for AuthWorker {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let (head, body) = request.into_parts();
        let body = body.text().await?;
        Ok(Response::new(format!("auth got {} {} {body:?}", head.method, head.uri).into()))
    }
}

/// The configuration of an `AuthWorker`.
const AUTH: &str = r#"
name = "auth"
main = "auth"
"#;

fn parsed(texts: &[&str]) -> Vec<Config> {
    let parse = |(at, text): (usize, &&str)| Config::parse(format!("{at}.toml"), *text).unwrap();
    texts.iter().enumerate().map(parse).collect()
}

fn on_a_free_port(host: Host, texts: &[&str]) -> Result<Running, Faults> {
    host.start(parsed(texts), ([127, 0, 0, 1], 0).into())
}

/// A client that sends and reads bytes.
struct Connection(TcpStream);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Connection {
    fn open(address: impl Into<Option<SocketAddr>>) -> Self {
        let stream = TcpStream::connect(address.into().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send(&mut self, path: &str) {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: site\r\n\r\n").unwrap();
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send(path);
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let mut text = String::new();
        loop {
            let mut bytes = [0; 4096];
            let read = self.0.read(&mut bytes).unwrap();
            assert!(read > 0, "closed after {text:?}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                let status = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
                return Answer { status, head: head.to_owned(), body: body.to_owned() };
            }
        }
    }
}

fn get(address: impl Into<Option<SocketAddr>>, path: &str) -> Answer {
    Connection::open(address).get(path)
}
