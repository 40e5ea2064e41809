//! The command `graph`.

use super::*;

const FRONT: &str = r#"
name = "front"
main = "front"
services = [
    { binding = "GREETER", service = "greets" },
    { binding = "ADMIN", service = "greets", entrypoint = "Admin" },
    { binding = "MAIL", service = "mail", address = 'unix:/run/a "quoted\name"/s#.sock' },
]
"#;

const GREETS: &str = r#"
name = "greets"
main = "greets"
vars = { GREETING = "hello" }
listen = ["tcp:127.0.0.1:4000"]
services = [{ binding = "SELF", service = "greets" }]
"#;

fn graph(name: &str, more: &[&str]) -> String {
    let folder = Folder::new(name, &[("front.toml", FRONT), ("greets.toml", GREETS)]);
    let arguments = [&["graph", "-c", "front.toml", "-c", "greets.toml"][..], more].concat();
    let (code, stdout, stderr) = folder.run(&arguments);
    assert_eq!((code, &*stderr), (Some(0), ""));
    stdout
}

#[test]
fn graph_shows_who_is_bound_to_whom_in_both_directions() {
    assert_eq!(
        graph("graph-text", &[]),
        r#"front
  offers fetch
  GREETER -> greets
  ADMIN -> greets#Admin
  MAIL -> mail at unix:/run/a "quoted\name"/s#.sock

greets
  offers Greeter
  listens at tcp:127.0.0.1:4000
  SELF -> greets
  <- front GREETER
  <- front ADMIN #Admin
  <- greets SELF

mail
  its configuration is not given
  <- front MAIL
"#
    );
}

#[test]
fn graph_draws_for_mermaid_with_every_name_escaped() {
    assert_eq!(
        graph("graph-mermaid", &["--format", "mermaid"]),
        r#"flowchart LR
    w0["front"]
    w1["greets<br>tcp:127.0.0.1:4000"]
    w2(["mail"])
    w0 -->|"GREETER"| w1
    w0 -->|"ADMIN #35;Admin"| w1
    w0 -.->|"MAIL<br>unix:/run/a #34;quoted#92;name#34;/s#35;.sock"| w2
    w1 -->|"SELF"| w1
"#
    );
}

#[test]
fn graph_draws_for_graphviz_with_every_name_escaped() {
    assert_eq!(
        graph("graph-dot", &["--format", "dot"]),
        r#"digraph workers {
    rankdir=LR
    node [shape=box]
    w0 [label="front"]
    w1 [label="greets\ntcp:127.0.0.1:4000"]
    w2 [label="mail", style=dashed]
    w0 -> w1 [label="GREETER"]
    w0 -> w1 [label="ADMIN #Admin"]
    w0 -> w2 [label="MAIL\nunix:/run/a \"quoted\\name\"/s#.sock", style=dashed]
    w1 -> w1 [label="SELF"]
}
"#
    );
}

#[test]
fn graph_shows_who_has_a_process_of_its_own() {
    let greets = format!("{GREETS}isolation = \"process\"\n");
    let folder = Folder::new("graph-apart", &[("front.toml", FRONT), ("greets.toml", &greets)]);
    let graph =
        |format| folder.run(&["graph", "-c", "front.toml", "-c", "greets.toml", "--format", format]).1;
    assert!(graph("text").contains("greets\n  offers Greeter\n  runs in a process of its own\n"));
    assert!(graph("mermaid").contains("w1[\"greets<br>tcp:127.0.0.1:4000<br>(in a process of its own)\"]"));
    assert!(graph("dot").contains("w1 [label=\"greets\\ntcp:127.0.0.1:4000\\n(in a process of its own)\"]"));
}

#[test]
fn graph_draws_what_can_be_read_and_tells_what_is_wrong_with_the_rest() {
    let greets = GREETS.replace("vars", "vras").replace("SELF", "1");
    let files = [("front.toml", FRONT), ("greets.toml", &greets), ("page.toml", "name = 5")];
    let folder = Folder::new("graph-partly", &files);
    let (code, stdout, stderr) =
        folder.run(&["graph", "-c", "front.toml", "-c", "greets.toml", "-c", "page.toml"]);
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains("GREETER -> greets\n") && stdout.contains("\ngreets\n  offers Greeter\n"),
        "{stdout}"
    );
    assert!(!stdout.contains("page"), "there is no telling what it is: {stdout}");
    assert!(stderr.contains("error: vras: unknown key") && stderr.contains("page.toml:1:8"), "{stderr}");
}

#[test]
fn graph_tells_the_faults_of_files_that_cannot_be_read_at_all() {
    let folder = Folder::new("graph-faults", &[("front.toml", "name = 5"), ("greets.json", "{")]);
    let (code, stdout, stderr) = folder.run(&["graph", "-c", "front.toml", "-c", "greets.json"]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(stderr.contains("front.toml:1:8") && stderr.contains("greets.json:1:2"), "{stderr}");
    let (code, _, stderr) = folder.run(&["graph", "--format", "svg"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("[possible values: text, mermaid, dot]"), "{stderr}");
}
