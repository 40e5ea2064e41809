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
fn graph_tells_the_faults_of_a_file_and_draws_nothing() {
    let folder = Folder::new("graph-faults", &[("front.toml", "name = 5"), ("greets.json", "{")]);
    let (code, stdout, stderr) = folder.run(&["graph", "-c", "front.toml", "-c", "greets.json"]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(stderr.contains("front.toml:1:8") && stderr.contains("greets.json:1:2"), "{stderr}");
    let (code, _, stderr) = folder.run(&["graph", "--format", "svg"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("[possible values: text, mermaid, dot]"), "{stderr}");
}
