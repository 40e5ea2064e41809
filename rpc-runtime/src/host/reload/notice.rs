//! Being told that something may have changed.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// Watches folders. It says when to look, and not what has changed: systems tell that in too many ways.
pub(super) struct Notice {
    stirred: Sender<()>,
    watched: BTreeMap<PathBuf, bool>,
    watcher: Option<RecommendedWatcher>,
}

impl Notice {
    /// Calls `look` when something has happened and nothing more does, and from time to time, since not every file system
    /// tells.
    pub(super) fn new(look: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (stirred, stirs) = mpsc::channel();
        thread::Builder::new().name("rpc-reload".to_owned()).spawn(move || wait(&stirs, look))?;
        Ok(Self { stirred, watched: BTreeMap::new(), watcher: None })
    }

    /// From now on these, and what is below those that are true.
    ///
    /// # Errors
    ///
    /// Why not all is told. It is looked from time to time then.
    pub(super) fn watch(&mut self, folders: BTreeMap<PathBuf, bool>) -> notify::Result<()> {
        if self.watched == folders {
            return Ok(());
        }
        let stirred = self.stirred.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| may_change(&event.kind)) {
                // Nobody is told any more when the process ends.
                let _ = stirred.send(());
            }
        })?;
        let mut watched = Ok(());
        for (folder, is_whole) in &folders {
            let mode = if *is_whole { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            let told = watcher.watch(folder, mode);
            watched = watched.and(told);
        }
        self.watched = folders;
        // The one before goes on until here. What has happened since the last look is told by a look.
        self.watcher = Some(watcher);
        let _ = self.stirred.send(());
        watched
    }
}

/// Not by being read, which a build does.
fn may_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn wait(stirs: &Receiver<()>, look: impl Fn()) {
    loop {
        match stirs.recv_timeout(NOW_AND_THEN) {
            Ok(()) => {
                let begun = Instant::now();
                while begun.elapsed() < LONGEST && stirs.recv_timeout(QUIET).is_ok() {}
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        look();
    }
}

/// How long nothing more happens before it is looked: an editor writes several files, and some of them twice.
const QUIET: Duration = Duration::from_millis(80);

/// How long it is waited for that.
const LONGEST: Duration = Duration::from_secs(1);

/// How often it is looked when nothing is told. Ten looks at 234 files took 30 ms in a debug build.
const NOW_AND_THEN: Duration = Duration::from_secs(2);
