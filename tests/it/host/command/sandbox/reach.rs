//! What a Worker reaches from its sandbox: files, other machines, other processes, and the system.

use std::{net::TcpListener, os::unix::net::UnixListener};

use super::*;

#[test]
fn a_worker_in_a_sandbox_reaches_the_files_that_it_is_allowed_and_no_others() {
    let folder = folder("files", "[sandbox]\nread = [\"allowed\"]\nwrite = [\"data\"]\n");
    let Some(attempts) = serve(&folder) else { return };
    let with = |what, file| attempts.with(what, &folder, file);
    assert_eq!(with("read", "allowed/inside.txt"), "inside");
    assert_eq!(with("list", "allowed"), "1");
    for what in ["write", "truncate", "remove", "chmod"] {
        assert_eq!(with(what, "allowed/inside.txt"), REFUSED, "{what}");
    }
    assert_eq!(with("write", "allowed/new.txt"), REFUSED);

    for what in ["read", "write", "truncate", "remove", "chmod"] {
        assert_eq!(with(what, "outside.txt"), REFUSED, "{what}");
    }
    assert_eq!(with("list", ""), REFUSED);
    assert_eq!(attempts.tell("/read/etc/passwd"), REFUSED);
    assert_eq!(attempts.tell("/list/home"), REFUSED);
    assert_eq!(attempts.tell("/write/tmp/rpc-tests-of-a-sandbox"), REFUSED);
    assert_eq!(attempts.tell(&format!("/read/proc/{}/cmdline", attempts.0.child.id())), REFUSED);

    assert_eq!(with("write", "data/new.txt"), "done");
    assert_eq!(with("read", "data/new.txt"), "written");
    assert_eq!(with("copy", "data/copy.txt"), "done");
    assert_eq!(with("truncate", "data/new.txt"), "done");
    assert_eq!(fs::read_to_string(folder.0.join("data/new.txt")).unwrap(), "");
    assert_eq!(with("remove", "data/new.txt"), "done");

    // What it needs to run, it may read, and its own file.
    assert_eq!(attempts.tell("/read/etc/hosts"), fs::read_to_string("/etc/hosts").unwrap());
    assert!(with("read", "attempts.toml").starts_with(ATTEMPTS));
    assert_eq!(with("write", "attempts.toml"), REFUSED);
    let cores = thread::available_parallelism().unwrap().to_string();
    assert_eq!(attempts.tell("/parallelism"), cores);
    assert_eq!(fs::read_to_string(folder.0.join("outside.txt")).unwrap(), "outside");
}

#[test]
fn it_writes_nothing_of_what_other_workers_say_of_themselves() {
    let folder = folder("entries", &format!("{BOUND}[sandbox]\n"));
    if !is_possible(&folder) {
        return;
    }
    let registry = folder.1.0.join("shared");
    let attempts = Attempts(Serving::start(folder.command(DEV).env("RPC_REGISTRY", &registry)));
    let in_registry =
        |what: &str, file: &str| attempts.tell(&format!("/{what}{}/{file}", registry.display()));
    for (what, file) in [("write", "greets.json"), ("remove", "greets.sock"), ("write", "other.json")] {
        assert_eq!(in_registry(what, file), REFUSED, "{what} {file}");
    }
    assert!(in_registry("read", "greets.json").contains("\"name\":\"greets\""));
    assert!(registry.join("attempts/attempts.sock").exists());
    attempts.0.signal("TERM");
    attempts.0.end();
    assert_eq!(fs::read_dir(&registry).unwrap().count(), 0, "it takes with it what it brought");
}

#[test]
fn there_is_no_network_in_a_sandbox_unless_it_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("/connect/{port}");
    let outcomes = |name: &str, keys: &str| {
        let folder = folder(name, keys);
        let attempts = serve(&folder)?;
        Some([&*connect, "/listen", "/udp"].map(|path| attempts.tell(path)))
    };
    let Some(without) = outcomes("no-network", "[sandbox]\n") else { return };
    assert_eq!(without, [REFUSED; 3]);
    let other = outcomes("other-port", &format!("[sandbox]\nports = [{}]\n", port ^ 1)).unwrap();
    assert_eq!(other, [REFUSED; 3]);
    let ports = outcomes("port", &format!("[sandbox]\nports = [{port}]\n")).unwrap();
    assert_eq!(ports, ["done", REFUSED, REFUSED]);
    // A binding is allowed to lead where it leads.
    let bound = format!(
        "services = [ {{ binding = \"OTHER\", service = \"other\", address = \"tcp:127.0.0.1:{port}\" }} ]\n[sandbox]\n"
    );
    assert_eq!(outcomes("bound-port", &bound).unwrap(), ["done", REFUSED, REFUSED]);
    let network = outcomes("network", "[sandbox]\nnetwork = true\n").unwrap();
    assert_eq!(network, ["done"; 3]);
}

#[test]
fn who_is_bound_to_nobody_connects_to_no_unix_socket() {
    let folder_bound = folder("unix-bound", &format!("{BOUND}[sandbox]\n"));
    let folder = folder("unix", "[sandbox]\n");
    let Some(attempts) = serve(&folder) else { return };
    let sockets = remote::Folder::new("sandbox-unix");
    fs::create_dir_all(&sockets.0).unwrap();
    let socket = sockets.0.join("s.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let connect = format!("/unix{}", socket.display());
    assert_eq!(attempts.tell(&connect), REFUSED);
    assert_eq!(attempts.tell("/datagram"), REFUSED);
    assert_eq!(attempts.tell("/pair"), REFUSED, "one of a pair sends to others as well");
    // As documented: the kernel does not tell the sockets of others from those of its bindings.
    assert_eq!(serve(&folder_bound).unwrap().tell(&connect), "done");
}

#[test]
fn a_sandbox_refuses_what_reaches_other_processes_and_the_machine() {
    // What it could start, it can read.
    let folder = folder("calls-of-the-system", "[sandbox]\nread = [\"/bin\", \"/usr/bin\"]\n");
    let Some(attempts) = serve(&folder) else { return };
    for what in ["trace", "signal", "priority", "queue", "mount", "unshare", "run/etc/hosts"] {
        assert_eq!(attempts.tell(&format!("/{what}")), REFUSED, "{what}");
        assert_eq!(
            attempts.tell(&format!("/elsewhere/{what}")),
            REFUSED,
            "{what}, on a thread for what blocks"
        );
    }
    assert_eq!(attempts.with("elsewhere/read", &folder, "outside.txt"), REFUSED);
    // And nothing else.
    for what in ["raise", "thread", "elsewhere/thread"] {
        assert_eq!(attempts.tell(&format!("/{what}")), "done", "{what}");
    }
    // Each of its threads: the file, the calls of the system, and that no program is started.
    let each = |line: &str, expected: &str| {
        let told = attempts.tell(&format!("/status/{line}"));
        assert!(told.split(", ").all(|line| line.split_whitespace().last() == Some(expected)), "{told}");
        assert!(told.split(", ").count() > 2, "{told}");
    };
    each("NoNewPrivs:", "1");
    each("Seccomp:", "2");
    assert_eq!(attempts.tell("/limit"), "Max core file size 0 0 bytes");
}

#[test]
fn programs_that_it_may_start_are_in_the_same_sandbox() {
    let folder = folder("run", "[sandbox]\nrun = true\nread = [\"allowed\", \"/bin\", \"/usr/bin\"]\n");
    let Some(attempts) = serve(&folder) else { return };
    assert_eq!(attempts.with("run", &folder, "allowed/inside.txt"), "exit status: 0: inside");
    let told = attempts.with("run", &folder, "outside.txt");
    assert!(told.starts_with("exit status: 1: ") && told.contains("Permission denied"), "{told}");
    assert_eq!(attempts.tell("/trace"), REFUSED);
}
