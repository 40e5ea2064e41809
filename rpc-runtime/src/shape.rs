//! What a type looks like on the wire: [`Shape`], and the tables it is made of.
//!
//! A contract between two builds is made of shapes, because serde's traits alone cannot be asked what they
//! will write. [`message`](crate::message) derives `Shape` beside serde from the same tokens; the types of
//! the standard library have theirs here. A [`Layout`] is the canonical form of one, which can be printed,
//! compared and hashed; [`check()`] walks a value along its shape.

pub(crate) mod by_type;
mod check;
mod difference;
mod foreign;
mod layout;
pub(crate) mod run;
mod standard;
mod text;

use std::fmt;

pub use check::{Mismatch, check, check_as};
pub use difference::Difference;
pub use layout::Layout;

pub(crate) use difference::{Comparison, Path, Segment};
pub(crate) use layout::{Form, Payload};
pub(crate) use text::Name;

/// A type whose form on the wire is known.
///
/// Written by [`message`](crate::message). By hand it is needed only beside a hand-written `Serialize`, and
/// then mostly says that the type travels as another one:
///
/// ```
/// use rpc_runtime::Shape;
/// use rpc_runtime::shape::{Layout, Node};
///
/// /// Serialized as the text `#rrggbb`.
/// struct Colour([u8; 3]);
///
/// impl Shape for Colour {
///     const NODE: Node = String::NODE;
/// }
///
/// assert_eq!(Layout::of::<Vec<Colour>>().to_string(), "[string]");
/// ```
///
/// A type without one still crosses a boundary: the contract then holds its name alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no shape",
    label = "its form on the wire is not known",
    note = "write `#[message]` above its definition, or name the type it travels as: `#[rpc(shape = ..)]`"
)]
pub trait Shape {
    /// The type's table.
    const NODE: Node;

    /// The table where it lies, for other tables to point to. It is not for implementing.
    fn shape() -> &'static Node {
        const { &Self::NODE }
    }
}

/// How a node names a node below it: by a function, so that tables are constants, built when they are
/// looked at, and a type may contain itself.
pub type Child = fn() -> &'static Node;

/// One node of a shape: a kind, wire names in declared order, and the nodes below.
///
/// Made by the constructors, all of them `const`, so that a shape is a table in the program's constants:
///
/// ```
/// use rpc_runtime::Shape;
/// use rpc_runtime::shape::{Fields, Layout, Node};
///
/// struct Reply;
///
/// impl Shape for Reply {
///     const NODE: Node = Node::enumeration("Reply", &[
///         ("Later", Fields::Unit),
///         ("Now", Fields::Struct(&[("body", <Vec<u8>>::shape), ("again", Reply::shape)])),
///     ]);
/// }
///
/// let text = Layout::of::<Reply>().to_string();
/// assert_eq!(text, "#0 enum { Later, Now { body: bytes, again: #0 } }");
/// ```
pub struct Node(pub(crate) Kind);

/// What a node is. Not public: kinds are added as the wire learns them.
pub(crate) enum Kind {
    Leaf(Leaf),
    Bytes,
    Option(Child),
    Seq(Child),
    Array(Child, usize),
    Map(Child, Child),
    Tuple(&'static [Child]),
    Newtype(Child),
    Struct(&'static str, &'static [(&'static str, Child)]),
    Enum(&'static str, &'static [(&'static str, Fields)]),
    Handle(fn() -> &'static str),
    Opaque(&'static str),
    /// A type known by its Rust name alone. A function, because `type_name` is not `const` yet.
    Foreign(fn() -> &'static str),
}

/// A node without nodes below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum Leaf {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    String,
    Unit,
}

impl Node {
    pub(crate) const fn leaf(leaf: Leaf) -> Self {
        Self(Kind::Leaf(leaf))
    }

    /// Nothing: no byte at all.
    pub const fn unit() -> Self {
        Self::leaf(Leaf::Unit)
    }

    /// A run of bytes: a length, then the bytes. Equal to a sequence of `u8`, whose bytes are the same.
    pub const fn bytes() -> Self {
        Self(Kind::Bytes)
    }

    /// A value that may be absent.
    pub const fn option(some: Child) -> Self {
        Self(Kind::Option(some))
    }

    /// Any number of equal elements: a length, then the elements. Sets are sequences too.
    pub const fn seq(element: Child) -> Self {
        Self(Kind::Seq(element))
    }

    /// A fixed number of equal elements, without a length on the wire.
    pub const fn array(element: Child, length: usize) -> Self {
        Self(Kind::Array(element, length))
    }

    /// Any number of pairs: a length, then keys and values in turn.
    pub const fn map(key: Child, value: Child) -> Self {
        Self(Kind::Map(key, value))
    }

    /// Different elements in order, without a length on the wire.
    pub const fn tuple(elements: &'static [Child]) -> Self {
        Self(Kind::Tuple(elements))
    }

    /// A name around one value. Equal to the value's own shape: neither postcard nor JSON write the name.
    pub const fn newtype(inner: Child) -> Self {
        Self(Kind::Newtype(inner))
    }

    /// Named fields, in the order in which they are written. The type's own name is for error messages.
    pub const fn structure(name: &'static str, fields: &'static [(&'static str, Child)]) -> Self {
        Self(Kind::Struct(name, fields))
    }

    /// Named variants in declared order, which is their number on the wire.
    pub const fn enumeration(name: &'static str, variants: &'static [(&'static str, Fields)]) -> Self {
        Self(Kind::Enum(name, variants))
    }

    /// A client of the named service. Its contract is compared when the handle is used, so that one changed
    /// method does not change every contract that mentions the service.
    ///
    /// A function gives the service's name, so that a mistake in the service's description is not said once
    /// more by its shape.
    pub const fn handle(service: fn() -> &'static str) -> Self {
        Self(Kind::Handle(service))
    }

    /// A form that is known by its name alone, such as `"uuid 1"`: equal names are taken to mean equal bytes.
    pub const fn opaque(name: &'static str) -> Self {
        Self(Kind::Opaque(name))
    }

    /// The node that stands for this one on the wire: newtypes are looked through.
    ///
    /// `None` if nothing but newtypes follows, which only a type without values can do.
    pub(crate) fn resolve(&self) -> Option<&Self> {
        let mut passed = Vec::new();
        let mut node = self;
        while let Kind::Newtype(inner) = node.0 {
            if passed.contains(&std::ptr::from_ref(node)) {
                return None;
            }
            passed.push(node);
            node = inner();
        }
        Some(node)
    }
}

impl fmt::Debug for Node {
    /// Prints the canonical text of [`Layout`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", Layout::of_node(self))
    }
}

/// What stands in a variant of an enum's [`Node`].
pub enum Fields {
    /// `Name`: nothing but its number.
    Unit,
    /// `Name(inner)`.
    Newtype(Child),
    /// `Name(a, b)`.
    Tuple(&'static [Child]),
    /// `Name { a, b }`.
    Struct(&'static [(&'static str, Child)]),
}

/// In a few words, for messages.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("a variant without values"),
            Self::Newtype(_) => f.write_str("one value"),
            Self::Tuple(elements) => write!(f, "{} values", elements.len()),
            Self::Struct(_) => f.write_str("named fields"),
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({self})")
    }
}
