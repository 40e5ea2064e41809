//! For people: each Worker with what it is bound to, and with who is bound to it.

use super::{Graph, Node, target};

pub(super) fn write(graph: &Graph<'_>) -> String {
    let workers = graph.workers.iter().enumerate().map(|(at, worker)| section(graph, at, worker));
    workers.collect::<Vec<_>>().join("\n")
}

fn section(graph: &Graph<'_>, at: usize, worker: &Node<'_>) -> String {
    let mut text = format!("{}\n", worker.name);
    if worker.config.is_none() {
        text += "  its configuration is not given\n";
    }
    for (name, services) in &worker.entrypoints {
        let offers = if services.is_empty() { "nothing".to_owned() } else { services.join(", ") };
        text += &match *name {
            "" => format!("  offers {offers}\n"),
            name => format!("  offers {offers} at #{name}\n"),
        };
    }
    if let Some(isolation) = worker.isolation() {
        text += &format!("  runs {isolation}\n");
    }
    for address in worker.config.into_iter().flat_map(|config| &config.listen) {
        text += &format!("  listens at {}\n", **address);
    }
    for edge in graph.bindings.iter().filter(|edge| edge.from == at) {
        let address = edge.binding.address.as_ref().map(|address| format!(" at {}", **address));
        let (name, target) = (&*edge.binding.binding, target(edge.binding));
        text += &format!("  {name} -> {target}{}\n", address.unwrap_or_default());
    }
    for edge in graph.bindings.iter().filter(|edge| edge.to == at) {
        text += &format!("  <- {} {}\n", graph.workers[edge.from].name, edge.label());
    }
    text
}
