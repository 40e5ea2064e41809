//! Why a session ended.

use std::{fmt, sync::Arc};

use super::wire::{Reader, escaped};

/// Why a session ended: a kind to act on, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    kind: ClosedKind,
    why: Arc<str>,
}

/// What ended a session; the number is the one in a `GoAway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClosedKind {
    /// Somebody asked for it, and what was under way has ended.
    Drained = 0,
    /// The peer broke a rule of the protocol.
    Protocol = 1,
    /// The peer sent more than it was given credit for.
    FlowControl = 2,
    /// The peer started work and cancelled it again too often: 10,000 times a second unless configured.
    TooManyCancels = 3,
    /// The peer sent too many frames that do nothing, or that ask for answers while it takes none.
    Flood = 4,
    /// The peer said nothing in time: no `Hello`, or no answer to pings.
    Timeout = 5,
    /// There is no version of the protocol that both sides speak.
    Version = 6,
    /// The other end went away in the middle of something, or the transport failed. Nobody says this to a peer.
    PeerWent = 7,
    /// This side ended it, for a reason of its own.
    Closed = 8,
    /// The other end has left in order: it said so, or it closed its stream when nobody waited for an answer of it.
    /// Nobody says this to a peer.
    PeerLeft = 9,
}

/// Why this side ends a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Told to the peer, cut to 256 bytes.
    pub(crate) why: String,
}

impl Closed {
    pub(super) fn new(kind: ClosedKind, why: impl Into<Arc<str>>) -> Self {
        Self { kind, why: why.into() }
    }

    #[cold]
    pub(super) fn protocol(why: impl Into<Arc<str>>) -> Self {
        Self::new(ClosedKind::Protocol, why)
    }

    #[cold]
    pub(super) fn flow_control(why: impl Into<Arc<str>>) -> Self {
        Self::new(ClosedKind::FlowControl, why)
    }

    pub(crate) const fn kind(&self) -> ClosedKind {
        self.kind
    }

    /// One sentence, without line ends or control characters.
    pub(crate) const fn why(&self) -> &Arc<str> {
        &self.why
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Closed {}

impl ClosedKind {
    pub(super) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Drained,
            1 => Self::Protocol,
            2 => Self::FlowControl,
            3 => Self::TooManyCancels,
            4 => Self::Flood,
            5 => Self::Timeout,
            6 => Self::Version,
            8 => Self::Closed,
            _ => return None,
        })
    }
}

/// Shape: `next:number kind:u8 why:text(≤ 256)`. Calls from `next` on were not taken and will not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoAway<'a> {
    pub(super) next: u64,
    pub(super) kind: u8,
    pub(super) why: &'a str,
}

impl<'a> GoAway<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Closed> {
        let mut reader = Reader::new("GoAway", body);
        let go_away = Self { next: reader.number()?, kind: reader.byte()?, why: reader.text(WHY_BYTES_MAX)? };
        reader.end()?;
        Ok(go_away)
    }

    /// What the peer said, as one line.
    pub(super) fn sentence(&self) -> String {
        let why = escaped_text(self.why);
        match ClosedKind::of(self.kind) {
            Some(ClosedKind::Drained) => format!("the peer takes no more calls: {why}"),
            Some(kind) => format!("the peer ends the session ({kind:?}): {why}"),
            None => format!("the peer ends the session (reason {}): {why}", self.kind),
        }
    }
}

/// The part of `why` that may be told to a peer.
pub(super) fn told(why: &str) -> &str {
    let mut length = why.len().min(WHY_BYTES_MAX);
    while !why.is_char_boundary(length) {
        length -= 1;
    }
    &why[..length]
}

/// A text of a peer, without what would break a line of a log or colour a terminal.
fn escaped_text(text: &str) -> String {
    if text.is_ascii() && text.len() <= WHY_BYTES_MAX && !text.bytes().any(|byte| byte.is_ascii_control()) {
        text.to_owned()
    } else if text.is_ascii() {
        escaped(text.as_bytes())
    } else {
        text.chars().flat_map(char::escape_debug).collect()
    }
}

const WHY_BYTES_MAX: usize = 256;
