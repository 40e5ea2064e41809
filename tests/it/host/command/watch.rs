//! `dev --watch`: the program is built and started again while its listening sockets stay.

use std::{
    fs,
    path::Path,
    sync::{
        atomic::AtomicBool,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
};

use super::{registry::line, *};

mod cargo;
mod configured;
mod ending;
mod making;
mod others;

const PAGE: &str = "name = 'page'\nmain = 'page'\n";

/// A program that is built by a script, which makes it a copy of the host that tests use; `change.txt` is what it is
/// built from, and each copy has that at its end, so that no two are the same.
const SCRIPT: &str = "cat original change.txt > program.new; chmod +x program.new; mv program.new program";

/// `front` is bound to `greets` and `page`; each has its keys. The build appends a line to `builds`.
fn folder(name: &str, greets: &str, page: &str) -> Folder {
    let front = FRONT.replace("\"greets\" }", "\"greets\" }, { binding = \"PAGE\", service = \"page\" }");
    let script = format!("echo >> builds; {SCRIPT}");
    let folder = Folder::new(
        name,
        &[
            ("front.toml", &*front),
            ("greets.toml", &format!("{GREETS}{greets}")),
            ("page.toml", &format!("{PAGE}{page}")),
            ("build.sh", &script),
            ("change.txt", "0"),
        ],
    );
    let host = env!("CARGO_BIN_EXE_rpc-tests-host");
    // A link where it can be had: it is long.
    if fs::hard_link(host, folder.0.join("original")).is_err() {
        fs::copy(host, folder.0.join("original")).unwrap();
    }
    fs::copy(host, folder.0.join("program")).unwrap();
    folder
}

/// A development server in a terminal, and what it says.
struct Watching {
    serving: Serving,
    lines: Receiver<String>,
    folder: Folder,
}

const WATCH: &[&str] = &["--port", "0", "--watch", "--build", "sh build.sh", "--watch-path", "change.txt"];

/// The program in the folder, not the original.
fn terminal(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = folder.command(arguments);
    let mut built = Command::new(folder.0.join("program"));
    built.args(arguments).current_dir(&folder.0).env("RPC_REGISTRY", &folder.1.0);
    for (name, value) in command.get_envs().filter(|(name, _)| *name != "RPC_REGISTRY") {
        match value {
            Some(value) => built.env(name, value),
            None => built.env_remove(name),
        };
    }
    command = built;
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}

impl Watching {
    fn start(folder: Folder) -> Self {
        Self::start_with(folder, &["-c", "front.toml", "-c", "greets.toml", "-c", "page.toml"])
    }

    fn start_with(folder: Folder, files: &[&str]) -> Self {
        let arguments = [&["dev"], files, WATCH].concat();
        let mut serving = Serving::start(&mut terminal(&folder, &arguments));
        let lines = serving.lines();
        assert!(line(&lines).starts_with("watching "));
        Self { serving, lines, folder }
    }

    fn address(&self) -> SocketAddr {
        self.serving.address.unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        get(self.address(), path)
    }

    /// The process that runs the page, which is the one that serves unless it has its own.
    fn process_of_page(&self) -> u32 {
        let page = self.get("/page").body;
        page.strip_prefix("a page of process ").unwrap_or_else(|| panic!("{page}")).parse().unwrap()
    }

    /// Changes what the program is built from.
    fn change(&self, to: &str) {
        self.write("change.txt", to);
    }

    /// As an editor saves: another file takes its name, so that nobody sees a part of it.
    fn write(&self, file: &str, text: &str) {
        let (part, file) = (self.folder.0.join(".part"), self.folder.0.join(file));
        fs::write(&part, text).unwrap();
        if let Ok(before) = fs::metadata(&file) {
            fs::set_permissions(&part, before.permissions()).unwrap();
        }
        fs::rename(part, file).unwrap();
    }

    /// Waits for a line that begins so, and gives it.
    fn told(&self, begin: &str) -> String {
        let mut others = Vec::new();
        let start = Instant::now();
        while start.elapsed() < 3 * PATIENCE {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with(begin) => return line,
                Ok(line) => others.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        panic!("{begin:?} was not told, but {others:#?}");
    }

    /// Waits for the next process to serve, and gives its id.
    fn restarted(&self) -> u32 {
        let line = self.told("restarted in ");
        line.split_once("process ").unwrap().1.strip_suffix(" serves").unwrap().parse().unwrap()
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.folder.0.join("builds")).map_or(0, |text| text.len())
    }
}

fn lives(process: u32) -> bool {
    // One that has ended and was left to somebody who does not look is a zombie.
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn signal(process: u32, name: &str) {
    let id = process.to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
}

/// Asks for a path again and again until it is told to stop; gives how often, and every answer that is not the one
/// expected. Half of the clients keep their connection until an answer says that it is closed.
fn load(
    address: SocketAddr,
    path: &'static str,
    begin: &'static str,
) -> impl FnOnce() -> (usize, Vec<String>) {
    let stop = Arc::new(AtomicBool::new(false));
    let ask = move |keeps: bool, stop: &AtomicBool| {
        let (mut count, mut others) = (0, Vec::new());
        let mut connection = Connection::open(address);
        while !stop.load(Ordering::SeqCst) {
            let answer = connection.get(path);
            count += 1;
            if answer.status != 200 || !answer.body.starts_with(begin) {
                others.push(format!("{} {}", answer.status, answer.body));
            }
            if !keeps || answer.head.contains("connection: close") {
                connection = Connection::open(address);
            }
        }
        (count, others)
    };
    let clients: Vec<JoinHandle<_>> = [true, false, true, false]
        .map(|keeps| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || ask(keeps, &stop))
        })
        .into();
    move || {
        stop.store(true, Ordering::SeqCst);
        // One that was refused, or cut within an answer, has panicked.
        let done = clients.into_iter().map(|client| client.join().unwrap());
        done.fold((0, Vec::new()), |(count, mut all), (more, others)| {
            all.extend(others);
            (count + more, all)
        })
    }
}

#[test]
fn a_program_that_was_built_anew_takes_over_and_no_connection_is_refused() {
    let watching = Watching::start(folder("watch-swap", "", ""));
    let mut process = watching.process_of_page();
    assert_ne!(process, watching.serving.child.id());
    let stop = load(watching.address(), "/you", "hello, you");
    let swaps = std::env::var("RPC_TESTS_SWAPS").map_or(3, |swaps| swaps.parse().unwrap());
    for change in 1..=swaps {
        watching.change(&change.to_string());
        assert_eq!(watching.told("change.txt"), "change.txt has changed: it is built again");
        watching.told("rebuilt in ");
        let next = watching.restarted();
        assert_ne!(next, process);
        wait_until("the old one ends", || !lives(process));
        assert_eq!(watching.process_of_page(), next);
        process = next;
    }
    let (count, others) = stop();
    println!("{count} requests while it was exchanged {swaps} times");
    assert_eq!(others, Vec::<String>::new());
    assert_eq!(watching.builds(), swaps);
}

#[test]
fn a_build_that_fails_leaves_the_old_one_and_a_file_that_it_missed_is_waited_for() {
    let folder = folder("watch-broken", "", "");
    fs::write(
        folder.0.join("build.sh"),
        format!("echo >> builds; test -e src/missing.txt && {{ {SCRIPT}; }}"),
    )
    .unwrap();
    fs::create_dir(folder.0.join("src")).unwrap();
    let files = ["-c", "front.toml", "-c", "greets.toml", "-c", "page.toml", "--watch-path", "src"];
    let watching = Watching::start_with(folder, &files);
    let process = watching.process_of_page();
    watching.change("1");
    let told = watching.told("the build has failed after ");
    assert!(told.ends_with(&format!(", exit status: 1; process {process} goes on serving")), "{told}");
    assert_eq!(watching.process_of_page(), process);
    watching.write("src/missing.txt", "");
    watching.told("rebuilt in ");
    let next = watching.restarted();
    assert_eq!(watching.process_of_page(), next);
    assert_eq!(watching.builds(), 2);
}

#[test]
fn what_changes_during_a_build_is_built_afterwards() {
    let folder = folder("watch-during", "", "");
    fs::write(folder.0.join("build.sh"), format!("{SCRIPT}; echo >> builds; test -e go || sleep 30"))
        .unwrap();
    let watching = Watching::start(folder);
    watching.change("1");
    wait_until("it is built", || watching.builds() == 1);
    watching.change("2");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(watching.builds(), 1, "one after the other");
    watching.told("change.txt has changed");
    watching.change("3");
    watching.write("go", "");
    for process in descendants_of(watching.serving.child.id()) {
        if fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name == "sleep\n") {
            signal(process, "TERM");
        }
    }
    watching.told("the build has failed after ");
    watching.told("change.txt has changed");
    let process = watching.restarted();
    assert_eq!(watching.process_of_page(), process);
    let program = fs::read(watching.folder.0.join("program")).unwrap();
    assert_eq!(program.last(), Some(&b'3'));
    assert_eq!(watching.builds(), 2);
}

/// From `/proc`.
fn children_of(process: u32) -> Vec<u32> {
    // One that has ended meanwhile has none.
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children
        .flat_map(|text| text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

fn descendants_of(process: u32) -> Vec<u32> {
    let children = children_of(process);
    let below: Vec<_> = children.iter().copied().flat_map(descendants_of).collect();
    [children, below].concat()
}

#[test]
fn a_program_whose_build_is_not_known_is_told_what_to_say() {
    let folder = folder("watch-unknown", "", "");
    let run = |arguments: &[&str]| Folder::outcome(&mut terminal(&folder, arguments));
    let (code, stdout, stderr) = run(&["dev", "-c", "front.toml", "--watch"]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    for told in [
        "error: a program of which is not known how it is built",
        "start it with `cargo run`, or say how it is built: `--build 'cargo build -p ..'`",
    ] {
        assert!(stderr.contains(told), "{stderr}");
    }
    let (code, _, stderr) = run(&["dev", "-c", "front.toml", "--build", "make"]);
    assert!(code == Some(2) && stderr.contains("--watch"), "{stderr}");
    let (code, stdout, _) = run(&["dev", "--help"]);
    assert_eq!(code, Some(0));
    for told in ["--watch", "--build <COMMAND>", "--watch-path <PATH>", "no connection is refused"] {
        assert!(stdout.contains(told), "{stdout}");
    }
    // What it runs is not for people.
    let (code, _, stderr) = run(&["watched", "-c", "front.toml"]);
    assert!(code == Some(1) && stderr.contains("a command that `dev --watch` alone can give"), "{stderr}");
    let (_, stdout, _) = run(&["--help"]);
    assert!(!stdout.contains("watched"), "{stdout}");
}
