//! A process that runs Workers.

mod acceptor;
mod apart;
mod background;
mod command;
mod directory;
mod graph;
mod instance;
mod log;
mod making;
mod registered;
#[cfg(feature = "watch")]
mod reload;
mod requests;
mod restarts;
mod sandbox;
mod server;
mod shared;
mod sockets;
mod supervisor;
mod table;
#[cfg(not(feature = "watch"))]
mod unwatched;

use std::{fmt, net::SocketAddr, process::ExitCode, sync::Arc, thread, time::Duration};

pub use self::server::Running;
use self::shared::Shared;
#[cfg(not(feature = "watch"))]
use self::unwatched as reload;
pub(crate) use self::{background::count as count_background, directory::Directory};
use self::{
    directory::{Advice, Wish},
    instance::{Instance, Of},
    requests::{Need, Requests},
    server::Plan,
};
use crate::{
    config::{Config, Faults},
    edge::EdgeOptions,
    env::Env,
    registry,
    worker::Worker,
};

/// A process that runs Workers: what they are, and how they are served.
///
/// ```no_run
/// use std::process::ExitCode;
/// use rpc_runtime::{Entrypoint, Error, Host, Worker};
///
/// # struct Gateway;
/// # impl Worker for Gateway {
/// #     type Env = ();
/// #     async fn new((): ()) -> Result<Self, Error> { Ok(Self) }
/// #     fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> { entrypoint }
/// # }
/// # type AuthWorker = Gateway;
/// fn main() -> ExitCode {
///     Host::new().worker::<Gateway>("gateway").worker::<AuthWorker>("auth").run()
/// }
/// ```
///
/// The program then has commands: `dev -c gateway/worker.toml -c auth/worker.toml` serves the Worker of the first
/// file on <http://localhost:8787>, and the others to its bindings alone; `check` reads the same files and starts
/// nothing.
///
/// # Workers in other processes
///
/// A Worker is moved out of its process by configuration alone. Its own file says where it listens, and the entry in
/// `services` of whoever calls it says the same address:
///
/// ```toml
/// # auth/worker.toml
/// name = "auth"
/// main = "auth"
/// listen = [ "unix:run/auth.sock" ]                     # begins in the folder of this file; or `tcp:10.0.0.7:4000`
/// ```
///
/// ```toml
/// # gateway/worker.toml
/// services = [ { binding = "AUTH", service = "auth", address = "unix:../auth/run/auth.sock" } ]
/// ```
///
/// Nothing else changes: [`dev`](Self::run) of each process is given the files of its own Workers. Callers reach all
/// entrypoints of a Worker that listens, each by its name, with calls and with `fetch`; a service under
/// `#[service(local)]` never leaves its thread and cannot be reached so. A first Worker that listens is served over
/// HTTP only if `--port` or `--address` asks for it.
///
/// The order of starts does not matter. A call connects when there is no connection, again when it was lost, and is
/// [`is_unavailable`](crate::Error::is_unavailable) while nobody listens there. After an attempt that has failed the
/// next one is made 5 to 10 ms later, then twice as long each time up to 0.5 to 1 s; calls in between fail as the last
/// one did.
///
/// The socket lies in a folder that is closed to other users, which is made if there is none. Its whole path has at
/// most 107 bytes.
///
/// What a binding says in its `props` arrives there too. A Worker believes it of the processes of its own user alone,
/// which have connected over a Unix socket: props beside a `tcp:` address are a fault, and calls of whoever claims some
/// over a network are [`is_denied`](crate::Error::is_denied).
///
/// # Workers in other terminals
///
/// For development no address is needed. `dev` puts every Worker that it runs into a *registry*, and a binding to a
/// Worker whose configuration it was not given leads to the one there, whichever process runs it:
///
/// ```sh
/// gateway dev -c gateway/worker.toml             # in one terminal: AUTH  Worker  auth  [not connected]
/// auth dev -c auth/worker.toml                   # in another; the first one says: AUTH: auth [connected] process 4711
/// ```
///
/// A first Worker that answers no requests is there for the others alone; with `--port` or `--address` that is a fault.
///
/// The order does not matter, nor does an end: the next call reaches a Worker that has appeared or come back. Until
/// then calls are [`is_unavailable`](crate::Error::is_unavailable) and say what to start; where requests come in from
/// outside they get a 503 with the same words. A port that nobody asked for is exchanged for a free one if it is taken.
///
/// The registry is a folder of this user, closed to all others: the one that `--registry` names, else the environment
/// variable `RPC_REGISTRY`, else `$XDG_RUNTIME_DIR/rpc-registry`, else one among the temporary files. In it each Worker
/// has a socket and an entry, `auth.json`, with its process, the version of the protocol, and its entrypoints, services
/// and the digests of their contracts. Entries are renewed every 10 s, and count for nothing after 90 s or when their
/// process is gone. A name belongs to one process at a time: who comes second is refused at the start and told the id
/// of the first. A Worker of another version of the protocol is not connected, and that is said with the id of its
/// process.
///
/// `check` looks into no registry unless `--registry` says so, and then counts who is there now: elsewhere a binding to
/// a Worker that is not there is a fault. [`start`](Self::start) and [`start_listening`](Self::start_listening) use none.
///
/// # Workers with processes of their own
///
/// One line moves a Worker out of the process of `dev`, which then starts another one for it and watches that:
///
/// ```toml
/// # auth/worker.toml
/// name = "auth"
/// main = "auth"                                         # this program is started again, to run this Worker alone
/// isolation = "process"
/// ```
///
/// A `main` with a `/` in it is the path of another program, which begins in the folder of the file, and is started in the
/// same way. It is a host too, built on [`run`](Self::run); there the Worker runs that is linked under its `name`, or the
/// only one. Callers stay as they are, and so do entrypoints and `fetch`; what such a Worker is bound to may be in this
/// process. Both ends meet in the registry.
///
/// The process reads the same file, environment and secrets as this one. What it says is said again with `[auth]`
/// before each line. When it ends, that is told with its exit status, and it is started again: after 100 ms, then twice
/// as long each time up to 30 s, each wait made shorter by up to a half at random; one that has run for 60 s begins
/// anew. Calls are [`is_unavailable`](crate::Error::is_unavailable) meanwhile and say so. When the host stops, the
/// process gets SIGTERM after the host's own Workers have come to their end, and is killed 30 s later; when the host
/// dies, the pipe between them closes and the process stops by itself.
///
/// The host serves when these processes do. One that ends before its Worker is made is a fault of the start, as it is of a
/// Worker of the host; if it is bound to others, which it may have called before they were there, it is started again
/// instead. For one that is not up after 10 s the host waits no longer, and says so.
///
/// Such a Worker has no `listen`. Its memory is its own, its rights are
/// those of the host, unless it is in a sandbox.
///
/// # Workers in sandboxes
///
/// With the feature `sandbox`, on Linux, a table keeps the process of a Worker from what is not said in it:
///
/// ```toml
/// # thumbnails/worker.toml
/// name = "thumbnails"
/// main = "thumbnails"
/// isolation = "process"
///
/// [sandbox]                                             # empty, it is the strictest
/// read = [ "assets" ]                                   # files, and folders with all that is in them
/// write = [ "cache" ]
/// ports = [ 5432 ]                                      # TCP ports to connect to; or `network = true`
/// run = false                                           # whether it may start programs
/// ```
///
/// What is refused fails as [`PermissionDenied`](std::io::ErrorKind::PermissionDenied), in every thread and every program
/// that it starts, and from its first line on: the host's program is started, restricts itself, and becomes that of the
/// Worker. `main` of the host's program runs up to [`run`](Self::run) there. Calls, output, drain and restarts are the
/// same.
///
/// - *Files* (Landlock): it reads its program, its own file and secrets, shared libraries (`/lib`, `/usr/lib` and their
///   like), what finds and trusts other machines (`/etc/hosts`, `/etc/resolv.conf`, `/etc/ssl/certs`, ..), the time zone,
///   `/proc/self`, `/dev/urandom`, and the registry; it writes to a folder of its own in the registry, and to
///   `/dev/null`. A path is allowed as it is when the process starts, and has to be there.
/// - *Network* (both): there is no socket but Unix ones. `ports` allows TCP to these, and to those of its bindings'
///   addresses; names are found by DNS with `network = true` alone, which allows UDP and listening too. Raw sockets stay
///   refused.
/// - *Other processes* (both): no signals, no `ptrace`, no memory of theirs or shared with them, no abstract Unix
///   sockets. Who has no binding connects to no Unix socket at all.
/// - *The system* (seccomp): no mounts, namespaces, modules, clocks, keys, `bpf`, `perf`, `io_uring`, `userfaultfd` and
///   their like; no change of modes, owners and times by path; no `exec` without `run`, with which it starts what it
///   may read. Such calls give `EPERM` and do not kill, so that libraries can do without.
/// - `no_new_privs` is set, and there are no core dumps.
///
/// It holds for root too, but should not have to. It does not hide the *environment variables* of the host nor that files
/// are there (`stat`), does not limit memory or processor time, and where it has a binding does not tell the Unix sockets
/// of others from those of its bindings: the kernel cannot before Linux 7.1, and what is there of that is not used yet.
/// So one that has a binding can reach the others too, and claim any `props` there.
/// Errors of the kernel itself lead out of it.
///
/// `check` and `dev` refuse a sandbox that this kernel cannot make whole (Landlock of ABI 6 and seccomp: Linux 6.12 and
/// newer), or this program, because it lacks the feature. With `best_effort = true` it is made of what there is, and
/// the log says what is missing.
///
/// # While it is written
///
/// `dev --watch` builds the program when its sources change, and exchanges the running one for the new one:
///
/// ```sh
/// cargo run -p gateway -- dev --watch -c gateway/worker.toml -c auth/worker.toml
/// ```
///
/// What serves is then a process below the one that was started. That one holds the listening sockets, of HTTP and of
/// every `listen`, watches the files that cargo says the program was built from, with the manifests, and runs
/// `cargo build` for the same package, binary and profile; a change of a configuration, a file of secrets or a program
/// that is the `main` of a Worker takes a new start and no build. The new process makes its Workers while the old one
/// serves. Once it serves itself the old one takes no more connections, tells its clients so, and has 5 s for what runs;
/// then requests get a 503 and calls of other processes end as [`is_disconnected`](crate::Error::is_disconnected), or as
/// [`is_unavailable`](crate::Error::is_unavailable) if no handler had begun. No connection is refused or reset: those that
/// come in between wait. What is in memory is lost: [`shared`](Self::shared) values too. Processes of Workers are
/// exchanged with their host, and other terminals find the new ones.
///
/// A build that fails, a faulty configuration and a Worker that cannot be made, here or in a process of its own, change
/// nothing: the old process goes on. While the new one waits for a Worker, however long, it goes on too; after 10 s
/// that is told of one with a process of its own. The next change ends a process that does not serve yet. One that ends
/// by itself is started again, as one of a Worker is. SIGINT or SIGTERM ends all of them as it ends `dev`, with 5 s for
/// what runs; when the watching process is killed, the others stop by themselves.
///
/// Nothing tells with what features the program was built: say `--build 'cargo build -p gateway --features x'` if there
/// were any, or if `cargo run` has not started it. `--watch-path` names more files or folders that it is built from. What
/// `main` does before [`run`](Self::run) is done by the watching process too.
///
/// It needs the feature `watch`, which is on by default.
///
/// # Workers that stay in their thread
///
/// A Worker that holds what is not `Send`, such as the client of a `#[service(local)]`, offers local services, and
/// Workers of the same kind may hold clients of it. The Worker that is served, and every one that offers `fetch` or a
/// service that is not local, is `Send` and `Sync`, so it holds no such client: it can use one in its
/// [`new`](Worker::new), and no longer.
///
/// # Instances
///
/// Every thread has an instance of each Worker, made when the host starts: those that others are bound to first, so a
/// Worker may call its bindings in [`new`](Worker::new) already. Where bindings lead in a circle somebody has to be
/// first, and calls to those that are not there yet are [`is_unavailable`](crate::Error::is_unavailable). When a
/// [`new`](Worker::new) has not returned after 5 s that is told, and again after 10, 20, 40 s: by `dev` in the terminal,
/// else by the log.
///
/// An instance is dropped, once, when its thread has ended and the last client of it is gone: before
/// [`Running::stop`] returns, unless somebody has carried a client off to another thread. Workers whose bindings lead
/// in a circle, or to themselves, hold each other: they and what they hold are left to the end of the process. A call
/// borrows its Worker and counts nothing, which would cost as much as the call, and one that was moved to a thread of
/// the program's own may still run when the host has ended; so nobody can tell when such a circle may be opened. What
/// must happen at the end of a Worker that is part of one does not belong into its `Drop`.
#[derive(Default)]
pub struct Host {
    workers: Vec<Linked>,
    threads: Option<usize>,
    edge: EdgeOptions,
    #[cfg(feature = "fetch")]
    outside: crate::Outside,
    hold: Option<Duration>,
    shared: Shared,
}

/// A type of Worker that is linked into the program.
#[derive(Clone, Copy)]
struct Linked {
    /// What `main` in a configuration calls it.
    main: &'static str,
    instance: fn() -> Box<dyn Instance>,
}

impl Host {
    /// No Workers yet; as many threads as the machine has cores, and at least two except for the command `serve`.
    ///
    /// Two, because a Worker has an instance for each thread: state in a field that ought to be shared then shows
    /// itself on the first machine it runs on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Links a type of Worker, under the name that `main` gives it in a `worker.toml`.
    #[must_use]
    pub fn worker<W>(mut self, main: &'static str) -> Self
    where
        W: Worker,
        W::Env: Env,
    {
        self.workers.push(Linked { main, instance: || Box::new(Of::<W>::new()) });
        self
    }

    /// Shares a value between the instances of all threads: every field of type `Arc<T>` in an `Env` is this one.
    ///
    /// State in a field of a Worker belongs to one thread; a pool or a cache that is to be one for the process goes
    /// here. Each type can be shared once. A field whose type was not shared is a fault at the start, which names the
    /// Worker and the type, unless it is an `Option`.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::AtomicU64};
    /// use rpc_runtime::{Env, Host};
    ///
    /// #[derive(Default)]
    /// struct Hits(AtomicU64);
    ///
    /// #[derive(Env)]
    /// struct CounterEnv {
    ///     hits: Arc<Hits>,
    /// }
    ///
    /// let host = Host::new().shared(Arc::new(Hits::default()));
    /// # let _ = host;
    /// ```
    #[must_use]
    pub fn shared<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.shared.add(value);
        self
    }

    /// How many threads serve; at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// The limits and times of the served socket.
    #[must_use]
    pub fn edge(mut self, options: EdgeOptions) -> Self {
        self.edge = options;
        self
    }

    /// What [`fetch`](crate::fetch) reaches from its Workers. Each thread has connections of its own.
    ///
    /// ```
    /// use rpc_runtime::{Host, Outside, Result};
    ///
    /// # fn make() -> Result<Host> {
    /// Ok(Host::new().outside(Outside::new().allow("10.20.0.0/16")?))
    /// # }
    /// # make().unwrap();
    /// ```
    #[cfg(feature = "fetch")]
    #[must_use]
    pub fn outside(mut self, outside: crate::Outside) -> Self {
        self.outside = outside;
        self
    }

    /// How long a handler may hold its thread, in one poll, before the log warns of it. Default 1 s; zero is for ever.
    ///
    /// Nothing else goes on on a thread that is held: no other request, no timer, no deadline. The warning names the
    /// Worker and the method, once for each hold, and another one says how long it was when it is over; both are seen
    /// at most a quarter of this time late. What is named is the handler that the host has called, or the innermost one
    /// below it that has waited for something before; one that is called inside of it and never waits goes by the name
    /// of its caller, unless a subscriber takes spans.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rpc_runtime::Host;
    ///
    /// let host = Host::new().watchdog(Duration::from_millis(200));
    /// # let _ = host;
    /// ```
    #[must_use]
    pub fn watchdog(mut self, hold: Duration) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Runs the command that the arguments of the process name, and gives its exit code: 0, 1 if something is wrong
    /// with the configuration or the start, 2 for a command line that is.
    ///
    /// | command | |
    /// | --- | --- |
    /// | `dev` | serves the Worker of the first file over HTTP, the others to its bindings alone; `--watch` builds it again |
    /// | `serve` | serves them for real, as below |
    /// | `check` | tells every fault of the configuration, and starts nothing |
    /// | `graph` | prints who is bound to whom: as text, for Mermaid or for Graphviz |
    /// | `schema` | prints the JSON Schema of a configuration file, for editors |
    ///
    /// `--help` says more about each. All but `schema` read the files that `-c` names, and in them the environment that
    /// `--env` does; see [`config`](crate::config).
    ///
    /// `dev` and `serve` print where they serve to standard output, a line for each address; the log goes to standard
    /// error, unless the program has a subscriber of `tracing`. SIGINT or SIGTERM stops them as [`Running::stop`] does,
    /// with exit code 0; the second one ends the process at once, with 128 and the number of the signal.
    ///
    /// The log of a program without a subscriber has warnings and errors, each with its time in UTC. The environment
    /// variable `RUST_LOG` names another level: `off`, `error`, `warn`, `info`, `debug` or `trace`, and nothing more.
    ///
    /// `serve` differs from `dev` in this:
    ///
    /// - It uses no development registry: a binding leads to a Worker of the files or has an `address`, and everything
    ///   else is a fault at the start, as for `check`. Processes of Workers meet in a folder that is made for this host
    ///   alone, in `XDG_RUNTIME_DIR` or among the temporary files, and removed when it stops.
    /// - HTTP is served where `--address` and `--port` say, by default on 127.0.0.1:8787; the section `dev` of a file
    ///   says nothing. A port that is taken is a fault. A first Worker that listens is served over HTTP only if one of
    ///   the two is given; one that answers no requests has to listen.
    /// - It has as many threads as the machine has cores, also if that is one, unless [`threads`](Self::threads) says
    ///   more.
    /// - Outside clients of a Worker that is not there get a 503 with a reference, and nothing of what the log says under
    ///   it.
    /// - No table of bindings is printed.
    #[must_use]
    pub fn run(self) -> ExitCode {
        command::run(self, std::env::args_os())
    }

    /// Starts the Workers of these configurations, and serves the first of them on `address`: unless it answers no
    /// requests, and listens. Each Worker is also served where its configuration says that it listens.
    ///
    /// Port 0 takes a free one; see [`Running::address`]. Returns when all Workers are made and the socket accepts
    /// connections; the calling thread waits for that and serves nothing itself.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the configurations, each fault with its file and line. Nothing runs then.
    pub fn start(self, configs: Vec<Config>, address: SocketAddr) -> Result<Running, Faults> {
        server::start(self, configs, Plan { http: Some(Requests::of_program(address)), ..Plan::default() })
    }

    /// Starts the Workers of these configurations, and serves nothing over HTTP: other processes reach those that
    /// `listen`, at the addresses they say.
    ///
    /// ```no_run
    /// use rpc_runtime::{Host, Running, config::{Config, Faults}};
    ///
    /// # fn start(host: Host) -> Result<Running, Faults> {
    /// let config = Config::parse(
    ///     "auth/worker.toml",
    ///     r#"
    ///     name = "auth"
    ///     main = "auth"
    ///     listen = [ "unix:/run/shop/auth.sock" ]
    ///     "#,
    /// )?;
    /// let running = host.start_listening(vec![config])?;
    /// assert_eq!(running.listening()[0].to_string(), "unix:/run/shop/auth.sock");
    /// # Ok(running) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); and that no configuration listens anywhere.
    pub fn start_listening(self, configs: Vec<Config>) -> Result<Running, Faults> {
        server::start(self, configs, Plan::default())
    }

    /// Checks these configurations as [`start`](Self::start) does, and starts nothing.
    ///
    /// A variable that no field of the `Env` takes is no fault; the log warns of it, here and at the start.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub fn check(&self, configs: &[Config]) -> Result<(), Faults> {
        self.check_with(configs, None, Advice::Give)
    }

    /// The same configuration for the process that a Worker has for its own: where `main` is the path of this very
    /// program, what runs is the Worker linked under the `name`, or the only one there is.
    fn linked_for(&self, config: Config) -> Config {
        let named = self.workers.iter().find(|linked| linked.main == config.name.as_str());
        let main = match (config.executable(), named, &self.workers[..]) {
            (Some(_), Some(linked), _) | (Some(_), None, [linked]) => linked.main.to_owned(),
            _ => config.main.to_string(),
        };
        config.in_its_process(&main)
    }

    fn check_with(
        &self,
        configs: &[Config],
        registry: Option<&Arc<registry::Shared>>,
        advice: Advice,
    ) -> Result<(), Faults> {
        // With a registry, as `dev` would do.
        let need = if registry.is_some() { Need::IfAnswered } else { Need::UnlessListening };
        let wish = Wish { http: Some(need), registry, publishes: false, advice };
        directory::check(&self.workers, &self.shared, configs, wish).map(drop)
    }

    fn thread_count(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.unwrap_or_else(|| cores().max(2))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<_> = self.workers.iter().map(|worker| worker.main).collect();
        f.debug_struct("Host")
            .field("workers", &workers)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
