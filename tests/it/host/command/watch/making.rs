//! New processes whose Workers cannot be made, or never are.

use super::*;

#[test]
fn a_process_of_a_worker_that_cannot_be_made_leaves_the_old_ones() {
    let mut watching = Watching::start(folder("watch-unmade", "isolation = 'process'\n", ""));
    let process = watching.process_of_page();
    let faulty = |greeting: &str| format!("{}isolation = 'process'\n", GREETS.replace("hello", greeting));
    watching.write("greets.toml", &faulty(""));
    let told = watching.told("it does not start");
    assert_eq!(told, format!("it does not start, exit status: 1; process {process} goes on serving"));
    assert_eq!(watching.process_of_page(), process);
    assert_eq!(watching.get("/you").body, "hello, you");
    watching.write("greets.toml", &faulty("good day"));
    watching.restarted();
    assert_eq!(watching.get("/you").body, "good day, you");

    watching.serving.signal("INT");
    let mut stderr = String::new();
    watching.serving.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let problems: Vec<_> = stderr.lines().filter(|line| line.contains("error: ")).collect();
    assert_eq!(
        problems,
        [
            "[greets] error: name: a Worker that cannot be made",
            "error: name: a process that ends before its Worker is made"
        ]
    );
    assert!(!stderr.contains("is started again"), "{stderr}");
}

#[test]
fn a_process_that_waits_for_a_worker_goes_when_the_next_one_is_started_or_the_watching_one_is_killed() {
    for (name, keys) in [("here", ""), ("apart", "isolation = 'process'\n")] {
        let folder = folder(&format!("watch-stuck-{name}"), "", "");
        let made = format!("name = 'made'\nmain = 'made'\n{keys}");
        let stuck = format!("{made}vars = {{ WAITS_FOR = 'never' }}\n");
        fs::write(folder.0.join("made.toml"), &made).unwrap();
        let watching = Watching::start_with(folder, &["-c", "made.toml"]);
        let watcher = watching.serving.child.id();
        let answer = watching.get("/").body;
        let before = descendants_of(watcher);
        let get_stuck = || {
            watching.write("made.toml", &stuck);
            wait_until("it is started", || descendants_of(watcher).len() == 2 * before.len());
            // It is being made by then.
            thread::sleep(Duration::from_millis(500));
            descendants_of(watcher)
        };
        let mut all = get_stuck();
        assert_eq!(watching.get("/").body, answer, "the old one serves");
        all.retain(|process| !before.contains(process));

        watching.write("made.toml", &made);
        watching.restarted();
        for process in all {
            wait_until("it goes", || !lives(process));
        }
        let told: Vec<_> = watching.lines.try_iter().collect();
        assert!(!told.iter().any(|line| line.contains("is killed")), "{told:#?}");
        assert_ne!(watching.get("/").body, answer);

        for process in before.iter().copied() {
            wait_until("it ends", || !lives(process));
        }
        let all = get_stuck();
        watching.serving.signal("KILL");
        for process in all {
            wait_until("it notices", || !lives(process));
        }
    }
}
