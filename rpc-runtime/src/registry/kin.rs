//! Processes of which one takes the place of another.
//!
//! `dev --watch` runs two processes for a while when a program has changed: the new one gets up while the old one still
//! serves. Both have the same Workers. What such a command starts it tells who it is, by an environment variable that
//! goes on to all that they start; by that they know each other, and one may have a name that the other has already.
//!
//! Each has a socket of its own, and whose entry there is says who is found. When the newer one ends first, because it
//! could not get up, the older one puts its entry back.

use std::{env, path::Path};

use super::process;

/// The environment variable; what is in it is compared, and means nothing else.
pub(crate) const VARIABLE: &str = "RPC_DEV_WATCH";

/// Who has started this process, if it was such a command.
pub(crate) fn of_this_process() -> Option<String> {
    env::var(VARIABLE).ok().filter(|kin| !kin.is_empty())
}

/// What a process calls those that it starts.
#[cfg(feature = "watch")]
pub(crate) fn of_those_started_here() -> String {
    let pid = std::process::id();
    format!("{pid}.{}", process::started(pid).unwrap_or_default())
}

/// The name of the socket of a Worker of this process. No Worker has a name that begins with a dot.
pub(super) fn socket_of(name: &str) -> String {
    format!(".{name}.{}.sock", std::process::id())
}

/// Removes the sockets that such processes have left behind when they were killed.
pub(super) fn remove_stale_sockets(folder: &Path) {
    // What cannot be read or removed is in nobody's way.
    let Ok(files) = folder.read_dir() else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let owner = name.to_str().and_then(|name| {
            name.strip_prefix('.')?.strip_suffix(".sock")?.rsplit_once('.')?.1.parse::<u32>().ok()
        });
        if owner.is_some_and(|pid| !process::lives(pid, None)) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}
