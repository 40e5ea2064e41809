//! The deserializer over a value with spans, and the error that finds its place on the way out.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::config::place::{nearest, shortened};
use crate::config::reader::one_of;
use crate::config::syntax::Language;
use crate::config::value::{Entry, Node, Value};
use crate::config::{Fault, Place};

/// A value, being read.
pub(crate) struct Reading<'a> {
    node: &'a Node,
}

impl<'a> Reading<'a> {
    pub(crate) const fn new(node: &'a Node) -> Self {
        Self { node }
    }
}

impl<'de> Deserializer<'de> for Reading<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::String(text) | Value::Datetime(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visit_integer(*number, visitor),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Oversized(_) => Err(Mismatch::invalid_type(
                Unexpected::Other(&self.node.value.describe(Language::Toml)),
                &visitor,
            )),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Null => visitor.visit_unit(),
            Value::Array(list) => visitor.visit_seq(Elements { rest: list.iter().enumerate() }),
            Value::Table(table) => visitor.visit_map(Entries { rest: table.entries.iter(), current: None }),
        }
    }

    /// A value that is there is `Some`, unless it is the null of JSON.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if matches!(self.node.value, Value::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    /// `"Variant"`, or a table with the variant as its only key.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::String(text) => visitor.visit_enum(StrDeserializer::new(text)),
            Value::Table(table) if table.entries.len() == 1 => {
                visitor.visit_enum(Variant { entry: &table.entries[0] })
            }
            other => {
                Err(Mismatch::invalid_type(Unexpected::Other(&other.describe(Language::Toml)), &visitor))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A value that is not there, being read: a table without entries, or nothing for who can do with that.
pub(crate) struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(Entries { rest: [].iter(), current: None })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// As the narrowest of serde's widths: a visitor of `u8` knows what to say about an `i64`, not
/// about an `i128`.
fn visit_integer<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, Mismatch> {
    if let Ok(number) = i64::try_from(number) {
        visitor.visit_i64(number)
    } else if let Ok(number) = u64::try_from(number) {
        visitor.visit_u64(number)
    } else {
        visitor.visit_i128(number)
    }
}

struct Elements<'a> {
    rest: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        let read = seed.deserialize(Reading::new(node));
        read.map(Some).map_err(|error| error.at(&node.span).within(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.current = self.rest.next();
        let Some(entry) = self.current else { return Ok(None) };
        let read = seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(&entry.key));
        read.map(Some)
            .map_err(|error: Mismatch| error.at(&entry.key_span).within(Segment::Key(entry.key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let Some(entry) = self.current else {
            return Err(Mismatch::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reading::new(&entry.node))
            .map_err(|error| error.at(&entry.node.span).within(Segment::Key(entry.key.clone())))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// `{ Variant = content }`
struct Variant<'a> {
    entry: &'a Entry,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Mismatch;
    type Variant = Content<'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Content<'de>), Mismatch> {
        let entry = self.entry;
        let read: Result<T::Value, Mismatch> = seed.deserialize(StrDeserializer::new(&entry.key));
        let variant = read.map_err(|error| error.at(&entry.key_span))?;
        Ok((variant, Content { entry }))
    }
}

struct Content<'a> {
    entry: &'a Entry,
}

impl<'de> Content<'de> {
    fn read<T>(self, read: impl FnOnce(Reading<'de>) -> Result<T, Mismatch>) -> Result<T, Mismatch> {
        read(Reading::new(&self.entry.node))
            .map_err(|error| error.at(&self.entry.node.span).within(Segment::Key(self.entry.key.clone())))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        let received = self.entry.node.value.describe(Language::Toml);
        self.read(|_| {
            Err(Mismatch::invalid_type(Unexpected::Other(&received), &"the variant alone, as a string"))
        })
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        self.read(|reading| seed.deserialize(reading))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.read(|reading| reading.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.read(|reading| reading.deserialize_any(visitor))
    }
}

/// A value that is not what its reader wants.
///
/// serde makes it where the mistake is seen, without a place; each level it passes on its way out
/// adds what it knows, the innermost span and the path.
#[derive(Debug)]
pub(crate) struct Mismatch {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    problem: &'static str,
    expected: String,
    received: String,
    help: Option<String>,
    span: Option<Range<usize>>,
    /// From the inside out.
    path: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Key(String),
    Index(usize),
}

impl Mismatch {
    fn new(problem: &'static str, expected: impl fmt::Display, received: impl fmt::Display) -> Self {
        let (expected, received) = (expected.to_string(), received.to_string());
        let inner = Inner { problem, expected, received, help: None, span: None, path: Vec::new() };
        Self { inner: Box::new(inner) }
    }

    fn with_help(mut self, help: Option<String>) -> Self {
        self.inner.help = help;
        self
    }

    /// Sets the place, unless a level further inside did.
    pub(crate) fn at(mut self, span: &Range<usize>) -> Self {
        self.inner.span.get_or_insert_with(|| span.clone());
        self
    }

    fn within(mut self, segment: Segment) -> Self {
        self.inner.path.push(segment);
        self
    }

    pub(crate) fn into_fault(self, variable: &Place) -> Fault {
        let place = self.inner.path.iter().rev().fold(variable.clone(), |place, segment| match segment {
            Segment::Key(key) => place.key(key),
            Segment::Index(index) => place.index(*index),
        });
        let place = match self.inner.span {
            Some(span) => place.at(span),
            None => place,
        };
        let Inner { problem, expected, received, help, .. } = *self.inner;
        let received = if received == TABLE { place.language().table() } else { &received };
        let fault = place.fault(problem).with_expected(expected).with_received(received);
        match help {
            Some(help) => fault.with_help(help),
            None => fault,
        }
    }
}

impl serde::de::Error for Mismatch {
    /// The words of a type's own `Deserialize`.
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("not a valid value", message, "this")
    }

    fn invalid_type(received: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new("wrong type", describe_expected(expected), describe(received))
    }

    fn invalid_value(received: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new("out of range", describe_expected(expected), describe(received))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new("wrong length", expected, format_args!("{length} elements"))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new("unknown variant", one_of(known), quoted(variant)).with_help(suggestion(variant, known))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new("unknown key", one_of(known), quoted(field)).with_help(suggestion(field, known))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("missing key", format_args!("a key `{field}`"), "nothing")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("duplicate key", format_args!("one `{field}`"), "another one")
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, received {}",
            self.inner.problem, self.inner.expected, self.inner.received
        )
    }
}

impl Error for Mismatch {}

/// What it is called until the language of the file is known.
const TABLE: &str = Language::Toml.table();

fn quoted(name: &str) -> String {
    format!("`{}`", shortened(name))
}

fn suggestion(name: &str, known: &'static [&'static str]) -> Option<String> {
    nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

/// serde's visitors of numbers call themselves by their type; say what that type holds.
fn describe_expected(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" => range(u8::MIN, u8::MAX),
        "u16" => range(u16::MIN, u16::MAX),
        "u32" => range(u32::MIN, u32::MAX),
        "u64" | "usize" => range(u64::MIN, u64::MAX),
        "u128" => range(u128::MIN, u128::MAX),
        "i8" => range(i8::MIN, i8::MAX),
        "i16" => range(i16::MIN, i16::MAX),
        "i32" => range(i32::MIN, i32::MAX),
        "i64" | "isize" => range(i64::MIN, i64::MAX),
        "i128" => range(i128::MIN, i128::MAX),
        "f32" | "f64" => "a number".to_owned(),
        _ => text,
    }
}

fn range<T: fmt::Display>(least: T, most: T) -> String {
    format!("an integer from {least} to {most}")
}

fn describe(received: Unexpected<'_>) -> String {
    match received {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(number) => format!("the integer {number}"),
        Unexpected::Signed(number) => format!("the integer {number}"),
        Unexpected::Float(number) => format!("the number {number:?}"),
        Unexpected::Char(character) => format!("the string {:?}", character.to_string()),
        Unexpected::Str(text) => format!("the string {:?}", shortened(text)),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => TABLE.to_owned(),
        Unexpected::Unit => "null".to_owned(),
        Unexpected::Other(text) => text.to_owned(),
        other => other.to_string(),
    }
}
