//! The first frame of each side.

use super::{
    closed::{Closed, ClosedKind},
    config::Limits,
    extension::{Extensions, STREAMS},
    wire::{Reader, put_number, put_run},
};

/// Shape: `magic:4 oldest:number newest:number in_flight:number first_bytes:number reply_bytes:number
/// value_bytes:number slots:number features:u64 extensions`, at most 4 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    /// Versions of the protocol that the sender speaks.
    pub(super) oldest: u64,
    pub(super) newest: u64,
    pub(super) limits: Limits,
    /// What the sender can do beyond its version; unknown ones are ignored.
    pub(super) features: u64,
}

impl Hello {
    pub(super) const fn new(limits: Limits) -> Self {
        let features = if limits.streams > 0 { feature::STREAMS } else { 0 };
        Self { oldest: VERSION, newest: VERSION, limits, features }
    }

    pub(super) fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&MAGIC);
        for number in [self.oldest, self.newest] {
            put_number(to, number);
        }
        let Limits { in_flight, first_bytes, reply_bytes, value_bytes, slots, streams, stream_bytes } =
            self.limits;
        for limit in [in_flight, first_bytes, reply_bytes, value_bytes, slots] {
            put_number(to, u64::from(limit));
        }
        to.extend_from_slice(&self.features.to_le_bytes());
        let mut extensions = Vec::new();
        if self.features & feature::STREAMS != 0 {
            let mut taken = Vec::new();
            put_number(&mut taken, u64::from(streams));
            put_number(&mut taken, u64::from(stream_bytes));
            put_number(&mut extensions, STREAMS);
            put_run(&mut extensions, &taken);
        }
        put_run(to, &extensions);
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, Closed> {
        let mut reader = Reader::new("Hello", body);
        if reader.array()? != MAGIC {
            return Err(reader.wrong("it does not begin with `RPC` and a zero byte"));
        }
        let (oldest, newest) = (reader.number()?, reader.number()?);
        // Another version may go on in another way.
        if oldest > VERSION || newest < VERSION {
            return Err(Closed::new(
                ClosedKind::Version,
                format!("the peer speaks versions {oldest} to {newest} of the protocol, this side {VERSION}"),
            ));
        }
        let mut limits = Limits {
            in_flight: reader.short_number()?,
            first_bytes: reader.short_number()?,
            reply_bytes: reader.short_number()?,
            value_bytes: reader.short_number()?,
            slots: reader.short_number()?,
            ..Limits::ASSUMED
        };
        if !limits.is_at_least(&Limits::ASSUMED) {
            return Err(reader.wrong("one of its limits is below what every side takes"));
        }
        let features = reader.word()?;
        let extensions = Extensions::read(&mut reader)?;
        if extensions.unknown.is_some() {
            return Err(reader.wrong("it has an extension that this side does not know and must not ignore"));
        }
        reader.end()?;
        if features & feature::STREAMS != 0 {
            let mut taken = Reader::new("Hello", extensions.streams.unwrap_or_default());
            (limits.streams, limits.stream_bytes) = (taken.short_number()?, taken.short_number()?);
            taken.end()?;
            if !limits.has_room_for_streams() {
                return Err(taken.wrong("it takes streams, and fewer or less of them than every side takes"));
            }
        }
        Ok(Self { oldest, newest, limits, features })
    }
}

/// Bits of things that a side can do.
mod feature {
    /// It takes and sends streams.
    pub(super) const STREAMS: u64 = 1;
}

pub(super) const MAGIC: [u8; 4] = *b"RPC\0";

/// The only one so far.
pub(crate) const VERSION: u64 = 1;

pub(super) const HELLO_BYTES_MAX: usize = 4096;
