//! The log of a program that brings none of its own.

mod time;

use std::{env, ffi::OsStr, fmt, io::Write as _, time::SystemTime};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};

use self::time::Utc;

/// Prints events to standard error, unless the program has a subscriber already: those of the level that `RUST_LOG`
/// names and of the graver ones, or else warnings and errors.
///
/// What a client gets to see of a failure is a reference to the log, so there must be one.
pub(super) fn install() {
    let asked = env::var_os(VARIABLE);
    let understood = asked.as_deref().and_then(level);
    let log = Stderr { level: understood.unwrap_or(LevelFilter::WARN) };
    // The one there is was chosen by the program, and reads the variable in its own way.
    if tracing::subscriber::set_global_default(log).is_err() {
        return;
    }
    if let (Some(asked), None) = (asked.filter(|asked| !asked.is_empty()), understood) {
        tracing::warn!(
            target: "rpc_runtime",
            received = %asked.display(),
            "{VARIABLE} is one level here: off, error, warn, info, debug or trace; it is `warn` now. A subscriber of the \
             program's own may understand more",
        );
    }
}

/// The environment variable that names the level.
const VARIABLE: &str = "RUST_LOG";

/// The one of that name, in small or capital letters.
fn level(asked: &OsStr) -> Option<LevelFilter> {
    let levels = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    levels.into_iter().find(|level| asked.eq_ignore_ascii_case(level.to_string()))
}

/// One line for each event. It asks for no spans, so that calls make none.
struct Stderr {
    level: LevelFilter,
}

impl Subscriber for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
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

/// `2026-11-22T00:43:57.120Z ERROR rpc_runtime::host::server: a request failed reference=5a0c.. error=..`
fn line(event: &Event<'_>) -> String {
    let mut line = Line { message: String::new(), fields: String::new() };
    event.record(&mut line);
    let metadata = event.metadata();
    // What a client sent may be part of it, and must not begin a line of its own.
    let text = format!("{}{}", line.message, line.fields).replace('\n', "\\n").replace('\r', "\\r");
    format!("{} {} {}: {text}\n", Utc(SystemTime::now()), metadata.level(), metadata.target())
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
