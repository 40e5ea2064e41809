//! Walks a value along its shape, as a serializer that writes nothing.
//!
//! A derived `Shape` and a derived `Serialize` come from the same tokens, a hand-written one may lie; then two
//! builds that agree on the contract misread each other. Debug builds and the tests that force every call
//! through the wire check each value before they trust it.

use std::fmt::{self, Display, Formatter};

use serde::ser::{self, Serialize, Serializer};

use super::layout::is_byte;
use super::text::Name;
use super::{Child, Fields, Kind, Leaf, Node, Shape};

/// Compares what a value tells serde with what its shape says.
///
/// # Errors
///
/// The first place where they differ:
///
/// ```
/// use rpc_runtime::Shape;
/// use rpc_runtime::shape::{Node, check};
///
/// #[derive(serde::Serialize)]
/// struct Celsius(f32);
///
/// impl Shape for Celsius {
///     const NODE: Node = f64::NODE;
/// }
///
/// let lie = check(&vec![Celsius(21.5)]).unwrap_err();
/// assert_eq!(lie.to_string(), "at `[0]`: the shape says f64, the value is serialized as f32");
/// assert!(check(&Some(21.5)).is_ok());
/// ```
pub fn check<T: Serialize + Shape + ?Sized>(value: &T) -> Result<(), Mismatch> {
    check_as(value, T::shape())
}

/// [`check()`] against a node that was found by other means, such as the shape declared for a field.
///
/// # Errors
///
/// The first place where they differ.
pub fn check_as<T: Serialize + ?Sized>(value: &T, node: &'static Node) -> Result<(), Mismatch> {
    value.serialize(Along(node))
}

/// Where a value's serialization leaves its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Innermost step first: the way back is when they are known.
    steps: Vec<String>,
    shape: String,
    value: String,
}

impl Mismatch {
    fn new(shape: impl Display, value: impl Into<String>) -> Self {
        Self { steps: Vec::new(), shape: shape.to_string(), value: value.into() }
    }

    fn below(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            f.write_str("at `")?;
            let path: String = self.steps.iter().rev().map(String::as_str).collect();
            write!(f, "{}`: ", path.trim_start_matches('.'))?;
        }
        write!(f, "the shape says {}, the value is serialized as {}", self.shape, self.value)
    }
}

impl std::error::Error for Mismatch {}

impl ser::Error for Mismatch {
    /// A `Serialize` that gives up, such as that of a poisoned mutex.
    fn custom<T: Display>(message: T) -> Self {
        Self::new("a value", format!("an error: {message}"))
    }
}

/// The serializer of one value.
#[derive(Clone, Copy)]
enum Checker {
    Along(&'static Node),
    /// Below an opaque node, whose bytes are its own business.
    Anything,
}

use Checker::{Along, Anything};

impl Checker {
    fn child(child: Child) -> Self {
        Along(child())
    }

    /// The kind to follow, newtypes looked through; nothing to follow below an opaque one.
    fn kind(self) -> Option<&'static Kind> {
        let Along(node) = self else { return None };
        let kind = node.resolve().map_or(&Kind::Leaf(Leaf::Unit), |node| &node.0);
        (!matches!(kind, Kind::Opaque(_) | Kind::Foreign(_) | Kind::Handle(_))).then_some(kind)
    }

    fn leaf(self, leaf: Leaf) -> Result<(), Mismatch> {
        match self.kind() {
            None => Ok(()),
            Some(Kind::Leaf(expected)) if *expected == leaf => Ok(()),
            Some(_) => self.differs(leaf.to_string()),
        }
    }

    fn differs<T>(self, value: impl Into<String>) -> Result<T, Mismatch> {
        let Along(node) = self else { unreachable!("nothing differs below an opaque node") };
        Err(Mismatch::new(outline(node), value))
    }

    /// What stands in the variant at an index, or a mismatch that names the one that was written.
    fn variant(self, index: u32, name: &'static str) -> Result<Option<&'static Fields>, Mismatch> {
        match self.kind() {
            None => Ok(None),
            Some(Kind::Enum(_, variants)) => match variants.get(index as usize) {
                Some((expected, fields)) if *expected == name => Ok(Some(fields)),
                Some((expected, _)) => Err(Mismatch::new(
                    format_args!("variant {index} is {}", Name(expected)),
                    Name(name).to_string(),
                )),
                None => Err(Mismatch::new(
                    format_args!("an enum of {} variants", variants.len()),
                    format!("variant {index}, {}", Name(name)),
                )),
            },
            Some(_) => self.differs(format!("variant {}", Name(name))),
        }
    }
}

/// One node in a few words.
fn outline(node: &'static Node) -> String {
    match node.resolve().map(|node| &node.0) {
        None => "never".into(),
        Some(kind) => match kind {
            Kind::Leaf(leaf) => leaf.to_string(),
            Kind::Bytes => "bytes".into(),
            Kind::Option(_) => "an option".into(),
            Kind::Seq(element) if is_byte(element) => "bytes".into(),
            Kind::Seq(_) => "a sequence".into(),
            Kind::Map(..) => "a map".into(),
            Kind::Array(_, length) => format!("an array of {length}"),
            Kind::Tuple(elements) => format!("a tuple of {}", elements.len()),
            Kind::Newtype(_) => unreachable!("`Node::resolve` looks through newtypes"),
            Kind::Struct(name, _) => format!("struct {name}"),
            Kind::Enum(name, _) => format!("enum {name}"),
            Kind::Handle(service) => format!("a handle of {}", service()),
            Kind::Opaque(name) => format!("opaque {name:?}"),
            Kind::Foreign(name) => format!("opaque {:?}", name()),
        },
    }
}

macro_rules! leaves {
    ($($method:ident($ty:ty) => $leaf:ident),* $(,)?) => {$(
        fn $method(self, _: $ty) -> Result<(), Mismatch> {
            self.leaf(Leaf::$leaf)
        }
    )*};
}

impl Serializer for Checker {
    type Ok = ();
    type Error = Mismatch;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    leaves! {
        serialize_bool(bool) => Bool,
        serialize_i8(i8) => I8,
        serialize_i16(i16) => I16,
        serialize_i32(i32) => I32,
        serialize_i64(i64) => I64,
        serialize_i128(i128) => I128,
        serialize_u8(u8) => U8,
        serialize_u16(u16) => U16,
        serialize_u32(u32) => U32,
        serialize_u64(u64) => U64,
        serialize_u128(u128) => U128,
        serialize_f32(f32) => F32,
        serialize_f64(f64) => F64,
        serialize_char(char) => Char,
        serialize_str(&str) => String,
    }

    fn serialize_unit(self) -> Result<(), Mismatch> {
        self.leaf(Leaf::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Mismatch> {
        self.leaf(Leaf::Unit)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Mismatch> {
        match self.kind() {
            None | Some(Kind::Bytes) => Ok(()),
            Some(Kind::Seq(element)) if is_byte(element) => Ok(()),
            Some(_) => self.differs("bytes"),
        }
    }

    fn serialize_none(self) -> Result<(), Mismatch> {
        match self.kind() {
            None | Some(Kind::Option(_)) => Ok(()),
            Some(_) => self.differs("none"),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Mismatch> {
        match self.kind() {
            None => value.serialize(Anything),
            Some(Kind::Option(some)) => value.serialize(Self::child(*some)),
            Some(_) => self.differs("some"),
        }
    }

    /// The name is not written, so a newtype follows the shape of what it holds.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, name: &'static str) -> Result<(), Mismatch> {
        match self.variant(index, name)? {
            None | Some(Fields::Unit) => Ok(()),
            Some(fields) => Err(Mismatch::new(fields, "a variant without values").below(step(name))),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        match self.variant(index, name)? {
            None => value.serialize(Anything),
            Some(Fields::Newtype(inner)) => value.serialize(Self::child(*inner)),
            Some(fields) => Err(Mismatch::new(fields, "one value")),
        }
        .map_err(|mismatch| mismatch.below(step(name)))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Parts, Mismatch> {
        match self.kind() {
            // A compact encoding writes the length first, so even an opaque value must know it.
            _ if length.is_none() => Err(unknown_length("a sequence")),
            None => Ok(Parts::anything()),
            Some(Kind::Seq(element)) => Ok(Parts::each(Self::child(*element))),
            Some(Kind::Bytes) => Ok(Parts::each(Self::child(u8::shape))),
            Some(_) => self.differs("a sequence"),
        }
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Parts, Mismatch> {
        match self.kind() {
            _ if length.is_none() => Err(unknown_length("a map")),
            None => Ok(Parts::anything()),
            Some(Kind::Map(key, value)) => {
                Ok(Parts::new(Expected::Map { key: Self::child(*key), value: Self::child(*value) }))
            }
            Some(_) => self.differs("a map"),
        }
    }

    fn serialize_tuple(self, length: usize) -> Result<Parts, Mismatch> {
        match self.kind() {
            None => Ok(Parts::anything()),
            Some(Kind::Tuple(elements)) if elements.len() == length => {
                Ok(Parts::new(Expected::Tuple(elements)))
            }
            Some(Kind::Array(element, expected)) if *expected == length => {
                Ok(Parts::new(Expected::Each { element: Self::child(*element), count: Some(length) }))
            }
            Some(_) => self.differs(format!("a tuple of {length}")),
        }
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Parts, Mismatch> {
        self.serialize_tuple(length)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts, Mismatch> {
        match self.kind() {
            None => Ok(Parts::anything()),
            Some(Kind::Struct(_, fields)) => Ok(Parts::new(Expected::Struct(fields))),
            Some(_) => self.differs(format!("struct {name}")),
        }
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Parts, Mismatch> {
        match self.variant(index, name)? {
            None => Ok(Parts::anything()),
            Some(Fields::Tuple(elements)) if elements.len() == length => {
                Ok(Parts { within: Some(name), ..Parts::new(Expected::Tuple(elements)) })
            }
            Some(fields) => Err(Mismatch::new(fields, format!("{length} values")).below(step(name))),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Parts, Mismatch> {
        match self.variant(index, name)? {
            None => Ok(Parts::anything()),
            Some(Fields::Struct(fields)) => {
                Ok(Parts { within: Some(name), ..Parts::new(Expected::Struct(fields)) })
            }
            Some(fields) => Err(Mismatch::new(fields, "named fields").below(step(name))),
        }
    }

    /// As postcard: addresses and times take their compact form.
    fn is_human_readable(&self) -> bool {
        false
    }
}

fn unknown_length(of: &str) -> Mismatch {
    Mismatch::new(format_args!("{of}, whose length comes first"), format!("{of} of unknown length"))
}

fn step(name: &str) -> String {
    format!(".{}", Name(name))
}

/// The serializer of a value's parts.
struct Parts {
    expected: Expected,
    /// Parts written so far.
    count: usize,
    /// The variant they belong to.
    within: Option<&'static str>,
}

enum Expected {
    Each { element: Checker, count: Option<usize> },
    Map { key: Checker, value: Checker },
    Tuple(&'static [Child]),
    Struct(&'static [(&'static str, Child)]),
}

impl Parts {
    fn new(expected: Expected) -> Self {
        Self { expected, count: 0, within: None }
    }

    fn each(element: Checker) -> Self {
        Self::new(Expected::Each { element, count: None })
    }

    fn anything() -> Self {
        Self::each(Anything)
    }

    /// Checks the next part; `name` is the field's, where it has one.
    fn part<T: Serialize + ?Sized>(&mut self, name: Option<&'static str>, part: &T) -> Result<(), Mismatch> {
        let position = self.count;
        self.count += 1;
        let (checker, step) = match self.expected {
            Expected::Each { element, .. } => (element, format!("[{position}]")),
            Expected::Map { value, .. } => (value, "{value}".into()),
            Expected::Tuple(elements) => match elements.get(position) {
                Some(element) => (Checker::child(*element), format!(".{position}")),
                None => return self.wrong_count(elements.len()),
            },
            Expected::Struct(fields) => match (fields.get(position), name) {
                (Some((expected, field)), Some(name)) if *expected == name => {
                    (Checker::child(*field), step(name))
                }
                (expected, name) => return self.wrong_field(expected.map(|(name, _)| *name), name),
            },
        };
        part.serialize(checker).map_err(|mismatch| self.inside(mismatch.below(step)))
    }

    fn wrong_field(&self, expected: Option<&str>, name: Option<&str>) -> Result<(), Mismatch> {
        let field = |name: Option<&str>| {
            name.map_or_else(|| "the end".to_owned(), |name| format!("field {}", Name(name)))
        };
        Err(self.inside(Mismatch::new(field(expected), field(name))))
    }

    fn wrong_count(&self, expected: usize) -> Result<(), Mismatch> {
        Err(self.inside(Mismatch::new(format_args!("{expected} parts"), format!("{} parts", self.count))))
    }

    fn inside(&self, mismatch: Mismatch) -> Mismatch {
        match self.within {
            Some(variant) => mismatch.below(step(variant)),
            None => mismatch,
        }
    }

    fn finish(self) -> Result<(), Mismatch> {
        match self.expected {
            Expected::Each { count: Some(expected), .. } if expected != self.count => {
                self.wrong_count(expected)
            }
            Expected::Tuple(elements) if elements.len() != self.count => self.wrong_count(elements.len()),
            Expected::Struct(fields) => match fields.get(self.count) {
                Some((expected, _)) => self.wrong_field(Some(expected), None),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

macro_rules! parts {
    ($($trait:ident::$part:ident($($name:ident)?)),* $(,)?) => {$(
        impl ser::$trait for Parts {
            type Ok = ();
            type Error = Mismatch;

            fn $part<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                part: &T,
            ) -> Result<(), Mismatch> {
                self.part(None$(.or(Some($name)))?, part)
            }

            fn end(self) -> Result<(), Mismatch> {
                self.finish()
            }
        }
    )*};
}

parts! {
    SerializeSeq::serialize_element(),
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(name),
    SerializeStructVariant::serialize_field(name),
}

impl ser::SerializeMap for Parts {
    type Ok = ();
    type Error = Mismatch;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Mismatch> {
        let checker = match self.expected {
            Expected::Map { key, .. } => key,
            _ => Anything,
        };
        key.serialize(checker).map_err(|mismatch| mismatch.below("{key}"))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        self.part(None, value)
    }

    fn end(self) -> Result<(), Mismatch> {
        Ok(())
    }
}
