//! Hosts of several terminals, which find each other by the development registry.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::mpsc::{Receiver, channel},
    time::SystemTime,
};

use super::*;

const PAGE: &str = "name = 'page'\nmain = 'page'\n";

const WHAT_TO_START: &str = "the Worker `greets` is not connected: start it in another terminal with \
                             `dev -c greets/worker.toml`, or wherever its configuration lies";

/// `front` in one file, `greets` and `page` in others; `more` bindings for `front`.
fn folder(name: &str, more: &str) -> Folder {
    let front = FRONT.replace("\"greets\" }", &format!("\"greets\" }}{more}"));
    Folder::new(name, &[("front.toml", &front), ("greets.toml", GREETS), ("page.toml", PAGE)])
}

/// A terminal: all of a folder share a registry.
fn terminal(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = folder.command(arguments);
    command.env("RPC_REGISTRY", &folder.1.0);
    command
}

fn dev(folder: &Folder, file: &str) -> Serving {
    // One that answers no requests has no port.
    let port = if file == "greets.toml" { &[][..] } else { &["--port", "0"] };
    Serving::start(&mut terminal(folder, &[&["dev", "-c", file], port].concat()))
}

fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    Folder::outcome(&mut terminal(folder, arguments))
}

impl Serving {
    /// What it says from now on, line by line.
    pub(super) fn lines(&mut self) -> Receiver<String> {
        let (sender, lines) = channel();
        let nothing = Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap();
        let output = std::mem::replace(&mut self.output, BufReader::new(nothing));
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        lines
    }
}

pub(super) fn line(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).unwrap()
}

/// An entry as another process would write it.
fn entry(pid: u32, change: impl Fn(&str) -> String) -> String {
    change(&format!(
        r#"{{"name":"greets","pid":{pid},"started":null,"protocol":1,"version":"0.1.0","socket":"greets.sock","entrypoints":[],"more":1}}"#
    ))
}

#[test]
fn workers_of_other_terminals_are_found_in_any_order_and_again_without_a_restart() {
    let folder = folder("terminals", "");
    let mut front = dev(&folder, "front.toml");
    assert!(
        front.said.starts_with(
            "front\n  binding  kind    target  where\n  GREETER  Worker  greets  [not connected]\nfront is served"
        ),
        "{}",
        front.said
    );
    let lines = front.lines();
    let absent = |answer: Answer| {
        assert_eq!(answer.status, 503);
        assert!(answer.body.starts_with(&format!("{WHAT_TO_START}; the log has")), "{}", answer.body);
    };
    absent(get(front.address, "/you"));
    for signal in ["TERM", "KILL", "TERM"] {
        let greets = dev(&folder, "greets.toml");
        let appeared = Instant::now();
        assert_eq!(greets.address, None, "it answers no requests, and is there for the others");
        wait_until("it is found", || get(front.address, "/you").body == "hello, you");
        // No assertion: it hangs on the machine. At most 500 ms is what is wanted.
        println!("found {} ms after it said that it serves", appeared.elapsed().as_millis());
        let id = greets.child.id();
        assert_eq!(line(&lines), format!("front GREETER: greets [connected] process {id}"));
        greets.signal(signal);
        greets.end();
        absent(get(front.address, "/you"));
        assert_eq!(line(&lines), "front GREETER: greets [not connected]");
        absent(get(front.address, "/you"));
    }
    // The other way round it is there from the beginning.
    let greets = dev(&folder, "greets.toml");
    let other = FRONT.replace("name = \"front\"", "name = \"other\"");
    fs::write(folder.0.join("other.toml"), other).unwrap();
    let other = dev(&folder, "other.toml");
    let connected = format!("  GREETER  Worker  greets  [connected] process {}\n", greets.child.id());
    assert!(other.said.contains(&connected), "{}", other.said);
    assert_eq!(get(other.address, "/you").body, "hello, you");
}

#[test]
fn requests_go_to_another_terminal_as_calls_do() {
    let folder = folder("fetching", ", { binding = \"PAGE\", service = \"page\", entrypoint = \"Admin\" }");
    let front = dev(&folder, "front.toml");
    let answer = get(front.address, "/page");
    assert_eq!(answer.status, 503);
    let expected = WHAT_TO_START.replace("greets", "page");
    assert!(answer.body.starts_with(&expected), "{}", answer.body);
    let page = dev(&folder, "page.toml");
    assert!(page.address.is_some(), "it answers requests, so it is served over HTTP too");
    let expected = format!("a page of process {}", page.child.id());
    wait_until("it is found", || get(front.address, "/page").body == expected);
}

#[test]
fn a_name_that_another_process_has_is_refused_with_its_id() {
    let folder = folder("name-taken", "");
    let greets = dev(&folder, "greets.toml");
    let start = Instant::now();
    let (code, stdout, stderr) = run(&folder, &["dev", "-c", "greets.toml"]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(start.elapsed() < PATIENCE, "at once: nothing runs that it would wait for");
    for told in [
        "error: name: a Worker that another process has already",
        "--> greets.toml:2:8",
        &format!("the process {} listens there", greets.child.id()),
        "help: stop that process, or choose another registry with `--registry`",
    ] {
        assert!(stderr.contains(told), "{stderr}");
    }
    // What a crash leaves behind is no obstacle.
    greets.signal("KILL");
    greets.end();
    assert!(folder.1.0.join("greets.json").exists() && folder.1.0.join("greets.sock").exists());
    let greets = dev(&folder, "greets.toml");
    // In another registry it is another one.
    let other = remote::Folder::new("registry-name-taken-too");
    let path = other.0.display().to_string();
    drop(Serving::start(&mut terminal(&folder, &["dev", "-c", "greets.toml", "--registry", &path])));
    greets.signal("TERM");
    assert_eq!(greets.end().0, Some(0));
    assert_eq!(fs::read_dir(&folder.1.0).unwrap().count(), 0, "it takes with it what it brought");
}

#[test]
fn what_others_write_is_trusted_for_a_socket_of_the_same_folder_alone() {
    let folder = folder("hostile", "");
    let mut front = dev(&folder, "front.toml");
    let lines = front.lines();
    let (file, part) = (folder.1.0.join("greets.json"), folder.1.0.join("test.part"));
    let me = std::process::id();
    let write = |text: &str| {
        fs::write(&part, text).unwrap();
        fs::rename(&part, &file).unwrap();
    };
    let somewhere = format!("its entry in the registry, of process {me}, leads to somewhere else");
    for (text, why) in [
        ("no json".to_owned(), "its entry in the registry: expected ident at line 1 column 2".to_owned()),
        ("{}".repeat(40_000), "its entry in the registry: it is longer than 65536 bytes".to_owned()),
        ("{}".to_owned(), "its entry in the registry: missing field `name` at line 1 column 2".to_owned()),
        (entry(me, |entry| entry.replace("greets.sock", "../other/greets.sock")), somewhere.clone()),
        (
            entry(me, |entry| entry.replace("\"protocol\":1", "\"protocol\":2")),
            format!(
                "process {me} speaks version 2 of the protocol (rpc-runtime 0.1.0), and this one version 1 (rpc-runtime \
                 0.1.0): build both with the same"
            ),
        ),
        (entry(me, |entry| entry.replace("\"name\":\"greets\"", "\"name\":\"other\"")), somewhere),
    ] {
        write(&text);
        assert_eq!(line(&lines), format!("front GREETER: greets [not connected] {why}"));
        let answer = get(front.address, "/you");
        assert_eq!(answer.status, 503);
        assert!(
            answer.body.starts_with(&format!("the Worker `greets` is not connected: {why}; the log")),
            "{}",
            answer.body
        );
    }
    // Of this process, which lives; but nobody listens there.
    write(&entry(me, str::to_owned));
    assert_eq!(line(&lines), format!("front GREETER: greets [connected] process {me}"));
    assert!(get(front.address, "/you").body.starts_with(WHAT_TO_START));
    // Of a process that began at another time than the one of this number.
    write(&entry(me, |entry| entry.replace("null", "1")));
    assert_eq!(line(&lines), "front GREETER: greets [not connected]");
    write(&entry(me, str::to_owned));
    assert_eq!(line(&lines), format!("front GREETER: greets [connected] process {me}"));
    // Not renewed for too long.
    let old = SystemTime::now() - Duration::from_secs(91);
    fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    assert_eq!(line(&lines), "front GREETER: greets [not connected]");
}

#[test]
fn entries_are_renewed() {
    let folder = folder("renewed", "");
    let greets = dev(&folder, "greets.toml");
    let file = folder.1.0.join("greets.json");
    let entry: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(entry["name"], "greets");
    assert_eq!(entry["pid"], greets.child.id());
    assert_eq!(entry["socket"], "greets.sock");
    assert_eq!(entry["entrypoints"][0]["services"][0]["name"], "Greeter");
    assert_eq!(entry["entrypoints"][0]["services"][0]["digest"].as_str().unwrap().len(), 32);
    fs::remove_file(&file).unwrap();
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < 3 * PATIENCE, "it is written anew every 10 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn check_asks_the_registry_if_it_is_told_to() {
    let folder =
        folder("check-registry", ", { binding = \"PAGE\", service = \"page\", entrypoint = \"Amdin\" }");
    let path = folder.1.0.display().to_string();
    let (code, _, stderr) = run(&folder, &["check", "-c", "front.toml", "--registry", &path]);
    assert!(code == Some(1) && stderr.contains("a registry that cannot be used"), "{stderr}");
    let (greets, _page) = (dev(&folder, "greets.toml"), dev(&folder, "page.toml"));
    let (code, _, stderr) = run(&folder, &["check", "-c", "front.toml"]);
    assert!(code == Some(1) && stderr.contains("2 faults"), "{stderr}");
    let (code, _, stderr) = run(&folder, &["check", "-c", "front.toml", "--registry", &path]);
    assert_eq!((code, stderr.matches("error: ").count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("an entrypoint that the Worker does not have"), "{stderr}");
    assert!(stderr.contains("help: there is `Admin`"), "{stderr}");
    fs::write(folder.0.join("front.toml"), FRONT).unwrap();
    let check = || run(&folder, &["check", "-c", "front.toml", "--registry", &path]);
    assert_eq!(check().1, "no faults: front\n");
    greets.signal("KILL");
    greets.end();
    assert!(check().2.contains("a binding to a Worker that is not there"));
}

#[test]
fn props_go_to_another_terminal() {
    let folder = folder("terminal-props", "");
    let front = FRONT.replace("\"greets\"", "\"greets\", props = { tenant = \"a1\", level = 7 }");
    let front = front.replace("name = \"front\"", "name = \"bound\"");
    fs::write(folder.0.join("bound.toml"), front).unwrap();
    let (bound, plain) = (dev(&folder, "bound.toml"), dev(&folder, "front.toml"));
    let _greets = dev(&folder, "greets.toml");
    wait_until("it is found", || get(plain.address, "/you").body == "hello, you");
    let told = |from: &Serving| get(from.address, "/lenient").body;
    assert_eq!(told(&bound), r#"Some(Caller { tenant: "a1", level: 7 })"#);
    assert_eq!(told(&plain), "None", "of another binding");
}

#[test]
fn what_cannot_come_from_another_terminal_is_a_fault() {
    let long =
        format!(", {{ binding = \"PAGE\", service = \"page\", props = {{ a = \"{}\" }} }}", "x".repeat(8192));
    let folder = folder("elsewhere", &long);
    let (code, _, stderr) = run(&folder, &["dev", "-c", "front.toml", "--port", "0"]);
    assert_eq!((code, stderr.matches("error: ").count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("error: services[1].props: props that cannot go to another process"), "{stderr}");
    assert!(stderr.contains("expected at most 8192 bytes of JSON, received 8200 bytes"), "{stderr}");
    // Nor is a registry used that others could write to.
    fs::create_dir_all(&folder.1.0).unwrap();
    fs::set_permissions(&folder.1.0, fs::Permissions::from_mode(0o755)).unwrap();
    let (code, _, stderr) = run(&folder, &["dev", "-c", "greets.toml"]);
    assert!(code == Some(1) && stderr.contains("it has mode 0755"), "{stderr}");
    assert!(
        stderr.contains("choose another one with `--registry`, or by the variable RPC_REGISTRY"),
        "{stderr}"
    );
    // Nor one that a link leads to, which another user may have made.
    fs::set_permissions(&folder.1.0, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&folder.1.0, folder.0.join("link")).unwrap();
    for link in ["link", "link/"] {
        let (code, _, stderr) = run(&folder, &["dev", "-c", "greets.toml", "--registry", link]);
        assert!(code == Some(1) && stderr.contains("it is a symbolic link"), "{stderr}");
    }
}

#[test]
fn a_binding_that_may_have_meant_a_worker_of_this_process_is_warned_of() {
    let front = FRONT.replace("\"greets\"", "\"greet\"");
    let folder = Folder::new("likeness", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let serving = Serving::dev(&folder);
    serving.signal("TERM");
    let stderr = serving.end().2;
    assert!(stderr.contains("a binding leads to a Worker of another process binding=GREETER"), "{stderr}");
    assert!(stderr.contains("nearest=\"greets\""), "{stderr}");
}

#[test]
fn a_second_terminal_takes_another_port_unless_one_is_asked_for() {
    // Whoever has it, this test or another program.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8787");
    let folder = folder("any-port", "");
    let front = Serving::start(&mut terminal(&folder, &["dev", "-c", "front.toml"]));
    assert!(front.said.contains("port 8787 is taken by another program, so it is another one\n"));
    assert_eq!(get(front.address, "/you").status, 503);
}
