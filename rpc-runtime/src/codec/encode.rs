//! Values to bytes.

use std::{
    fmt::{self, Display},
    mem,
};

use bytes::Bytes;
use postcard::ser_flavors::Flavor;
use serde::{
    Serialize,
    ser::{self, Serializer},
};

use super::{decode::NESTING_MAX, fault::Unwritten};
use crate::{
    buffer,
    service::MethodInfo,
    shape::{
        Child,
        run::{AsRun, Run},
    },
};

/// Shortest run that is handed on as it is instead of copied: below, one more slice in a write costs more.
const SPLICED_BYTES_MIN: usize = 16 << 10;

/// First reservation for a value: most fit.
const RESERVED_BYTES_MIN: usize = 128;

/// Writes values, one after the other, up to a limit.
pub struct Encoder {
    writer: Writer,
    /// How many values the next one lies in. What a decoder would refuse is not written.
    depth: u32,
    /// Whether a value was refused because it lies too deep.
    is_too_deep: bool,
    /// What values are compared with while they are written; only debug builds look.
    method: Option<&'static MethodInfo>,
    expected: Option<Child>,
}

/// postcard, over the buffer.
type Writer = postcard::Serializer<Output>;

/// The bytes of a value, a long one in several pieces.
///
/// A clone copies the bytes, and shares the runs.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    bytes: Vec<u8>,
    /// None for most values, which a drop sees at once.
    runs: Option<Vec<(usize, Bytes)>>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new(Self::BYTES_MAX)
    }
}

impl Encoder {
    /// Longest value unless a caller says otherwise: 32 MiB, as in the platform whose model this is.
    pub const BYTES_MAX: usize = 32 << 20;

    /// An encoder that refuses to write more than so many bytes.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self::reusing(Vec::new(), bytes_max)
    }

    /// An encoder that writes behind what stands in `bytes` already, such as the head of a frame, which does not
    /// count.
    #[must_use]
    pub const fn reusing(bytes: Vec<u8>, bytes_max: usize) -> Self {
        let end = bytes.len().saturating_add(bytes_max);
        let output = Output { bytes, runs: None, spliced: 0, end, bytes_max, is_full: false };
        Self { writer: Writer { output }, depth: 0, is_too_deep: false, method: None, expected: None }
    }

    /// The same, and every value is compared with the shape that the method states for it. Only debug builds do:
    /// in others it is left out.
    #[must_use]
    pub fn checked(self, method: &'static MethodInfo) -> Self {
        Self { method: Some(method), ..self }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Encoded {
        let Output { bytes, runs, .. } = self.writer.output;
        Encoded { bytes, runs }
    }

    /// Writes a value as its `Serialize` says.
    ///
    /// # Errors
    ///
    /// When the value is too long or nests too deep, or its `Serialize` gives up.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritten> {
        let written = value.serialize(&mut *self);
        self.settle(written)?;
        // Afterwards, because a look at a value goes as deep as the value does.
        self.check(value)
    }

    /// Writes a byte run; a long one that is owned is kept instead of copied.
    pub(super) fn run<R: Run>(&mut self, run: R) -> Result<(), Unwritten> {
        self.check(&AsRun(&run))?;
        let written = match run.into_long(SPLICED_BYTES_MIN) {
            Ok(long) => self.splice(long),
            Err(run) => run.write_run(&mut *self),
        };
        self.settle(written)
    }

    /// Writes a result with a byte run inside, as serde writes a `Result`.
    pub(super) fn result<T: Run, E: Serialize>(&mut self, result: Result<T, E>) -> Result<(), Unwritten> {
        let run = match result {
            Ok(run) => run,
            Err(error) => return self.value(&Err::<(), E>(error)),
        };
        self.check(&Ok::<_, ()>(AsRun(&run)))?;
        self.expected = None;
        let written = self.leaf(|writer| writer.serialize_u32(0));
        self.settle(written)?;
        self.run(run)
    }

    /// The argument that comes next.
    pub(super) fn expect_argument(&mut self, index: usize) {
        self.expected = self.method.and_then(|method| method.args.get(index)).map(|(_, shape)| *shape);
    }

    /// The result comes next.
    pub(super) fn expect_output(&mut self) {
        self.expected = self.method.map(|method| method.output);
    }

    fn splice(&mut self, run: Bytes) -> Result<(), Unwritten> {
        self.leaf(|writer| writer.serialize_u64(run.len() as u64))?;
        let output = &mut self.writer.output;
        output.room_for(run.len()).map_err(|_| self.full())?;
        let output = &mut self.writer.output;
        output.spliced += run.len();
        output.runs.get_or_insert_default().push((output.bytes.len(), run));
        Ok(())
    }

    #[inline]
    fn leaf(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<(), postcard::Error>,
    ) -> Result<(), Unwritten> {
        match write(&mut self.writer) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refused(&error)),
        }
    }

    #[cold]
    fn refused(&self, error: &postcard::Error) -> Unwritten {
        if self.writer.output.is_full {
            return self.full();
        }
        match error {
            postcard::Error::CollectStrError => Unwritten::value("its `Display` gives up"),
            other => Unwritten::value(other.to_string()),
        }
    }

    #[cold]
    fn full(&self) -> Unwritten {
        Unwritten::limit("bytes", self.writer.output.bytes_max)
    }

    /// Goes one level down.
    #[inline]
    fn deeper(&mut self) -> Result<&mut Self, Unwritten> {
        if self.depth == NESTING_MAX {
            self.is_too_deep = true;
            return Err(too_deep());
        }
        self.depth += 1;
        Ok(self)
    }

    /// Writes a value one level down.
    #[inline]
    fn below<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritten> {
        value.serialize(self.deeper()?)?;
        self.depth -= 1;
        Ok(())
    }

    /// A limit that was met stays met, whatever a `Serialize` made of the error.
    #[inline]
    fn settle(&mut self, written: Result<(), Unwritten>) -> Result<(), Unwritten> {
        self.depth = 0;
        if self.writer.output.is_full {
            return Err(self.full());
        }
        if self.is_too_deep {
            return Err(too_deep());
        }
        written
    }

    #[cfg(debug_assertions)]
    fn check<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Unwritten> {
        match self.expected {
            Some(expected) => crate::shape::check_as(value, expected())
                .map_err(|mismatch| Unwritten::value(format!("its shape does not hold: {mismatch}"))),
            None => Ok(()),
        }
    }

    #[cfg(not(debug_assertions))]
    #[inline]
    fn check<T: Serialize + ?Sized>(&self, _value: &T) -> Result<(), Unwritten> {
        Ok(())
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("output", &self.writer.output).finish_non_exhaustive()
    }
}

impl Encoded {
    /// How many bytes these are, runs included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.runs().iter().map(|(_, run)| run.len()).sum::<usize>()
    }

    /// Whether there are none: a method without arguments has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.runs().is_empty()
    }

    /// The pieces in order, none of them empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.runs().iter().map(|(at, _)| *at));
        let ends = self.runs().iter().map(|(at, _)| *at).chain([self.bytes.len()]);
        let copied = starts.zip(ends).map(|(start, end)| &self.bytes[start..end]);
        let runs = self.runs().iter().map(|(_, run)| &**run).chain([&[][..]]);
        copied.zip(runs).flat_map(|(copied, run)| [copied, run]).filter(|piece| !piece.is_empty())
    }

    /// What was copied, and the runs, if there are any, with their offsets in it.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Option<Vec<(usize, Bytes)>>) {
        (self.bytes, self.runs)
    }

    fn runs(&self) -> &[(usize, Bytes)] {
        self.runs.as_deref().unwrap_or_default()
    }
}

/// The buffer that postcard writes to.
#[derive(Debug)]
struct Output {
    bytes: Vec<u8>,
    runs: Option<Vec<(usize, Bytes)>>,
    /// Bytes in the runs.
    spliced: usize,
    /// Where the value must end at the latest: what stood in the buffer before, and the limit.
    end: usize,
    bytes_max: usize,
    /// Whether a piece was refused.
    is_full: bool,
}

impl Output {
    /// Whether so many bytes more are still within the limit.
    #[inline]
    fn room_for(&mut self, more: usize) -> Result<(), postcard::Error> {
        if more > self.end - self.spliced - self.bytes.len() {
            self.is_full = true;
            return Err(postcard::Error::SerializeBufferFull);
        }
        Ok(())
    }

    /// Doubles the buffer, but never beyond the limit: so a value that will be refused costs no more than it.
    #[cold]
    fn grow(&mut self, more: usize) {
        let (length, capacity) = (self.bytes.len(), self.bytes.capacity());
        let wanted = (capacity * 2).max(length + RESERVED_BYTES_MIN).min(self.end - self.spliced);
        let wanted = wanted.max(length + more);
        match buffer::block(wanted) {
            Some(mut block) => {
                block.clear();
                block.extend_from_slice(&self.bytes);
                buffer::give(mem::replace(&mut self.bytes, block));
            }
            None => self.bytes.reserve_exact(wanted - length),
        }
    }
}

impl Flavor for Output {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> Result<(), postcard::Error> {
        self.room_for(data.len())?;
        if data.len() > self.bytes.capacity() - self.bytes.len() {
            self.grow(data.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> Result<(), postcard::Error> {
        self.room_for(1)?;
        if self.bytes.len() == self.bytes.capacity() {
            self.grow(1);
        }
        self.bytes.push(data);
        Ok(())
    }

    fn finalize(self) -> Result<(), postcard::Error> {
        Ok(())
    }
}

macro_rules! leaves {
    ($($method:ident($ty:ty)),* $(,)?) => {$(
        #[inline]
        fn $method(self, value: $ty) -> Result<(), Unwritten> {
            self.leaf(|writer| writer.$method(value))
        }
    )*};
}

/// Numbers and strings are postcard's. What is made of other values comes back here, so that an error keeps its
/// text, which postcard's own has no room for.
impl Serializer for &mut Encoder {
    type Ok = ();
    type Error = Unwritten;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    leaves! {
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Unwritten> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritten> {
        self.serialize_u8(1)?;
        self.below(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Unwritten> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritten> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Unwritten> {
        self.serialize_newtype_variant("", index, "", &())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritten> {
        self.below(value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritten> {
        self.serialize_u32(index)?;
        self.below(value)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Unwritten> {
        self.serialize_u64(known(length, "a sequence")?)?;
        self.deeper()
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, Unwritten> {
        self.serialize_u64(known(length, "a map")?)?;
        self.deeper()
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Unwritten> {
        self.deeper()
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritten> {
        self.deeper()
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unwritten> {
        self.serialize_u32(index)?;
        self.deeper()
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritten> {
        self.deeper()
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unwritten> {
        self.serialize_u32(index)?;
        self.deeper()
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Unwritten> {
        self.leaf(|writer| writer.collect_str(value))
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

#[cold]
fn too_deep() -> Unwritten {
    Unwritten::limit("levels of nesting", NESTING_MAX as usize)
}

/// The length, which stands before the elements.
#[inline]
fn known(length: Option<usize>, of: &str) -> Result<u64, Unwritten> {
    match length {
        Some(length) => Ok(length as u64),
        None => Err(Unwritten::value(format!(
            "the length of {of} must be known before its elements, as it is not with `#[serde(flatten)]`"
        ))),
    }
}

macro_rules! parts {
    ($($trait:ident::$($part:ident($($name:ident: $ty:ty)?)),+);* $(;)?) => {$(
        impl ser::$trait for &mut Encoder {
            type Ok = ();
            type Error = Unwritten;

            $(
                #[inline]
                fn $part<T: Serialize + ?Sized>(
                    &mut self,
                    $($name: $ty,)?
                    part: &T,
                ) -> Result<(), Unwritten> {
                    part.serialize(&mut **self)
                }
            )+

            #[inline]
            fn end(self) -> Result<(), Unwritten> {
                self.depth -= 1;
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeMap::serialize_key(), serialize_value();
    SerializeStruct::serialize_field(_name: &'static str);
    SerializeStructVariant::serialize_field(_name: &'static str);
}
