//! The Workers in a process of their own.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rpc_runtime::transport::Address;
use rustix::process::{Pid, Signal, kill_process};

/// A process that serves at a socket of its own; it is killed when this is dropped.
pub(super) struct Serving {
    child: Child,
    folder: Option<Folder>,
    with_record: bool,
}

impl Serving {
    pub(super) fn start() -> Self {
        Self::start_in(Folder::new(), false)
    }

    /// A release of the shop: `old` or `new`.
    pub(super) fn start_shop(release: &str) -> Self {
        let folder = Folder::new();
        let mut command = place();
        command.arg("shop").arg(release).arg(folder.socket());
        Self { child: started(command), folder: Some(folder), with_record: false }
    }

    /// With a file for the effects of `Ledger/write`.
    pub(super) fn start_with_record() -> Self {
        Self::start_in(Folder::new(), true)
    }

    fn start_in(folder: Folder, with_record: bool) -> Self {
        let mut command = place();
        command.arg("serve").arg(folder.socket());
        if with_record {
            command.arg(folder.record());
        }
        Self { child: started(command), folder: Some(folder), with_record }
    }

    /// Killed, and started at the same address.
    pub(super) fn killed_and_started(mut self) -> Self {
        let folder = self.folder.take().expect("it is taken when this ends");
        let with_record = self.with_record;
        drop(self);
        Self::start_in(folder, with_record)
    }

    fn folder(&self) -> &Folder {
        self.folder.as_ref().expect("it is taken when this ends")
    }

    pub(super) fn address(&self) -> Address {
        Address::unix(self.socket()).unwrap()
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder().socket()
    }

    /// The file for the effects of `Ledger/write`.
    pub(super) fn record(&self) -> PathBuf {
        self.folder().record()
    }

    /// Sends a signal to this child, and to no other process.
    pub(super) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
        // It may run on another core until that is told.
        while signal == Signal::STOP && !self.is_stopped() {
            std::thread::yield_now();
        }
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.contains(") T ")
    }

    /// Waits for its end.
    pub(super) fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that serves.
fn started(mut command: Command) -> Child {
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");
    child
}

/// The program, with pipes to talk to it.
pub(super) fn place() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rpc-tests-place"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Panics are part of what is tested, and where they were takes long to find out.
    command.env_remove("RUST_BACKTRACE");
    command
}

/// A folder of its own, which goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("everywhere-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Short, for a path of a socket has 107 bytes.
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn record(&self) -> PathBuf {
        self.0.join("record")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is left in the folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
