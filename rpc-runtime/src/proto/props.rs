//! What a binding says to the Worker it leads to, beside the name of the service that is opened.
//!
//! Shape: an extension of `Open`, `binding:text` and then the rest, a JSON object.

use super::{
    closed::Closed,
    extension,
    wire::{Reader, put_number, put_run},
};

/// The name of the binding, at most 255 bytes, and what it says: a JSON object of at most 8 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Props {
    pub(crate) binding: Box<str>,
    pub(crate) json: Box<str>,
}

/// Longest JSON, in bytes: a configuration is short, and so is a session's memory of it.
pub(crate) const PROPS_BYTES_MAX: usize = 8 << 10;

/// What stands behind the fields of an `Open`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Beside {
    pub(super) props: Option<Props>,
    /// Whether there is an extension that must not be ignored and is not known.
    pub(super) has_unknown: bool,
}

impl Beside {
    /// All that is left of an `Open`: nothing, or extensions.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Closed> {
        let mut beside = Self::default();
        match reader.rest() {
            [] => return Ok(beside),
            // A list of none would be a second form of nothing.
            [0, ..] => return Err(reader.wrong("bytes are left over behind its last field")),
            _ => {}
        }
        extension::each(reader, |key, value| {
            match key {
                PROPS => beside.props = Some(Props::read(value)?),
                _ => beside.has_unknown |= key % 2 == 0,
            }
            Ok(())
        })?;
        Ok(beside)
    }
}

impl Props {
    fn read(value: &[u8]) -> Result<Self, Closed> {
        let mut reader = Reader::new("Open", value);
        let binding = reader.text(NAME_BYTES_MAX)?.into();
        let json = reader.rest();
        if json.len() > PROPS_BYTES_MAX {
            return Err(reader.wrong("its props are longer than 8 KiB"));
        }
        let json = str::from_utf8(json).map_err(|_| reader.wrong("its props are not UTF-8"))?;
        Ok(Self { binding, json: json.into() })
    }

    /// Whether it may be written.
    pub(super) fn fits(&self) -> bool {
        self.binding.len() <= NAME_BYTES_MAX && self.json.len() <= PROPS_BYTES_MAX
    }

    /// A list of extensions that holds these alone.
    pub(super) fn put(&self, to: &mut Vec<u8>) {
        let mut value = Vec::with_capacity(self.binding.len() + self.json.len() + 2);
        put_run(&mut value, self.binding.as_bytes());
        value.extend_from_slice(self.json.as_bytes());
        let mut list = Vec::with_capacity(value.len() + 4);
        put_number(&mut list, PROPS);
        put_run(&mut list, &value);
        put_run(to, &list);
    }
}

/// Even: a callee that does not know them must not take the caller for one without.
const PROPS: u64 = 16;

const NAME_BYTES_MAX: usize = 255;
