//! The language of Graphviz: <https://graphviz.org/doc/info/lang.html>.

use super::{Graph, Node};

pub(super) fn write(graph: &Graph<'_>) -> String {
    let mut text = "digraph workers {\n    rankdir=LR\n    node [shape=box]\n".to_owned();
    for (at, worker) in graph.workers.iter().enumerate() {
        let style = if worker.config.is_none() { ", style=dashed" } else { "" };
        text += &format!("    w{at} [label=\"{}\"{style}]\n", label(worker));
    }
    for edge in &graph.bindings {
        let mut label = escaped(&edge.label());
        let mut style = "";
        // Another process is another line.
        if let Some(address) = &edge.binding.address {
            label += &format!("\\n{}", escaped(&address.to_string()));
            style = ", style=dashed";
        }
        text += &format!("    w{} -> w{} [label=\"{label}\"{style}]\n", edge.from, edge.to);
    }
    text + "}\n"
}

fn label(worker: &Node<'_>) -> String {
    let mut label = escaped(worker.name);
    for address in worker.config.into_iter().flat_map(|config| &config.listen) {
        label += &format!("\\n{}", escaped(&address.to_string()));
    }
    if let Some(isolation) = worker.isolation() {
        label += &format!("\\n({isolation})");
    }
    label
}

/// Inside of double quotes; a backslash begins an escape of labels.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
