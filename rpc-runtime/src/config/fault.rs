//! [`Fault`] and [`Faults`]: what is wrong with a configuration, and where.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Place;
use super::place::floor_boundary;

/// One thing that is wrong with a configuration: where it stands, what was expected there and
/// what was received.
///
/// Made by [`Place::fault`]. Its `Display` is a report for a terminal, without colours:
///
/// ```text
/// error: services[0].binding: wrong type
///  --> gateway/worker.toml:3:26
///   |
/// 3 | services = [ { binding = 5, service = "auth" } ]
///   |                          ^ expected a string, received the integer 5
/// ```
#[derive(Clone)]
pub struct Fault {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    place: Place,
    problem: String,
    expected: Option<String>,
    received: Option<String>,
    help: Option<String>,
    related: Option<(Place, String)>,
    is_confidential: bool,
}

impl Fault {
    pub(crate) fn new(place: Place, problem: String) -> Self {
        let inner = Inner {
            place,
            problem,
            expected: None,
            received: None,
            help: None,
            related: None,
            is_confidential: false,
        };
        Self { inner: Box::new(inner) }
    }

    /// Says what should stand there: "a string".
    #[must_use]
    pub fn with_expected(mut self, expected: impl fmt::Display) -> Self {
        self.inner.expected = Some(expected.to_string());
        self
    }

    /// Says what stands there: "the integer 5".
    #[must_use]
    pub fn with_received(mut self, received: impl fmt::Display) -> Self {
        self.inner.received = Some(received.to_string());
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn with_help(mut self, help: impl fmt::Display) -> Self {
        self.inner.help = Some(help.to_string());
        self
    }

    /// Shows a second place, with what it has to do with the first.
    #[must_use]
    pub fn with_related(mut self, place: &Place, label: impl fmt::Display) -> Self {
        self.inner.related = Some((place.clone(), label.to_string()));
        self
    }

    /// Says where it stands, and keeps what stands there out of the report, which may end up in a log.
    #[must_use]
    pub(crate) fn confidential(mut self) -> Self {
        self.inner.is_confidential = true;
        self
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.inner.place
    }

    /// The problem in a few words.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.inner.problem
    }

    /// What should stand there.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        self.inner.expected.as_deref()
    }

    /// What stands there.
    #[must_use]
    pub fn received(&self) -> Option<&str> {
        self.inner.received.as_deref()
    }

    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.inner.help.as_deref()
    }

    /// The same in one line, for where a report would not fit.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}, {}", self.inner.place, self.title(), self.label())
    }

    fn title(&self) -> String {
        match self.inner.place.field() {
            "" => self.inner.problem.clone(),
            field => format!("{field}: {}", self.inner.problem),
        }
    }

    fn label(&self) -> String {
        match (&self.inner.expected, &self.inner.received) {
            (Some(expected), Some(received)) => format!("expected {expected}, received {received}"),
            (Some(expected), None) => format!("expected {expected}"),
            (None, Some(received)) => format!("received {received}"),
            (None, None) => String::new(),
        }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let title = self.title();
        let label = self.label();
        let group = Group::with_title(Level::ERROR.primary_title(&title));
        let mut report = vec![match self.inner.is_confidential {
            true => place_alone(group, &self.inner.place, &label),
            false => excerpt(group, &self.inner.place, &label),
        }];
        if let Some(help) = &self.inner.help {
            report = report.into_iter().map(|group| group.element(Level::HELP.message(help))).collect();
        }
        if let Some((place, label)) = &self.inner.related {
            report.push(excerpt(Group::with_title(Level::NOTE.secondary_title(label)), place, ""));
        }
        renderer.render(&report)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl fmt::Debug for Fault {
    /// As `Display`: what `main` prints for an error it returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Fault {}

/// Every fault that was found, in the order of the files and lines; never empty once it is an
/// error.
///
/// It is also the collector: a check that goes over several files pushes what it finds and asks
/// for the [`result`](Self::result) at the end.
///
/// ```
/// use rpc_runtime::config::{Config, Faults};
///
/// let faults = Config::parse("worker.toml", "nam = 'auth'\nvars = 5").unwrap_err();
/// let places: Vec<_> = faults.iter().map(|fault| fault.place().to_string()).collect();
/// assert_eq!(faults.len(), 4); // `nam` is unknown, `name` and `main` are missing, `vars` is no table
/// assert!(places.contains(&"worker.toml:2:8".to_owned()));
///
/// let mut all = Faults::new();
/// all.extend(faults);
/// assert!(all.result(()).is_err());
/// ```
#[derive(Clone, Default)]
pub struct Faults {
    list: Vec<Fault>,
    omitted: usize,
}

impl Faults {
    /// The most faults that are kept; further ones are only counted.
    ///
    /// A file can hold sixty thousand, and nobody reads on after the first page.
    pub const KEPT_MAX: usize = 100;

    /// No faults yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new(), omitted: 0 }
    }

    /// Records one more.
    pub fn push(&mut self, fault: Fault) {
        if self.list.len() < Self::KEPT_MAX {
            self.list.push(fault);
        } else {
            self.omitted += 1;
        }
    }

    /// Whether one more would only be counted, so that there is no need to make it.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= Self::KEPT_MAX
    }

    /// Counts a fault that was not made because the list is full.
    pub(crate) fn omit(&mut self) {
        self.omitted += 1;
    }

    /// Records the faults that pass.
    pub(crate) fn extend_if(&mut self, faults: Self, passes: impl Fn(&Fault) -> bool) {
        self.extend(faults.list.into_iter().filter(passes));
        self.omitted += faults.omitted;
    }

    /// How many were found, those included that were only counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.omitted
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults that were kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// The value, if nothing was found to be wrong.
    ///
    /// # Errors
    ///
    /// The faults, sorted by file and line.
    pub fn result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self.sorted()) }
    }

    /// Prints the report to standard error, in colours if that is a terminal and `NO_COLOR` is
    /// not set (<https://no-color.org>).
    pub fn eprint(&self) {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let styled = io::stderr().is_terminal() && !no_color;
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        // A closed terminal is no reason to fail.
        let _ = writeln!(io::stderr().lock(), "{}", self.render(&renderer));
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| {
            a.place().file().cmp(b.place().file()).then(a.place().span().start.cmp(&b.place().span().start))
        });
        self
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut reports: Vec<_> = self.list.iter().map(|fault| fault.render(renderer)).collect();
        if self.omitted > 0 {
            reports.push(format!("and {} more", self.omitted));
        }
        if self.len() > 1 {
            reports.push(format!("{} faults", self.len()));
        }
        reports.join("\n\n")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl fmt::Debug for Faults {
    /// As `Display`: what `main` prints for an error it returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self { list: vec![fault], omitted: 0 }
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        for fault in faults {
            self.push(fault);
        }
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The line of a place, with the place underlined; the file alone where there is no line.
///
/// Only this line is given to the renderer, which would otherwise walk the whole file for each
/// fault.
fn excerpt<'a>(group: Group<'a>, place: &'a Place, label: &'a str) -> Group<'a> {
    if !place.has_line() {
        return group.element(Origin::path(place.file())).element(Level::NOTE.message(label));
    }
    let (text, span) = (place.text(), place.span());
    let line = line_around(text, span.start);
    let shown = clipped(text, &line, span.start);
    let underlined = span.start - shown.start..span.end.min(shown.end).max(span.start) - shown.start;
    let snippet = Snippet::source(&text[shown.clone()])
        .line_start(place.line())
        .annotation(AnnotationKind::Primary.span(underlined).label(label));
    if shown == line {
        return group.element(snippet.path(place.file()));
    }
    // The renderer counts columns from where the excerpt starts, so they are given apart.
    let origin = Origin::path(place.file()).line(place.line()).char_column(place.column());
    group.element(origin).element(snippet)
}

fn place_alone<'a>(group: Group<'a>, place: &'a Place, label: &'a str) -> Group<'a> {
    let origin = Origin::path(place.file()).line(place.line()).char_column(place.column());
    group.element(origin).element(Level::NOTE.message(label))
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    start..end
}

/// The part of a line that is near a place, where the line is so long that cutting it to the
/// width of a terminal would take the renderer a while.
fn clipped(text: &str, line: &Range<usize>, at: usize) -> Range<usize> {
    const LINE_BYTES_MAX: usize = 4096;
    const BYTES_BESIDE: usize = 60;
    if line.len() <= LINE_BYTES_MAX {
        return line.clone();
    }
    let start = floor_boundary(text, at.saturating_sub(BYTES_BESIDE)).max(line.start);
    let end = floor_boundary(text, (at + BYTES_BESIDE).min(line.end));
    start..end.max(at)
}
