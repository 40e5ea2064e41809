//! The process that serves, as the watching one sees it.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use super::{
    COMMAND, Event,
    message::{Message, TAKES_OVER},
};
use crate::{host::apart, registry::kin};

/// Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Closed, it tells the process to stop.
    control: Option<UnixStream>,
    begun: Instant,
    /// When it is killed, once it was told to stop.
    killed_at: Option<Instant>,
}

impl Process {
    /// Starts the program, and hands it these sockets; `takes_over` if another process serves until it does. What it says
    /// and that it has ended are told to `events`.
    pub(super) fn start(
        exe: &Path,
        arguments: &[OsString],
        sockets: &[(String, OwnedFd)],
        takes_over: bool,
        events: &Sender<Event>,
    ) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let sockets = sockets.iter().map(|(name, socket)| Ok((name.clone(), socket.try_clone()?)));
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        let mut command = Command::new(exe);
        command.arg(COMMAND).args(arguments).env(kin::VARIABLE, kin::of_those_started_here());
        // An interrupt of the terminal is for this process, which then stops the other one in its turn.
        command.stdin(OwnedFd::from(theirs)).process_group(0);
        let mut process =
            Self { child: spawn(&mut command)?, control: None, begun: Instant::now(), killed_at: None };
        // The end of the other side is seen only when nobody else has it.
        drop(command);
        let said = if takes_over { TAKES_OVER.to_owned() } else { String::new() };
        Message { sockets, said }.send(&control)?;
        let (id, listened, events) = (process.id(), control.try_clone()?, events.clone());
        process.control = Some(control);
        thread::Builder::new().name("rpc-reload-listen".to_owned()).spawn(move || {
            // Nobody is told any more when this process ends.
            loop {
                match Message::receive(&listened) {
                    Ok(Some(message)) => drop(events.send(Event::Said(id, message))),
                    Ok(None) => break,
                    Err(error) => {
                        if matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::InvalidData) {
                            super::say(&format!("process {id} is not understood, and is stopped: {error}\n"));
                        }
                        let _ = listened.shutdown(std::net::Shutdown::Both);
                        break;
                    }
                }
            }
            let _ = events.send(Event::Ended);
        })?;
        Ok(process)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn runs_since(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Tells it that the process after it serves, and has the sockets of these names. It says when it accepts nothing any
    /// more, and stops.
    pub(super) fn leave(&mut self, sockets: &[String]) {
        self.killed_at = Some(Instant::now() + PATIENCE);
        let told = self.control.as_ref().map(|control| {
            let said = sockets.join("\n");
            Message { sockets: Vec::new(), said }.send(control)
        });
        // One that has ended needs not be told.
        drop(told);
    }

    /// Tells it to stop.
    pub(super) fn stop(&mut self) {
        self.killed_at = Some(Instant::now() + PATIENCE);
        if let Some(control) = self.control.take() {
            // The listening thread has it too.
            let _ = control.shutdown(std::net::Shutdown::Both);
        }
    }

    /// How it has ended, if it has. Kills it if it was told to stop and has not done so in its time.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.killed_at.is_some_and(|at| at <= Instant::now()) {
            self.killed_at = None;
            super::say(&format!("process {} does not stop, and is killed\n", self.id()));
            // It may just have ended.
            let _ = self.child.kill();
        }
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is being written cannot be started.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let begun = Instant::now();
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && begun.elapsed() < BUSY => {
                thread::sleep(Duration::from_millis(20));
            }
            spawned => return spawned,
        }
    }
}

/// How long it is waited for whoever writes the program.
const BUSY: Duration = Duration::from_secs(2);

/// What it has for what runs, and as much again for its end and that of its own processes.
const PATIENCE: Duration = apart::DRAIN_WATCHED.saturating_mul(2);
