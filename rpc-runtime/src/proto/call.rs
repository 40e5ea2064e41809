//! The head of a call.

use super::{
    closed::Closed,
    end::{Refusal, length_on_wire, read_length},
    extension::{Extensions, TRACE_BYTES, put_trace},
    payload::Payload,
    streams::{Length, StreamId},
    wire::{Fields, Reader, put_number, put_run},
};

/// A service that this side opened, see [`Core::open`](super::Core::open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot(pub(super) u32);

/// A service that the peer opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PeerSlot(pub(super) u32);

impl PeerSlot {
    /// A small number: slots are counted from 0 in the order of their [`Event::Open`](super::Event::Open).
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Slot {
    /// A small number: slots are counted from 0 in the order in which they were opened.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A call of this side.
///
/// `index` is small and used again once the call has ended, so that a table can stand beside; a key never equals
/// that of another call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CallKey {
    pub(super) index: u32,
    pub(super) serial: u64,
}

impl CallKey {
    pub(crate) const fn index(self) -> usize {
        self.index as usize
    }

    /// How many calls this side made before it.
    pub(crate) const fn generation(self) -> u64 {
        self.serial
    }
}

/// A call of the peer; `index` is as in [`CallKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CallId {
    pub(super) index: u32,
    pub(super) number: u64,
}

impl CallId {
    pub(crate) const fn index(self) -> usize {
        self.index as usize
    }

    /// The id on the wire: how many calls the peer wrote before it.
    pub(crate) const fn number(self) -> u64 {
        self.number
    }
}

/// What is left of the limits of the pipeline that a call belongs to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) depth: u32,
    pub(crate) invocations: u32,
    pub(crate) subrequests: u32,
}

/// Key, value, and whether it goes further than one hop.
pub(crate) type Metadata<'a> = (&'a str, &'a str, bool);

/// The same as it came in.
pub(crate) type Entries = Vec<(String, String, bool)>;

/// Shape: see the table in [`proto`](super).
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) number: u64,
    pub(super) target: Target,
    pub(super) method: u64,
    pub(super) encoding: u8,
    pub(super) fingerprint: Option<[u8; 16]>,
    pub(super) left: Left,
    /// In microseconds.
    pub(super) deadline: Option<u64>,
    pub(super) metadata: Entries,
    pub(super) trace: Option<[u8; TRACE_BYTES]>,
    /// A stream goes with it.
    pub(super) stream: Option<Length>,
    /// Length of the whole value, whose first piece is the rest of the frame.
    pub(super) total: u64,
    pub(super) piece: &'a [u8],
    /// A reason to refuse this call, found while its head was read; what comes after it was not read.
    pub(super) refusal: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Slot(u32),
    /// A handle or the result of another call: kept for later, refused until then.
    Other,
}

impl<'a> Head<'a> {
    #[inline]
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Closed> {
        let mut reader = Reader::new("Call", body);
        let mut head = Self {
            number: reader.number()?,
            target: Target::read(&mut reader)?,
            method: reader.word()?,
            encoding: reader.byte()?,
            fingerprint: None,
            left: Left::default(),
            deadline: None,
            metadata: Vec::new(),
            trace: None,
            stream: None,
            total: 0,
            piece: &[],
            refusal: None,
        };
        let flags = reader.byte()?;
        if flags & !flag::ALL != 0 {
            return Err(reader.wrong("it has a flag that is not known"));
        }
        if flags & flag::STREAM != 0 {
            // Until its length is read: what is refused before that has a stream all the same.
            head.stream = Some(None);
        }
        head.left = Left {
            depth: reader.short_number()?,
            invocations: reader.short_number()?,
            subrequests: reader.short_number()?,
        };
        if flags & flag::FINGERPRINT != 0 {
            head.fingerprint = Some(reader.array()?);
        }
        if flags & flag::DEADLINE != 0 {
            head.deadline = Some(reader.number()?);
        }
        if flags & flag::METADATA != 0 {
            match read_metadata(&mut reader)? {
                Some(metadata) => head.metadata = metadata,
                None => return Ok(head.refused(Refusal::Metadata)),
            }
        }
        if flags & flag::CAPABILITIES != 0 {
            return Ok(head.refused(Refusal::Capabilities));
        }
        if flags & flag::EXTENSIONS != 0 {
            let extensions = Extensions::read(&mut reader)?;
            head.trace = extensions.trace;
            if extensions.unknown.is_some() {
                return Ok(head.refused(Refusal::Extension));
            }
        }
        if flags & flag::STREAM != 0 {
            head.stream = Some(read_length(&mut reader)?);
        }
        head.total = reader.number()?;
        head.piece = reader.rest();
        if head.piece.len() as u64 > head.total {
            return Err(reader.wrong("its first piece is longer than the value"));
        }
        if head.target == Target::Other {
            return Ok(head.refused(Refusal::Target));
        }
        if head.encoding != POSTCARD {
            return Ok(head.refused(Refusal::Encoding));
        }
        Ok(head)
    }

    const fn refused(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(refusal);
        self
    }
}

impl Target {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Closed> {
        Ok(match reader.byte()? {
            0 => Self::Slot(reader.short_number()?),
            1 => {
                reader.number()?;
                Self::Other
            }
            2 => {
                reader.number()?;
                let length = reader.number()?;
                if length > PATH_MAX {
                    return Err(reader.wrong("the path into a result has more than 8 steps"));
                }
                for _ in 0..length {
                    reader.number()?;
                }
                Self::Other
            }
            _ => return Err(reader.wrong("its target is neither a slot, nor a handle, nor a result")),
        })
    }
}

/// None: there is too much of it.
fn read_metadata(reader: &mut Reader<'_>) -> Result<Option<Entries>, Closed> {
    let count = reader.number()?;
    if count == 0 {
        return Err(reader.wrong("its metadata is empty"));
    }
    if count > METADATA_MAX as u64 {
        return Ok(None);
    }
    let (mut metadata, mut bytes) = (Vec::new(), 0);
    for _ in 0..count {
        let key = reader.text(usize::MAX)?;
        let value = reader.text(usize::MAX)?;
        let further = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(reader.wrong("whether metadata goes further is neither 0 nor 1")),
        };
        bytes += key.len() + value.len();
        if bytes > METADATA_BYTES_MAX {
            return Ok(None);
        }
        metadata.push((key.to_owned(), value.to_owned(), further));
    }
    Ok(Some(metadata))
}

/// A call of this side until its head is written.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) slot: u32,
    pub(super) method: u64,
    pub(super) left: Left,
    pub(super) payload: Payload,
    /// What most calls do without.
    pub(super) more: Option<Box<More>>,
}

#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) fingerprint: Option<[u8; 16]>,
    /// As on the wire; empty if there is none.
    pub(super) metadata: Vec<u8>,
    pub(super) trace: Option<[u8; TRACE_BYTES]>,
    pub(super) stream: Option<(StreamId, Length)>,
}

impl Request {
    pub(super) fn stream(&self) -> Option<(StreamId, Length)> {
        self.more.as_ref()?.stream
    }

    /// Everything up to the first piece. `deadline` is what is left of it, in microseconds.
    pub(super) fn put_head(&self, to: &mut Vec<u8>, number: u64, deadline: Option<u64>, total: usize) {
        let mut fields = Fields::new();
        fields.number(number);
        fields.byte(0);
        fields.number(u64::from(self.slot));
        fields.word(self.method);
        fields.byte(POSTCARD);
        let more = self.more.as_deref();
        let fingerprint = more.and_then(|more| more.fingerprint.as_ref());
        let metadata = more.map(|more| &more.metadata).filter(|metadata| !metadata.is_empty());
        let trace = more.and_then(|more| more.trace.as_ref());
        let stream = more.and_then(|more| more.stream);
        let flags = [
            (fingerprint.is_some(), flag::FINGERPRINT),
            (deadline.is_some(), flag::DEADLINE),
            (metadata.is_some(), flag::METADATA),
            (trace.is_some(), flag::EXTENSIONS),
            (stream.is_some(), flag::STREAM),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
        fields.byte(flags);
        fields.number(u64::from(self.left.depth));
        fields.number(u64::from(self.left.invocations));
        fields.number(u64::from(self.left.subrequests));
        if flags & !flag::DEADLINE == 0 {
            if let Some(deadline) = deadline {
                fields.number(deadline);
            }
            fields.number(total as u64);
            return fields.put(to);
        }
        fields.put(to);
        if let Some(fingerprint) = fingerprint {
            to.extend_from_slice(fingerprint);
        }
        if let Some(deadline) = deadline {
            put_number(to, deadline);
        }
        if let Some(metadata) = metadata {
            to.extend_from_slice(metadata);
        }
        if let Some(trace) = trace {
            put_trace(to, trace);
        }
        if let Some((_, length)) = stream {
            put_number(to, length_on_wire(length));
        }
        put_number(to, total as u64);
    }
}

/// Metadata as on the wire, or None if there is too much of it.
pub(super) fn metadata_bytes(metadata: &[Metadata<'_>]) -> Option<Vec<u8>> {
    let bytes: usize = metadata.iter().map(|(key, value, _)| key.len() + value.len()).sum();
    if metadata.len() > METADATA_MAX || bytes > METADATA_BYTES_MAX {
        return None;
    }
    let mut to = Vec::with_capacity(bytes + 5 * metadata.len() + 1);
    if !metadata.is_empty() {
        put_number(&mut to, metadata.len() as u64);
    }
    for (key, value, further) in metadata {
        put_run(&mut to, key.as_bytes());
        put_run(&mut to, value.as_bytes());
        to.push(u8::from(*further));
    }
    Some(to)
}

/// What stands in a head beside its fixed fields.
pub(super) mod flag {
    pub(in crate::proto) const FINGERPRINT: u8 = 1;
    pub(in crate::proto) const DEADLINE: u8 = 2;
    pub(in crate::proto) const METADATA: u8 = 4;
    /// A list of handles that the payload refers to: `count (kind:u8 id:number contract:16)*`.
    pub(in crate::proto) const CAPABILITIES: u8 = 8;
    pub(in crate::proto) const EXTENSIONS: u8 = 16;
    /// A stream goes with it: `length:number`.
    pub(in crate::proto) const STREAM: u8 = 32;
    /// Of an end: the call becomes a connection.
    pub(in crate::proto) const CONNECTION: u8 = 64;
    /// Those of a call.
    pub(super) const ALL: u8 = 63;
}

/// How a payload is encoded; 1 is kept for a self-describing encoding.
pub(super) const POSTCARD: u8 = 0;

const PATH_MAX: u64 = 8;

/// Entries.
pub(super) const METADATA_MAX: usize = 64;

/// Bytes of keys and values.
pub(super) const METADATA_BYTES_MAX: usize = 8 << 10;
