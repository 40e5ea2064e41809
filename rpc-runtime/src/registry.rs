//! The development registry: a folder by which the hosts of one user find each other's Workers.
//!
//! Each Worker has a file there, by its name, and beside it the socket where it is served. A file is written anew every
//! 10 s. It counts for nothing once it is 90 s old, or as soon as the process that wrote it is gone. What others have
//! written is read with limits, and trusted for the name of a socket in the same folder alone.
//!
//! A Worker in a sandbox has both in a folder of its own, which is called as it is: it must not be able to write what
//! others say of themselves.
//!
//! The files are looked at five times a second, and not watched: whether a process still lives, no event tells, and a
//! host looks only at the few names that its own bindings want. That costs no dependency.

mod entry;
mod folder;
pub(crate) mod kin;
mod process;
mod sought;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::folder::Folder;
pub(crate) use self::{
    entry::Entry,
    folder::{Error, default_path, private_path},
    sought::{Sought, State},
};
use crate::{
    session::Services,
    transport::{self, Address},
};

/// The registry as one host uses it. Dropping it takes its Workers out.
pub(crate) struct Registry {
    shared: Arc<Shared>,
    /// Dropped, it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of a host know of it.
pub(crate) struct Shared {
    folder: Folder,
    /// Where Workers of this host are put: the same, or the folder in it of the only one.
    home: Folder,
    /// The Workers of other processes that bindings of this host lead to.
    sought: Vec<Arc<Sought>>,
    /// Whether one that is not there may come yet.
    is_open_ended: bool,
    published: Mutex<Vec<Entry>>,
    listener: Mutex<Option<Listener>>,
}

/// Is told what has become of a Worker that is sought.
pub(crate) type Listener = Box<dyn Fn(&Sought, &State) + Send>;

impl Registry {
    /// Looks for these Workers in the folder, which is made if there is none, and goes on to look for them.
    pub(crate) fn open(path: PathBuf, names: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let folder = Folder::made(path)?;
        Self::open_at(folder.clone(), folder, names)
    }

    /// The same for a host that has this Worker alone, and the folder of it to write to.
    pub(crate) fn open_at_home(
        path: PathBuf,
        worker: &str,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, Error> {
        let folder = Folder::found(path)?;
        let home = Folder::found(folder.home_of(worker).path().to_owned())?;
        Self::open_at(folder, home, names)
    }

    fn open_at(folder: Folder, home: Folder, names: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(folder, home, names, true));
        let (stop, stopped) = mpsc::channel();
        let watching = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("rpc-registry".to_owned())
            .spawn(move || watching.watch(&stopped))
            .map_err(|error| shared.folder.failed("a thread to watch it cannot be started", &error))?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Lets others find a Worker, which is served by now.
    pub(crate) fn publish(&self, entry: Entry) -> Result<(), Error> {
        self.shared.home.claim(&entry)?;
        self.shared.published().push(entry);
        Ok(())
    }

    /// Lets nobody find them any more.
    pub(crate) fn withdraw(&self) {
        for entry in self.shared.published().drain(..) {
            self.shared.home.remove(&entry);
        }
    }
}

/// Makes the folder of a Worker that may write to no other one, without what a crash has left there. Gives the registry
/// and it; and who has a Worker of this name already, if somebody has.
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub(crate) fn make_home(path: PathBuf, name: &str) -> Result<(PathBuf, PathBuf, Option<String>), Error> {
    let folder = Folder::made(path)?;
    let home = Folder::made(folder.home_of(name).path().to_owned())?;
    let socket = home.path().join(Entry::socket_of(name, home.kin().map(String::as_str)));
    let taken = match folder.look_here_for(name) {
        State::Connected { pid, is_kin: false, .. } => Some(format!("process {pid}")),
        _ => match std::os::unix::net::UnixStream::connect(&socket) {
            Ok(_) => Some("another process".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(&socket)
                    .map_err(|error| home.failed("a stale socket cannot be removed", &error))?;
                None
            }
            Err(_) => None,
        },
    };
    Ok((folder.path().to_owned(), home.path().to_owned(), taken))
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.withdraw();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn new(
        folder: Folder,
        home: Folder,
        names: impl IntoIterator<Item = String>,
        is_open_ended: bool,
    ) -> Self {
        let sought = |name| Arc::new(Sought::new(name, folder.clone()));
        let sought = names.into_iter().map(sought).collect();
        let (published, listener) = (Mutex::default(), Mutex::default());
        let shared = Self { folder, home, sought, is_open_ended, published, listener };
        shared.look();
        shared
    }

    /// Looks for these Workers once. Those that are not there now are not there.
    pub(crate) fn look_once(
        path: PathBuf,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Arc<Self>, Error> {
        let folder = Folder::found(path)?;
        Ok(Arc::new(Self::new(folder.clone(), folder, names, false)))
    }

    /// The Worker of that name, if it is or may come to be in another process.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Sought>> {
        let sought = self.sought.iter().find(|sought| sought.name() == name)?;
        (self.is_open_ended || matches!(sought.state(), State::Connected { .. })).then_some(sought)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where a Worker of this process is served to the others.
    pub(crate) fn address_of(&self, name: &str) -> Result<Address, transport::Error> {
        self.home.address(&Entry::socket_of(name, self.home.kin().map(String::as_str)))
    }

    /// What others get to know of a Worker of this process, with what it serves.
    pub(crate) fn entry(&self, name: &str, services: &Services) -> Entry {
        Entry::of(name, services, self.home.kin().cloned())
    }

    /// The process that has a Worker of this name in a folder of its own, beside the one of this host.
    pub(crate) fn taken_at_home(&self, name: &str) -> Option<u32> {
        match self.folder.home_of(name).look_here_for(name) {
            State::Connected { pid, is_kin: false, .. } if self.home.path() == self.folder.path() => {
                Some(pid)
            }
            _ => None,
        }
    }

    /// Removes the folder of a Worker that has ended, unless something was left in it.
    pub(crate) fn remove_home_of(&self, name: &str) {
        // It is used again otherwise.
        let _ = std::fs::remove_dir(self.folder.home_of(name).path());
    }

    /// From now on, tells what becomes of the Workers that are sought.
    pub(crate) fn tell(&self, listener: Listener) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    fn watch(&self, stopped: &mpsc::Receiver<()>) {
        let mut written = Instant::now();
        while stopped.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.look();
            if written.elapsed() >= RENEW {
                written = Instant::now();
                self.write(Folder::renew);
            } else if self.home.kin().is_some() {
                self.write(Folder::put_back);
            }
        }
    }

    fn look(&self) {
        for sought in &self.sought {
            sought.look();
        }
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = &*listener {
            let news = self.sought.iter().filter_map(|sought| Some((sought, sought.news()?)));
            news.for_each(|(sought, state)| listener(sought, &state));
        }
    }

    fn write(&self, write: fn(&Folder, &Entry) -> Result<(), Error>) {
        for entry in self.published().iter() {
            if let Err(error) = write(&self.home, entry) {
                tracing::warn!(%error, "the registry entry of a Worker cannot be renewed");
            }
        }
    }

    fn published(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.folder).finish()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// How often the files are looked at. What is said of a Worker changes that much later; a call to one that is not known
/// looks for itself.
const LOOK: Duration = Duration::from_millis(200);

/// How often an entry is written anew.
const RENEW: Duration = Duration::from_secs(10);

/// How old an entry may be: nine times missed is dead or stopped.
const STALE: Duration = Duration::from_secs(90);
