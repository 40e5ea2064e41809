//! Whoever listens: a subscriber that remembers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was said under each name.
pub(crate) type Fields = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) fields: Fields,
    /// The place of the span that this one is part of.
    pub(crate) parent: Option<usize>,
    pub(crate) entered: usize,
    pub(crate) exited: usize,
    pub(crate) is_closed: bool,
    handles: usize,
}

#[derive(Default, Debug)]
pub(crate) struct Heard {
    pub(crate) spans: Vec<Span>,
    /// Level and fields of each event from this crate's runtime.
    pub(crate) events: Vec<(Level, Fields)>,
    entered: Vec<usize>,
}

/// Listens on this thread as long as its guard lives.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Heard>>);

impl Recorder {
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap()
    }

    /// The messages of events at this level.
    pub(crate) fn messages(&self, level: Level) -> Vec<String> {
        let heard = self.heard();
        heard
            .events
            .iter()
            .filter(|(at, _)| *at == level)
            .map(|(_, fields)| fields["message"].clone())
            .collect()
    }
}

impl Subscriber for Recorder {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rpc_runtime") || metadata.target().starts_with("it")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Texts::default();
        span.record(&mut fields);
        let mut heard = self.heard();
        let parent = match span.parent() {
            Some(parent) => Some(at(parent)),
            None if span.is_contextual() => heard.entered.last().copied(),
            None => None,
        };
        let name = span.metadata().name();
        let span =
            Span { name, fields: fields.0, parent, entered: 0, exited: 0, is_closed: false, handles: 1 };
        heard.spans.push(span);
        Id::from_u64(heard.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Texts::default();
        values.record(&mut fields);
        self.heard().spans[at(span)].fields.extend(fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Texts::default();
        event.record(&mut fields);
        self.heard().events.push((*event.metadata().level(), fields.0));
    }

    fn enter(&self, span: &Id) {
        let mut heard = self.heard();
        heard.entered.push(at(span));
        heard.spans[at(span)].entered += 1;
    }

    fn exit(&self, span: &Id) {
        let mut heard = self.heard();
        assert_eq!(heard.entered.pop(), Some(at(span)), "spans are left in the order they were entered");
        heard.spans[at(span)].exited += 1;
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.heard().spans[at(span)].handles += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut heard = self.heard();
        let span = &mut heard.spans[at(&span)];
        span.handles -= 1;
        span.is_closed = span.handles == 0;
        span.is_closed
    }
}

fn at(span: &Id) -> usize {
    usize::try_from(span.into_u64()).unwrap() - 1
}

#[derive(Default)]
struct Texts(Fields);

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
