//! The process that serves, as it sees itself.

use std::{
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use clap::ArgMatches;

use super::message::{Message, TAKES_OVER};
use crate::{
    config::{Faults, Place},
    host::{Host, apart, command, registered, sockets::Sockets},
};

/// Serves as `dev` does, until it is told to stop or whoever watches it has ended.
pub(in crate::host) fn watched(mut host: Host, matches: &ArgMatches) -> ExitCode {
    let control = match control() {
        Ok(control) => control,
        Err(error) => {
            let fault = Place::nowhere("standard input").fault("a command that `dev --watch` alone can give");
            Faults::from(fault.with_received(error)).eprint();
            return ExitCode::FAILURE;
        }
    };
    let before = match Message::receive(&control) {
        Ok(Some(message)) => message,
        // Whoever has started it has ended, or is another version of it.
        Ok(None) => return ExitCode::FAILURE,
        Err(error) => {
            let fault = Place::nowhere("dev --watch").fault("a process that cannot be taken over");
            Faults::from(fault.with_received(error)).eprint();
            return ExitCode::FAILURE;
        }
    };
    host.edge.drain = host.edge.drain.min(apart::DRAIN_WATCHED);
    let sockets = Arc::new(Sockets::inherited(before.sockets, before.said == TAKES_OVER));
    let control = Arc::new(control);
    let (over, ended) = mpsc::channel();
    let serves = Arc::new(AtomicBool::new(false));
    listen(Arc::clone(&control), Arc::clone(&sockets), Arc::clone(&serves), over.clone());
    let (running, said) = match command::start_dev(host, matches, Arc::clone(&sockets)) {
        Ok(started) => started,
        Err(faults) => {
            faults.eprint();
            return ExitCode::FAILURE;
        }
    };
    serves.store(true, Ordering::SeqCst);
    if (Message { sockets: sockets.give(), said }).send(&control).is_err() {
        // Nobody is there any more who could be told.
        return ExitCode::FAILURE;
    }
    if let Some(registry) = running.registry() {
        registered::tell(registry, running.configs(), super::say);
    }
    command::wait_for_signal(over);
    // Whichever comes first; nobody sends nothing.
    let _ = ended.recv();
    thread::spawn(|| {
        // Nobody else ends it if whoever watches it was killed.
        thread::sleep(apart::DRAIN_WATCHED * 2);
        std::process::exit(1);
    });
    running.stop_accepting();
    // Now whoever comes gets to the next process, if there is one, and somebody who waits for that.
    let _ = Message::default().send(&control);
    running.stop();
    ExitCode::SUCCESS
}

/// Says to `over` when whoever watches this process wants another one, or has ended. One that does not serve yet ends then:
/// it may wait for a Worker that is never made.
fn listen(control: Arc<UnixStream>, sockets: Arc<Sockets>, serves: Arc<AtomicBool>, over: mpsc::Sender<()>) {
    thread::spawn(move || {
        let told = Message::receive(&control);
        if !serves.load(Ordering::SeqCst) {
            std::process::exit(1);
        }
        // What is said now is which sockets the next process has.
        if let Ok(Some(Message { said, .. })) = told {
            sockets.leave(&said.lines().map(str::to_owned).collect::<Vec<_>>());
        }
        let _ = over.send(());
    });
}

/// The connection to the process that watches this one. It is taken off standard input, so that no program that a Worker
/// starts has it too, and no Worker reads from it.
fn control() -> io::Result<UnixStream> {
    let control: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    let control = UnixStream::from(control);
    // Anything else that was there says so here.
    control.peer_addr()?;
    Ok(control)
}
