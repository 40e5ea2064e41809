//! What others have of a program that is exchanged: its processes, other terminals, callers by address.

use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn a_worker_with_a_process_of_its_own_is_exchanged_with_its_host() {
    let watching = Watching::start(folder("watch-apart", "", "isolation = 'process'\n"));
    let mut before = watching.process_of_page();
    let stop = load(watching.address(), "/page", "a page of process ");
    for change in ["1", "2"] {
        watching.change(change);
        let host = watching.restarted();
        wait_until("the old one ends", || !lives(before));
        let page = watching.process_of_page();
        assert!(page != before && children_of(host) == [page]);
        before = page;
    }
    let (count, others) = stop();
    println!("{count} requests while it was exchanged twice");
    assert_eq!(others, Vec::<String>::new());

    // A host that cannot be made has started one as well, which takes its name and gives it back.
    watching.write("greets.toml", &GREETS.replace("hello", ""));
    watching.told("it does not start");
    wait_until("it is found again", || watching.get("/page").body == format!("a page of process {before}"));
    watching.write("greets.toml", &GREETS.replace("hello", "good day"));
    watching.restarted();
    assert_eq!(watching.get("/you").body, "good day, you");
    assert_ne!(watching.process_of_page(), before);
}

#[test]
fn other_terminals_find_the_next_process_and_no_other_one_takes_its_name() {
    let folder = folder("watch-terminals", "", "");
    let front = Serving::start(&mut terminal(&folder, &["dev", "-c", "front.toml", "--port", "0"]));
    let watching = Watching::start_with(folder, &["-c", "page.toml"]);
    let page = || get(front.address, "/page");
    wait_until("it is found", || page().status == 200);
    let first = page().body;
    watching.change("1");
    let process = watching.restarted();
    let next = format!("a page of process {process}");
    let (mut answers, start) = (Vec::new(), Instant::now());
    while answers.last() != Some(&next) {
        assert!(start.elapsed() < PATIENCE, "{answers:?}");
        let answer = page();
        // One that was under way when the session ended is told so.
        assert!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.body);
        answers.push(answer.body);
    }
    assert_ne!(first, next);
    // Neither a host of another terminal nor one that is watched.
    for more in [&[][..], WATCH] {
        let arguments =
            [&["dev", "-c", "page.toml", "--port", "0"], more.get(2..).unwrap_or_default()].concat();
        let mut command = terminal(&watching.folder, &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        while !told.contains("help: ") {
            assert!(errors.read_line(&mut told).unwrap() > 0, "{told}");
        }
        assert!(told.contains("error: name: a Worker that another process has already"), "{told}");
        assert!(told.contains(&format!("process {process}")), "{told}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(page().body, next);
}

#[test]
fn sockets_that_a_worker_listens_at_stay_too() {
    let folder = folder("watch-listen", "listen = ['unix:run/s.sock', 'tcp:127.0.0.1:0']\n", "");
    let socket = folder.0.join("run/s.sock");
    let front = FRONT.replace("\"greets\" }", "\"greets\", address = \"unix:run/s.sock\" }");
    fs::write(folder.0.join("other.toml"), front).unwrap();
    let other = Serving::start(&mut folder.command(&["dev", "-c", "other.toml", "--port", "0"]));
    let watching = Watching::start(folder);
    let made = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let first = made(&socket);
    wait_until("it is found", || get(other.address, "/you").status == 200);
    for change in ["1", "2"] {
        let before = watching.process_of_page();
        watching.change(change);
        watching.restarted();
        wait_until("the old one ends", || !lives(before));
        drop(UnixStream::connect(&socket).unwrap());
        assert_eq!(made(&socket), first, "it is the same file");
        wait_until("it is found", || get(other.address, "/you").status == 200);
    }
    // One that cannot start does not take it away.
    watching.write("page.toml", "name = 5");
    watching.told("it does not start");
    drop(UnixStream::connect(&socket).unwrap());
    watching.serving.signal("TERM");
    assert_eq!(watching.serving.end().0, Some(0));
    assert!(!socket.exists());
}
