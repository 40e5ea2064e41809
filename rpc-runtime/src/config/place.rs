//! Where a value stands: file, line, column and path of the field.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::Fault;
use super::syntax::Language;

/// A file and its text; shared by every place in it.
pub(crate) struct Source {
    file: String,
    text: String,
    language: Language,
}

impl Source {
    pub(crate) fn new(file: String, text: String) -> Self {
        let language = Language::of(&file).unwrap_or(Language::Toml);
        Self { file, text, language }
    }

    /// Text in JSON, whatever it is called.
    pub(crate) const fn json(file: String, text: String) -> Self {
        Self { file, text, language: Language::Json }
    }

    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A place in a configuration file, and the path of the field that stands there.
///
/// ```
/// use rpc_runtime::config::Config;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::parse("worker.toml", "name = 'auth'\nmain = 'auth'")?;
/// let place = config.main.place();
/// assert_eq!(place.to_string(), "worker.toml:2:8");
/// assert_eq!(place.field(), "main");
///
/// let fault = place.fault("no such entrypoint").with_expected("`auth-v2`").with_received("`auth`");
/// assert!(fault.to_string().contains("main: no such entrypoint"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    /// `None` for what has no line of its own.
    span: Option<Range<usize>>,
    field: String,
}

impl Place {
    /// Of a fault that no file is to blame for.
    pub(crate) fn nowhere(what: &str) -> Self {
        Self::whole(&Arc::new(Source::new(what.to_owned(), String::new())))
    }

    pub(crate) fn whole(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), span: None, field: String::new() }
    }

    /// The same field at another span.
    pub(crate) fn at(&self, span: Range<usize>) -> Self {
        Self { span: Some(span), ..self.clone() }
    }

    /// A field in the table that stands here; its span is still that of the table.
    pub(crate) fn key(&self, key: &str) -> Self {
        let bare =
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if bare { shortened(key) } else { format!("{:?}", shortened(key)) };
        let field = if self.field.is_empty() { key } else { format!("{}.{key}", self.field) };
        Self { source: Arc::clone(&self.source), span: self.span.clone(), field }
    }

    /// An element of the array that stands here; its span is still that of the array.
    pub(crate) fn index(&self, index: usize) -> Self {
        let field = format!("{}[{index}]", self.field);
        Self { source: Arc::clone(&self.source), span: self.span.clone(), field }
    }

    /// The file, as it was named when it was read.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// The path of the field, such as `services[0].binding`; empty for the file as a whole.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The line, counted from 1; also 1 for the file as a whole.
    #[must_use]
    pub fn line(&self) -> usize {
        self.before().bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// The column, in characters, counted from 1; also 1 for the file as a whole.
    #[must_use]
    pub fn column(&self) -> usize {
        let before = self.before();
        before[before.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count() + 1
    }

    /// A fault at this place; `problem` names it in a few words.
    #[must_use]
    pub fn fault(&self, problem: impl fmt::Display) -> Fault {
        Fault::new(self.clone(), problem.to_string())
    }

    pub(crate) fn text(&self) -> &str {
        &self.source.text
    }

    /// What the file is written in.
    pub(crate) fn language(&self) -> Language {
        self.source.language
    }

    /// The span, within the text and on character boundaries whatever a parser said; empty and at the beginning for
    /// the file as a whole.
    pub(crate) fn span(&self) -> Range<usize> {
        let span = self.span.clone().unwrap_or_default();
        let start = floor_boundary(self.text(), span.start);
        start..floor_boundary(self.text(), span.end.max(start))
    }

    /// Whether there is a line to show.
    pub(crate) fn has_line(&self) -> bool {
        self.span.is_some() && !self.text().is_empty()
    }

    fn before(&self) -> &str {
        &self.text()[..self.span().start]
    }
}

impl fmt::Display for Place {
    /// `gateway/worker.toml:3:12`, or the file alone where there is no line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file())?;
        if self.has_line() { write!(f, ":{}:{}", self.line(), self.column()) } else { Ok(()) }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value of a configuration file, with the place it came from.
///
/// It derefs to the value.
#[derive(Clone)]
pub struct Located<T> {
    value: T,
    place: Place,
}

impl<T> Located<T> {
    pub(crate) const fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    /// Where the value stands.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// The known name that was probably meant.
///
/// Damerau-Levenshtein, at most a third of the name: `servces` finds `services`, `x` finds nothing.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_COMPARED_MAX {
        return None;
    }
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= NAME_BYTES_COMPARED_MAX)
        .map(|candidate| {
            let distance =
                strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The comparison is quadratic, and nobody misspells a name of this length.
const NAME_BYTES_COMPARED_MAX: usize = 64;

/// Text from the file as part of a message: long enough to be recognised.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(crate) fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
