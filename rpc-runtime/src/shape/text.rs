//! A layout as text, for people, for tests and for the fingerprint.
//!
//! Two layouts have the same text only if they are equal: names that are not plain are quoted, and a part
//! that comes again is written as the number of its first place.

use std::fmt::{self, Display, Formatter};

use super::layout::WireName;
use super::{Form, Layout, Leaf, Payload};

impl Display for Layout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut printer =
            Printer { layout: self, labelled: Labels::of(self), printed: vec![false; self.len()] };
        printer.item(f, 0)
    }
}

/// Which items are referred to, and so need a label.
///
/// Those that are met again and branch, so that the text does not grow beyond the layout. A `[string]` met
/// again is shorter than its label, unless it leads back to itself without a branch.
struct Labels<'a> {
    layout: &'a Layout,
    met: Vec<bool>,
    needed: Vec<bool>,
}

impl Labels<'_> {
    fn of(layout: &Layout) -> Vec<bool> {
        let none = vec![false; layout.len()];
        let mut labels = Labels { layout, met: none.clone(), needed: none };
        labels.visit(0);
        labels.needed
    }

    fn visit(&mut self, index: usize) {
        let children = self.layout.form(index).children();
        let met = std::mem::replace(&mut self.met[index], true);
        if met && (children.len() > 1 || self.leads_back(index)) {
            self.needed[index] = true;
        } else {
            children.into_iter().for_each(|&child| self.visit(child));
        }
    }

    /// Whether an item has itself below it, with one child at every step.
    fn leads_back(&self, index: usize) -> bool {
        let mut place = index;
        for _ in 0..self.layout.len() {
            match self.layout.form(place).children()[..] {
                [&child] if child == index => return true,
                [&child] => place = child,
                _ => return false,
            }
        }
        false
    }
}

struct Printer<'a> {
    layout: &'a Layout,
    labelled: Vec<bool>,
    printed: Vec<bool>,
}

impl Printer<'_> {
    fn item(&mut self, f: &mut Formatter<'_>, index: usize) -> fmt::Result {
        if self.labelled[index] {
            write!(f, "#{index}")?;
            if std::mem::replace(&mut self.printed[index], true) {
                return Ok(());
            }
            f.write_str(" ")?;
        }
        match self.layout.form(index) {
            Form::Leaf(leaf) => leaf.fmt(f),
            Form::Bytes => f.write_str("bytes"),
            Form::Never => f.write_str("never"),
            Form::Option(some) => {
                f.write_str("Option<")?;
                self.item(f, *some)?;
                f.write_str(">")
            }
            Form::Seq(element) => {
                f.write_str("[")?;
                self.item(f, *element)?;
                f.write_str("]")
            }
            Form::Array(element, length) => {
                f.write_str("[")?;
                self.item(f, *element)?;
                write!(f, "; {length}]")
            }
            Form::Map(key, value) => {
                f.write_str("{")?;
                self.item(f, *key)?;
                f.write_str(": ")?;
                self.item(f, *value)?;
                f.write_str("}")
            }
            Form::Tuple(elements) => self.tuple(f, elements),
            Form::Struct(fields) => {
                f.write_str("struct ")?;
                self.fields(f, fields)
            }
            Form::Enum(variants) => self.variants(f, variants),
            Form::Handle(service) => write!(f, "handle {}", Name(service)),
            Form::Opaque(name) => write!(f, "opaque {name:?}"),
        }
    }

    /// `(a, b)`, `(a,)` for one element; `(,)` for none, because `()` is the unit.
    fn tuple(&mut self, f: &mut Formatter<'_>, elements: &[usize]) -> fmt::Result {
        f.write_str("(")?;
        for (position, &element) in elements.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            self.item(f, element)?;
        }
        f.write_str(if elements.len() < 2 { ",)" } else { ")" })
    }

    fn fields(&mut self, f: &mut Formatter<'_>, fields: &[(WireName, usize)]) -> fmt::Result {
        let mut separator = "{ ";
        for (name, field) in fields {
            write!(f, "{separator}{}: ", Name(name))?;
            self.item(f, *field)?;
            separator = ", ";
        }
        f.write_str(if fields.is_empty() { "{}" } else { " }" })
    }

    fn variants(&mut self, f: &mut Formatter<'_>, variants: &[(WireName, Payload<usize>)]) -> fmt::Result {
        let mut separator = "enum { ";
        for (name, payload) in variants {
            write!(f, "{separator}{}", Name(name))?;
            separator = ", ";
            match payload {
                Payload::Unit => {}
                Payload::Newtype(inner) => {
                    f.write_str("(")?;
                    self.item(f, *inner)?;
                    f.write_str(")")?;
                }
                Payload::Tuple(elements) => self.tuple(f, elements)?,
                Payload::Struct(fields) => {
                    f.write_str(" ")?;
                    self.fields(f, fields)?;
                }
            }
        }
        f.write_str(if variants.is_empty() { "enum {}" } else { " }" })
    }
}

impl Display for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I128 => "i128",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U128 => "u128",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Char => "char",
            Self::String => "string",
            Self::Unit => "()",
        })
    }
}

/// A name as it is, or quoted where it could be taken for something else: `id`, `"kebab case"`.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let plain = !self.0.is_empty() && self.0.chars().all(is_plain);
        if plain { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}
