//! The command `serve`: `dev` without what is for those who develop.

use std::fs;

use super::*;

const SERVE: &[&str] = &["serve", "-c", "front.toml", "-c", "greets.toml", "--port", "0"];

/// The front, whose other Worker is somewhere else.
fn alone(name: &str) -> Folder {
    let front = FRONT.replace("\"greets\" }", "\"greets\", address = \"unix:run/s.sock\" }");
    Folder::new(name, &[("front.toml", &front), ("greets.toml", GREETS)])
}

#[test]
fn serve_says_where_it_serves_and_stops_when_it_is_told() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::both("serve");
        let mut command = folder.command(SERVE);
        command.env("RPC_REGISTRY", &folder.1.0);
        let serving = Serving::start(&mut command);
        let port = serving.address.unwrap().port();
        assert_eq!(serving.said, format!("front is served on http://localhost:{port}\n"));
        assert_eq!(get(serving.address, "/you").body, "hello, you");
        assert!(!folder.1.0.exists(), "it uses no registry");
        assert_eq!(get(serving.address, "/background").body, "begun");
        serving.signal(signal);
        let (code, stdout, stderr) = serving.end();
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert_eq!(stdout, "stopping; once more to end at once\nbackground work is done\n");
    }
}

#[test]
fn serve_ends_at_once_at_the_second_signal() {
    let mut serving = Serving::start(&mut Folder::both("serve-twice").command(SERVE));
    let mut connection = Connection::open(serving.address);
    connection.send("/hang");
    std::thread::sleep(Duration::from_millis(100));
    serving.signal("TERM");
    let mut said = String::new();
    serving.output.read_line(&mut said).unwrap();
    serving.signal("TERM");
    assert_eq!(serving.end().0, Some(143));
}

#[test]
fn serve_takes_nothing_from_the_section_of_dev() {
    let front = format!("{FRONT}dev = {{ port = 1, address = '127.0.0.2' }}\n");
    let folder = Folder::new("serve-dev", &[("front.toml", &front), ("greets.toml", GREETS)]);
    let serving = Serving::start(&mut folder.command(SERVE));
    assert!(serving.said.contains("http://localhost:"), "{}", serving.said);
    // What listens is served there alone, whatever its `dev` says.
    let greets = format!("{GREETS}listen = ['tcp:127.0.0.1:0']\ndev.port = 1\n");
    let folder = Folder::new("serve-listens", &[("greets.toml", &greets)]);
    let serving = Serving::start(&mut folder.command(&["serve", "-c", "greets.toml"]));
    assert!(serving.said.starts_with("greets listens at tcp:127.0.0.1:"), "{}", serving.said);
    assert!(serving.said.ends_with(
        "nothing is served over HTTP: the first Worker, greets, listens; `--port` or `--address` serves it there too\n"
    ));
}

#[test]
fn serve_refuses_what_check_refuses() {
    let greets = GREETS.replace("\"hello\"", "5");
    let folder = Folder::new("serve-faults", &[("front.toml", FRONT), ("greets.toml", &greets)]);
    for files in
        [&["-c", "front.toml"][..], &["-c", "greets.toml"], &["-c", "front.toml", "-c", "greets.toml"]]
    {
        let told = |command| folder.run(&[&[command][..], files].concat());
        let (code, stdout, stderr) = told("serve");
        assert_eq!((code, &*stdout), (Some(1), ""));
        // But for what there is to be done: it asks no registry.
        let faults = |stderr: &str| -> Vec<_> {
            stderr.lines().filter(|line| !line.contains("= help: ")).map(str::to_owned).collect()
        };
        assert_eq!(faults(&stderr), faults(&told("check").2));
    }
    let (_, _, stderr) = folder.run(&["serve", "-c", "front.toml"]);
    assert!(
        stderr.contains("error: services[0].service: a binding to a Worker that is not there"),
        "{stderr}"
    );
    let help =
        "= help: add its `worker.toml` with `-c`, or say the `address` where it listens; there are: front";
    assert!(stderr.contains(help), "{stderr}");
    let (_, _, stderr) = folder.run(&["serve", "-c", "greets.toml"]);
    assert!(stderr.contains("error: main: a Worker that does not answer requests"), "{stderr}");
}

#[test]
fn serve_takes_the_port_that_it_is_told_and_no_other() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::both("serve-taken");
    let port = address.port().to_string();
    let (code, stdout, stderr) = folder.run(&[&SERVE[..6], &[&*port]].concat());
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(
        stderr.contains("error: the address to serve on cannot be had\n--> the command line\n"),
        "{stderr}"
    );
    assert!(stderr.contains(&format!("received {address}: ")), "{stderr}");
    assert!(stderr.contains("choose another port, with `--port`"), "{stderr}");
    // Not even the one that it takes where nobody says one.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8787");
    let (code, _, stderr) = folder.run(&SERVE[..5]);
    assert!(code == Some(1) && stderr.contains("received 127.0.0.1:8787: "), "{stderr}");
    // A registry is none of its business.
    assert_eq!(folder.run(&["serve", "--registry", "r"]).0, Some(2));
}

#[test]
fn clients_of_serve_learn_nothing_of_what_is_not_there() {
    let folder = alone("serve-503");
    let serving = Serving::start(&mut folder.command(&["serve", "-c", "front.toml", "--port", "0"]));
    let answer = get(serving.address, "/you");
    assert_eq!(answer.status, 503);
    let reference = answer.head.lines().find_map(|line| line.strip_prefix("x-error-reference: ")).unwrap();
    assert_eq!(
        answer.body,
        format!(
            "the service is overloaded or not ready, try again later; the log has the reason under the reference \
             {reference}\n"
        )
    );
    serving.signal("TERM");
    let stderr = serving.end().2;
    let line = stderr.lines().find(|line| line.contains(reference)).unwrap();
    assert!(line.contains("a request was refused") && line.contains("s.sock"), "{line}");
}

#[test]
fn serve_runs_workers_with_processes_of_their_own_and_leaves_nothing_behind() {
    let folder = Folder::front_apart("serve-apart");
    fs::create_dir_all(&folder.1.0).unwrap();
    let mut command = folder.command(SERVE);
    command.env_remove("RPC_REGISTRY").env("XDG_RUNTIME_DIR", folder.1.0.canonicalize().unwrap());
    let serving = Serving::start(&mut command);
    // Of the host to the process, and from there to a Worker of the host.
    assert_eq!(get(serving.address, "/you").body, "hello, you");
    assert_eq!(fs::read_dir(&folder.1.0).unwrap().count(), 1);
    serving.signal("TERM");
    assert_eq!(serving.end().0, Some(0));
    assert_eq!(fs::read_dir(&folder.1.0).unwrap().count(), 0);
}
