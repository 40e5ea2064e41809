//! The table `sandbox`: what it says, and what is wrong with one.

use std::path::Path;

use super::*;

const WORKER: &str = "name = 'a'\nmain = 'a'\nisolation = 'process'\n";

fn parse(rest: &str) -> Result<Config, Faults> {
    Config::parse("a/worker.toml", format!("{WORKER}{rest}"))
}

fn all_told(rest: &str) -> Vec<String> {
    parse(rest).unwrap_err().iter().map(told).collect()
}

#[test]
fn a_sandbox_allows_nothing_unless_it_says_so() {
    assert!(parse("").unwrap().sandbox.is_none());
    let sandbox = parse("[sandbox]\n").unwrap().sandbox.unwrap();
    assert!(sandbox.read.is_empty() && sandbox.write.is_empty() && sandbox.ports.is_empty());
    assert!(!sandbox.network && !sandbox.run && !sandbox.best_effort);
    assert_eq!(sandbox.place().to_string(), "a/worker.toml:4:1");
}

#[test]
fn paths_of_a_sandbox_begin_in_the_folder_of_the_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sandbox-paths-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("worker.toml");
    let rest = "sandbox = { read = ['assets', '../shared', '/srv'], write = ['./data'], network = true }\n";
    std::fs::write(&file, format!("{WORKER}{rest}")).unwrap();
    let loaded = Config::load(&file);
    let folder = folder.canonicalize().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let sandbox = loaded.unwrap().sandbox.unwrap();
    let read: Vec<_> = sandbox.read.iter().map(|path| path.to_path_buf()).collect();
    assert_eq!(read, [folder.join("assets"), folder.parent().unwrap().join("shared"), "/srv".into()]);
    assert_eq!(**sandbox.write[0], *folder.join("data"));
    assert!(sandbox.network);
}

#[test]
fn everything_that_is_wrong_with_a_sandbox_is_told_with_its_line() {
    let rest = "[sandbox]\nread = 'assets'\nwrite = [5, '']\nnetwork = 1\nports = [0, 65535, 65536, '80']\nraed = []\n";
    assert_eq!(
        all_told(rest),
        [
            "5:8 sandbox.read: wrong type | an array of paths | the string \"assets\"",
            "6:10 sandbox.write[0]: wrong type | a path | the integer 5",
            "6:13 sandbox.write[1]: empty | a path | the string \"\"",
            "7:11 sandbox.network: wrong type | `true` or `false` | the integer 1",
            "8:10 sandbox.ports[0]: out of range | a port, from 1 to 65535 | the integer 0",
            "8:20 sandbox.ports[2]: out of range | a port, from 1 to 65535 | the integer 65536",
            "8:27 sandbox.ports[3]: wrong type | a port, from 1 to 65535 | the string \"80\"",
            "9:1 sandbox.raed: unknown key | one of `read`, `write`, `network`, `ports`, `run`, `best_effort` | `raed`",
        ]
    );
    let faults = parse(rest).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().help(), Some("write `read = [ \"data\" ]`"));
    assert_eq!(faults.iter().last().unwrap().help(), Some("did you mean `read`?"));
}

#[test]
fn a_sandbox_has_the_whole_network_or_ports() {
    assert_eq!(
        all_told("sandbox = { network = true, ports = [443] }\n"),
        [
            "4:37 sandbox.ports: ports for a Worker that may use the whole network | `ports` or `network = true`, not \
             both | both"
        ]
    );
    // What it is, not whether it is said.
    assert_eq!(
        parse("sandbox = { network = false, ports = [443] }\n").unwrap().sandbox.unwrap().ports.len(),
        1
    );
}

#[test]
fn a_path_without_a_folder_to_begin_in_is_a_fault() {
    assert_eq!(
        all_told("sandbox.read = ['assets']\n"),
        ["4:17 sandbox.read[0]: a path that leads nowhere | a path | `assets`"]
    );
}

#[test]
fn an_environment_inherits_the_sandbox_or_has_its_own() {
    let text = format!(
        "{WORKER}[sandbox]\nrun = true\n[env.staging]\n[env.live]\nisolation = 'process'\n[env.live.sandbox]\n"
    );
    let of = |environment| Config::parse_environment("w.toml", &*text, environment).unwrap().sandbox.unwrap();
    assert!(of("staging").run, "it would run unconfined otherwise");
    assert!(!of("live").run);
}
