//! Workers in processes of their own, which the host starts, watches and ends.

mod first;

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::first::{First, Waiting, wait};
use super::{registered, restarts::Restarts, sandbox};
use crate::{
    config::{Config, Fault, Faults},
    registry::{self, Registry, Sought, State},
};

/// The name of the command that such a process runs; it is told to nobody.
pub(super) const COMMAND: &str = "apart";

/// The processes of a host. Dropping it ends them.
pub(super) struct Apart(Vec<Watch>);

struct Watch {
    stop: Option<mpsc::Sender<Instant>>,
    thread: Option<JoinHandle<()>>,
    /// The name of one that has a folder of its own in the registry.
    home: Option<(String, Arc<registry::Shared>)>,
}

impl Apart {
    /// Starts a process for each Worker that has one, and waits until it is served. `takes_over` if another host serves
    /// until this one does.
    ///
    /// One that ends instead is a fault, unless it may have called somebody who is not there yet. For one that takes too
    /// long nobody waits, unless another host serves meanwhile.
    pub(super) fn start(configs: &[Config], registry: &Registry, takes_over: bool) -> Result<Self, Faults> {
        // From here on whoever leaves ends what was started.
        let mut apart = Self(Vec::new());
        let mut firsts = Vec::new();
        for config in configs.iter().filter(|config| config.is_apart()) {
            let Some(sought) = registry.shared().find(&config.name).cloned() else { continue };
            // One of the host that this one is about to take the place of goes on until then.
            let before = match sought.state() {
                State::Connected { pid, is_kin: true, .. } => Some(pid),
                State::Connected { pid, .. } => {
                    let by = format!("process {pid}");
                    return Err(registered::taken(config.name.place(), &config.name, &by).into());
                }
                State::Absent | State::Unusable(_) => None,
            };
            sought.explain("its process is not up yet, or has just ended".to_owned());
            let (stop, stopped) = mpsc::channel();
            let (command, executable) = match (&config.sandbox, config.executable()) {
                (None, Some(path)) => (COMMAND, Ok(path.to_owned())),
                (None, None) => (COMMAND, std::env::current_exe()),
                // This very program makes the sandbox, and then becomes the other one.
                (Some(_), _) => (sandbox::COMMAND, std::env::current_exe()),
            };
            let mut all = vec![PathBuf::from(command)];
            all.extend(arguments(config, registry.shared().path()));
            let process = Process {
                name: config.name.to_string(),
                executable: executable.map_err(|error| not_started(config, &error))?,
                arguments: all,
                sought: Arc::clone(&sought),
                first: Arc::new(First::new(takes_over || config.services.is_empty())),
            };
            let first = Arc::clone(&process.first);
            let thread = thread::Builder::new()
                .name(format!("rpc-apart-{}", process.name))
                .spawn(move || process.watch(&stopped))
                .map_err(|error| not_started(config, &error))?;
            let home = config.sandbox.as_ref().map(|sandbox| {
                let allows = sandbox::described(sandbox);
                tracing::debug!(worker = %*config.name, %allows, "the process of a Worker is in a sandbox");
                (config.name.to_string(), Arc::clone(registry.shared()))
            });
            apart.0.push(Watch { stop: Some(stop), thread: Some(thread), home });
            firsts.push(Waiting { config, sought, before, first });
        }
        wait(firsts, takes_over).result(apart)
    }
}

impl Apart {
    /// Asks all of them to stop, and kills those that do not until a moment after `end`.
    pub(super) fn end(mut self, end: Instant) {
        self.stop(end);
    }

    fn stop(&mut self, end: Instant) {
        // All of them at once, and then one after the other waited for.
        for watch in &mut self.0 {
            // One that nobody hears has ended.
            let _ = watch.stop.take().map(|stop| stop.send(end));
        }
        for watch in &mut self.0 {
            if let Some(thread) = watch.thread.take() {
                // A panic there has been told by the panic hook.
                let _ = thread.join();
            }
            if let Some((name, registry)) = watch.home.take() {
                registry.remove_home_of(&name);
            }
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.stop(Instant::now() + DRAIN);
    }
}

fn not_started(config: &Config, error: &io::Error) -> Fault {
    config.main.place().fault("a process that cannot be started").with_received(error)
}

/// What the command of such a process is told: where this Worker is described, and where it meets the others.
pub(super) fn arguments(config: &Config, registry: &Path) -> Vec<PathBuf> {
    let mut arguments: Vec<PathBuf> = vec!["-c".into(), config.place().file().into()];
    arguments.extend(["--registry".into(), registry.to_owned()]);
    if let Some(environment) = &config.environment {
        arguments.extend(["--env".into(), environment.as_str().into()]);
    }
    arguments
}

/// One Worker's process, and what is needed to start it again.
struct Process {
    name: String,
    executable: PathBuf,
    arguments: Vec<PathBuf>,
    sought: Arc<Sought>,
    first: Arc<First>,
}

impl Process {
    /// Keeps it running until it is told to stop.
    fn watch(&self, stopped: &mpsc::Receiver<Instant>) {
        let mut restarts = Restarts::new();
        loop {
            let begun = Instant::now();
            let why = match self.run(stopped) {
                Ok(Some(status)) => format!("its process has ended, {status}"),
                Ok(None) => return,
                Err(error) => format!("`{}` cannot be started: {error}", self.executable.display()),
            };
            if self.first.ended(&why) {
                return;
            }
            let pause = restarts.pause_after(begun.elapsed());
            self.sought.explain(format!("{why}; it is being started again"));
            tell(&self.name, &format!("{why}; it is started again in {} ms", pause.as_millis()));
            if stopped.recv_timeout(pause) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Runs it to its end; `None` if that was asked for.
    fn run(&self, stopped: &mpsc::Receiver<Instant>) -> io::Result<Option<ExitStatus>> {
        let mut child = Command::new(&self.executable)
            .args(&self.arguments)
            // It ends when this closes, which also the death of this process does.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interrupt of the terminal is for this process, which then stops the other one in its turn.
            .process_group(0)
            .spawn()?;
        let outputs = [
            child.stdout.take().map(|output| self.repeat(output, io::stdout)),
            child.stderr.take().map(|output| self.repeat(output, io::stderr)),
        ];
        let status = loop {
            match stopped.recv_timeout(TICK) {
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                told => {
                    self.end(child, told.unwrap_or_else(|_| Instant::now()))?;
                    break None;
                }
            }
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
        };
        // Its last words come before what is said of its end; unless somebody else has inherited its output.
        let ended = Instant::now();
        while ended.elapsed() < LAST_WORDS && outputs.iter().flatten().any(|output| !output.is_finished()) {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(status)
    }

    /// Asks it to stop, and kills it if it has not a moment after `end`.
    fn end(&self, mut child: Child, end: Instant) -> io::Result<()> {
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It has not been waited for, so nobody else has its id.
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let end = end.max(Instant::now()) + GRACE;
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                tell(&self.name, "it does not stop, and is killed");
                child.kill()?;
                child.wait()?;
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Says again what it says, with its name before each line.
    fn repeat<W: io::Write + 'static>(
        &self,
        output: impl Read + Send + 'static,
        to: fn() -> W,
    ) -> JoinHandle<()> {
        let name = self.name.clone();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            loop {
                let mut line = Vec::new();
                // A longer line is cut in two, so that no memory without bounds is needed.
                match (&mut output).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {
                        let line = String::from_utf8_lossy(&line);
                        // A closed terminal is no reason to fail.
                        let _ =
                            to().write_all(format!("[{name}] {}\n", line.trim_end_matches('\n')).as_bytes());
                    }
                }
            }
        })
    }
}

fn tell(name: &str, what: &str) {
    // A closed terminal is no reason to fail.
    let _ = io::stderr().lock().write_all(format!("[{name}] {what}\n").as_bytes());
}

/// From now on this process ends when the host that has started it does, or closes the pipe between them, until somebody
/// [waits](wait_for_parent) for that: it may be busy for ever with the making of its Worker.
pub(super) fn end_with_parent() {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        if !IS_UP.load(Ordering::SeqCst) {
            std::process::exit(1);
        }
        let _ = ENDED.set(());
    });
}

/// Waits until that host has ended.
pub(super) fn wait_for_parent() {
    IS_UP.store(true, Ordering::SeqCst);
    ENDED.wait();
}

/// Whether somebody waits for the end of the host, to come to an end in order.
static IS_UP: AtomicBool = AtomicBool::new(false);

/// Set when the host has ended.
static ENDED: OnceLock<()> = OnceLock::new();

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Apart").field(&self.0.len()).finish()
    }
}

/// How long one that is to stop may go on where nobody says. What the model gives.
pub(super) const DRAIN: Duration = Duration::from_secs(30);

/// How long requests and calls that run have when a process below `dev --watch` is to stop: another one is there for
/// new ones, and whoever develops waits for the end.
pub(super) const DRAIN_WATCHED: Duration = Duration::from_secs(5);

/// How much longer, so that it can end what it was told to end by then.
const GRACE: Duration = Duration::from_millis(500);

/// How long its output is read after its end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How often is looked whether it still runs.
const TICK: Duration = Duration::from_millis(20);

/// Longest line of output that is told as one, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
