//! The canonical form of a shape.
//!
//! A shape is a graph, because types contain themselves, and two builds may draw the same wire form as
//! different graphs: a type used twice against two equal types, a borrowed twin beside its owned one. What
//! both mean is the same infinite tree. [`Layout::of`] finds it as one minimises an automaton: nodes that no
//! path can tell apart become one, and are numbered in the order in which a walk from the root meets them.
//! So equal layouts are equal wire forms, whatever the types are called, and the work stays linear in the
//! number of types where writing the tree out would be exponential.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Child, Fields, Kind, Leaf, Node, Shape};

/// The canonical form of a [`Shape`]: equal if and only if the wire forms are.
///
/// Printed as text that is much like Rust, with `#n` for a part that was written before:
///
/// ```
/// use rpc_runtime::shape::Layout;
///
/// let layout = Layout::of::<std::collections::HashMap<&str, Option<(u8, f64)>>>();
/// assert_eq!(layout.to_string(), "{string: Option<(u8, f64)>}");
/// assert_eq!(layout, Layout::of::<std::collections::BTreeMap<String, Option<(u8, f64)>>>());
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layout {
    /// The root first. Children are indices into this list.
    items: Vec<Item>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    /// The Rust name of a struct or an enum, for messages; no part of the layout.
    type_name: Option<Cow<'static, str>>,
    form: Form<usize>,
}

/// What stands at one place of a layout, with children of type `C`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Form<C> {
    Leaf(Leaf),
    Bytes,
    /// Newtypes around each other without end: a type without values.
    Never,
    Option(C),
    Seq(C),
    Array(C, usize),
    Map(C, C),
    Tuple(Vec<C>),
    Struct(Vec<(WireName, C)>),
    Enum(Vec<(WireName, Payload<C>)>),
    Handle(WireName),
    Opaque(WireName),
}

/// What stands in a variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Payload<C> {
    Unit,
    Newtype(C),
    Tuple(Vec<C>),
    Struct(Vec<(WireName, C)>),
}

/// A name as it stands in self-describing formats, after `rename`.
pub(crate) type WireName = Cow<'static, str>;

impl Layout {
    /// The layout of a type.
    pub fn of<T: Shape + ?Sized>() -> Self {
        Self::of_node(T::shape())
    }

    /// The layout of a node.
    pub fn of_node(root: &Node) -> Self {
        let graph = Graph::collect(root);
        let classes = graph.classes();
        let mut numbering =
            Numbering { graph: &graph, classes: &classes, numbers: HashMap::new(), items: Vec::new() };
        numbering.visit(0);
        Self { items: numbering.items }
    }

    /// Whether a layout that came in is one: every child is there, and there are no more than somebody may have
    /// written. Who walks it goes as deep as there are items.
    pub(crate) fn is_sound(&self) -> bool {
        let within = |item: &Item| item.form.children().into_iter().all(|child| *child < self.items.len());
        (1..=ITEMS_MAX).contains(&self.items.len()) && self.items.iter().all(within)
    }

    pub(crate) fn form(&self, index: usize) -> &Form<usize> {
        &self.items[index].form
    }

    pub(crate) fn type_name(&self, index: usize) -> Option<&str> {
        self.items[index].type_name.as_deref()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

/// The largest contracts have a few hundred.
const ITEMS_MAX: usize = 1024;

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.items.iter().map(|item| &item.form).eq(other.items.iter().map(|item| &item.form))
    }
}

impl Eq for Layout {}

/// The nodes that can be reached from a root, each with the numbers of its children.
struct Graph {
    nodes: Vec<Item>,
}

impl Graph {
    /// Nodes are told apart by their address: they are constants, so there are finitely many, and a node
    /// that the compiler placed twice is one more node with the same meaning, which [`Graph::classes`]
    /// merges.
    fn collect(root: &Node) -> Self {
        let mut found = vec![root.resolve()];
        let mut numbers = HashMap::from([(found[0].map(std::ptr::from_ref), 0)]);
        let mut nodes = Vec::new();
        while let Some(&node) = found.get(nodes.len()) {
            nodes.push(Item::new(node, |child| {
                let child = child().resolve();
                *numbers.entry(child.map(std::ptr::from_ref)).or_insert_with(|| {
                    found.push(child);
                    found.len() - 1
                })
            }));
        }
        Self { nodes }
    }

    /// The coarsest partition in which equal nodes have equal children, as one class for each node.
    ///
    /// Starts with all nodes in one class, then splits by form and by the classes of the children until a
    /// round splits nothing (Moore's algorithm). Rounds are at most as many as types are nested.
    fn classes(&self) -> Vec<usize> {
        let mut classes = vec![0; self.nodes.len()];
        let mut count = 1;
        loop {
            let mut known = HashMap::new();
            classes = self
                .nodes
                .iter()
                .map(|node| {
                    let fresh = known.len();
                    *known.entry(node.form.map(|&child| classes[child])).or_insert(fresh)
                })
                .collect();
            if known.len() == count {
                return classes;
            }
            count = known.len();
        }
    }
}

/// Gives classes their numbers in the order in which a walk meets them, so that the graph's own order is
/// forgotten.
struct Numbering<'a> {
    graph: &'a Graph,
    classes: &'a [usize],
    numbers: HashMap<usize, usize>,
    items: Vec<Item>,
}

impl Numbering<'_> {
    fn visit(&mut self, node: usize) -> usize {
        let class = self.classes[node];
        if let Some(&number) = self.numbers.get(&class) {
            return number;
        }
        let number = self.items.len();
        self.numbers.insert(class, number);
        // Keeps the number while the children take theirs.
        self.items.push(Item { type_name: None, form: Form::Never });
        let Item { type_name, form } = &self.graph.nodes[node];
        let form = form.map(|&child| self.visit(child));
        self.items[number] = Item { type_name: type_name.clone(), form };
        number
    }
}

impl Item {
    fn new(node: Option<&Node>, mut child: impl FnMut(&Child) -> usize) -> Self {
        let Some(node) = node else { return Self { type_name: None, form: Form::Never } };
        let type_name = match node.0 {
            Kind::Struct(name, _) | Kind::Enum(name, _) => Some(Cow::Borrowed(name)),
            _ => None,
        };
        Self { type_name, form: Form::new(&node.0, &mut child) }
    }
}

impl Form<usize> {
    fn new(kind: &Kind, child: &mut impl FnMut(&Child) -> usize) -> Self {
        match kind {
            Kind::Leaf(leaf) => Self::Leaf(*leaf),
            Kind::Bytes => Self::Bytes,
            Kind::Option(some) => Self::Option(child(some)),
            Kind::Seq(element) if is_byte(element) => Self::Bytes,
            Kind::Seq(element) => Self::Seq(child(element)),
            Kind::Array(element, length) => Self::Array(child(element), *length),
            Kind::Map(key, value) => Self::Map(child(key), child(value)),
            Kind::Tuple(elements) => Self::Tuple(elements.iter().map(child).collect()),
            Kind::Newtype(_) => unreachable!("`Node::resolve` looks through newtypes"),
            Kind::Struct(_, fields) => Self::Struct(named(fields, child)),
            Kind::Enum(_, variants) => Self::Enum(
                variants
                    .iter()
                    .map(|(name, fields)| (Cow::Borrowed(*name), Payload::new(fields, child)))
                    .collect(),
            ),
            Kind::Handle(service) => Self::Handle(service().into()),
            Kind::Opaque(name) => Self::Opaque((*name).into()),
            Kind::Foreign(name) => Self::Opaque(name().into()),
        }
    }
}

impl Payload<usize> {
    fn new(fields: &Fields, child: &mut impl FnMut(&Child) -> usize) -> Self {
        match fields {
            Fields::Unit => Self::Unit,
            Fields::Newtype(inner) => Self::Newtype(child(inner)),
            Fields::Tuple(elements) => Self::Tuple(elements.iter().map(child).collect()),
            Fields::Struct(fields) => Self::Struct(named(fields, child)),
        }
    }
}

/// Whether a child is `u8`, so that a sequence of it is a byte run.
pub(super) fn is_byte(child: &Child) -> bool {
    matches!(child().resolve(), Some(Node(Kind::Leaf(Leaf::U8))))
}

fn named(
    fields: &[(&'static str, Child)],
    child: &mut impl FnMut(&Child) -> usize,
) -> Vec<(WireName, usize)> {
    fields.iter().map(|(name, field)| (Cow::Borrowed(*name), child(field))).collect()
}

impl<C> Form<C> {
    /// The same form with other children, each asked for once and in order.
    fn map<D>(&self, mut f: impl FnMut(&C) -> D) -> Form<D> {
        let f = &mut f;
        match self {
            Self::Leaf(leaf) => Form::Leaf(*leaf),
            Self::Bytes => Form::Bytes,
            Self::Never => Form::Never,
            Self::Option(some) => Form::Option(f(some)),
            Self::Seq(element) => Form::Seq(f(element)),
            Self::Array(element, length) => Form::Array(f(element), *length),
            Self::Map(key, value) => Form::Map(f(key), f(value)),
            Self::Tuple(elements) => Form::Tuple(elements.iter().map(f).collect()),
            Self::Struct(fields) => Form::Struct(map_named(fields, f)),
            Self::Enum(variants) => {
                Form::Enum(variants.iter().map(|(name, payload)| (name.clone(), payload.map(f))).collect())
            }
            Self::Handle(service) => Form::Handle(service.clone()),
            Self::Opaque(name) => Form::Opaque(name.clone()),
        }
    }

    /// The children in order.
    pub(crate) fn children(&self) -> Vec<&C> {
        match self {
            Self::Leaf(_) | Self::Bytes | Self::Never | Self::Handle(_) | Self::Opaque(_) => Vec::new(),
            Self::Option(child) | Self::Seq(child) | Self::Array(child, _) => vec![child],
            Self::Map(key, value) => vec![key, value],
            Self::Tuple(elements) => elements.iter().collect(),
            Self::Struct(fields) => fields.iter().map(|(_, child)| child).collect(),
            Self::Enum(variants) => variants.iter().flat_map(|(_, payload)| payload.children()).collect(),
        }
    }
}

impl<C> Payload<C> {
    fn map<D>(&self, f: &mut impl FnMut(&C) -> D) -> Payload<D> {
        match self {
            Self::Unit => Payload::Unit,
            Self::Newtype(inner) => Payload::Newtype(f(inner)),
            Self::Tuple(elements) => Payload::Tuple(elements.iter().map(f).collect()),
            Self::Struct(fields) => Payload::Struct(map_named(fields, f)),
        }
    }

    fn children(&self) -> Vec<&C> {
        match self {
            Self::Unit => Vec::new(),
            Self::Newtype(inner) => vec![inner],
            Self::Tuple(elements) => elements.iter().collect(),
            Self::Struct(fields) => fields.iter().map(|(_, child)| child).collect(),
        }
    }
}

fn map_named<C, D>(fields: &[(WireName, C)], f: &mut impl FnMut(&C) -> D) -> Vec<(WireName, D)> {
    fields.iter().map(|(name, child)| (name.clone(), f(child))).collect()
}
