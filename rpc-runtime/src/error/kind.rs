//! What happened, and the sentence that says so.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{panics, raw::Payload};

type Text = Cow<'static, str>;

/// What happened. The text is this level only: no hops, no sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unavailable(Text),
    Disconnected(Text),
    /// How long the call was given, if the one who gave it knows.
    Deadline(Option<Duration>),
    /// The same, of a call that was not on its way yet, and what it still waited for.
    DeadlineBefore(Option<Duration>, Text),
    Cancelled(Text),
    Overloaded(Text),
    Limit(Exceeded),
    NotFound(Text),
    /// The target has no `fetch`; its typed methods may well work.
    NoFetch,
    Contract(Text),
    /// Which value cannot be read, or not be written, and why.
    Decode(Text),
    /// Who panicked, and with what words.
    Panic(Text),
    Denied(Text),
    Application(Text),
    /// The program lacks something that the call needs; no predicate, because no caller can act on it.
    Setup(Text),
}

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) limit: Text,
    pub(crate) value: u64,
    /// How much it would be with what was refused, if somebody has counted so far.
    pub(crate) used: Option<u64>,
}

impl Exceeded {
    pub(crate) fn new(limit: impl Into<Text>, value: u64) -> Self {
        Self { limit: limit.into(), value, used: None }
    }

    pub(crate) fn by(self, used: u64) -> Self {
        Self { used: Some(used), ..self }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, value, used } = self;
        write!(f, "the limit of {value} {limit} is reached")?;
        match used {
            Some(used) => write!(f, ": it would be {used}"),
            None => Ok(()),
        }
    }
}

impl Kind {
    /// In a word, for people who count.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Disconnected(_) => "disconnected",
            Self::Deadline(_) | Self::DeadlineBefore(..) => "deadline",
            Self::Cancelled(_) => "cancelled",
            Self::Overloaded(_) => "overloaded",
            Self::Limit(_) => "limit",
            Self::NotFound(_) | Self::NoFetch => "not_found",
            Self::Contract(_) => "contract",
            Self::Decode(_) => "decode",
            Self::Panic(_) => "panic",
            Self::Denied(_) => "denied",
            Self::Application(_) => "application",
            Self::Setup(_) => "setup",
        }
    }

    /// The same with less of its text.
    pub(crate) fn shortened(&self) -> Self {
        let mut short = self.clone();
        match &mut short {
            Self::Unavailable(text)
            | Self::Disconnected(text)
            | Self::DeadlineBefore(_, text)
            | Self::Cancelled(text)
            | Self::Overloaded(text)
            | Self::NotFound(text)
            | Self::Contract(text)
            | Self::Decode(text)
            | Self::Panic(text)
            | Self::Denied(text)
            | Self::Application(text)
            | Self::Setup(text) => {
                if text.len() > TEXT_SHORT {
                    let cut = text.floor_char_boundary(TEXT_SHORT);
                    *text = format!("{} ..", &text[..cut]).into();
                }
            }
            Self::Deadline(_) | Self::Limit(_) | Self::NoFetch => {}
        }
        short
    }

    /// `who` panicked. The text has the place if the panic hook saw it.
    #[cold]
    pub(crate) fn panicked(who: &str, payload: Payload) -> Self {
        Self::Panic(format!("{who} panicked: {}", panics::describe(payload)).into())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "unavailable: {why}"),
            Self::Disconnected(why) => write!(f, "disconnected: {why}"),
            Self::Deadline(Some(after)) => write!(f, "the deadline of {after:?} passed"),
            Self::Deadline(None) => f.write_str("the deadline passed"),
            Self::DeadlineBefore(given, what) => write!(f, "{}; {what}", Self::Deadline(*given)),
            Self::Cancelled(why) => write!(f, "cancelled: {why}"),
            Self::Overloaded(why) => write!(f, "overloaded: {why}"),
            Self::Limit(exceeded) => exceeded.fmt(f),
            Self::NotFound(what) => write!(f, "not found: {what}"),
            Self::NoFetch => {
                f.write_str("not found: the Worker has no `fetch`; its entrypoint does not declare one")
            }
            Self::Contract(what) => write!(f, "the contracts differ: {what}"),
            Self::Denied(why) => write!(f, "denied: {why}"),
            Self::Decode(what) | Self::Panic(what) | Self::Application(what) | Self::Setup(what) => {
                f.write_str(what)
            }
        }
    }
}

/// How much of a text, in bytes, is left of one that is too long to travel.
const TEXT_SHORT: usize = 1024;
