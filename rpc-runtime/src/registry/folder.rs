//! The folder of the registry: who may have one, what is read there, and what is written.

use std::{
    env, fmt,
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{fs::OFlags, process::geteuid};

use super::{Entry, STALE, State, kin, process};
use crate::{
    session::PROTOCOL,
    transport::{self, Address},
};

/// Where the registry is when nobody says otherwise: `$XDG_RUNTIME_DIR/rpc-registry`, or a folder of the user among the
/// temporary files.
pub(crate) fn default_path() -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        Some(folder) => folder.join("rpc-registry"),
        None => env::temp_dir().join(format!("rpc-registry-{}", geteuid().as_raw())),
    }
}

/// Where that of this process alone is.
pub(crate) fn private_path() -> PathBuf {
    let pid = std::process::id();
    default_path().with_file_name(format!("rpc-serve-{}-{pid}", geteuid().as_raw()))
}

/// A folder of this user, closed to others.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Who the processes are that this one may share names with.
    kin: Option<String>,
}

/// What is wrong with the registry.
#[derive(Debug)]
pub(crate) struct Error {
    path: PathBuf,
    why: String,
    taken_by: Option<u32>,
}

impl Error {
    fn new(path: &Path, why: String) -> Self {
        Self { path: path.to_owned(), why, taken_by: None }
    }

    /// The process that has the name already, if that is what is wrong.
    pub(crate) const fn taken_by(&self) -> Option<u32> {
        self.taken_by
    }
}

/// Whose an entry is.
#[derive(PartialEq, Eq)]
enum Owner {
    /// There is none, or its process has gone.
    Nobody,
    ThisProcess,
    Kin,
    Other(u32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl Folder {
    /// Makes it if there is none.
    pub(super) fn made(path: PathBuf) -> Result<Self, Error> {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&path) {
            return Err(Error::new(&path, format!("it cannot be made: {error}")));
        }
        let folder = Self::found(path)?;
        if folder.kin.is_some() {
            kin::remove_stale_sockets(&folder.path);
        }
        Ok(folder)
    }

    pub(super) fn found(path: PathBuf) -> Result<Self, Error> {
        let failed = |why: String| Err(Error::new(&path, why));
        // Without a slash behind it, which would follow a link. Among temporary files anybody may have made one that leads
        // to another folder of this user.
        let last: PathBuf = path.components().collect();
        if fs::symlink_metadata(&last).is_ok_and(|metadata| metadata.is_symlink()) {
            return failed("it is a symbolic link: say the folder that it leads to".to_owned());
        }
        let whole = match path.canonicalize() {
            Ok(whole) => whole,
            Err(error) => return failed(format!("it cannot be found: {error}")),
        };
        let metadata = match fs::symlink_metadata(&whole) {
            Ok(metadata) => metadata,
            Err(error) => return failed(format!("it cannot be looked at: {error}")),
        };
        let (owner, user, mode) = (metadata.uid(), geteuid().as_raw(), metadata.mode() & 0o7777);
        if !metadata.is_dir() {
            failed("it is not a folder".to_owned())
        } else if owner != user {
            failed(format!("it belongs to user {owner}, and this is user {user}"))
        } else if mode & 0o077 != 0 {
            failed(format!("it has mode {mode:04o}, and others must not look inside: say `chmod 700` of it"))
        } else {
            Ok(Self { path: whole, kin: kin::of_this_process() })
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn kin(&self) -> Option<&String> {
        self.kin.as_ref()
    }

    /// The folder in it of a Worker that may write to no other one.
    pub(super) fn home_of(&self, name: &str) -> Self {
        Self { path: self.path.join(name), kin: self.kin.clone() }
    }

    pub(super) fn failed(&self, what: &str, error: &io::Error) -> Error {
        Error::new(&self.path, format!("{what}: {error}"))
    }

    /// A socket in it.
    pub(super) fn address(&self, socket: &str) -> Result<Address, transport::Error> {
        Address::unix(self.path.join(socket))
    }

    /// Puts it there, in the place of one of a process that has gone or is kin.
    pub(super) fn claim(&self, entry: &Entry) -> Result<(), Error> {
        let _lock = self.lock()?;
        if let Owner::Other(pid) = self.owner_of(entry) {
            let why = format!("process {pid} has the Worker `{}`", entry.name);
            return Err(Error { taken_by: Some(pid), ..Error::new(&self.path, why) });
        }
        self.write(entry)
    }

    /// Writes it anew, unless another process has the name by now.
    pub(super) fn renew(&self, entry: &Entry) -> Result<(), Error> {
        let _lock = self.lock()?;
        match self.owner_of(entry) {
            Owner::Nobody | Owner::ThisProcess => self.write(entry),
            Owner::Kin | Owner::Other(_) => Ok(()),
        }
    }

    /// Writes it if nobody has the name: the process that had taken it has gone.
    pub(super) fn put_back(&self, entry: &Entry) -> Result<(), Error> {
        if self.owner_of(entry) == Owner::Nobody { self.renew(entry) } else { Ok(()) }
    }

    /// Removes it, unless it is that of another process by now.
    pub(super) fn remove(&self, entry: &Entry) {
        // Without the lock it is still looked at.
        let _lock = self.lock();
        if self.owner_of(entry) == Owner::ThisProcess {
            // What stays is that of a dead process.
            let _ = fs::remove_file(self.file(&entry.name));
        }
    }

    /// Whose the entry of that name is, for the process of this one.
    fn owner_of(&self, entry: &Entry) -> Owner {
        match read(&self.file(&entry.name)) {
            Ok((found, _)) if found.is_of_same_process(entry) => Owner::ThisProcess,
            Ok((found, age)) if age <= STALE && process::lives(found.pid, found.started) => {
                if entry.kin.is_some() && found.kin == entry.kin {
                    Owner::Kin
                } else {
                    Owner::Other(found.pid)
                }
            }
            // What cannot be read is of no use to anybody.
            Ok(_) | Err(_) => Owner::Nobody,
        }
    }

    /// Nobody changes an entry between a look at it and what is done then.
    fn lock(&self) -> Result<File, Error> {
        let locked = File::open(&self.path).and_then(|folder| folder.lock().map(|()| folder));
        locked.map_err(|error| self.failed("it cannot be locked", &error))
    }

    /// Nobody reads a part of it: it gets its name when it is whole.
    fn write(&self, entry: &Entry) -> Result<(), Error> {
        let bytes = serde_json::to_vec(entry).map_err(|error| self.failed("an entry", &error.into()))?;
        let whole = self.file(&entry.name);
        let part = self.path.join(format!(".{}.part", Entry::file_of(&entry.name)));
        let write = || {
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(&bytes)?;
            fs::rename(&part, &whole)
        };
        write().map_err(|error| self.failed("an entry cannot be written", &error))
    }

    /// What there is of a Worker: here, or in a folder of its own.
    pub(super) fn look_for(&self, name: &str) -> State {
        match self.look_here_for(name) {
            State::Absent => self.home_of(name).look_here_for(name),
            found => found,
        }
    }

    pub(super) fn look_here_for(&self, name: &str) -> State {
        let (entry, age) = match read(&self.file(name)) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return State::Absent,
            Err(error) => return State::Unusable(format!("its entry in the registry: {error}")),
        };
        let Entry { pid, started, protocol, version, socket, kin, .. } = &entry;
        if age > STALE || !process::lives(*pid, *started) {
            return State::Absent;
        }
        if *protocol != PROTOCOL {
            return State::Unusable(format!(
                "process {pid} speaks version {protocol} of the protocol (rpc-runtime {version:.32}), and this one version \
                 {PROTOCOL} (rpc-runtime {}): build both with the same",
                env!("CARGO_PKG_VERSION")
            ));
        }
        if entry.name != name || !entry.is_in_folder() {
            return State::Unusable(format!(
                "its entry in the registry, of process {pid}, leads to somewhere else"
            ));
        }
        match self.address(socket) {
            Ok(address) => State::Connected {
                pid: *pid,
                started: *started,
                address,
                is_kin: self.kin.is_some() && *kin == self.kin,
                entrypoints: entry.entrypoints.into_iter().map(|entrypoint| entrypoint.name).collect(),
            },
            Err(error) => State::Unusable(error.to_string()),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(Entry::file_of(name))
    }
}

/// An entry, and how old it is.
fn read(path: &Path) -> io::Result<(Entry, Duration)> {
    // A pipe would keep whoever opens it waiting for a writer.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(ENTRY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ENTRY_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {ENTRY_BYTES_MAX} bytes")));
    }
    let entry = serde_json::from_slice(&bytes).map_err(|error| io::Error::other(error.to_string()))?;
    // One of the future has just been written, by a clock that was set since.
    Ok((entry, metadata.modified()?.elapsed().unwrap_or_default()))
}

/// Longest entry that is read, in bytes. One of a Worker with 100 services has 10 KiB.
const ENTRY_BYTES_MAX: u64 = 64 * 1024;
