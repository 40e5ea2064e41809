//! Workers whose processes may do what their configuration says, and nothing else.
//!
//! On a kernel that cannot make a sandbox each test asserts that it says so, and ends there.

use std::{fs, os::unix::fs::symlink, thread};

use super::*;

mod lacking;
mod reach;

const ATTEMPTS: &str = "name = \"attempts\"\nmain = \"attempts\"\nisolation = \"process\"\n";
const BOUND: &str = "services = [ { binding = \"GREETER\", service = \"greets\" } ]\n";
const DEV: &[&str] = &["dev", "-c", "attempts.toml", "-c", "greets.toml", "--port", "0"];
const REFUSED: &str = "PermissionDenied";

/// `attempts` with these keys, `greets`, and files to try: `outside.txt`, `allowed/inside.txt` and the folder `data`.
fn folder(name: &str, keys: &str) -> Folder {
    let attempts = format!("{ATTEMPTS}{keys}");
    let files = [("attempts.toml", &*attempts), ("greets.toml", GREETS), ("outside.txt", "outside")];
    let folder = Folder::new(&format!("sandbox-{name}"), &files);
    fs::create_dir_all(folder.0.join("allowed")).unwrap();
    fs::create_dir_all(folder.0.join("data")).unwrap();
    fs::write(folder.0.join("allowed/inside.txt"), "inside").unwrap();
    folder
}

/// Whether this kernel makes sandboxes; where it does not, that is what a host says of this one.
fn is_possible(folder: &Folder) -> bool {
    let (code, _, stderr) = folder.run(&["check", "-c", "attempts.toml", "-c", "greets.toml"]);
    if code == Some(0) {
        return true;
    }
    assert!(stderr.contains("a sandbox that this kernel cannot make"), "{stderr}");
    false
}

/// Serves `attempts` in its sandbox, where there is one.
fn serve(folder: &Folder) -> Option<Attempts> {
    is_possible(folder).then(|| Attempts(Serving::start(&mut folder.command(DEV))))
}

struct Attempts(Serving);

impl Attempts {
    /// What came of an attempt.
    fn tell(&self, path: &str) -> String {
        let answer = get(self.0.address, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// What came of an attempt with a file of the folder.
    fn with(&self, what: &str, folder: &Folder, file: &str) -> String {
        self.tell(&format!("/{what}{}", folder.0.canonicalize().unwrap().join(file).display()))
    }

    fn process(&self) -> String {
        self.tell("/process")
    }

    fn wait_for_another_than(&self, process: &str) {
        wait_until("it is started again", || {
            thread::sleep(Duration::from_millis(20));
            let answer = get(self.0.address, "/process");
            answer.status == 200 && answer.body != process
        });
    }
}

#[test]
fn calls_go_in_and_out_of_a_sandbox_as_they_do_without_one() {
    let keys = format!("{BOUND}[sandbox]\n");
    let folder = folder("calls", &keys);
    let bindings = "\"attempts\" }, { binding = \"PAGE\", service = \"attempts\", entrypoint = \"Admin\" }";
    fs::write(folder.0.join("front.toml"), FRONT.replace("\"greets\" }", bindings)).unwrap();
    if !is_possible(&folder) {
        return;
    }
    let all = ["dev", "-c", "front.toml", "-c", "attempts.toml", "-c", "greets.toml", "--port", "0"];
    let serving = Serving::start(&mut folder.command(&all));
    let answer = get(serving.address, "/you").body;
    let process = answer.strip_prefix("you greets from process ").unwrap();
    assert_ne!(process, serving.child.id().to_string());
    assert_eq!(get(serving.address, "/page/process").body, process);
    assert_eq!(get(serving.address, "/page/greet").body, "hello, you");
}

#[test]
fn a_process_that_is_started_again_is_in_its_sandbox_again() {
    // Bound to nobody, so that it could not find out by itself whose the socket is that is left.
    let folder = folder("again", "[sandbox]\nread = [\"allowed\"]\n");
    let Some(attempts) = serve(&folder) else { return };
    for _ in 0..2 {
        let process = attempts.process();
        assert_eq!(get(attempts.0.address, "/abort").status, 500);
        attempts.wait_for_another_than(&process);
        assert_eq!(attempts.with("read", &folder, "outside.txt"), REFUSED);
        assert_eq!(attempts.with("read", &folder, "allowed/inside.txt"), "inside");
        assert_eq!(attempts.tell("/run/etc/hosts"), REFUSED);
    }
    attempts.0.signal("TERM");
    let (code, _, stderr) = attempts.0.end();
    assert_eq!((code, stderr.matches("signal: 6 (SIGABRT); it is started again in ").count()), (Some(0), 2));
}

#[test]
fn a_worker_does_not_lose_its_sandbox_while_its_host_runs() {
    let folder = folder("edited", "[sandbox]\n");
    let Some(attempts) = serve(&folder) else { return };
    let process = attempts.process();
    let file = folder.0.join("attempts.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, ATTEMPTS).unwrap();
    assert_eq!(get(attempts.0.address, "/abort").status, 500);
    let ended = |answer: Answer| answer.status == 503 && answer.body.contains("exit status: 1");
    wait_until("it does not start", || ended(get(attempts.0.address, "/process")));
    fs::write(&file, before).unwrap();
    attempts.wait_for_another_than(&process);
    assert_eq!(attempts.with("read", &folder, "outside.txt"), REFUSED);
    attempts.0.signal("TERM");
    let (_, _, stderr) = attempts.0.end();
    let told = "[attempts] error: name: a Worker without the sandbox that it had when the host started\n";
    assert!(stderr.contains(told), "{stderr}");
    assert!(
        stderr.contains("[attempts]   = help: start the host again, which reads the file then\n"),
        "{stderr}"
    );
}

#[test]
fn what_a_worker_says_and_finishes_is_the_same_in_a_sandbox() {
    let folder = folder("says", "");
    let front = format!("{FRONT}isolation = \"process\"\nsecrets = {{ file = \".dev.vars\" }}\n[sandbox]\n");
    fs::write(folder.0.join("front.toml"), front).unwrap();
    fs::write(folder.0.join(".dev.vars"), "API_KEY = 'hunter2'\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.0.join(".dev.vars"), mode).unwrap();
    fs::write(folder.0.join("attempts.toml"), format!("{ATTEMPTS}[sandbox]\n")).unwrap();
    if !is_possible(&folder) {
        return;
    }
    let serving = Serving::start(&mut folder.command(super::DEV));
    assert_eq!(get(serving.address, "/you").body, "hello, you");
    assert_eq!(get(serving.address, "/key").body, "Secret(..) of 7 bytes");
    serving.ends_when_its_background_work_is_done("front");
}

#[test]
fn another_program_is_in_the_sandbox_before_its_first_line() {
    let folder = folder("program", "[sandbox]\n");
    let text = ATTEMPTS.replace("main = \"attempts\"\nisolation = \"process\"", "main = \"./program\"");
    let file = folder.0.join("attempts.toml");
    fs::write(&file, format!("{text}[sandbox]\n")).unwrap();
    let front = FRONT.replace("\"greets\" }", "\"greets\" }, { binding = \"PAGE\", service = \"attempts\" }");
    fs::write(folder.0.join("front.toml"), front).unwrap();
    let program = folder.0.join("program");
    symlink(env!("CARGO_BIN_EXE_rpc-tests-host"), &program).unwrap();
    if !is_possible(&folder) {
        return;
    }
    let all = ["dev", "-c", "front.toml", "-c", "attempts.toml", "-c", "greets.toml", "--port", "0"];
    let serving = Serving::start(&mut folder.command(&all));
    let outside = folder.0.canonicalize().unwrap().join("outside.txt");
    assert_ne!(get(serving.address, "/page/process").body, serving.child.id().to_string());
    assert_eq!(get(serving.address, &format!("/page/read{}", outside.display())).body, REFUSED);
    assert_eq!(get(serving.address, "/page/run/etc/hosts").body, REFUSED);
    drop(serving);

    // One that is no host, and does what it likes: a shell, which takes the name of the command for a script.
    fs::write(folder.0.join("apart"), "echo started\nread line < outside.txt && echo \"got $line\"\n")
        .unwrap();
    fs::write(&file, format!("{text}[sandbox]\nread = [\"apart\"]\n")).unwrap();
    fs::remove_file(&program).unwrap();
    symlink("/bin/sh", &program).unwrap();
    let (code, stdout, stderr) = folder.run(&all);
    assert_eq!((code, &*stdout), (Some(1), "[attempts] started\n"), "{stderr}");
    assert!(stderr.contains("outside.txt: Permission denied\n"), "{stderr}");
    assert!(stderr.contains("error: name: a process that ends before its Worker is made\n"), "{stderr}");
}

#[test]
fn a_name_is_had_once_in_and_out_of_sandboxes() {
    let folder = folder("names", &format!("{BOUND}[sandbox]\n"));
    let free = ATTEMPTS.replace("isolation = \"process\"\n", "");
    fs::write(folder.0.join("free.toml"), free).unwrap();
    if !is_possible(&folder) {
        return;
    }
    let registry = folder.1.0.join("shared");
    let terminal = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.env("RPC_REGISTRY", &registry);
        command
    };
    let free = ["dev", "-c", "free.toml", "--port", "0"];
    let confined = Attempts(Serving::start(&mut terminal(DEV)));
    let told = format!("received `attempts`: process {}", confined.process());
    let (code, _, stderr) = Folder::outcome(&mut terminal(&free));
    assert!(code == Some(1) && stderr.contains(&told), "{told} {stderr}");
    drop(confined);
    wait_until("it notices", || !registry.join("attempts/attempts.sock").exists());

    let free = Serving::start(&mut terminal(&free));
    let told = format!("received `attempts`: process {}", free.child.id());
    let (code, _, stderr) = Folder::outcome(&mut terminal(DEV));
    assert!(code == Some(1) && stderr.contains(&told), "{told} {stderr}");
}

#[test]
fn a_sandbox_is_seen_where_workers_are_listed() {
    let keys = "[sandbox]\nread = [\"allowed\"]\nports = [1, 2]\nrun = true\n";
    let folder = folder("listed", keys);
    let Some(attempts) = serve(&folder) else { return };
    let allowed = folder.0.canonicalize().unwrap().join("allowed");
    let line = format!(
        "attempts\n  runs in a process of its own\n  in a sandbox: reads {}; connects to TCP ports 1, 2; starts programs\n",
        allowed.display()
    );
    assert!(attempts.0.said.starts_with(&line), "{}", attempts.0.said);
    let run =
        |command: &[&str]| folder.run(&[command, &["-c", "attempts.toml", "-c", "greets.toml"]].concat());
    assert_eq!(run(&["check"]), (Some(0), "no faults: attempts (in a sandbox), greets\n".into(), "".into()));
    assert!(run(&["graph"]).1.contains("  offers fetch at #Admin\n  runs in a sandbox\n"));
    for (format, label) in
        [("mermaid", "w0[\"attempts<br>(in a sandbox)\"]"), ("dot", "[label=\"attempts\\n(in a sandbox)\"]")]
    {
        let drawn = run(&["graph", "--format", format]).1;
        assert!(drawn.contains(label), "{drawn}");
    }
}
