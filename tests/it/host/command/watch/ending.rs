//! How processes end: the old one, both of them, and what they have started.

use super::*;

#[test]
fn what_runs_in_the_old_process_has_its_time_and_is_then_told_to_come_again() {
    let watching = Watching::start(folder("watch-drain", "", ""));
    let process = watching.process_of_page();
    let mut hanging = Connection::open(watching.address());
    hanging.send("/hang");
    // Some in each of its threads.
    let mut slow = [(); 6].map(|()| Connection::open(watching.address()));
    for slow in &mut slow {
        slow.send("/slow");
    }
    thread::sleep(Duration::from_millis(100));
    watching.change("1");
    let restarted = watching.restarted();
    let swapped = Instant::now();
    assert_eq!(watching.process_of_page(), restarted);
    for slow in &mut slow {
        let answer = slow.answer();
        assert_eq!(answer.body, format!("process {process} was slow"));
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
    }
    let answered = Instant::now();
    let answer = hanging.answer();
    assert!(answered.elapsed() > Duration::from_secs(1), "each is answered when it is ready");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("try again later"), "{}", answer.body);
    // 5 s, which began a little before it was told.
    assert!(swapped.elapsed() > Duration::from_secs(4), "{:?}", swapped.elapsed());
    wait_until("it ends", || !lives(process));
}

#[test]
fn a_process_that_ends_by_itself_is_started_again_and_connections_wait_for_it() {
    let watching = Watching::start(folder("watch-crash", "", ""));
    let process = watching.process_of_page();
    signal(process, "KILL");
    let told = watching.told("the process has ended, ");
    assert!(
        told.starts_with("the process has ended, signal: 9 (SIGKILL); it is started again in "),
        "{told}"
    );
    // Whoever comes now waits.
    assert_eq!(watching.get("/you").body, "hello, you");
    assert_ne!(watching.process_of_page(), process);
    assert_eq!(watching.process_of_page(), watching.restarted());
}

#[test]
fn nothing_is_left_behind_when_the_watching_process_is_killed() {
    let folder = folder("watch-orphans", "", "isolation = 'process'\n");
    let registry = folder.1.0.clone();
    let watching = Watching::start(folder);
    let [serving] = children_of(watching.serving.child.id())[..] else { panic!("it serves") };
    let page = watching.process_of_page();
    assert_eq!(children_of(serving), [page]);
    watching.serving.signal("KILL");
    wait_until("they notice", || !lives(serving) && !lives(page));
    assert_eq!(fs::read_dir(registry).unwrap().count(), 0, "they take with them what they brought");
}

#[test]
fn an_interrupt_ends_both_in_order_and_a_second_one_at_once() {
    let watching = Watching::start(folder("watch-interrupt", "", ""));
    let process = watching.process_of_page();
    assert_eq!(watching.get("/background").body, "begun");
    watching.serving.signal("INT");
    assert_eq!(watching.told("stopping"), "stopping; once more to end at once");
    assert_eq!(watching.told("background"), "background work is done");
    wait_until("it ends", || !lives(process));
    assert_eq!(watching.serving.end().0, Some(0));

    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let watching = Watching::start(folder(&format!("watch-twice-{name}"), "", ""));
        let process = watching.process_of_page();
        let mut hanging = Connection::open(watching.address());
        hanging.send("/hang");
        thread::sleep(Duration::from_millis(100));
        watching.serving.signal(name);
        watching.told("stopping");
        assert!(lives(process), "the request runs, and has 5 s");
        let second = Instant::now();
        watching.serving.signal(name);
        assert_eq!(watching.serving.end().0, Some(code));
        assert!(!lives(process));
        assert!(second.elapsed() < Duration::from_secs(4), "{:?}", second.elapsed());
    }
}

#[test]
fn an_interrupt_ends_a_build_that_runs() {
    let folder = folder("watch-build-ends", "", "");
    fs::write(folder.0.join("build.sh"), "echo >> builds; sleep 1000 & wait").unwrap();
    let watching = Watching::start(folder);
    watching.change("1");
    wait_until("it is built", || watching.builds() == 1);
    let all = descendants_of(watching.serving.child.id());
    assert!(all.len() >= 3, "the one that serves, and the build with what it has started: {all:?}");
    watching.serving.signal("INT");
    assert_eq!(watching.serving.end().0, Some(0));
    for process in all {
        wait_until("it ends", || !lives(process));
    }
}
