//! What to do about a folder that is no place for a socket: nothing that would break the machine if it is done.

use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::{Folder, UnixPath, is_us};

/// Others may do what they must not in this folder.
pub(super) fn for_open(at: &UnixPath, folder: &Folder) -> String {
    let advice = if is_us(folder.stat.st_uid) && is_for_sockets(at.folder(), &folder.stat) {
        format!("say `chmod {:o} {}`", at.mode_made(), at.folder().display())
    } else {
        folder_of_its_own(at)
    };
    if at.others.is_empty() && is_closed_to_writers(&folder.stat) && has_socket(at, folder) {
        format!(
            "{advice}; or, if its host shares the socket with other users, make the address by `Address::unix_shared`"
        )
    } else {
        advice
    }
}

/// The folder is somebody else's.
pub(super) fn for_foreign(at: &UnixPath, folder: &Folder) -> String {
    let advice = folder_of_its_own(at);
    if is_closed_to_writers(&folder.stat) {
        let uid = folder.stat.st_uid;
        format!(
            "{advice}; or, to call a host of that user, make the address by `Address::unix_shared(path, [{uid}])`"
        )
    } else {
        advice
    }
}

fn folder_of_its_own(at: &UnixPath) -> String {
    let stem = at.path.file_stem().unwrap_or_else(|| at.name());
    let path = at.folder().join(stem).join(at.name());
    format!("give the socket a folder of its own, as in `unix:{}`", path.display())
}

/// Whether nothing else is known to need the folder as it is: one for everybody has the sticky bit, and others are homes
/// or belong to the system.
fn is_for_sockets(folder: &Path, stat: &Stat) -> bool {
    let is_home = std::env::home_dir().is_some_and(|home| home == folder);
    let is_of_system = folder.components().count() <= 2
        || folder.parent().is_some_and(|parent| FOLDERS_OF_SYSTEM.iter().any(|of| parent == Path::new(of)));
    stat.st_mode & STICKY == 0 && !is_home && !is_of_system
}

fn is_closed_to_writers(stat: &Stat) -> bool {
    stat.st_mode & 0o022 == 0
}

fn has_socket(at: &UnixPath, folder: &Folder) -> bool {
    let found = folder.stat_of(at.name());
    found.is_ok_and(|stat| stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket))
}

/// What lies in these is a home, or the system's.
const FOLDERS_OF_SYSTEM: [&str; 7] = ["/home", "/run/user", "/usr", "/usr/local", "/var", "/etc", "/dev"];

const STICKY: u32 = 0o1000;
