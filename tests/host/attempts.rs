//! A Worker that tries what it is asked to, and tells what came of it: `done`, what was read, or why not.

use std::{
    fs,
    io::{self, Read as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    os::unix::net::{UnixDatagram, UnixStream},
    path::Path,
    process::{Command, Output},
    thread,
};

use nix::{
    mount::{MsFlags, mount},
    mqueue::{MQ_OFlag, mq_open},
    sched::{CloneFlags, unshare},
    sys::{ptrace, signal, stat::Mode},
    unistd::{Pid, getppid, truncate},
};
use rpc_runtime::{Entrypoint, Env, Error, Fetch, Request, Response, Result, Worker};

use crate::{Greeter as _, GreeterClient};

pub(crate) struct Attempts {
    env: AttemptsEnv,
}

#[derive(Env)]
pub(crate) struct AttemptsEnv {
    greeter: Option<GreeterClient>,
}

impl Worker for Attempts {
    type Env = AttemptsEnv;

    async fn new(env: AttemptsEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<GreeterClient>().fetch().named("Admin", |admin| admin.fetch())
    }
}

impl crate::Greeter for Attempts {
    async fn greet(&self, name: &str) -> Result<String> {
        Ok(format!("{name} greets from process {}", std::process::id()))
    }
}

impl Fetch for Attempts {
    /// `/read/etc/hosts` reads `/etc/hosts`; others take a port, or nothing. Through a `PAGE` it is `/page/read/..`.
    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.uri().path();
        let path = path.strip_prefix("/page").unwrap_or(path)[1..].to_owned();
        let (what, with) = path.split_once('/').unwrap_or((&path, ""));
        let told = match what {
            "greet" => match &self.env.greeter {
                Some(greeter) => greeter.greet("you").await?,
                None => return Err(Error::denied("it is bound to nobody")),
            },
            "abort" => std::process::abort(),
            "elsewhere" => {
                let (what, with) = with.split_once('/').unwrap_or((with, ""));
                let (what, with) = (what.to_owned(), with.to_owned());
                let task = tokio::task::spawn_blocking(move || told(attempt(&what, &with)));
                task.await.map_err(|error| Error::denied(error.to_string()))?
            }
            _ => told(attempt(what, with)),
        };
        Ok(Response::new(told.into()))
    }
}

fn told(tried: io::Result<String>) -> String {
    tried.unwrap_or_else(|error| format!("{:?}", error.kind()))
}

fn attempt(what: &str, with: &str) -> io::Result<String> {
    let path = Path::new("/").join(with);
    let port = || with.parse::<u16>().map_err(io::Error::other);
    let done = |()| "done".to_owned();
    match what {
        "process" => Ok(std::process::id().to_string()),
        "read" => fs::read_to_string(path),
        "list" => Ok(fs::read_dir(path)?.count().to_string()),
        "write" => fs::write(path, "written").map(done),
        "truncate" => Ok(truncate(&path, 0).map(done)?),
        "remove" => fs::remove_file(path).map(done),
        "copy" => fs::copy("/etc/hosts", path).map(|_| done(())),
        "chmod" => fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map(done),
        "parallelism" => Ok(thread::available_parallelism()?.to_string()),
        "connect" => TcpStream::connect(("127.0.0.1", port()?)).map(|_| done(())),
        "listen" => TcpListener::bind("127.0.0.1:0").map(|_| done(())),
        "udp" => UdpSocket::bind("127.0.0.1:0").map(|_| done(())),
        "unix" => UnixStream::connect(path).map(|_| done(())),
        "datagram" => UnixDatagram::unbound().map(|_| done(())),
        "pair" => UnixDatagram::pair().map(|_| done(())),
        "run" => {
            let Output { status, stdout, stderr } = Command::new("cat").arg(path).output()?;
            let [stdout, stderr] = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
            Ok(format!("{status}: {stdout}{stderr}"))
        }
        "trace" => Ok(ptrace::attach(getppid()).map(done)?),
        "priority" => {
            let parent = rustix::process::getppid();
            Ok(rustix::process::setpriority_process(parent, 5).map(done)?)
        }
        "queue" => {
            let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
            Ok(mq_open("/rpc-tests-of-a-sandbox", flags, Mode::S_IRUSR, None).map(|_| done(()))?)
        }
        "signal" => Ok(signal::kill(getppid(), signal::Signal::SIGCONT).map(done)?),
        "raise" => Ok(signal::kill(Pid::this(), signal::Signal::SIGCONT).map(done)?),
        "mount" => {
            let nothing: Option<&str> = None;
            Ok(mount(Some("none"), "/tmp", Some("tmpfs"), MsFlags::empty(), nothing).map(done)?)
        }
        "unshare" => Ok(unshare(CloneFlags::CLONE_NEWUSER).map(done)?),
        "thread" => thread::spawn(|| "done".to_owned()).join().map_err(|_| io::Error::other("a panic")),
        "status" => {
            // `Seccomp`, `NoNewPrivs` and others of every thread.
            let mut lines = Vec::new();
            for task in fs::read_dir("/proc/self/task")? {
                let mut text = String::new();
                fs::File::open(task?.path().join("status"))?.read_to_string(&mut text)?;
                lines.extend(text.lines().filter(|line| line.starts_with(with)).map(str::to_owned));
            }
            Ok(lines.join(", "))
        }
        "limit" => core_limit(),
        _ => Err(io::Error::other("nobody knows how")),
    }
}

/// As the system tells it, `Max core file size  0  0  bytes`.
fn core_limit() -> io::Result<String> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max core file size"));
    Ok(line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
}
