//! What tells the process to stop.

use std::{io, sync::mpsc::Sender};

use tokio::runtime::{Builder, Runtime};
#[cfg(unix)]
use tokio::signal::unix;

use super::say;
use crate::host::Running;

/// Says when the process is told to stop.
pub(in crate::host) fn wait_for_signal(over: Sender<()>) {
    tell_signals(move |_| {
        // Nobody waits for a second one.
        let _ = over.send(());
    });
}

/// Calls `tell` with the number of each signal that wants the process to stop.
pub(in crate::host) fn tell_signals(tell: impl Fn(i32) + Send + 'static) {
    // Where they cannot be had they do what they do.
    if let Ok(mut signals) = Signals::listen() {
        std::thread::spawn(move || {
            loop {
                tell(signals.wait());
            }
        });
    }
}

/// What tells the process to stop.
pub(super) struct Signals {
    runtime: Runtime,
    #[cfg(unix)]
    listened: [unix::Signal; 2],
}

impl Signals {
    /// From now on, signals are kept until they are asked for.
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listening = runtime.enter();
        let listened =
            [unix::signal(unix::SignalKind::interrupt())?, unix::signal(unix::SignalKind::terminate())?];
        drop(listening);
        Ok(Self { runtime, listened })
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { runtime: Builder::new_current_thread().enable_all().build()? })
    }

    /// Runs until the process is told to stop.
    pub(super) fn stop_when_told(signals: io::Result<Self>, running: Running) {
        match signals {
            Ok(signals) => signals.stop(running),
            Err(error) => {
                say(&format!("signals cannot be received, so it is ended and not stopped: {error}\n"));
                loop {
                    std::thread::park();
                }
            }
        }
    }

    /// Waits until the process is told to stop, and stops; told a second time, it ends at once.
    fn stop(mut self, running: Running) {
        self.wait();
        say("stopping; once more to end at once\n");
        std::thread::spawn(move || std::process::exit(128 + self.wait()));
        running.stop();
    }

    /// Waits for a signal and gives its number.
    #[cfg(unix)]
    fn wait(&mut self) -> i32 {
        let [interrupt, terminate] = &mut self.listened;
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => unix::SignalKind::interrupt().as_raw_value(),
                _ = terminate.recv() => unix::SignalKind::terminate().as_raw_value(),
            }
        })
    }

    #[cfg(not(unix))]
    fn wait(&mut self) -> i32 {
        self.runtime.block_on(tokio::signal::ctrl_c()).unwrap_or_default();
        2
    }
}
