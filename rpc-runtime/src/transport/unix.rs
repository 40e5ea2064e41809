//! Unix sockets, which lead to whoever could put one where we look: what is looked at before one is trusted.

mod advice;

use std::{
    ffi::OsStr,
    fs::DirBuilder,
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::{
    fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat},
    io::Errno,
    process::geteuid,
};
use tokio::{
    net::{UnixListener, UnixStream},
    time::{Instant, sleep},
};

use super::{
    accept::drain,
    address::UnixPath,
    error::{Error, Reason},
    peer::Peer,
};

/// A listening socket, whose file goes with it.
///
/// The fields are dropped in this order: as long as it listens nobody takes the file for a stale one and replaces it, so
/// what is removed is ours.
#[derive(Debug)]
pub(super) struct Socket {
    file: SocketFile,
    listener: UnixListener,
    at: UnixPath,
}

impl Socket {
    /// Makes the folder if there is none, replaces a stale socket of ours, and listens.
    pub(super) async fn bind(at: &UnixPath) -> Result<Self, Error> {
        let folder = match Folder::open(at) {
            Err(error) if error.is_not_there() => {
                make_folder(at)?;
                Folder::open(at)?
            }
            opened => opened?,
        };
        if !is_us(folder.stat.st_uid) {
            return Err(Error::denied(format!(
                "the folder {} belongs to user {}, and this process is user {}: choose one of its own",
                at.folder().display(),
                folder.stat.st_uid,
                geteuid().as_raw()
            )));
        }
        // Of two hosts that find the same stale socket the slower one would remove the new socket of the other.
        let _lock = folder.lock(at).await?;
        folder.remove_stale(at).await?;
        let listener =
            UnixListener::bind(&at.path).map_err(|error| Error::failed("the system refuses it", error))?;
        // Somebody who owns the folder above may have swapped ours for another since it was looked at.
        let Some(stat) = folder.stat_of(at.name())? else {
            return Err(Error::denied(format!(
                "the folder {} was replaced meanwhile",
                at.folder().display()
            )));
        };
        if !at.others.is_empty() {
            // On Linux connecting takes the right to write.
            rustix::fs::chmodat(&folder.file, at.name(), Mode::from_raw_mode(0o666), AtFlags::empty())
                .map_err(|error| Error::failed("its mode cannot be set", io::Error::from(error)))?;
        }
        let file =
            SocketFile { folder: folder.file, name: at.name().into(), made: stat, left: Arc::default() };
        Ok(Self { file, listener, at: at.clone() })
    }

    /// A socket that another process has bound there; `None` if its file is not there any more.
    #[cfg(feature = "host")]
    pub(super) fn inherit(at: &UnixPath, socket: OwnedFd) -> Result<Option<Self>, Error> {
        let failed = |error| Error::failed("the socket cannot be used", error);
        let folder = Folder::open(at)?;
        let Some(stat) = folder.stat_of(at.name())? else { return Ok(None) };
        check_socket(at, &stat)?;
        let socket = std::os::unix::net::UnixListener::from(socket);
        socket.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(socket).map_err(failed)?;
        let file =
            SocketFile { folder: folder.file, name: at.name().into(), made: stat, left: Arc::default() };
        Ok(Some(Self { file, listener, at: at.clone() }))
    }

    /// Its file stays where it is if this has become true.
    #[cfg(feature = "host")]
    pub(super) fn leave_file_if(&mut self, left: Arc<AtomicBool>) {
        self.file.left = left;
    }

    pub(super) const fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Removes its file, so that nobody comes any more, and gives the connections that wait in its queue.
    pub(super) fn close(self) -> io::Result<Vec<(UnixStream, Peer)>> {
        let Self { file, listener, at } = self;
        drop(file);
        let listener = listener.into_std()?;
        let waiting = drain(|| {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)
        });
        Ok(waiting.into_iter().filter_map(|stream| admit(&at, &stream).map(|peer| (stream, peer))).collect())
    }

    /// Who has connected, unless it is somebody who may not.
    pub(super) fn admit(&self, stream: &UnixStream) -> Option<Peer> {
        admit(&self.at, stream)
    }
}

/// Anybody who reaches the socket can make somebody be refused, so it is not shouted into the log.
fn admit(at: &UnixPath, stream: &UnixStream) -> Option<Peer> {
    let credentials = match stream.peer_cred() {
        Ok(credentials) => credentials,
        Err(error) => {
            tracing::debug!(%error, "a connection is dropped: the system does not say whose it is");
            return None;
        }
    };
    let (uid, pid) = (credentials.uid(), credentials.pid());
    if !at.trusts(uid) {
        tracing::debug!(uid, pid, socket = %at.path.display(), "a connection of another user is dropped");
        return None;
    }
    Some(Peer::unix(uid, pid.and_then(|pid| pid.try_into().ok())))
}

/// Connects, when all that leads there belongs to somebody we trust.
pub(super) async fn connect(at: &UnixPath) -> Result<UnixStream, Error> {
    let folder = Folder::open(at)?;
    let Some(stat) = folder.stat_of(at.name())? else {
        return Err(Error::not_there(format!("there is no {}", at.path.display())));
    };
    check_socket(at, &stat)?;
    let mut pause = Duration::from_millis(1);
    let stream = loop {
        match UnixStream::connect(&at.path).await {
            Ok(stream) => break stream,
            // The queue of the listener is full, and nothing tells when it no longer is. The caller's patience ends it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let why = "nobody listens there; the host that made the socket has ended";
                return Err(Error::not_there(why).because(error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::not_there(format!("there is no {}", at.path.display())).because(error));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::denied("this user may not connect there").because(error));
            }
            Err(error) => return Err(Error::failed("the system refuses it", error)),
        }
    };
    // The folder may have been swapped since it was looked at. Whom we have reached cannot be.
    let uid = stream
        .peer_cred()
        .map_err(|error| Error::failed("the system does not say whose it is", error))?
        .uid();
    if !at.trusts(uid) {
        return Err(Error::denied(format!(
            "user {uid} listens there, and only {} may: see who runs it",
            at.trusted()
        )));
    }
    Ok(stream)
}

impl UnixPath {
    fn folder(&self) -> &Path {
        self.path.parent().expect("the path is absolute and names a file")
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().expect("the path is absolute and names a file")
    }

    fn trusts(&self, uid: u32) -> bool {
        is_us(uid) || self.others.contains(&uid)
    }

    /// Whose sockets are trusted, for people.
    fn trusted(&self) -> String {
        let others: String = self.others.iter().map(|uid| format!(" or {uid}")).collect();
        format!("user {}{others}", geteuid().as_raw())
    }

    /// What the folder must not allow: others to look inside or, when it is shared, to write.
    fn mode_refused(&self) -> u32 {
        if self.others.is_empty() { 0o077 } else { 0o022 }
    }

    fn mode_made(&self) -> u32 {
        if self.others.is_empty() { 0o700 } else { 0o755 }
    }
}

/// A folder that was looked at, held open so that what is done in it is done in that one.
struct Folder {
    file: OwnedFd,
    stat: Stat,
}

impl Folder {
    fn open(at: &UnixPath) -> Result<Self, Error> {
        let path = at.folder();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT => Error::not_there(format!("there is no folder {}", path.display())),
            Errno::NOTDIR | Errno::LOOP => Error::denied(format!(
                "{} is not a folder, and links are not followed: write where it leads to",
                path.display()
            )),
            Errno::ACCESS => Error::denied(format!("the folder {} is closed to this user", path.display())),
            _ => Error::failed(
                format!("the folder {} cannot be opened", path.display()),
                io::Error::from(error),
            ),
        })?;
        let stat = rustix::fs::fstat(&file)
            .map_err(|error| Error::failed("its folder cannot be looked at", io::Error::from(error)))?;
        let folder = Self { file, stat };
        if !at.trusts(stat.st_uid) {
            return Err(Error::denied(format!(
                "the folder {} belongs to user {}, expected {}; {}",
                path.display(),
                stat.st_uid,
                at.trusted(),
                advice::for_foreign(at, &folder)
            )));
        }
        if stat.st_mode & at.mode_refused() != 0 {
            return Err(Error::denied(format!(
                "the folder {} has mode {:04o}, expected {:04o}: others could {}; {}",
                path.display(),
                stat.st_mode & 0o7777,
                at.mode_made(),
                if stat.st_mode & 0o022 == 0 { "look for the socket" } else { "replace the socket" },
                advice::for_open(at, &folder)
            )));
        }
        Ok(folder)
    }

    /// What has this name here, links not followed.
    fn stat_of(&self, name: &OsStr) -> Result<Option<Stat>, Error> {
        match rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::failed("it cannot be looked at", io::Error::from(error))),
        }
    }

    /// Until the lock is dropped no other host looks for stale sockets here.
    async fn lock(&self, at: &UnixPath) -> Result<OwnedFd, Error> {
        let failed = |error: Errno| Error::failed("its folder cannot be locked", io::Error::from(error));
        // A description of its own: that of `file` lives as long as the socket.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&self.file, ".", flags, Mode::empty()).map_err(failed)?;
        let start = Instant::now();
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK) if start.elapsed() < LOCK_PATIENCE => sleep(LOCK_PAUSE).await,
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::new(
                        Reason::TimedOut,
                        format!("another process holds the lock of the folder {}", at.folder().display()),
                    ));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Removes the socket that a host of ours has left behind.
    async fn remove_stale(&self, at: &UnixPath) -> Result<(), Error> {
        let Some(stat) = self.stat_of(at.name())? else { return Ok(()) };
        check_socket(at, &stat)?;
        let in_use = |by: String| Error::new(Reason::InUse, format!("{by} listens there"));
        match UnixStream::connect(&at.path).await {
            Ok(stream) => Err(in_use(match stream.peer_cred().ok().and_then(|peer| peer.pid()) {
                Some(pid) if pid.cast_unsigned() == std::process::id() => "this very process".to_owned(),
                Some(pid) => format!("the process {pid}"),
                None => "another process".to_owned(),
            })),
            // Its queue is full: it is more than alive.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(in_use("a busy process".to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_us(stat.st_uid) => {
                rustix::fs::unlinkat(&self.file, at.name(), AtFlags::empty()).map_err(|error| {
                    Error::failed("the stale socket cannot be removed", io::Error::from(error))
                })
            }
            Err(error) => {
                Err(Error::denied("it is there, and not known to be stale and ours").because(error))
            }
        }
    }
}

/// The file of a socket that listens.
#[derive(Debug)]
struct SocketFile {
    folder: OwnedFd,
    name: Box<OsStr>,
    made: Stat,
    /// Whether another process listens there too, and goes on.
    left: Arc<AtomicBool>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.left.load(Ordering::Acquire) {
            return;
        }
        let stat = rustix::fs::statat(&self.folder, &*self.name, AtFlags::SYMLINK_NOFOLLOW);
        if stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (self.made.st_dev, self.made.st_ino)) {
            // What cannot be removed is replaced by the next host that binds it.
            let _ = rustix::fs::unlinkat(&self.folder, &*self.name, AtFlags::empty());
        }
    }
}

fn make_folder(at: &UnixPath) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(at.mode_made())
        .create(at.folder())
        .map_err(|error| Error::failed(format!("the folder {} cannot be made", at.folder().display()), error))
}

fn check_socket(at: &UnixPath, stat: &Stat) -> Result<(), Error> {
    let path = at.path.display();
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket if at.trusts(stat.st_uid) => return Ok(()),
        FileType::Socket => {
            format!("{path} belongs to user {}, expected {}", stat.st_uid, at.trusted())
        }
        FileType::Symlink => format!("{path} is a link, and links are not followed"),
        _ => format!("{path} is not a socket"),
    };
    Err(Error::denied(what))
}

fn is_us(uid: u32) -> bool {
    uid == geteuid().as_raw()
}

/// Whoever holds the lock does so for one probe of a local socket.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
