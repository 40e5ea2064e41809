//! Who is bound to whom, drawn from the configurations.

mod dot;
mod mermaid;
mod text;

use super::{Linked, table::target};
use crate::config::{Config, ServiceBinding};

/// How a graph is written.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Text,
    Mermaid,
    Dot,
}

impl Format {
    pub(super) const NAMES: [&'static str; 3] = ["text", "mermaid", "dot"];

    pub(super) fn of(name: &str) -> Self {
        match name {
            "mermaid" => Self::Mermaid,
            "dot" => Self::Dot,
            _ => Self::Text,
        }
    }
}

/// The Workers, and the bindings between them.
struct Graph<'a> {
    workers: Vec<Node<'a>>,
    bindings: Vec<Edge<'a>>,
}

struct Node<'a> {
    name: &'a str,
    /// `None` for one that others are bound to, and whose configuration is not given.
    config: Option<&'a Config>,
    /// The names of its entrypoints with what each offers; the default one has none.
    entrypoints: Vec<(&'static str, Vec<&'static str>)>,
}

struct Edge<'a> {
    from: usize,
    to: usize,
    binding: &'a ServiceBinding,
}

/// The graph of these configurations, also of ones that a check would refuse.
pub(super) fn graph(linked: &[Linked], configs: &[Config], format: Format) -> String {
    let graph = Graph::of(linked, configs);
    match format {
        Format::Text => text::write(&graph),
        Format::Mermaid => mermaid::write(&graph),
        Format::Dot => dot::write(&graph),
    }
}

impl<'a> Graph<'a> {
    fn of(linked: &[Linked], configs: &'a [Config]) -> Self {
        let node = |config: &'a Config| {
            let worker = linked.iter().find(|linked| linked.main == *config.main);
            let entrypoints = worker.map(|linked| (linked.instance)().entrypoints()).unwrap_or_default();
            Node { name: &config.name, config: Some(config), entrypoints }
        };
        let mut graph = Self { workers: configs.iter().map(node).collect(), bindings: Vec::new() };
        for (from, config) in configs.iter().enumerate() {
            for binding in &config.services {
                let to = graph.find_or_add(binding.target());
                graph.bindings.push(Edge { from, to, binding });
            }
        }
        graph
    }

    fn find_or_add(&mut self, name: &'a str) -> usize {
        if let Some(at) = self.workers.iter().position(|worker| worker.name == name) {
            return at;
        }
        self.workers.push(Node { name, config: None, entrypoints: Vec::new() });
        self.workers.len() - 1
    }
}

impl Node<'_> {
    /// What keeps it from the others, if something does.
    fn isolation(&self) -> Option<&'static str> {
        let config = self.config?;
        match config.sandbox {
            Some(_) => Some("in a sandbox"),
            None => config.is_apart().then_some("in a process of its own"),
        }
    }
}

impl Edge<'_> {
    /// `AUTH`, or `ADMIN #Admin` for an entrypoint.
    fn label(&self) -> String {
        match &self.binding.entrypoint {
            Some(entrypoint) => format!("{} #{}", *self.binding.binding, **entrypoint),
            None => self.binding.binding.to_string(),
        }
    }
}
