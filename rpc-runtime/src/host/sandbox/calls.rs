//! What seccomp refuses: system calls that reach beyond what Landlock restricts, or that no Worker needs.
//!
//! A refused call gives `EPERM` and does not kill: libraries try what they can do without, and a handler that is
//! refused something gets the same `PermissionDenied` whoever refuses. Calls that are newer than this list give `ENOSYS`,
//! as on a kernel without them, and so does `clone3`, whose flags no filter can read: everybody takes `clone` then.

mod list;

use std::{collections::BTreeMap, thread};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, apply_filter_all_threads, sock_filter,
};

use self::list::{
    KIND, NAMESPACES, OF_ITSELF, OTHER_KINDS, PACKET_KIND, REFUSED, REFUSED_HERE, REFUSED_TO_READERS, TYPING,
    UNKNOWN,
};
use super::{Sandbox, files};
use crate::config::Config;

type Error = Box<dyn std::error::Error>;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whether the kernel filters calls at all: tried on a thread that ends with it.
pub(super) fn are_filtered() -> bool {
    let tried = thread::spawn(|| apply_filter(&[allow()]).is_ok() && seccompiler_knows_us());
    tried.join().unwrap_or(false)
}

fn seccompiler_knows_us() -> bool {
    seccompiler::TargetArch::try_from(std::env::consts::ARCH).is_ok()
}

/// Restricts this thread and those that it starts from now on.
pub(super) fn restrict(config: &Config, sandbox: &Sandbox) -> Result<(), Error> {
    if sandbox.best_effort && !are_filtered() {
        return Ok(());
    }
    let program = program(rules(config, sandbox)?)?;
    apply_filter(&newer())?;
    apply_filter(&program)?;
    Ok(())
}

/// Restricts all threads of this process.
pub(super) fn refuse_exec(sandbox: &Sandbox) -> Result<(), Error> {
    if sandbox.best_effort && !are_filtered() {
        return Ok(());
    }
    let calls = [libc::SYS_execve, libc::SYS_execveat];
    apply_filter_all_threads(&program(calls.into_iter().map(|call| (call, Vec::new())).collect())?)?;
    Ok(())
}

/// It ends a process that makes calls of another architecture.
fn program(rules: Rules) -> Result<BpfProgram, Error> {
    let refusal = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

fn rules(config: &Config, sandbox: &Sandbox) -> Result<Rules, Error> {
    let readers = REFUSED_TO_READERS.iter().filter(|_| sandbox.write.is_empty());
    let refused = REFUSED.iter().chain(REFUSED_HERE).chain(readers);
    let mut rules: Rules = refused.map(|call| (*call, Vec::new())).collect();
    let namespaces = NAMESPACES.map(number);
    rules.insert(libc::SYS_clone, any(namespaces.map(|flag| vec![masked(0, flag, flag)]))?);
    rules.insert(libc::SYS_ioctl, any(TYPING.map(|command| vec![is(1, command)]))?);
    for (call, process) in OF_ITSELF {
        rules.insert(*call, any([vec![is_not(*process, 0)]])?);
    }
    // Times of a file by its path.
    rules.insert(libc::SYS_utimensat, any([vec![is_not_null(1)]])?);
    let ports = files::ports(config, sandbox);
    // Whoever is bound to nobody has nobody to connect to: not even the sockets that lie about in the file system, which
    // Landlock does not restrict.
    let reaches_nobody = config.services.is_empty() && ports.is_empty() && !sandbox.network;
    let mut sockets = sockets(sandbox.network, !ports.is_empty());
    if reaches_nobody {
        rules.insert(libc::SYS_connect, Vec::new());
        // What is sent by these needs no connection, and may go elsewhere than to the other one of a pair. Among Unix
        // sockets both words are for the same.
        let datagrams = || [libc::SOCK_DGRAM, libc::SOCK_RAW].map(|kind| vec![masked(1, KIND, number(kind))]);
        rules.insert(libc::SYS_socketpair, any(datagrams())?);
        sockets.extend(datagrams());
    }
    rules.insert(libc::SYS_socket, any(sockets)?);
    if !sandbox.network {
        // It connects without `connect`, of which alone Landlock is told.
        let fast = number(libc::MSG_FASTOPEN);
        for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            rules.insert(call, any([vec![masked(flags, fast, fast)]])?);
        }
    }
    Ok(rules)
}

/// Which sockets are refused: of families that are not for networks, raw ones, and with `ports` all that is not TCP.
fn sockets(network: bool, ports: bool) -> Vec<Vec<Condition>> {
    let not_unix = || is_not(0, number(libc::AF_UNIX));
    let kind = |kind: i32| masked(1, KIND, number(kind));
    let mut refused = if network || ports {
        vec![vec![not_unix(), is_not(0, number(libc::AF_INET)), is_not(0, number(libc::AF_INET6))]]
    } else {
        vec![vec![not_unix()]]
    };
    if network {
        refused.extend([libc::SOCK_RAW, PACKET_KIND].map(|raw| vec![not_unix(), kind(raw)]));
    } else if ports {
        let others = OTHER_KINDS.into_iter().chain([PACKET_KIND]);
        refused.extend(others.map(|other| vec![not_unix(), kind(other)]));
        // Multipath TCP and others, of which Landlock is not told.
        refused.push(vec![not_unix(), is_not(2, 0), is_not(2, number(libc::IPPROTO_TCP))]);
    }
    refused
}

fn number(constant: i32) -> u64 {
    u64::from(constant.cast_unsigned())
}

type Condition = Result<SeccompCondition, seccompiler::BackendError>;

/// One of these, each of which is all of its conditions.
fn any(rules: impl IntoIterator<Item = Vec<Condition>>) -> Result<Vec<SeccompRule>, Error> {
    let rule = |conditions: Vec<Condition>| {
        let conditions = conditions.into_iter().collect::<Result<_, _>>()?;
        Ok(SeccompRule::new(conditions)?)
    };
    rules.into_iter().map(rule).collect()
}

fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn is_not_null(argument: u8) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)
}

fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

/// `ENOSYS` for calls that are newer than the list, and for `clone3`. By hand, because a filter of the library knows single
/// numbers alone.
fn newer() -> [sock_filter; 5] {
    let test = |how: u32, to: u32, is: u8, is_not: u8| sock_filter {
        code: code(libc::BPF_JMP | how | libc::BPF_K),
        jt: is,
        jf: is_not,
        k: to,
    };
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(UNKNOWN);
    [
        // The number of the call is the first field of what a filter looks at.
        sock_filter { code: code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), jt: 0, jf: 0, k: 0 },
        test(libc::BPF_JEQ, clone3, 1, 0),
        test(libc::BPF_JGE, UNKNOWN, 0, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        allow(),
    ]
}

fn allow() -> sock_filter {
    answer(libc::SECCOMP_RET_ALLOW)
}

fn answer(with: u32) -> sock_filter {
    sock_filter { code: code(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: with }
}

fn code(code: u32) -> u16 {
    u16::try_from(code).expect("an instruction has 16 bits")
}
