//! Where two layouts differ, said with the names that the developer wrote.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

use super::layout::WireName;
use super::text::Name;
use super::{Form, Layout, Payload};

/// One place where two layouts differ.
///
/// Shown as ``field `User.id`: u64 here, string there``. *Here* is the layout that was asked, *there* the
/// one it was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    path: Path,
    here: String,
    there: String,
}

impl Difference {
    pub(crate) fn new(path: Path, here: impl Into<String>, there: impl Into<String>) -> Self {
        Self { path, here: here.into(), there: there.into() }
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { path, here, there } = self;
        write!(f, "{path}{here} here, {there} there")
    }
}

impl Layout {
    /// The first places where the wire forms differ, at most eight; none if and only if they are equal.
    ///
    /// ```
    /// use rpc_runtime::message;
    /// use rpc_runtime::shape::Layout;
    ///
    /// mod old {
    ///     #[rpc_runtime::message]
    ///     pub struct User { pub id: u64, pub name: String }
    /// }
    ///
    /// #[message]
    /// pub struct User { pub id: String, pub name: String }
    ///
    /// let differences = Layout::of::<User>().differences(&Layout::of::<old::User>());
    /// assert_eq!(differences.len(), 1);
    /// assert_eq!(differences[0].to_string(), "field `User.id`: string here, u64 there");
    /// ```
    pub fn differences(&self, there: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        Comparison::new(self, there, &mut found).compare(0, 0, &Path::default());
        found
    }

    /// One item in a few words, without what is below it: `u64`, `[User]`, `enum AuthError`.
    fn outline(&self, index: usize) -> String {
        let outline = |child: &usize| self.outline_inner(*child);
        match self.form(index) {
            Form::Option(some) => format!("Option<{}>", outline(some)),
            Form::Seq(element) => format!("[{}]", outline(element)),
            Form::Array(element, length) => format!("[{}; {length}]", outline(element)),
            Form::Map(key, value) => format!("{{{}: {}}}", outline(key), outline(value)),
            _ => self.outline_inner(index),
        }
    }

    /// The same, one level shorter, so that an outline of a recursive type ends.
    fn outline_inner(&self, index: usize) -> String {
        let name = self.type_name(index).unwrap_or_default();
        match self.form(index) {
            Form::Leaf(leaf) => leaf.to_string(),
            Form::Bytes => "bytes".into(),
            Form::Never => "never".into(),
            Form::Option(_) => "Option<..>".into(),
            Form::Seq(_) => "[..]".into(),
            Form::Array(_, length) => format!("[..; {length}]"),
            Form::Map(..) => "{..}".into(),
            Form::Tuple(elements) => format!("tuple of {}", elements.len()),
            Form::Struct(_) => format!("struct {name}"),
            Form::Enum(_) => format!("enum {name}"),
            Form::Handle(service) => format!("handle {}", Name(service)),
            Form::Opaque(name) => format!("opaque {name:?}"),
        }
    }
}

/// One comparison of two layouts.
pub(crate) struct Comparison<'a> {
    here: &'a Layout,
    there: &'a Layout,
    /// Pairs already compared, so that recursion ends and a shared type is reported once.
    compared: HashSet<(usize, usize)>,
    found: &'a mut Vec<Difference>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(here: &'a Layout, there: &'a Layout, found: &'a mut Vec<Difference>) -> Self {
        Self { here, there, compared: HashSet::new(), found }
    }

    pub(crate) fn compare(&mut self, here: usize, there: usize, path: &Path) {
        if self.found.len() == DIFFERENCES_MAX || !self.compared.insert((here, there)) {
            return;
        }
        let path = &path.enter(self.here.type_name(here));
        let (this, that) = (self.here, self.there);
        match (this.form(here), that.form(there)) {
            (Form::Option(a), Form::Option(b)) => self.compare(*a, *b, path),
            (Form::Seq(a), Form::Seq(b)) => self.compare(*a, *b, &path.then(Segment::Element)),
            (Form::Array(a, m), Form::Array(b, n)) if m == n => {
                self.compare(*a, *b, &path.then(Segment::Element));
            }
            (Form::Map(key, value), Form::Map(other_key, other_value)) => {
                self.compare(*key, *other_key, &path.then(Segment::Key));
                self.compare(*value, *other_value, &path.then(Segment::Value));
            }
            (Form::Tuple(a), Form::Tuple(b)) if a.len() == b.len() => self.elements(a, b, path),
            (Form::Struct(a), Form::Struct(b)) => self.fields(a, b, path, Segment::Field),
            (Form::Enum(a), Form::Enum(b)) => self.variants(a, b, path),
            (a, b) if a == b && a.children().is_empty() => {}
            _ => self.report(path.clone(), this.outline(here), that.outline(there)),
        }
    }

    fn elements(&mut self, here: &[usize], there: &[usize], path: &Path) {
        for (position, (&a, &b)) in here.iter().zip(there).enumerate() {
            self.compare(a, b, &path.then(Segment::Index(position)));
        }
    }

    /// Compares what has a name; `segment` says whether these are fields or arguments.
    pub(crate) fn fields(
        &mut self,
        here: &[(WireName, usize)],
        there: &[(WireName, usize)],
        path: &Path,
        segment: fn(WireName) -> Segment,
    ) {
        let (this, that) = (self.here, self.there);
        self.names(here, there, path, segment, |a| this.outline(*a), |b| that.outline(*b));
        for (name, a, b) in pairs(here, there) {
            self.compare(*a, *b, &path.then(segment(name.clone())));
        }
    }

    fn variants(
        &mut self,
        here: &[(WireName, Payload<usize>)],
        there: &[(WireName, Payload<usize>)],
        path: &Path,
    ) {
        let variant = |_: &Payload<usize>| "a variant".to_owned();
        self.names(here, there, path, Segment::Variant, variant, variant);
        for (name, a, b) in pairs(here, there) {
            self.payload(a, b, &path.then(Segment::Variant(name.clone())));
        }
    }

    fn payload(&mut self, here: &Payload<usize>, there: &Payload<usize>, path: &Path) {
        match (here, there) {
            (Payload::Unit, Payload::Unit) => {}
            (Payload::Newtype(a), Payload::Newtype(b)) => self.compare(*a, *b, path),
            (Payload::Tuple(a), Payload::Tuple(b)) if a.len() == b.len() => self.elements(a, b, path),
            (Payload::Struct(a), Payload::Struct(b)) => self.fields(a, b, path, Segment::Field),
            _ => {
                let (here, there) = (self.here.payload_outline(here), self.there.payload_outline(there));
                self.report(path.clone(), here, there);
            }
        }
    }

    /// Reports names of one side that the other lacks, or else a different order of the same names.
    fn names<T>(
        &mut self,
        here: &[(WireName, T)],
        there: &[(WireName, T)],
        path: &Path,
        segment: fn(WireName) -> Segment,
        outline_here: impl Fn(&T) -> String,
        outline_there: impl Fn(&T) -> String,
    ) {
        let before = self.found.len();
        for (name, a) in lacking(here, there) {
            self.report(path.then(segment(name.clone())), outline_here(a), "nothing");
        }
        for (name, b) in lacking(there, here) {
            self.report(path.then(segment(name.clone())), "nothing", outline_there(b));
        }
        let same_order = here.iter().map(|(name, _)| name).eq(there.iter().map(|(name, _)| name));
        if self.found.len() == before && !same_order && before < DIFFERENCES_MAX {
            self.report(path.clone(), order(here), order(there));
        }
    }

    fn report(&mut self, path: Path, here: impl Into<String>, there: impl Into<String>) {
        if self.found.len() < DIFFERENCES_MAX {
            self.found.push(Difference::new(path, here, there));
        }
    }
}

impl Layout {
    fn payload_outline(&self, payload: &Payload<usize>) -> String {
        match payload {
            Payload::Unit => "no value".into(),
            Payload::Newtype(inner) => self.outline(*inner),
            Payload::Tuple(elements) => format!("{} values", elements.len()),
            Payload::Struct(_) => "named fields".into(),
        }
    }
}

/// What both sides have, in the order of the first.
fn pairs<'a, T>(
    here: &'a [(WireName, T)],
    there: &'a [(WireName, T)],
) -> impl Iterator<Item = (&'a WireName, &'a T, &'a T)> {
    here.iter().filter_map(|(name, a)| {
        let (_, b) = there.iter().find(|(other, _)| other == name)?;
        Some((name, a, b))
    })
}

/// What only the first side has.
fn lacking<'a, T>(
    one: &'a [(WireName, T)],
    other: &'a [(WireName, T)],
) -> impl Iterator<Item = &'a (WireName, T)> {
    one.iter().filter(|(name, _)| other.iter().all(|(known, _)| known != name))
}

/// The names in their order: `order a, b, c`.
fn order<T>(named: &[(WireName, T)]) -> String {
    let names: Vec<_> = named.iter().map(|(name, _)| Name(name).to_string()).collect();
    format!("order {}", names.join(", "))
}

/// The way from a root to the place of a difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The name of a method.
    Method,
    /// An argument of a method, which starts a path.
    Argument(WireName),
    /// The result of a method, likewise, when it is returned, and when it is an error.
    Output,
    Failure,
    /// A named type on the way; shown where a path within a type starts.
    Type(WireName),
    Field(WireName),
    Variant(WireName),
    Index(usize),
    Element,
    Key,
    Value,
}

impl Path {
    pub(crate) fn then(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    fn enter(&self, type_name: Option<&str>) -> Self {
        type_name.map_or_else(|| self.clone(), |name| self.then(Segment::Type(name.to_owned().into())))
    }
}

impl From<Segment> for Path {
    fn from(first: Segment) -> Self {
        Self(vec![first])
    }
}

/// ``argument `user`: field `User.address.zip`: ``, or nothing for the root.
impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut steps = String::new();
        let mut noun = "";
        let mut inside_type = false;
        for segment in &self.0 {
            let (step, means) = match segment {
                Segment::Method => {
                    f.write_str("method: ")?;
                    continue;
                }
                Segment::Argument(name) => {
                    write!(f, "argument `{name}`: ")?;
                    continue;
                }
                Segment::Output => {
                    f.write_str("result: ")?;
                    continue;
                }
                Segment::Failure => {
                    f.write_str("error: ")?;
                    continue;
                }
                Segment::Type(_) if inside_type => continue,
                Segment::Type(name) => {
                    // What leads to the first named type is seen in the signature.
                    steps.clear();
                    inside_type = true;
                    (Name(name).to_string(), "")
                }
                Segment::Field(name) => (format!(".{}", Name(name)), "field "),
                Segment::Variant(name) => (format!("::{}", Name(name)), "variant "),
                Segment::Index(position) => (format!(".{position}"), "element "),
                Segment::Element => ("[]".into(), "element "),
                Segment::Key => ("{key}".into(), "key "),
                Segment::Value => ("{value}".into(), "value "),
            };
            steps += &step;
            noun = means;
        }
        if steps.is_empty() { Ok(()) } else { write!(f, "{noun}`{steps}`: ") }
    }
}

/// Most differences reported of one comparison: enough to see what happened, few enough for a log line.
const DIFFERENCES_MAX: usize = 8;
