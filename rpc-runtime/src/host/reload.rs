//! `dev --watch`: the program is built and started again when its sources change.
//!
//! The process that the user has started serves nothing. It starts the program again, as a process that serves, and
//! holds the listening sockets of that, so that connections wait in their queues while processes are exchanged. The new
//! process makes its Workers while the old one serves; only when it serves itself the old one is told to stop, and has a
//! while for what it has begun. One that cannot start changes nothing.

mod build;
mod changes;
mod files;
mod message;
mod notice;
mod process;
mod watched;

use std::{
    env,
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use clap::ArgMatches;

pub(super) use self::watched::watched;
use self::{
    build::{Build, Building},
    files::{Files, Seen},
    message::Message,
    notice::Notice,
    process::Process,
};
use super::{command, restarts::Restarts};
use crate::config::{Fault, Faults, Place};

/// The name of the command that the serving process runs; it is told to nobody.
pub(super) const COMMAND: &str = "watched";

/// What the watching process waits for.
#[derive(Debug)]
enum Event {
    /// Something may have changed.
    Look,
    /// The process with this id says that it serves, or that it takes no connections any more.
    Said(u32, Message),
    /// A process may have ended.
    Ended,
    /// The user wants an end; this is the number of the signal.
    Signal(i32),
}

/// Watches until it is told to stop.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let (events, received) = mpsc::channel();
    match Reload::new(matches, events) {
        Ok(reload) => reload.run(&received),
        Err(fault) => {
            Faults::from(fault).eprint();
            ExitCode::FAILURE
        }
    }
}

struct Reload {
    exe: PathBuf,
    /// Of the serving process.
    arguments: Vec<OsString>,
    build: Build,
    /// What the user wants to be watched too.
    more: Vec<PathBuf>,
    /// The files that `-c` names, and the environment in them.
    config_files: Vec<PathBuf>,
    environment: Option<String>,
    events: Sender<Event>,
    notice: Notice,
    files: Files,
    /// What the running build was begun with, or else the last one, and the last process was started with.
    seen: Seen,
    building: Option<Building>,
    has_failed: bool,
    serving: Option<Process>,
    /// Takes the place of the serving one when it serves.
    starting: Option<Process>,
    /// They have been told to stop.
    stopping: Vec<Process>,
    /// What is to be told when the process with this id takes no connections any more.
    news: Option<(u32, String)>,
    sockets: Vec<(String, OwnedFd)>,
    /// What was last told of the bindings.
    said: String,
    restarts: Restarts,
    /// When one that has ended by itself is started again.
    restart_at: Option<Instant>,
}

impl Reload {
    fn new(matches: &ArgMatches, events: Sender<Event>) -> Result<Self, Fault> {
        let nowhere = |what: &str, error: &dyn fmt::Display| {
            Place::nowhere("dev --watch").fault(what).with_received(error)
        };
        let exe = env::current_exe().map_err(|error| nowhere("a program whose path is not known", &error))?;
        let build = match matches.get_one::<String>("build") {
            Some(line) => Build::Shell(line.clone()),
            None => Build::of(&exe).ok_or_else(|| unknown_build(&exe))?,
        };
        let look = events.clone();
        let look = move || drop(look.send(Event::Look));
        let notice = Notice::new(look).map_err(|error| nowhere("a thread cannot be started", &error))?;
        let paths = |name| matches.get_many::<PathBuf>(name).into_iter().flatten().cloned().collect();
        let mut reload = Self {
            exe,
            arguments: command::arguments_of_watched(matches),
            build,
            more: paths("watch-path"),
            config_files: paths("config"),
            environment: matches.get_one::<String>("env").cloned(),
            events,
            notice,
            files: Files::default(),
            seen: Seen::default(),
            building: None,
            has_failed: false,
            serving: None,
            starting: None,
            stopping: Vec::new(),
            news: None,
            sockets: Vec::new(),
            said: String::new(),
            restarts: Restarts::new(),
            restart_at: None,
        };
        reload.find_files();
        reload.seen = reload.files.look();
        Ok(reload)
    }

    fn run(mut self, received: &Receiver<Event>) -> ExitCode {
        command::tell_signals({
            let events = self.events.clone();
            move |signal| drop(events.send(Event::Signal(signal)))
        });
        self.start();
        loop {
            match received.recv_timeout(self.pause()) {
                Ok(Event::Said(id, message)) => self.said(id, message),
                Ok(Event::Signal(_)) => return self.stop(received),
                Ok(Event::Look) => self.look_at_files(),
                Ok(Event::Ended) | Err(RecvTimeoutError::Timeout) => {}
                // It has a sender itself.
                Err(RecvTimeoutError::Disconnected) => return ExitCode::FAILURE,
            }
            self.look_at_processes();
            self.look_at_build();
        }
    }

    /// How long nothing needs to be looked at.
    fn pause(&self) -> Duration {
        let restart = self.restart_at.map(|at| at.saturating_duration_since(Instant::now()));
        let pause = if self.building.is_some() || !self.stopping.is_empty() { TICK } else { IDLE };
        restart.map_or(pause, |restart| restart.min(pause))
    }

    /// Starts the program as it is now.
    fn start(&mut self) {
        self.find_files();
        self.seen.set_others(&self.files.look());
        self.restart_at = None;
        // It will not serve any more.
        if let Some(mut starting) = self.starting.take() {
            starting.stop();
            self.stopping.push(starting);
        }
        let takes_over = self.serving.is_some();
        match Process::start(&self.exe, &self.arguments, &self.sockets, takes_over, &self.events) {
            Ok(process) => self.starting = Some(process),
            Err(error) => {
                say(&format!("{} cannot be started: {error}{}\n", self.exe.display(), self.goes_on()));
            }
        }
    }

    fn said(&mut self, id: u32, message: Message) {
        if let Some(process) = self.starting.take_if(|process| process.id() == id) {
            self.serves(process, message);
        } else {
            self.tell_news_of(id);
        }
    }

    /// From now on, this one is what serves.
    fn serves(&mut self, process: Process, message: Message) {
        let is_first = self.said.is_empty();
        if self.said != message.said {
            self.said = message.said;
            say(&self.said);
        }
        let news = if is_first {
            let (files, build) = (self.files.source_count(), &self.build);
            format!("watching {files} sources and the configuration, built by `{build}`\n")
        } else {
            format!("restarted in {}: process {} serves\n", shown_time(process.runs_since()), process.id())
        };
        self.sockets = message.sockets;
        let Some(mut before) = self.serving.replace(process) else { return say(&news) };
        before.leave(&self.sockets.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        self.news = Some((before.id(), news));
        self.stopping.push(before);
    }

    /// The process with this id takes no connections any more, so that they go to the one after it.
    fn tell_news_of(&mut self, id: u32) {
        if let Some((_, news)) = self.news.take_if(|(waited_for, _)| *waited_for == id) {
            say(&news);
        }
    }

    fn look_at_processes(&mut self) {
        for ended in self.stopping.extract_if(.., |process| process.ended().is_some()).collect::<Vec<_>>() {
            self.tell_news_of(ended.id());
        }
        if let Some(status) = self.starting.as_mut().and_then(Process::ended) {
            self.starting = None;
            say(&format!("it does not start, {status}{}\n", self.goes_on()));
        }
        if let Some(status) = self.serving.as_mut().and_then(Process::ended) {
            let ran = self.serving.take().map(|process| process.runs_since()).unwrap_or_default();
            let pause = self.restarts.pause_after(ran);
            say(&format!(
                "the process has ended, {status}; it is started again in {} ms\n",
                pause.as_millis()
            ));
            self.restart_at = Some(Instant::now() + pause);
        }
        if self.restart_at.is_some_and(|at| at <= Instant::now()) {
            self.start();
        }
    }

    /// What there is when nothing new is.
    fn goes_on(&self) -> String {
        match &self.serving {
            Some(process) => format!("; process {} goes on serving", process.id()),
            None => "; waiting for a change".to_owned(),
        }
    }

    /// Lets what runs come to its end; told a second time, it ends at once.
    fn stop(mut self, received: &Receiver<Event>) -> ExitCode {
        say("stopping; once more to end at once\n");
        self.building = None;
        // Who comes now is taken by the process that serves, or by nobody.
        self.sockets.clear();
        let processes = [self.starting.take(), self.serving.take()];
        self.stopping.extend(processes.into_iter().flatten());
        self.stopping.iter_mut().for_each(Process::stop);
        while !self.stopping.is_empty() {
            if let Ok(Event::Signal(signal)) = received.recv_timeout(TICK) {
                // Dropping them kills them.
                self.stopping.clear();
                return ExitCode::from(u8::try_from(128 + signal).unwrap_or(1));
            }
            self.stopping.retain_mut(|process| process.ended().is_none());
        }
        ExitCode::SUCCESS
    }
}

fn unknown_build(exe: &Path) -> Fault {
    (Place::nowhere("dev --watch").fault("a program of which is not known how it is built"))
        .with_expected("a program that `cargo run` has started")
        .with_received(exe.display())
        .with_help("start it with `cargo run`, or say how it is built: `--build 'cargo build -p ..'`")
}

/// `1.8 s`, or `35 ms`
fn shown_time(time: Duration) -> String {
    if time < Duration::from_millis(100) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn say(text: &str) {
    // A closed pipe is no reason to end.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// How often builds and processes that are about to end are looked at.
const TICK: Duration = Duration::from_millis(20);

/// How often everything is, when nobody says that something has changed.
const IDLE: Duration = Duration::from_secs(2);
