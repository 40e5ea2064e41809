//! What a session allows its peer, and when it loses patience.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::streams::WINDOW_BYTES_MAX;

/// What a session allows its peer, and when it loses patience.
///
/// The first block travels in the `Hello`; values below the floor that a peer may assume before it has read one
/// count as that floor.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Calls of the peer that have not ended. Default 8,192; at least 64.
    pub(crate) in_flight_max: u32,
    /// Bytes of the first pieces of arguments of calls that have not ended. Default 4 MiB; at least 64 KiB.
    pub(crate) first_bytes_max: u32,
    /// Bytes of the first pieces of replies that this side's application has not taken. Default 4 MiB; at least
    /// 256 KiB, four pieces, since what is taken is told to the peer a quarter at a time.
    pub(crate) reply_bytes_max: u32,
    /// Length of one value. Default 32 MiB; at least 64 KiB, and at most half of `granted_bytes_max`.
    pub(crate) value_bytes_max: u32,
    /// Services that the peer may open. Default 1,024; at least 16.
    pub(crate) slots_max: u32,
    /// Streams of the peer at a time. Default 4,096; below 16 counts as that, and 0 says that this side takes none.
    pub(crate) streams_max: u32,
    /// Bytes that the peer may send of each stream before its reader has read anything. Default 16 KiB, at least 4 KiB:
    /// with as many streams as are allowed, 64 MiB that a peer may have this side hold.
    pub(crate) stream_bytes: u32,

    /// Bytes of the rests of large values, granted and not yet given back. Default 64 MiB. Arguments leave so
    /// much of it as one value may take to replies: a handler that holds its arguments while it waits for a
    /// reply must not wait for itself.
    pub(crate) granted_bytes_max: u64,
    /// The same over all sessions of a host.
    pub(crate) host: HostBudget,
    /// Own calls that wait for credit. Default 16,384; one more is [`Refused::Overloaded`](super::Refused).
    pub(crate) waiting_max: u32,
    /// Cancels a second of calls whose handler had not ended. Default 10,000: a gateway whose clients leave together is
    /// no attack.
    pub(crate) cancels_per_second_max: u32,
    /// Frames a second that do nothing: pings, unknown ones that may be skipped, pieces below 1 KiB that are not
    /// the last. Default 1,000.
    pub(crate) useless_per_second_max: u32,
    /// For the peer's `Hello`. Default 2 s.
    pub(crate) hello_timeout: Duration,
    /// A ping is sent after so long a silence, and three times more before the peer counts as dead. Default 10 s.
    pub(crate) ping_interval: Duration,
    /// A granted value that makes no progress for so long is given up. Default 10 s, seen up to 1 s later.
    pub(crate) stall_timeout: Duration,
    /// After an end by this side, what is left to write has so long. Default 1 s.
    pub(crate) flush_timeout: Duration,
    /// Longest deadline of a call; a longer one counts as this. Default 24 h.
    pub(crate) deadline_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_flight_max: 8192,
            first_bytes_max: 4 << 20,
            reply_bytes_max: 4 << 20,
            value_bytes_max: 32 << 20,
            slots_max: 1024,
            streams_max: 4096,
            stream_bytes: 16 << 10,
            granted_bytes_max: 64 << 20,
            host: HostBudget::new(256 << 20),
            waiting_max: 16 * 1024,
            cancels_per_second_max: 10_000,
            useless_per_second_max: 1000,
            hello_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(10),
            flush_timeout: Duration::from_secs(1),
            deadline_max: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Config {
    /// With the floors and ceilings of its fields.
    pub(super) fn checked(mut self) -> Self {
        self.in_flight_max = self.in_flight_max.max(Limits::ASSUMED.in_flight);
        self.first_bytes_max = self.first_bytes_max.max(Limits::ASSUMED.first_bytes);
        self.reply_bytes_max = self.reply_bytes_max.max(Limits::ASSUMED.reply_bytes);
        self.slots_max = self.slots_max.max(Limits::ASSUMED.slots);
        if self.streams_max > 0 {
            self.streams_max = self.streams_max.max(STREAMS_MIN);
            self.stream_bytes = self.stream_bytes.clamp(STREAM_BYTES_MIN, WINDOW_BYTES_MAX as u32);
        }
        self.granted_bytes_max = self.granted_bytes_max.max(2 * u64::from(Limits::ASSUMED.value_bytes));
        let half = u32::try_from(self.granted_bytes_max.min(self.host.max) / 2).unwrap_or(u32::MAX);
        self.value_bytes_max = self.value_bytes_max.min(half).max(Limits::ASSUMED.value_bytes);
        self
    }

    pub(super) const fn limits(&self) -> Limits {
        Limits {
            in_flight: self.in_flight_max,
            first_bytes: self.first_bytes_max,
            reply_bytes: self.reply_bytes_max,
            value_bytes: self.value_bytes_max,
            slots: self.slots_max,
            streams: self.streams_max,
            stream_bytes: self.stream_bytes,
        }
    }
}

/// What a side takes, as its `Hello` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) in_flight: u32,
    pub(super) first_bytes: u32,
    pub(super) reply_bytes: u32,
    pub(super) value_bytes: u32,
    pub(super) slots: u32,
    /// 0 if it takes none.
    pub(super) streams: u32,
    pub(super) stream_bytes: u32,
}

impl Limits {
    /// What every side takes, so that calls can follow a `Hello` in the same write. A `Hello` that says less is
    /// malformed.
    pub(super) const ASSUMED: Self = Self {
        in_flight: 64,
        first_bytes: 64 << 10,
        reply_bytes: 256 << 10,
        value_bytes: 64 << 10,
        slots: 16,
        streams: 0,
        stream_bytes: 0,
    };

    /// Whether it takes streams, if it does, as everybody must who takes any.
    pub(super) const fn has_room_for_streams(&self) -> bool {
        self.streams >= STREAMS_MIN && self.stream_bytes >= STREAM_BYTES_MIN
    }

    pub(super) const fn is_at_least(&self, other: &Self) -> bool {
        self.in_flight >= other.in_flight
            && self.first_bytes >= other.first_bytes
            && self.reply_bytes >= other.reply_bytes
            && self.value_bytes >= other.value_bytes
            && self.slots >= other.slots
    }
}

/// Who takes streams takes so many at least.
const STREAMS_MIN: u32 = 16;

/// And so much of each.
const STREAM_BYTES_MIN: u32 = 4 << 10;

/// Memory for large values that the sessions of a host share.
#[derive(Debug, Clone)]
pub(crate) struct HostBudget {
    granted: Arc<AtomicU64>,
    max: u64,
}

impl HostBudget {
    /// `max` bytes in all; below 128 KiB counts as that, which is two of the smallest large values.
    pub(crate) fn new(max: u64) -> Self {
        Self { granted: Arc::default(), max: max.max(2 * u64::from(Limits::ASSUMED.value_bytes)) }
    }

    /// Takes `bytes` if at least `spare` stay free.
    pub(super) fn take(&self, bytes: u64, spare: u64) -> bool {
        let max = self.max.saturating_sub(spare);
        let taken = self.granted.try_update(Ordering::Relaxed, Ordering::Relaxed, |granted| {
            granted.checked_add(bytes).filter(|&granted| granted <= max)
        });
        taken.is_ok()
    }

    pub(super) const fn half(&self) -> u64 {
        self.max / 2
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.granted.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that are granted and not given back.
    pub(crate) fn granted(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }
}
