//! Which processes live.

/// When a process began, in ticks of the system since it did; `None` where the system does not tell.
pub(super) fn started(pid: u32) -> Option<u64> {
    let Stat { started, .. } = stat(pid)?;
    Some(started)
}

/// Whether the process that began then still lives. One that only its parent has to take note of does not.
pub(super) fn lives(pid: u32, began: Option<u64>) -> bool {
    match (stat(pid), began) {
        (Some(Stat { is_dead, started }), Some(began)) => !is_dead && started == began,
        (Some(Stat { is_dead, .. }), None) => !is_dead,
        (None, Some(_)) => false,
        (None, None) => answers(pid),
    }
}

struct Stat {
    is_dead: bool,
    started: u64,
}

/// From `/proc/<pid>/stat`, proc_pid_stat(5): field 3 is the state, field 22 the time of start. Field 2 is a name in
/// brackets that may contain anything, brackets too.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Stat { is_dead: matches!(state, "Z" | "X"), started: fields.nth(18)?.parse().ok()? })
}

fn answers(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
