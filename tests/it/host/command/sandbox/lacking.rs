//! Sandboxes that cannot be made: by what a file says, and for what the kernel lacks.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use super::*;

#[test]
fn what_a_sandbox_cannot_be_is_a_fault_at_its_line() {
    let folder = folder("faults", "[sandbox]\nread = [\"allowed\", \"no-such\"]\nwrite = [\"/no/such\"]\n");
    fs::write(folder.0.join("greets.toml"), format!("{GREETS}[sandbox]\n")).unwrap();
    if !is_possible(&super::folder("faults-none", "[sandbox]\n")) {
        return;
    }
    for command in [&["check", "-c", "attempts.toml", "-c", "greets.toml"][..], DEV] {
        let (code, _, stderr) = folder.run(command);
        assert_eq!((code, stderr.matches("error: ").count()), (Some(1), 3), "{stderr}");
        for told in [
            "error: sandbox.read[1]: a path that a sandbox cannot allow",
            "--> attempts.toml:5:20",
            "error: sandbox.write[0]: a path that a sandbox cannot allow",
            "--> attempts.toml:6:10",
            "`/no/such`: No such file or directory (os error 2)",
            "help: make it first, or allow the folder that it is made in",
            "error: sandbox: a sandbox for a Worker without a process of its own",
            "--> greets.toml:5:1",
            "expected `isolation = \"process\"`, or the path of a program as `main`",
        ] {
            assert!(stderr.contains(told), "{told}\n{stderr}");
        }
    }
}

/// Runs on a thread for which, and for whose processes, the kernel does not have a system call.
fn without<T: Send>(call: i64, run: impl FnOnce() -> T + Send) -> T {
    let nowhere = SeccompAction::Errno(38);
    let rules = BTreeMap::from([(call, Vec::new())]);
    let here = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, nowhere, here).unwrap();
    let program = BpfProgram::try_from(filter).unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            apply_filter(&program).unwrap();
            run()
        });
        thread.join().unwrap()
    })
}

/// `landlock_create_ruleset` is 444 on every architecture.
const LANDLOCK: i64 = 444;

#[test]
fn a_kernel_that_lacks_a_part_makes_no_sandbox_unless_best_effort_is_enough() {
    let strict = folder("strict", "[sandbox]\n");
    let lenient = folder("lenient", "[sandbox]\nbest_effort = true\n");
    let check = ["check", "-c", "attempts.toml", "-c", "greets.toml"];
    for command in [&check[..], DEV] {
        let (code, _, stderr) = without(LANDLOCK, || strict.run(command));
        assert_eq!((code, stderr.matches("error: ").count()), (Some(1), 1), "{stderr}");
        for told in [
            "error: sandbox: a sandbox that this kernel cannot make",
            "--> attempts.toml:4:1",
            "received a kernel without Landlock: any file may be read and written",
            "help: take another kernel, or say `best_effort = true` to run it without these",
        ] {
            assert!(stderr.contains(told), "{told}\n{stderr}");
        }
    }
    // What is there holds: here, of what is tried, the calls of the system.
    let attempts = without(LANDLOCK, || Attempts(Serving::start(&mut lenient.command(DEV))));
    assert_eq!(attempts.with("read", &lenient, "outside.txt"), "outside");
    assert_eq!(attempts.tell("/mount"), REFUSED);
    assert_eq!(attempts.tell("/run/etc/hosts"), REFUSED);
    attempts.0.signal("TERM");
    let (code, _, stderr) = attempts.0.end();
    let warning = "WARN rpc_runtime::host::sandbox: the kernel lacks parts of a sandbox, which holds without them \
                   worker=attempts place=attempts.toml:4:1 missing=Landlock: any file may be read and written\n";
    assert_eq!((code, &*stderr), (Some(0), warning), "once");
    // Where nothing lacks, nothing is said.
    if is_possible(&strict) {
        assert_eq!(lenient.run(&check).2, "");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_kernel_without_seccomp_is_one_that_lacks_a_part() {
    const SECCOMP: i64 = 317;
    let strict = folder("no-seccomp", "[sandbox]\n");
    let lenient = folder("no-seccomp-lenient", "[sandbox]\nbest_effort = true\n");
    if !is_possible(&strict) {
        return;
    }
    let (code, _, stderr) =
        without(SECCOMP, || strict.run(&["check", "-c", "attempts.toml", "-c", "greets.toml"]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("received a kernel without seccomp: any system call may be made"), "{stderr}");
    let attempts = without(SECCOMP, || Attempts(Serving::start(&mut lenient.command(DEV))));
    assert_eq!(attempts.with("read", &lenient, "outside.txt"), REFUSED);
    assert_eq!(attempts.tell("/listen"), REFUSED);
}
