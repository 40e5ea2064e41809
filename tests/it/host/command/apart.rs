//! Workers with processes of their own, which the host starts and watches.

use std::{fs, os::unix::fs::symlink};

use super::*;

const APART: &str = "isolation = \"process\"\n";

const PAGE: &str = "name = \"page\"\nmain = \"page\"\n";

/// `front` is bound to `greets`, and to `page` at an entrypoint; each has its keys.
fn folder(name: &str, front: &str, greets: &str, page: &str) -> Folder {
    let bindings = "\"greets\" }, { binding = \"PAGE\", service = \"page\", entrypoint = \"Admin\" }";
    let front = FRONT.replace("\"greets\" }", bindings) + front;
    let greets = format!("{GREETS}{greets}");
    let files = [("front.toml", &*front), ("greets.toml", &greets), ("page.toml", page)];
    Folder::new(name, &files)
}

const ALL: &[&str] = &["dev", "-c", "front.toml", "-c", "greets.toml", "-c", "page.toml", "--port", "0"];

fn process_of(page: &str) -> u32 {
    page.strip_prefix("a page of process ").unwrap_or_else(|| panic!("{page}")).parse().unwrap()
}

fn lives(process: u32) -> bool {
    // One that has ended and was left to somebody who does not look is a zombie.
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn kill(process: u32) {
    let id = process.to_string();
    assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
}

#[test]
fn a_worker_gets_a_process_of_its_own_by_one_line_of_its_configuration() {
    let page = format!("{PAGE}{APART}");
    let folder = folder("apart", "", APART, &page);
    let serving = Serving::start(&mut folder.command(ALL));
    assert!(serving.said.contains("greets\n  runs in a process of its own\n"), "{}", serving.said);
    assert!(serving.said.contains("  GREETER  Worker  greets      [connected] process "), "{}", serving.said);
    let first = get(serving.address, "/page");
    let first = process_of(&first.body);
    assert_ne!(first, serving.child.id());
    assert_eq!(get(serving.address, "/you").body, "hello, you", "its variables come from its own file");

    // It is started again, and whoever calls meanwhile is told.
    kill(first);
    let mut told = Vec::new();
    wait_until("it is there again", || {
        std::thread::sleep(Duration::from_millis(20));
        get(serving.address, "/page")
            .body
            .strip_prefix("a page of process ")
            .is_some_and(|id| id != first.to_string())
    });
    let second = process_of(&get(serving.address, "/page").body);
    kill(second);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let answer = get(serving.address, "/page");
        told.push(answer.body);
        if answer.status == 200 {
            break;
        }
        // One that was under way has an outcome that nobody knows.
        assert!(answer.status == 503 || told.len() == 1 && answer.status == 500, "{told:#?}");
        // Each is told in the log, which nobody reads here before the end.
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = "the Worker `page` is not connected: its process has ended, signal: 9 (SIGKILL); it is being started \
                 again";
    assert!(told.iter().any(|told| told.starts_with(ended)), "{told:#?}");
    let third = process_of(told.last().unwrap());

    serving.signal("TERM");
    let (code, _, stderr) = serving.end();
    assert_eq!(code, Some(0));
    assert!(!lives(third), "it ends with its host");
    let line = "[page] its process has ended, signal: 9 (SIGKILL); it is started again in ";
    assert_eq!(stderr.matches(line).count(), 2, "{stderr}");
}

#[test]
fn what_a_process_says_is_told_with_its_name_and_it_reaches_the_workers_of_its_host() {
    let folder = folder("apart-first", APART, "", PAGE);
    let serving = Serving::start(folder.command(ALL).env("API_KEY", "s3cret"));
    // The first Worker, which is served over HTTP, is the one that is elsewhere; those that it calls are here.
    assert_eq!(get(serving.address, "/you").body, "hello, you");
    assert_eq!(process_of(&get(serving.address, "/page").body), serving.child.id());
    assert_eq!(get(serving.address, "/key").body, "Secret(..) of 6 bytes");
    serving.ends_when_its_background_work_is_done("front");
}

#[test]
fn props_of_a_binding_arrive_in_another_process() {
    let page = format!("{PAGE}{APART}");
    let folder = folder("apart-props", "", APART, &page);
    let with_props = |props: &str| {
        let front = fs::read_to_string(folder.0.join("front.toml")).unwrap();
        let service = |name: &str, props: &str| format!("service = \"{name}\", props = {props}");
        let front =
            front.replace("service = \"greets\"", &service("greets", "{ tenant = \"a1\", level = 7 }"));
        fs::write(folder.0.join("bound.toml"), front.replace("service = \"page\"", &service("page", props)))
            .unwrap();
    };
    let all = ["dev", "-c", "bound.toml", "-c", "greets.toml", "-c", "page.toml", "--port", "0"];
    with_props("{ tenant = \"b \\\"2\\\"\", level = 0, more = [1979-05-27, -1.5, true, { a = [] }] }");
    let serving = Serving::start(&mut folder.command(&all));
    let own = |path| get(serving.address, path).body;
    assert_eq!(own("/props"), r#"Caller { tenant: "a1", level: 7 }"#);
    assert_eq!(
        own("/page/props"),
        r#"Caller { tenant: "b \"2\"", level: 0 }"#,
        "at its entrypoint, with `fetch`"
    );
    // What it hands out of itself says what it says.
    let itself = own("/itself");
    let told = itself.strip_prefix(r#"Caller { tenant: "itself", level: 255 } in process "#).unwrap();
    assert_ne!(told.parse::<u32>().unwrap(), serving.child.id());
    assert_eq!(own("/props"), r#"Caller { tenant: "a1", level: 7 }"#);
    drop(serving);

    // Its own log says what is wrong with them, as it does for every mistake of a program.
    with_props("{ tenant = \"a1\", level = 256 }");
    let serving = Serving::start(&mut folder.command(&all));
    assert_eq!(get(serving.address, "/page/props").status, 500);
    serving.signal("TERM");
    let stderr = serving.end().2;
    let why = "the binding `PAGE` of another process has props that are not what `page` reads: props:1:24: level: out of \
               range, expected an integer from 0 to 255, received the integer 256";
    assert!(stderr.lines().any(|line| line.starts_with("[page] ") && line.contains(why)), "{stderr}");
}

#[test]
fn a_process_ends_when_its_host_is_killed() {
    let page = format!("{PAGE}{APART}");
    let folder = folder("apart-orphan", "", "", &page);
    let serving = Serving::start(&mut folder.command(ALL));
    let page = process_of(&get(serving.address, "/page").body);
    assert!(lives(page));
    serving.signal("KILL");
    wait_until("it notices", || !lives(page));
}

#[test]
fn another_program_is_named_by_its_path() {
    let page = PAGE.replace("main = \"page\"", "main = \"./program\"");
    let folder = folder("apart-path", "", "", &page);
    let (code, _, stderr) =
        folder.run(&["check", "-c", "front.toml", "-c", "greets.toml", "-c", "page.toml"]);
    assert_eq!((code, stderr.matches("error: ").count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("error: main: a program that cannot be started"), "{stderr}");
    symlink(env!("CARGO_BIN_EXE_rpc-tests-host"), folder.0.join("program")).unwrap();
    let (code, stdout, stderr) =
        folder.run(&["check", "-c", "front.toml", "-c", "greets.toml", "-c", "page.toml"]);
    assert_eq!((code, &*stdout, &*stderr), (Some(0), "no faults: front, greets, page\n", ""));
    let serving = Serving::start(&mut folder.command(ALL));
    assert_ne!(process_of(&get(serving.address, "/page").body), serving.child.id());
    drop(serving);
    // Also if it is the one that is served over HTTP.
    let serving = Serving::start(&mut folder.command(&["dev", "-c", "page.toml", "--port", "0"]));
    assert_ne!(process_of(&get(serving.address, "/").body), serving.child.id());
}

#[test]
fn a_process_that_does_not_stop_is_killed_when_the_time_of_its_host_is_over() {
    let page = format!("{PAGE}{APART}");
    let folder = folder("apart-stopped", "", "", &page);
    let serving = Serving::start(folder.command(ALL).env("DRAIN_MS", "500"));
    let page = process_of(&get(serving.address, "/page").body);
    let stopped = Command::new("kill").args(["-STOP", &page.to_string()]).status();
    assert!(stopped.unwrap().success());
    let mut connection = Connection::open(serving.address);
    connection.send("/hang");
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    serving.signal("TERM");
    let (code, _, stderr) = serving.end();
    let took = start.elapsed();
    // 500 ms for what runs, and at most 1 s more.
    assert!(took >= Duration::from_millis(500) && took < PATIENCE / 2, "{took:?}");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("[page] it does not stop, and is killed\n"), "{stderr}");
    assert!(!lives(page));
}

#[test]
fn what_a_process_of_its_own_cannot_have_is_a_fault() {
    let page = format!("{PAGE}{APART}listen = [\"tcp:127.0.0.1:0\"]\n");
    let folder = folder("apart-faults", "", APART, &page);
    let bindings = fs::read_to_string(folder.0.join("front.toml")).unwrap();
    let bindings = bindings.replace("service = \"greets\"", "service = \"greets\", props = { a = inf }");
    fs::write(folder.0.join("front.toml"), bindings).unwrap();
    let (code, _, stderr) = folder.run(ALL);
    let problems: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(code, Some(1));
    assert_eq!(
        problems,
        [
            "error: services[0].props: props that cannot go to another process",
            "error: listen[0]: a Worker with a process of its own that listens"
        ]
    );
    let host = Host::new().worker::<AuthWorker>("auth");
    let faults = on_a_free_port(host, &[&format!("{AUTH}{APART}")]).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().problem(), "a Worker with a process of its own");
}

#[test]
fn a_process_that_ends_before_its_worker_is_made_is_a_fault_of_the_start() {
    let folder = folder("apart-unmade", "", "", PAGE);
    fs::write(folder.0.join("greets.toml"), format!("{}{APART}", GREETS.replace("hello", ""))).unwrap();
    let (code, stdout, stderr) = folder.run(ALL);
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    let problems: Vec<_> = stderr.lines().filter(|line| line.contains("error: ")).collect();
    let expected = [
        "[greets] error: name: a Worker that cannot be made",
        "error: name: a process that ends before its Worker is made",
    ];
    assert_eq!(problems, expected, "{stderr}");
    assert!(stderr.contains("received `greets`: its process has ended, exit status: 1\n"), "{stderr}");
    assert!(!stderr.contains("it is started again"), "{stderr}");
}

/// A Worker that takes its time to be made, or calls `greets` as it is.
fn made(name: &str, keys: &str) -> Folder {
    let made = format!("name = \"made\"\nmain = \"made\"\n{keys}");
    Folder::new(name, &[("made.toml", &*made), ("greets.toml", GREETS)])
}

#[test]
fn a_process_that_calls_its_host_before_that_serves_is_started_again() {
    let bound = "services = [ { binding = \"GREETER\", service = \"greets\" } ]\n";
    let folder = made("apart-early", &format!("{bound}{APART}"));
    let all = ["dev", "-c", "made.toml", "-c", "greets.toml", "--port", "0"];
    let serving = Serving::start(&mut folder.command(&all));
    wait_until("it is made", || get(serving.address, "/").body.starts_with("hello, made in process "));
    serving.signal("TERM");
    let (code, _, stderr) = serving.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("[made] its process has ended, exit status: 1; it is started again in "),
        "{stderr}"
    );
}

#[test]
fn who_is_waited_for_is_told_while_a_worker_is_made() {
    let not = "its `new` has not returned, and nothing is served before";
    let here = format!("made is still being made, for 5 s; {not}\n");
    let there = format!("WARN rpc_runtime: a Worker is still being made: {not} worker=made for_s=5\n");
    for (name, keys, begin, told) in [("making", "", "", here), ("apart-making", APART, "[made] ", there)] {
        let folder = made(name, &format!("vars = {{ WAITS_FOR = \"go\" }}\n{keys}"));
        let mut command = folder.command(&["dev", "-c", "made.toml", "--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        assert!(line.starts_with(begin) && line.ends_with(&told), "{line}");
        fs::write(folder.0.join("go"), "").unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("is served on http://") {
            assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
        }
        drop(Serving { child, output, said, address: None });
    }
}

#[test]
fn a_program_that_never_serves_its_worker_is_told_of_and_the_others_serve() {
    use std::os::unix::fs::PermissionsExt as _;
    let page = PAGE.replace("main = \"page\"", "main = \"./program\"");
    let folder = folder("apart-never", "", "", &page);
    let program = folder.0.join("program");
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let serving = Serving::start(&mut folder.command(ALL));
    assert_eq!(get(serving.address, "/you").body, "hello, you");
    serving.signal("TERM");
    let (code, _, stderr) = serving.end();
    let told = "[page] its process is not up after 10 s; calls are refused until it is\n";
    assert_eq!((code, &*stderr), (Some(0), told));
}
