//! The commands of a program that is a host, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::*;

mod apart;
mod graph;
mod registry;
#[cfg(target_os = "linux")]
mod sandbox;
mod serve;
mod watch;

const FRONT: &str = r#"
name = "front"
main = "front"
services = [ { binding = "GREETER", service = "greets" } ]
"#;

const GREETS: &str = r#"
name = "greets"
main = "greets"
vars = { GREETING = "hello" }
"#;

/// Configuration files in a folder of their own, which goes away with it, and one for registries.
pub(super) struct Folder(PathBuf, remote::Folder);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is left in the target folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = format!("host-{}-{name}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join(file), text).unwrap();
        }
        Self(folder, remote::Folder::new(&format!("registry-{name}")))
    }

    pub(super) fn both(name: &str) -> Self {
        Self::new(name, &[("front.toml", FRONT), ("greets.toml", GREETS)])
    }

    /// The same, but that the first one has a process of its own.
    pub(super) fn front_apart(name: &str) -> Self {
        let front = format!("{FRONT}isolation = \"process\"\n");
        Self::new(name, &[("front.toml", &front), ("greets.toml", GREETS)])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rpc-tests-host"));
        // One for each, so that two of them may run the same Workers.
        static REGISTRIES: AtomicUsize = AtomicUsize::new(0);
        let registry = self.1.0.join(REGISTRIES.fetch_add(1, Ordering::SeqCst).to_string());
        command.args(arguments).current_dir(&self.0).env("RPC_REGISTRY", registry);
        command.env_remove("API_KEY").env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        Self::outcome(&mut self.command(arguments))
    }

    fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), untimed(&String::from_utf8(stderr).unwrap()))
    }
}

/// The lines of a log without their times.
fn untimed(stderr: &str) -> String {
    let untimed = |line: &str| {
        let (of, rest) = match line.split_once("] ") {
            Some((of, rest)) if of.starts_with('[') => (format!("{of}] "), rest),
            _ => (String::new(), line),
        };
        let rest = rest.split_once(' ').filter(|(time, _)| is_time(time)).map_or(rest, |(_, rest)| rest);
        of + rest
    };
    stderr.split_inclusive('\n').map(untimed).collect()
}

/// `2026-11-22T00:43:57.120Z`
fn is_time(text: &str) -> bool {
    let digits = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    digits.eq("0000-00-00T00:00:00.000Z".bytes())
}

/// A host that serves; it is killed with the test.
pub(super) struct Serving {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it said before it served, and that it does.
    said: String,
    /// Where it serves HTTP, if it does.
    pub(super) address: Option<SocketAddr>,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            assert!(output.read_line(&mut said).unwrap() > 0, "ended after {said:?}");
            let line = said[before..].trim_end();
            if let Some((_, address)) = line.split_once("http://") {
                break Some(address.replace("localhost", "127.0.0.1").parse().unwrap());
            }
            if line.starts_with("nothing is served over HTTP") {
                break None;
            }
        };
        Self { child, output, said, address }
    }

    pub(super) fn dev(folder: &Folder) -> Self {
        Self::start(&mut folder.command(DEV))
    }

    /// Sends a signal to this child, and to no other process.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Begins background work in a Worker with a process of its own, and stops the host meanwhile.
    fn ends_when_its_background_work_is_done(self, worker: &str) {
        assert_eq!(get(self.address, "/background").body, "begun");
        self.signal("TERM");
        let (code, stdout, stderr) = self.end();
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(stdout.contains(&format!("[{worker}] background work is done\n")), "it is drained: {stdout}");
    }

    /// The exit code, and what was said on the way there.
    pub(super) fn end(mut self) -> (Option<i32>, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.output.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stdout, untimed(&stderr))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const DEV: &[&str] = &["dev", "-c", "front.toml", "-c", "greets.toml", "--port", "0"];

#[test]
fn faults_that_nobody_can_read_are_faults_all_the_same() {
    let folder = Folder::new("unread", &[("wrong.toml", "nothing = 1\n")]);
    let mut check = folder.command(&["check", "-c", "wrong.toml"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(check.stderr(full).status().unwrap().code(), Some(1));
}

#[test]
fn check_says_that_there_are_no_faults() {
    let folder = Folder::both("check");
    let (code, stdout, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml"]);
    assert_eq!((code, &*stdout, &*stderr), (Some(0), "no faults: front, greets\n", ""));
}

#[test]
fn check_and_dev_tell_all_faults_of_all_files() {
    let front = FRONT.replace("service = \"greets\"", "service = \"greet\"");
    let greets = GREETS.replace("\"hello\"", "5");
    let folder = Folder::new("faults", &[("front.toml", &front), ("greets.toml", &greets)]);
    let missing = r#"error: services[0].service: a binding to a Worker that is not there
 --> front.toml:4:47
  |
4 | services = [ { binding = "GREETER", service = "greet" } ]
  |                                               ^^^^^^^ expected the `name` of a Worker whose configuration is given, received `greet`, for the binding `GREETER` of `front`
  |
  = help: there is a Worker `greets`

"#;
    let wrong = r#"error: vars.GREETING: wrong type
 --> greets.toml:4:21
  |
4 | vars = { GREETING = 5 }
  |                     ^ expected a string, received the integer 5

"#;
    let told = |command| {
        let (code, stdout, stderr) = folder.run(&[command, "-c", "front.toml", "-c", "greets.toml"]);
        assert_eq!((code, &*stdout), (Some(1), ""));
        stderr
    };
    assert_eq!(told("check"), format!("{missing}{wrong}2 faults\n"));
    // For `dev` a Worker that is not there may be one of another process.
    assert_eq!(told("dev"), wrong.trim_end().to_owned() + "\n");
}

#[test]
fn a_file_that_cannot_be_read_hides_no_faults_of_the_others_and_makes_none() {
    let front = format!("{FRONT}vars = {{ API_KEY = 'k' }}\n");
    let greets = GREETS.replace("vars", "vras");
    let folder = Folder::new("partly", &[("front.toml", &front), ("greets.toml", &greets)]);
    for command in ["check", "dev"] {
        let (code, stdout, stderr) = folder.run(&[command, "-c", "front.toml", "-c", "greets.toml"]);
        assert_eq!((code, &*stdout), (Some(1), ""));
        let problems: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        // That there is no `greets` is no fault of `front`.
        assert_eq!(
            problems,
            ["error: vars.API_KEY: a secret among the variables", "error: vras: unknown key"]
        );
    }
}

/// `place field: problem` of each fault.
fn faults_in(stderr: &str) -> Vec<String> {
    let lines: Vec<_> = stderr.lines().collect();
    let fault = |(at, line): (usize, &&str)| {
        let problem = line.strip_prefix("error: ")?;
        Some(format!("{} {problem}", lines[at + 1].trim().trim_start_matches("--> ")))
    };
    lines.iter().enumerate().filter_map(fault).collect()
}

#[test]
fn a_fault_of_a_file_hides_none_of_its_others_and_makes_none() {
    let front = "name = \"front\"\nmain = \"front\"\nlimts = {}\nservices = [\n\
                 { bindng = \"GREETER\", service = \"greet\" },\n\
                 { binding = \"PAGE\", service = \"greets\" },\n\
                 { binding = \"ADMIN\", service = \"page\", entrypoint = \"Admn\" },\n]\n";
    let greets = r#"{ "name": "greets", "main": "greets", "limts": {}, "vars": { "GREETING": 5 } }"#;
    let page = "name = \"page\"\nmain = \"page\"\n";
    let files = [("front.toml", front), ("greets.json", greets), ("page.toml", page)];
    let folder = Folder::new("at-once", &files);
    let check = || {
        let files = ["-c", "front.toml", "-c", "greets.json", "-c", "page.toml"];
        let (code, stdout, stderr) = folder.run(&[&["check"][..], &files].concat());
        assert_eq!((code, &*stdout), (Some(1), ""));
        faults_in(&stderr)
    };
    let told = [
        "front.toml:3:1 limts: unknown key",
        "front.toml:5:1 services[0].binding: missing key",
        "front.toml:5:3 services[0].bindng: unknown key",
        "front.toml:5:33 services[0].service: a binding to a Worker that is not there",
        "front.toml:6:31 services[1].service: a binding to a Worker that does not offer what is wanted",
        "front.toml:7:53 services[2].entrypoint: an entrypoint that the Worker does not have",
        "greets.json:1:39 limts: unknown key",
        "greets.json:1:74 vars.GREETING: wrong type",
    ];
    assert_eq!(check(), told);
    // A Worker whose name cannot be read may be the one that is missed.
    std::fs::write(folder.0.join("page.toml"), page.replace("name", "nam")).unwrap();
    let fewer = check();
    assert_eq!(fewer[..3], told[..3]);
    assert_eq!(fewer[3..6], [told[4], told[6], told[7]]);
    assert_eq!(fewer[6..], ["page.toml:1:1 nam: unknown key", "page.toml name: missing key"]);
}

#[test]
fn of_two_workers_of_one_name_no_binding_is_said_to_mean_the_wrong_one() {
    let page = "name = \"greets\"\nmain = \"page\"\nvars = { GREETING = 5 }\n";
    let greets = GREETS.replace("\"hello\"", "5");
    let folder =
        Folder::new("named-twice", &[("front.toml", FRONT), ("page.toml", page), ("greets.toml", &greets)]);
    let (_, _, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "page.toml", "-c", "greets.toml"]);
    let told =
        ["greets.toml:2:8 name: two Workers of one name", "greets.toml:4:21 vars.GREETING: wrong type"];
    assert_eq!(faults_in(&stderr), told, "{stderr}");
}

#[test]
fn what_is_no_file_is_refused_and_what_nobody_named_is_told_how_to_name() {
    let folder = Folder::new("no-file", &[]);
    let pipe = folder.0.join("pipe.toml");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let (code, _, stderr) = folder.run(&["check", "-c", "pipe.toml"]);
    assert!(
        code == Some(1) && stderr.contains("expected a readable file, received no regular file"),
        "{stderr}"
    );
    assert!(!stderr.contains("help"), "{stderr}");
    for command in ["dev", "serve", "check", "graph"] {
        let (code, _, stderr) = folder.run(&[command]);
        assert!(
            code == Some(1) && stderr.contains("help: name the configuration with `-c FILE`"),
            "{stderr}"
        );
    }
}

#[test]
fn a_path_to_watch_that_is_not_there_is_refused() {
    let folder = Folder::both("watch-path");
    let arguments = ["--watch", "--build", "true", "--watch-path", "no-such"];
    let (code, stdout, stderr) = folder.run(&[&DEV[..5], &arguments].concat());
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.contains("invalid value 'no-such' for '--watch-path <PATH>': No such file"), "{stderr}");
}

#[test]
fn the_program_of_a_process_is_told_by_a_plain_path() {
    let files = [("front.toml", FRONT), ("greets.toml", "name = \"greets\"\nmain = \"./child.sh\"\n")];
    let folder = Folder::new("plain-path", &files);
    let (_, _, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "./greets.toml"]);
    assert!(stderr.contains("received `./child.sh`: No such file"), "{stderr}");
}

#[test]
fn check_says_how_a_worker_that_is_not_there_could_be_found() {
    let folder = Folder::both("advice");
    let (_, stdout, _) = folder.run(&["check", "--help"]);
    assert!(stdout.contains("where to look for Workers of other hosts [default: none]"), "{stdout}");
    let (_, _, stderr) = folder.run(&["check", "-c", "front.toml"]);
    assert!(stderr.contains("or name a `--registry` where it is now; there are: front"), "{stderr}");
    // In an environment another one is meant.
    let front = format!("{FRONT}[env.staging]\nservices = [{{ binding = 'GREETER', service = 'greets' }}]\n");
    let greets = format!("{GREETS}[env.staging]\nvars = {{ GREETING = 'hi' }}\n");
    let folder = Folder::new("advice-env", &[("front.toml", &front), ("greets.toml", &greets)]);
    let (_, _, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml", "--env", "staging"]);
    let help = "help: there is a Worker `greets-staging`: say `environment = \"staging\"` in the binding";
    assert!(stderr.contains(help), "{stderr}");
}

#[test]
fn a_variable_that_no_field_takes_is_warned_of() {
    let front = format!("{FRONT}vars = {{ API_KEI = 1, UNLIKE = 2 }}\n");
    let folder = Folder::new("unread-vars", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let (code, stdout, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml"]);
    assert_eq!((code, &*stdout), (Some(0), "no faults: front, greets\n"));
    let warned = "WARN rpc_runtime::host::directory: no field of the `Env` takes a variable";
    let expected = [
        format!("{warned} variable=\"vars.API_KEI\" place=front.toml:5:10 nearest=\"API_KEY\"\n"),
        format!("{warned} variable=\"vars.UNLIKE\" place=front.toml:5:23\n"),
    ];
    assert_eq!(stderr, expected.concat());

    // Once, however many threads there are, and it serves.
    let serving = Serving::dev(&folder);
    assert_eq!(get(serving.address, "/you").body, "hello, you");
    serving.signal("TERM");
    assert_eq!(serving.end().2, expected.concat());

    // Not where there are faults, among which it may have been meant.
    let greets = GREETS.replace("GREETING", "GREETNG");
    let folder = Folder::new("unread-faults", &[("front.toml", &front), ("greets.toml", &greets)]);
    let (code, _, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml"]);
    assert_eq!((code, stderr.contains("WARN")), (Some(1), false), "{stderr}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = Folder::new("unread", &[("bad.toml", "name = ")]);
    let (code, _, stderr) = folder.run(&["check", "-c", "no-such.toml", "-c", "bad.toml"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no-such.toml") && stderr.contains("bad.toml:1:"), "{stderr}");
    // Nobody said which file, so it is the one in this folder.
    let (code, _, stderr) = folder.run(&["check"]);
    assert!(code == Some(1) && stderr.contains("worker.toml"), "{stderr}");
}

#[test]
fn a_command_line_that_is_none_is_explained() {
    let folder = Folder::both("usage");
    let (code, stdout, stderr) = folder.run(&["--help"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    for told in [
        "dev",
        "serve",
        "check",
        "graph",
        "schema",
        "Serves the first Worker over HTTP, the others to its bindings alone",
    ] {
        assert!(stdout.contains(told), "{stdout}");
    }
    let (code, stdout, _) = folder.run(&["dev", "--help"]);
    assert_eq!(code, Some(0));
    for told in
        ["--config <FILE>", "--address <IP>", "`dev.address` of the first FILE, or 127.0.0.1", "or 8787"]
    {
        assert!(stdout.contains(told), "{stdout}");
    }
    for (arguments, told) in [
        (&["chekc"][..], "some similar subcommands exist: 'schema', 'check'"),
        (&["dev", "--prot", "1"], "a similar argument exists: '--port'"),
        (&["dev", "--port", "65536"], "invalid value '65536' for '--port <PORT>'"),
        (&[], "Usage:"),
    ] {
        let (code, stdout, stderr) = folder.run(arguments);
        assert_eq!((code, &*stdout), (Some(2), ""));
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn a_taken_port_is_a_fault() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, stdout, stderr) =
        Folder::both("taken").run(&["dev", "-c", "front.toml", "-c", "greets.toml", "--port", &port]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(
        stderr.contains("another program has it: stop that one, or choose another port, with `--port`"),
        "{stderr}"
    );
    assert!(stderr.contains("--> the command line\n"), "{stderr}");

    // What a file says is shown where it says it.
    let front = format!("{FRONT}dev = {{ port = {port}, address = '127.0.0.1' }}\n");
    let folder = Folder::new("taken-file", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let (code, _, stderr) = folder.run(&DEV[..5]);
    assert!(code == Some(1) && stderr.contains("--> front.toml:5:16\n"), "{stderr}");
    assert!(stderr.contains("error: dev.port: the address to serve on cannot be had\n"), "{stderr}");
    let front = front.replace("127.0.0.1", "192.0.2.1");
    let folder = Folder::new("no-address", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let (code, _, stderr) = folder.run(&DEV[..5]);
    assert!(code == Some(1) && stderr.contains("error: dev.address: the address to serve on"), "{stderr}");
    assert!(
        stderr.contains("choose an address of this machine, such as 127.0.0.1, with `--address`"),
        "{stderr}"
    );
}

#[test]
fn dev_takes_port_and_address_from_the_first_configuration_unless_the_command_line_says_otherwise() {
    let (one, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let front = format!("{FRONT}dev = {{ port = {free}, address = '127.0.0.1' }}\n");
    let greets = format!("{GREETS}dev.port = 1\n");
    let folder = Folder::new("dev-table", &[("front.toml", &front), ("greets.toml", &greets)]);
    let files = ["dev", "-c", "front.toml", "-c", "greets.toml"];
    let serving = Serving::start(&mut folder.command(&files));
    assert_eq!(serving.address.unwrap().port(), free);
    assert_eq!(get(SocketAddr::from((one, free)), "/you").body, "hello, you");
    // The one has the port, and the other one asks for nothing but another address.
    let arguments = [&files[..], &["--address", "127.0.0.2"]].concat();
    let beside = Serving::start(&mut folder.command(&arguments));
    assert_eq!(beside.address.unwrap(), SocketAddr::from((other, free)));
    assert_eq!(get(beside.address, "/you").body, "hello, you");
    drop(beside);
    let arguments = [&files[..], &["--port", "0"]].concat();
    assert_ne!(Serving::start(&mut folder.command(&arguments)).address.unwrap().port(), free);
}

#[test]
fn a_first_worker_that_listens_is_served_over_http_if_its_configuration_asks_for_it() {
    let front = format!("{FRONT}listen = ['tcp:127.0.0.1:0']\ndev.port = 0\n");
    let folder = Folder::new("dev-listen", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let serving = Serving::start(&mut folder.command(&DEV[..5]));
    assert_eq!(get(serving.address, "/you").body, "hello, you");
}

#[test]
fn a_first_worker_that_answers_no_requests_is_there_for_others_unless_a_port_is_asked_for() {
    let folder = Folder::both("unanswered");
    for files in [&["-c", "greets.toml"][..], &["-c", "greets.toml", "-c", "front.toml"]] {
        let dev = [&["dev"][..], files].concat();
        let serving = Serving::start(&mut folder.command(&dev));
        let told = "\nnothing is served over HTTP: the first Worker, greets, answers no requests; put one first that \
                    does\n";
        assert!(serving.said.ends_with(told), "{}", serving.said);
        for asked in [["--port", "0"], ["--address", "127.0.0.1"]] {
            let (code, stdout, stderr) = folder.run(&[&dev[..], &asked].concat());
            assert_eq!((code, &*stdout), (Some(1), ""));
            assert!(stderr.contains("error: main: a Worker that does not answer requests"), "{stderr}");
            assert!(stderr.contains("served first, or leave `--port` and `--address` out"), "{stderr}");
        }
    }
}

#[test]
fn schema_prints_what_the_library_knows_and_needs_no_configuration() {
    let (code, stdout, stderr) = Folder::new("schema", &[]).run(&["schema"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert_eq!(stdout, rpc_runtime::config::schema());
}

#[test]
fn dev_serves_until_it_is_told_to_stop() {
    for signal in ["TERM", "INT"] {
        let serving = Serving::dev(&Folder::both("dev"));
        let port = serving.address.unwrap().port();
        assert_eq!(
            serving.said,
            format!(
                "front\n  binding  kind    target  where\n  GREETER  Worker  greets  local\n\
                 greets\n  binding   kind      target   where\n  GREETING  variable  \"hello\"  greets.toml:4\n\
                 front is served on http://localhost:{port}\n"
            )
        );
        assert_eq!(get(serving.address, "/you").body, "hello, you");
        serving.signal(signal);
        let (code, stdout, stderr) = serving.end();
        assert_eq!((code, &*stdout), (Some(0), "stopping; once more to end at once\n"));
        assert_eq!(stderr, "");
    }
}

#[test]
fn a_worker_moves_to_a_process_of_its_own_by_its_configuration() {
    let front = FRONT.replace("\"greets\" }", "\"greets\", address = \"unix:run/s.sock\" }");
    let greets = format!("{GREETS}listen = [\"unix:run/s.sock\"]\n");
    let folder = Folder::new("moved", &[("front.toml", &front), ("greets.toml", &greets)]);
    let socket = folder.0.canonicalize().unwrap().join("run/s.sock");
    let front = Serving::start(&mut folder.command(&["dev", "-c", "front.toml", "--port", "0"]));
    let port = front.address.unwrap().port();
    assert_eq!(
        front.said,
        format!(
            "front\n  binding  kind    target  where\n  GREETER  Worker  greets  unix:{}\n\
             front is served on http://localhost:{port}\n",
            socket.display()
        )
    );
    assert_eq!(get(front.address, "/you").status, 503);
    for signal in ["TERM", "KILL"] {
        let greets = Serving::start(&mut folder.command(&["dev", "-c", "greets.toml"]));
        assert_eq!(
            greets.said,
            format!(
                "greets\n  listens at unix:{}\n  binding   kind      target   where\n  \
                 GREETING  variable  \"hello\"  greets.toml:4\n\
                 nothing is served over HTTP: the first Worker, greets, listens; `--port` or `--address` serves it \
                 there too\n",
                socket.display()
            )
        );
        // Where an attempt has failed, the next one is made a little later.
        wait_until("it is found where it was missed", || get(front.address, "/you").body == "hello, you");
        greets.signal(signal);
        greets.end();
        assert_eq!(get(front.address, "/you").status, 503);
    }
    let (code, stdout, _) = folder.run(&["check", "-c", "greets.toml"]);
    assert_eq!((code, &*stdout), (Some(0), "no faults: greets\n"));
}

#[test]
fn a_host_that_is_told_to_stop_finishes_what_it_has_begun() {
    let serving = Serving::dev(&Folder::both("finishes"));
    assert_eq!(get(serving.address, "/background").body, "begun");
    serving.signal("TERM");
    let (code, stdout, _) = serving.end();
    assert_eq!((code, &*stdout), (Some(0), "stopping; once more to end at once\nbackground work is done\n"));
}

#[test]
fn a_second_signal_ends_a_host_at_once() {
    for (signal, expected) in [("TERM", 143), ("INT", 130)] {
        let mut serving = Serving::dev(&Folder::both("twice"));
        let mut connection = Connection::open(serving.address);
        connection.send("/hang");
        std::thread::sleep(Duration::from_millis(100));
        serving.signal(signal);
        let mut said = String::new();
        serving.output.read_line(&mut said).unwrap();
        assert_eq!(said, "stopping; once more to end at once\n");
        std::thread::sleep(Duration::from_millis(100));
        assert!(serving.child.try_wait().unwrap().is_none(), "the request runs, and has 30 s");
        let start = Instant::now();
        serving.signal(signal);
        assert_eq!(serving.end().0, Some(expected));
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

#[test]
fn a_handler_that_never_lets_go_does_not_keep_the_process() {
    let folder = Folder::both("holds");
    let serving = Serving::start(folder.command(DEV).env("DRAIN_MS", "200"));
    let mut connection = Connection::open(serving.address);
    connection.send("/hold");
    // The hold is told after 1 s, a quarter of that late at most.
    std::thread::sleep(Duration::from_millis(2500));
    serving.signal("TERM");
    let start = Instant::now();
    let (code, _, stderr) = serving.end();
    assert_eq!(code, Some(0));
    // 200 ms for what runs, and 1 s more.
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    let [held, left] = &stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
    let told = "WARN rpc_runtime: a handler holds its thread, or one that it calls there does, ";
    assert!(held.starts_with(told), "{held}");
    assert!(left.starts_with("ERROR rpc_runtime::host::server: a handler holds its thread"), "{left}");
    for line in [held, left] {
        assert!(line.contains("worker=front method=fetch"), "{line}");
    }
}

#[test]
fn the_log_of_a_host_has_what_its_clients_do_not_see() {
    let serving = Serving::dev(&Folder::both("log"));
    let mut references = Vec::new();
    for (path, reason) in
        [("/denied", "denied: s3cret\\nreason"), ("/panic", "the handler panicked: s3cret panic")]
    {
        let answer = get(serving.address, path);
        assert_eq!(answer.status, 500);
        assert!(!answer.head.contains("s3cret") && !answer.body.contains("s3cret"), "{}", answer.body);
        let reference = answer.head.lines().find_map(|line| line.strip_prefix("x-error-reference: "));
        references.push((reference.unwrap().to_owned(), reason));
    }
    serving.signal("TERM");
    let stderr = serving.end().2;
    for (reference, reason) in references {
        let line = stderr.lines().find(|line| line.contains(&reference)).unwrap();
        assert!(line.starts_with("ERROR rpc_runtime") && line.contains("a request failed"), "{line}");
        assert!(line.contains(reason) && line.contains("(front fetch)"), "{line}");
    }
}

#[test]
fn the_log_has_times_and_the_level_that_a_variable_names() {
    let front = format!("{FRONT}vars = {{ API_KEI = 1 }}\n");
    let folder = Folder::new("log-level", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let check = |level: &str| {
        let mut command = folder.command(&["check", "-c", "front.toml", "-c", "greets.toml"]);
        String::from_utf8(command.env("RUST_LOG", level).output().unwrap().stderr).unwrap()
    };
    let warning = "WARN rpc_runtime::host::directory: no field of the `Env` takes a variable";
    for level in ["", "warn", "DEBUG"] {
        let stderr = check(level);
        let (time, rest) = stderr.split_once(' ').unwrap();
        assert!(is_time(time) && rest.starts_with(warning) && rest.lines().count() == 1, "{stderr}");
    }
    for level in ["error", "off"] {
        assert_eq!(check(level), "", "{level}");
    }
    // Of what others understand it says so.
    let stderr = untimed(&check("info,hyper=debug"));
    let told = "WARN rpc_runtime: RUST_LOG is one level here: off, error, warn, info, debug or trace; it is `warn` now.";
    assert!(stderr.starts_with(told), "{stderr}");
    assert!(stderr.lines().next().unwrap().ends_with(" received=info,hyper=debug"), "{stderr}");
    assert!(stderr.lines().nth(1).unwrap().starts_with(warning), "{stderr}");
}

#[test]
fn a_secret_comes_from_the_environment_and_is_not_printed() {
    let folder = Folder::both("secret");
    let mut command = folder.command(DEV);
    let serving = Serving::start(command.env("API_KEY", "hunter2"));
    assert_eq!(get(serving.address, "/key").body, "Secret(..) of 7 bytes");
    assert!(serving.said.contains("\n  API_KEY  secret  (hidden)  environment\n"), "{}", serving.said);
    assert!(!serving.said.contains("hunter2"), "{}", serving.said);
    assert_eq!(get(Serving::dev(&folder).address, "/key").body, "no key");
    let mut command = folder.command(DEV);
    assert_eq!(get(Serving::start(command.env("API_KEY", "")).address, "/key").body, "no key");
}

#[cfg(unix)]
#[test]
fn a_secret_comes_from_a_file_that_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;

    let front = format!("{FRONT}secrets.file = '.dev.vars'\n");
    let files = [
        ("front.toml", &*front),
        ("greets.toml", GREETS),
        (".dev.vars", "API_KEY = 'hunter2'\nOTHER = 'b'\n"),
    ];
    let folder = Folder::new("secret-file", &files);
    let file = folder.0.canonicalize().unwrap().join(".dev.vars");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let (code, stdout, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml"]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    let help = format!("= help: say `chmod 600 {}`", file.display());
    assert!(stderr.contains("front.toml:5:16") && stderr.contains(&help), "{stderr}");

    mode(0o600);
    let serving = Serving::dev(&folder);
    assert_eq!(get(serving.address, "/key").body, "Secret(..) of 7 bytes");
    let row = format!("\n  API_KEY  secret  (hidden)  {}\n", file.display());
    assert!(serving.said.contains(&row), "{}", serving.said);
    // Nothing is no secret, and what the process is given goes before what lies in a file.
    let mut command = folder.command(DEV);
    let serving = Serving::start(command.env("API_KEY", ""));
    assert_eq!(get(serving.address, "/key").body, "Secret(..) of 7 bytes");
    let mut command = folder.command(DEV);
    let serving = Serving::start(command.env("API_KEY", "longer"));
    assert_eq!(get(serving.address, "/key").body, "Secret(..) of 6 bytes");
}

#[test]
fn an_environment_is_chosen_by_its_name_and_says_what_it_lacks() {
    let front = format!(
        "{FRONT}vars = {{ API_KEI = 1 }}\n[env.staging]\n\
         services = [{{ binding = 'GREETER', service = 'greets', environment = 'staging' }}]\n"
    );
    let greets = format!("{GREETS}[env.staging]\nvars = {{ GREETING = 'good day' }}\n");
    let folder = Folder::new("staging", &[("front.toml", &front), ("greets.toml", &greets)]);
    let arguments = ["dev", "-c", "front.toml", "-c", "greets.toml", "--port", "0", "--env", "staging"];
    let serving = Serving::start(&mut folder.command(&arguments));
    assert_eq!(get(serving.address, "/you").body, "good day, you");
    assert!(serving.said.starts_with("front-staging\n"), "{}", serving.said);
    serving.signal("TERM");
    assert_eq!(
        serving.end().2,
        "WARN rpc_runtime::host::directory: the top level has what an environment lacks, which inherits no bindings \
         environment=staging place=front.toml:6:6 lacks=vars.API_KEI\n"
    );

    // What it lacks and needs is a fault that says where it is.
    let greets = format!("{GREETS}[env.staging]\n");
    let folder = Folder::new("lacking", &[("front.toml", &front), ("greets.toml", &greets)]);
    let (code, _, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml", "-e", "staging"]);
    assert_eq!(code, Some(1));
    let help = "= help: the top level has `vars.GREETING`, which the environment `staging` does not inherit: say it there \
                again";
    assert!(stderr.contains("missing variable") && stderr.contains(help), "{stderr}");
    let (code, _, stderr) = folder.run(&["check", "-c", "front.toml", "-c", "greets.toml", "-e", "live"]);
    assert_eq!(code, Some(1));
    assert_eq!(stderr.matches("env: no such environment").count(), 2, "{stderr}");
}

#[test]
fn configurations_may_be_in_different_languages() {
    let front = r#"{ "name": "front", "main": "front", "services": [{ "binding": "GREETER", "service": "greets" }] }"#;
    let folder = Folder::new("languages", &[("front.json", front), ("greets.toml", GREETS)]);
    let arguments = ["dev", "-c", "front.json", "-c", "greets.toml", "--port", "0"];
    let serving = Serving::start(&mut folder.command(&arguments));
    assert_eq!(get(serving.address, "/you").body, "hello, you");

    let front = front.replace("\"greets\"", "\"greet\"");
    let folder = Folder::new("languages-fault", &[("front.json", &front), ("greets.toml", GREETS)]);
    let (_, _, stderr) = folder.run(&["check", "-c", "front.json", "-c", "greets.toml"]);
    assert!(stderr.contains("front.json:1:85") && stderr.contains("there is a Worker `greets`"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_secret_that_is_not_text_is_a_fault() {
    use std::os::unix::ffi::OsStrExt as _;

    let folder = Folder::both("bytes");
    let mut command = folder.command(&["check", "-c", "front.toml", "-c", "greets.toml"]);
    let output = command.env("API_KEY", std::ffi::OsStr::from_bytes(&[0xff])).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains("expected the environment variable `API_KEY`, received a value that is not UTF-8"),
        "{stderr}"
    );
}
