//! The log of a program that brings none of its own.

use std::{fmt, io::Write as _};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};

/// Prints warnings and errors to standard error, unless the program has a subscriber already.
///
/// What a client gets to see of a failure is a reference to the log, so there must be one.
pub(super) fn install() {
    // The one there is was chosen by the program.
    let _ = tracing::subscriber::set_global_default(Stderr);
}

/// One line for each event. It asks for no spans, so that calls make none.
struct Stderr;

impl Subscriber for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        // A closed standard error is no reason to fail.
        let _ = std::io::stderr().lock().write_all(line(event).as_bytes());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// `ERROR rpc_runtime::host::server: a request failed reference=5a0c.. error=..`
fn line(event: &Event<'_>) -> String {
    let mut line = Line { message: String::new(), fields: String::new() };
    event.record(&mut line);
    let metadata = event.metadata();
    // What a client sent may be part of it, and must not begin a line of its own.
    let text = format!("{}{}", line.message, line.fields).replace('\n', "\\n").replace('\r', "\\r");
    format!("{} {}: {text}\n", metadata.level(), metadata.target())
}

struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields += &format!(" {name}={value:?}"),
        }
    }
}
