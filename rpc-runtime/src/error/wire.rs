//! An error as it leaves its host: kind, text, hops and the messages of its sources. Back traces, the sources
//! themselves and whatever else a host knows stay there.

use std::{
    borrow::Cow,
    error::Error as StdError,
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::shape::{Node, Shape};

use super::{ELSEWHERE, Error, Exceeded, Hop, Inner, Kind, leaving};

/// Shape: a struct of seven fields; `kind` is the number below, `value` belongs to a limit (its value) or a
/// deadline (its microseconds), `used` to a limit.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    kind: u8,
    text: Cow<'a, str>,
    value: Option<u64>,
    used: Option<u64>,
    hops: Cow<'a, [Hop]>,
    sources: Vec<String>,
    reference: Option<Cow<'a, str>>,
}

/// How many messages of sources travel; the rest of a longer chain stays at home. What comes in is cut to as many:
/// sources lie in each other, and a hundred thousand of them overflow the stack when they are dropped.
const SOURCES_MAX: usize = 16;

/// How many hops of what comes in are kept: twice the deepest chain there can be.
const HOPS_MAX: usize = 256;

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let told = leaving::told(self);
        let (kind, text, value) = parts(told.kind());
        let used = if let Kind::Limit(exceeded) = told.kind() { exceeded.used } else { None };
        let sources = std::iter::successors(told.source(), |source| (*source).source());
        Wire {
            kind,
            text: Cow::Borrowed(text),
            value,
            used,
            hops: Cow::Borrowed(told.hops()),
            sources: sources.take(SOURCES_MAX).map(ToString::to_string).collect(),
            reference: told.0.reference.as_deref().map(Cow::Borrowed),
        }
        .serialize(serializer)
    }
}

/// What was decoded came in from elsewhere: it is remote, and speaks of no call that this process made.
impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::deserialize(deserializer)?;
        wire.sources.truncate(SOURCES_MAX);
        let mut hops = wire.hops.into_owned();
        hops.truncate(HOPS_MAX);
        let kind = kind(wire.kind, wire.text.into_owned().into(), wire.value, wire.used)
            .ok_or_else(|| de::Error::custom(format_args!("{} is not a kind of error", wire.kind)))?;
        Ok(Self(Arc::new(Inner {
            kind,
            hops: hops.into(),
            from_here: OnceLock::new(),
            source: Source::chain(wire.sources).map(|source| Arc::new(source) as _),
            reference: wire.reference.map(|reference| reference.into()),
            remote: true,
            origin: ELSEWHERE,
            idempotent: false,
            handed_up: AtomicBool::new(false),
        })))
    }
}

/// Known by its name and version: it grows with the runtime, not with a service.
impl Shape for Error {
    const NODE: Node = Node::opaque("rpc_runtime::Error 1");
}

fn parts(kind: &Kind) -> (u8, &str, Option<u64>) {
    match kind {
        Kind::Unavailable(text) => (0, text, None),
        Kind::Disconnected(text) => (1, text, None),
        Kind::Deadline(after) => {
            (2, "", after.map(|after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
        }
        Kind::DeadlineBefore(after, text) => {
            (2, text, after.map(|after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
        }
        Kind::Cancelled(text) => (3, text, None),
        Kind::Overloaded(text) => (4, text, None),
        Kind::Limit(Exceeded { limit, value, .. }) => (5, limit, Some(*value)),
        Kind::NotFound(text) => (6, text, None),
        Kind::NoFetch => (7, "", None),
        Kind::Contract(text) => (8, text, None),
        Kind::Decode(text) => (9, text, None),
        Kind::Panic(text) => (10, text, None),
        Kind::Denied(text) => (11, text, None),
        Kind::Application(text) => (12, text, None),
        Kind::Setup(text) => (13, text, None),
    }
}

fn kind(number: u8, text: Cow<'static, str>, value: Option<u64>, used: Option<u64>) -> Option<Kind> {
    Some(match number {
        0 => Kind::Unavailable(text),
        1 => Kind::Disconnected(text),
        2 if text.is_empty() => Kind::Deadline(value.map(Duration::from_micros)),
        2 => Kind::DeadlineBefore(value.map(Duration::from_micros), text),
        3 => Kind::Cancelled(text),
        4 => Kind::Overloaded(text),
        5 => Kind::Limit(Exceeded { limit: text, value: value.unwrap_or_default(), used }),
        6 => Kind::NotFound(text),
        7 => Kind::NoFetch,
        8 => Kind::Contract(text),
        9 => Kind::Decode(text),
        10 => Kind::Panic(text),
        11 => Kind::Denied(text),
        12 => Kind::Application(text),
        13 => Kind::Setup(text),
        _ => return None,
    })
}

/// The message of an error that stayed at home, and those below it.
#[derive(Debug)]
pub(super) struct Source {
    message: String,
    below: Option<Box<Self>>,
}

impl Source {
    /// The messages below `error`, its own left out.
    pub(super) fn below(error: &(dyn StdError + 'static)) -> Option<Self> {
        let below = std::iter::successors(error.source(), |source| (*source).source());
        Self::chain(below.take(SOURCES_MAX).map(ToString::to_string).collect())
    }

    fn chain(messages: Vec<String>) -> Option<Self> {
        let below = messages.into_iter().rev();
        below.fold(None, |below, message| Some(Self { message, below: below.map(Box::new) }))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Source {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.below.as_deref().map(|below| below as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Decoder, Encoder};

    /// Longer than what would be written, as a peer may do.
    fn read(sources: usize, hops: usize) -> Error {
        // Three names of no bytes.
        let hop: Hop = Decoder::new(&[0, 0, 0]).whole().expect("it is one");
        let wire = Wire {
            kind: 12,
            text: "t".into(),
            value: None,
            used: None,
            hops: vec![hop; hops].into(),
            sources: vec![String::new(); sources],
            reference: None,
        };
        let mut encoder = Encoder::new(usize::MAX);
        encoder.value(&wire).expect("it can be written");
        let (bytes, _) = encoder.finish().into_parts();
        Decoder::new(&bytes).whole().expect("it can be read")
    }

    #[test]
    fn a_chain_that_a_peer_has_made_long_is_cut() {
        let error = read(100_000, 1000);
        let sources = std::iter::successors(error.source(), |source| (*source).source());
        assert_eq!((sources.count(), error.hops().len()), (SOURCES_MAX, HOPS_MAX));
        let error = read(3, 5);
        let sources = std::iter::successors(error.source(), |source| (*source).source());
        assert_eq!((sources.count(), error.hops().len()), (3, 5));
    }
}
