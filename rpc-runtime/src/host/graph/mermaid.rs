//! Mermaid: <https://mermaid.js.org/syntax/flowchart.html>.

use super::{Graph, Node};

/// Workers are numbered, because some names are words of the language.
pub(super) fn write(graph: &Graph<'_>) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (at, worker) in graph.workers.iter().enumerate() {
        text += &format!("    w{at}{}\n", shape(worker));
    }
    for edge in &graph.bindings {
        let mut label = escaped(&edge.label());
        // Another process is another line.
        let arrow = match &edge.binding.address {
            Some(address) => {
                label += &format!("<br>{}", escaped(&address.to_string()));
                "-.->"
            }
            None => "-->",
        };
        text += &format!("    w{} {arrow}|\"{label}\"| w{}\n", edge.from, edge.to);
    }
    text
}

fn shape(worker: &Node<'_>) -> String {
    let mut label = escaped(worker.name);
    for address in worker.config.into_iter().flat_map(|config| &config.listen) {
        label += &format!("<br>{}", escaped(&address.to_string()));
    }
    if let Some(isolation) = worker.isolation() {
        label += &format!("<br>({isolation})");
    }
    match worker.config {
        Some(_) => format!("[\"{label}\"]"),
        None => format!("([\"{label}\"])"),
    }
}

/// Entities are written with `#` where HTML has `&`.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' => escaped += &format!("#{};", u32::from(character)),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
