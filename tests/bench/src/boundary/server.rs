//! The other process: this executable again, told to serve one peer at a socket.

use std::{
    env,
    fs::{self, DirBuilder},
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};
use tokio::{
    net::{UnixListener, UnixStream},
    runtime::Builder,
};

use super::peers::{Ends, Peer};
use crate::harness::Failure;

/// The argument that makes this executable a server; the name of the peer and the path of the socket follow.
pub const SERVE: &str = "--serve";

/// A process that serves one peer. It ends with this value, and with the process that has started it.
#[derive(Debug)]
pub struct Server {
    process: Child,
    socket: PathBuf,
}

impl Server {
    /// Starts a process and waits until it listens, at a socket in `folder` that nobody else may use.
    ///
    /// # Errors
    ///
    /// It cannot be started, or says something else than that it listens.
    pub fn start(peer: Peer, folder: &Folder, name: &str) -> Result<Self, Failure> {
        let socket = folder.0.join(name);
        let mut process = Command::new(env::current_exe()?)
            .args([SERVE.as_ref(), peer.name().as_ref(), socket.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let said = process.stdout.take().ok_or("expected a pipe to the server")?;
        BufReader::new(said).read_line(&mut line)?;
        if line.trim_end() != LISTENING {
            return Err(
                format!("expected the server of {} to say `{LISTENING}`, got `{line}`", peer.name()).into()
            );
        }
        Ok(Self { process, socket })
    }

    /// The caller's end of a new connection.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    pub async fn connect<P: Ends>(&self) -> Result<P, Failure> {
        P::connect(UnixStream::connect(&self.socket).await?).await
    }

    /// How long the process has computed since it was started.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn computed(&self) -> Result<Duration, Failure> {
        Ok(clock_getcpuclockid(self.pid())?.now()?.into())
    }

    /// Bytes of memory that the process has in use, without those of files that nobody has changed.
    ///
    /// # Errors
    ///
    /// The process is gone, or the kernel does not say.
    pub fn resident_bytes(&self) -> Result<u64, Failure> {
        let path = format!("/proc/{}/smaps_rollup", self.process.id());
        let text = fs::read_to_string(&path)?;
        let kib = text.lines().find_map(|line| line.strip_prefix("Anonymous:")?.trim().strip_suffix(" kB"));
        let kib = kib.ok_or_else(|| format!("expected a line `Anonymous: .. kB` in {path}, got: {text}"))?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().expect("Linux gives no larger ones"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Time that this process has computed.
///
/// # Errors
///
/// The system has no such clock.
pub fn computed_here() -> Result<Duration, Failure> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

const LISTENING: &str = "listening";

/// What the other process does: serves until the one that has started it is gone.
///
/// # Errors
///
/// There can be no socket at `at`.
pub fn serve(peer: Peer, at: &Path) -> Result<(), Failure> {
    thread::spawn(|| {
        // Nobody writes; the pipe ends with the process that holds its other end.
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = UnixListener::bind(at)?;
        println!("{LISTENING}");
        loop {
            let (stream, _) = listener.accept().await?;
            // How a connection ends is for the caller to judge, who sees its calls fail.
            tokio::spawn(async move { peer.serve(stream).await.is_ok() });
        }
    })
}

/// A new folder for sockets, which is closed to others and goes with this value.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it where the system keeps temporary files.
    ///
    /// # Errors
    ///
    /// It cannot be made, or is there already.
    pub fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("rpc-bench-{}", process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in a folder for temporary files is swept by the system.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where the two ends of a connection run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// Each on its own core: what passes between them includes waking the other core.
    Two,
    /// Both on the same.
    One,
}

/// The cores that this process may use: the first two of them are used.
#[derive(Debug)]
pub struct Placement(usize, usize);

impl Placement {
    /// Looks which cores there are.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn new() -> Result<Self, Failure> {
        let set = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = (0..CpuSet::count()).filter(|&core| set.is_set(core) == Ok(true));
        let first = cores.next().ok_or("expected a core to run on, got none")?;
        Ok(Self(first, cores.next().unwrap_or(first)))
    }

    /// Whether there are two.
    pub const fn has_two(&self) -> bool {
        self.0 != self.1
    }

    /// Keeps this thread and the server to their cores.
    ///
    /// # Errors
    ///
    /// The system refuses it, or the server is gone.
    pub fn apply(&self, cores: Cores, server: &Server) -> Result<(), Failure> {
        let far = if cores == Cores::Two { self.1 } else { self.0 };
        pin(Pid::from_raw(0), self.0)?;
        pin(server.pid(), far)
    }
}

fn pin(pid: Pid, core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(pid, &set)?)
}
