//! A host as users build one: `tests/it/host/command.rs` runs it as a process of its own.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

#[cfg(target_os = "linux")]
#[path = "host/attempts.rs"]
mod attempts;
#[path = "host/made.rs"]
mod made;

use rpc_runtime::{
    Client as _, Ctx, Entrypoint, Env, Error, Export, Fetch, Fetcher, Host, Request, Response, Result,
    Secret, Worker, edge::EdgeOptions, service,
};
use serde::{Deserialize, Serialize};

/// Requests for `/work`.
static BEGUN: AtomicUsize = AtomicUsize::new(0);
static FINISHED: AtomicUsize = AtomicUsize::new(0);

#[service]
trait Greeter {
    async fn greet(&self, name: &str) -> Result<String>;
}

struct Front {
    env: FrontEnv,
}

#[derive(Env)]
struct FrontEnv {
    greeter: GreeterClient,
    page: Option<Fetcher>,
    #[env(secret)]
    api_key: Option<Secret>,
}

impl Worker for Front {
    type Env = FrontEnv;

    async fn new(env: FrontEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Front {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let text = match request.uri().path() {
            "/denied" => return Err(Error::denied("s3cret\nreason")),
            "/panic" => panic!("s3cret panic"),
            "/key" => match &self.env.api_key {
                Some(key) => format!("{key:?} of {} bytes", key.expose().len()),
                None => "no key".to_owned(),
            },
            "/background" => {
                Ctx::current().wait_until(async {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    println!("background work is done");
                })?;
                "begun".to_owned()
            }
            path if path == "/page" || path.starts_with("/page/") => {
                let page = self.env.page.as_ref().ok_or_else(|| Error::denied("there is no page"))?;
                return page.fetch(request).await;
            }
            "/hang" => std::future::pending().await,
            "/slow" => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                format!("process {} was slow", std::process::id())
            }
            "/work" => {
                BEGUN.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                let answer = self.env.greeter.greet("you").await?;
                FINISHED.fetch_add(1, Ordering::SeqCst);
                answer
            }
            "/hold" => loop {
                std::thread::sleep(Duration::from_millis(10));
            },
            path => self.env.greeter.greet(&path[1..]).await?,
        };
        Ok(Response::new(text.into()))
    }
}

struct Greets {
    env: GreetsEnv,
}

#[derive(Env)]
struct GreetsEnv {
    greeting: String,
    own: Export<GreeterClient>,
}

/// What a binding may say to the Workers here.
#[derive(Debug, Serialize, Deserialize)]
struct Caller {
    tenant: String,
    level: u8,
}

impl Worker for Greets {
    type Env = GreetsEnv;

    async fn new(env: GreetsEnv) -> Result<Self> {
        if env.greeting.is_empty() {
            return Err(Error::denied("nobody can be greeted with nothing"));
        }
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<GreeterClient>()
    }
}

impl Greeter for Greets {
    async fn greet(&self, name: &str) -> Result<String> {
        Ok(match name {
            "props" => format!("{:?}", Ctx::current().props::<Caller>()?),
            "lenient" => format!("{:?}", Ctx::current().props::<Option<Caller>>()?),
            "itself" => {
                let caller = Caller { tenant: "itself".to_owned(), level: 255 };
                let told = self.env.own.with_props(caller)?.greet("props").await?;
                format!("{told} in process {}", std::process::id())
            }
            name => format!("{}, {name}", self.env.greeting),
        })
    }
}

/// Answers requests, and says in which process.
struct Page;

impl Worker for Page {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch().named("Admin", |admin| admin.fetch())
    }
}

impl Fetch for Page {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let text = match request.uri().path() {
            "/page/props" => format!("{:?}", Ctx::current().props::<Caller>()?),
            _ => format!("a page of process {}", std::process::id()),
        };
        Ok(Response::new(text.into()))
    }
}

fn main() -> ExitCode {
    let mut options = EdgeOptions::default();
    if let Some(drain) = std::env::var("DRAIN_MS").ok().and_then(|ms| ms.parse().ok()) {
        options.drain = Duration::from_millis(drain);
    }
    let host = Host::new()
        .edge(options)
        .worker::<Front>("front")
        .worker::<Greets>("greets")
        .worker::<Page>("page")
        .worker::<made::Made>("made");
    #[cfg(target_os = "linux")]
    let host = host.worker::<attempts::Attempts>("attempts");
    let code = host.run();
    let [begun, finished] = [&BEGUN, &FINISHED].map(|count| count.load(Ordering::SeqCst));
    if begun > 0 {
        println!("{begun} begun, {finished} finished");
    }
    code
}
