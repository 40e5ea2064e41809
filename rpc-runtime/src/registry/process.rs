//! Which processes live.

use std::io;

/// When a process began, in ticks of the system since it did; `None` where the system does not tell.
pub(super) fn started(pid: u32) -> Option<u64> {
    stat(pid).ok().map(|stat| stat.started)
}

/// Whether the process that began then still lives. One that only its parent has to take note of does not.
pub(super) fn lives(pid: u32, began: Option<u64>) -> bool {
    match stat(pid) {
        Ok(Stat { is_dead, started }) => !is_dead && began.is_none_or(|began| started == began),
        // In a sandbox nothing is told of other processes but that they are there.
        Err(error) if began.is_none() || error.kind() == io::ErrorKind::PermissionDenied => answers(pid),
        Err(_) => false,
    }
}

struct Stat {
    is_dead: bool,
    started: u64,
}

/// From `/proc/<pid>/stat`, proc_pid_stat(5): field 3 is the state, field 22 the time of start. Field 2 is a name in
/// brackets that may contain anything, brackets too.
fn stat(pid: u32) -> io::Result<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat"))?;
    parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(text: &[u8]) -> Option<Stat> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Stat { is_dead: matches!(state, "Z" | "X"), started: fields.nth(18)?.parse().ok()? })
}

fn answers(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // Who may not send it a signal is told so, if it is there.
    pid.is_some_and(|pid| {
        matches!(rustix::process::test_kill_process(pid), Ok(()) | Err(rustix::io::Errno::PERM))
    })
}
