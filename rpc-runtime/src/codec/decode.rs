//! Bytes to values, from a peer that nobody trusts.
//!
//! postcard reads each number and string; everything that is made of others is taken apart here, because that
//! is where a few bytes can ask for a deep stack, much memory or endless work:
//!
//! - **Depth** is handed down by value, and ends at [`NESTING_MAX`].
//! - **Memory** is charged as it is taken. A collection pays for its room as it grows, by doubling, as vectors do;
//!   a map pays more, see [`TABLE`]. A part that is larger than the place it is read for (what a `Box` holds) pays
//!   for the difference. Strings and byte runs pay for their length, elements at least one byte. Only the room for
//!   a collection's first elements is paid for after it was taken.
//! - **Work** is bounded by the bytes: only [`EMPTY_ELEMENTS_MAX`] elements of a value may take none.
//!
//! Sets and linked lists look like vectors from here, and may hold more than they have paid for: a large set up to
//! three times as much, a small one the node of eleven elements that it starts with, a list two pointers each.

use std::mem::size_of;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::fault::Unread;

/// Deepest nesting of values, enums, options, newtypes and collections counting one each.
pub(super) const NESTING_MAX: u32 = 128;

/// Most elements that may take no bytes, in one value.
const EMPTY_ELEMENTS_MAX: usize = 1024;

/// Most elements that a collection reserves room for on the word of the peer.
const HINTED_MAX: usize = 64;

/// The same inside of deep nesting, where every level reserves: the least that a vector takes anyway.
const HINTED_DEEP_MAX: usize = 4;

/// Nesting from which on reservations are small.
const DEEP: u32 = 8;

/// Reads values from the bytes of a frame, one after the other, within a budget of memory.
#[derive(Debug)]
pub struct Decoder<'f> {
    rest: &'f [u8],
    frame: Option<&'f Bytes>,
    /// Memory that values may still take, and could take at first, in bytes.
    left: usize,
    budget: usize,
    empty_elements_left: usize,
    /// The first limit that was met: a `Deserialize` may make another error of it, or none.
    met: Option<Unread>,
}

impl<'f> Decoder<'f> {
    /// Memory that one value may take unless a caller says otherwise, in bytes: 128 MiB, four times the longest
    /// value.
    pub const BUDGET: usize = 128 << 20;

    /// A decoder of `bytes`, whose values may take [`Decoder::BUDGET`] of memory.
    #[must_use]
    pub const fn new(bytes: &'f [u8]) -> Self {
        Self {
            rest: bytes,
            frame: None,
            left: Self::BUDGET,
            budget: Self::BUDGET,
            empty_elements_left: EMPTY_ELEMENTS_MAX,
            met: None,
        }
    }

    /// The same within another budget, in bytes.
    #[must_use]
    pub fn within(self, budget: usize) -> Self {
        Self { left: budget, budget, ..self }
    }

    /// The same for bytes that lie in `frame`: a long `Bytes` becomes a part of it.
    #[must_use]
    pub fn inside(self, frame: &'f Bytes) -> Self {
        Self { frame: Some(frame), ..self }
    }

    /// How much of the budget is taken, in bytes.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.budget - self.left
    }

    /// Reads a value as its `Deserialize` says.
    ///
    /// # Errors
    ///
    /// When the bytes are not those of a `T`, nest too deep or take too much memory.
    pub fn value<T: Deserialize<'f>>(&mut self) -> Result<T, Unread> {
        T::deserialize(self.part::<T>())
    }

    /// Reads a value that is all there is.
    ///
    /// # Errors
    ///
    /// As [`Decoder::value`], and if there is more.
    pub fn whole<T: Deserialize<'f>>(&mut self) -> Result<T, Unread> {
        let read = super::in_frame(self.frame, || self.value());
        self.settle(read)
    }

    /// The deserializer of a value of type `T`.
    #[inline]
    pub(super) fn part<T>(&mut self) -> Value<'_, 'f> {
        Value { decoder: self, depth: 0, place: size_of::<T>() }
    }

    pub(super) const fn frame(&self) -> Option<&'f Bytes> {
        self.frame
    }

    /// Ends the reading: nothing may be left over, and a limit that was met stays met, whatever a `Deserialize`
    /// made of the error.
    ///
    /// # Errors
    ///
    /// When bytes are left over, or a limit was met.
    pub fn finish(&mut self) -> Result<(), Unread> {
        match self.met.take() {
            Some(met) => Err(met),
            None if self.rest.is_empty() => Ok(()),
            None => Err(Unread::value(format!("{} bytes are left over", self.rest.len()))),
        }
    }

    /// What came of reading all that there is.
    pub(super) fn settle<T>(&mut self, read: Result<T, Unread>) -> Result<T, Unread> {
        match read {
            Ok(value) => self.finish().map(|()| value),
            Err(unread) => Err(match self.met.take() {
                Some(met) => met.at_the_place_of(&unread),
                None => unread,
            }),
        }
    }

    /// Reads a number or a string: what takes no more than its own bytes, and holds nothing that would nest.
    #[inline]
    fn leaf<T: Leaf<'f>>(&mut self) -> Result<T, Unread> {
        match postcard::take_from_bytes(self.rest) {
            Ok((leaf, rest)) => {
                self.rest = rest;
                Ok(leaf)
            }
            Err(error) => Err(Unread::leaf(&error)),
        }
    }

    /// Reads how many elements follow.
    #[inline]
    fn length(&mut self) -> Result<usize, Unread> {
        let length = self.leaf::<usize>()?;
        if length.saturating_sub(self.rest.len()) > self.empty_elements_left {
            return Err(self.too_many(length));
        }
        Ok(length)
    }

    #[cold]
    fn too_many(&self, length: usize) -> Unread {
        Unread::value(format!("{length} elements are announced, {} bytes are left", self.rest.len()))
    }

    /// Takes so much of the budget.
    #[inline]
    fn charge(&mut self, bytes: usize) -> Result<(), Unread> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.meet("bytes of memory", self.budget)),
        }
    }

    /// Counts an element that took no bytes.
    #[cold]
    fn empty_element(&mut self) -> Result<(), Unread> {
        match self.empty_elements_left.checked_sub(1) {
            Some(left) => {
                self.empty_elements_left = left;
                Ok(())
            }
            None => Err(self.meet("elements that take no bytes", EMPTY_ELEMENTS_MAX)),
        }
    }

    #[cold]
    fn meet(&mut self, limit: &'static str, value: usize) -> Unread {
        self.met.get_or_insert_with(|| Unread::limit(limit, value)).clone()
    }
}

/// The deserializer of one value.
#[derive(Debug)]
pub struct Value<'d, 'f> {
    decoder: &'d mut Decoder<'f>,
    depth: u32,
    /// Size of the place that the value is read for, which is paid for already.
    place: usize,
}

impl<'d, 'f> Value<'d, 'f> {
    /// Pays for a value of type `T`, as far as it is larger than its place: that part, a box must hold.
    #[inline]
    fn pay<T>(&mut self) -> Result<(), Unread> {
        match size_of::<T>().checked_sub(self.place) {
            None | Some(0) => Ok(()),
            Some(beyond) => self.decoder.charge(beyond),
        }
    }

    /// Pays for a value of type `T`, and goes one level down into it.
    #[inline]
    fn below<T>(mut self) -> Result<Self, Unread> {
        self.pay::<T>()?;
        if self.depth == NESTING_MAX {
            return Err(self.decoder.meet("levels of nesting", NESTING_MAX as usize));
        }
        Ok(Self { depth: self.depth + 1, place: size_of::<T>(), ..self })
    }

    /// Lends itself to a part of type `T`.
    #[inline]
    fn part<T>(&mut self) -> Value<'_, 'f> {
        Value { decoder: &mut *self.decoder, depth: self.depth, place: size_of::<T>() }
    }

    /// Reads a number.
    #[inline]
    fn number<T, N: Leaf<'f>>(mut self) -> Result<N, Unread> {
        self.pay::<T>()?;
        self.decoder.leaf()
    }

    /// Reads a string or a run of bytes, which whoever takes it may copy.
    #[inline]
    fn run<T, R: Leaf<'f> + AsRef<[u8]>>(mut self) -> Result<R, Unread> {
        self.pay::<T>()?;
        let run = self.decoder.leaf::<R>()?;
        self.decoder.charge(run.as_ref().len())?;
        Ok(run)
    }

    #[cold]
    fn unknown<T>(self) -> Result<T, Unread> {
        Err(Unread::value(
            "its type asks the bytes what they are, as `#[serde(untagged)]`, `tag` and `flatten` do, and they do \
             not say",
        ))
    }
}

/// What postcard itself reads. Only these: they are as large as their bytes and nothing nests in them, so its reader,
/// which counts nothing, can do no harm with them.
trait Leaf<'f>: Deserialize<'f> {}

macro_rules! leaf_types {
    ($($ty:ty),*) => {$(impl<'f> Leaf<'f> for $ty {})*};
}

leaf_types!(bool, i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, usize, f32, f64, char, &'f str, &'f [u8]);

macro_rules! leaves {
    ($($method:ident => $visit:ident($ty:ty)),* $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
            visitor.$visit(self.number::<V::Value, $ty>()?)
        }
    )*};
}

impl<'f> Deserializer<'f> for Value<'_, 'f> {
    type Error = Unread;

    leaves! {
        deserialize_bool => visit_bool(bool),
        deserialize_i8 => visit_i8(i8),
        deserialize_i16 => visit_i16(i16),
        deserialize_i32 => visit_i32(i32),
        deserialize_i64 => visit_i64(i64),
        deserialize_i128 => visit_i128(i128),
        deserialize_u8 => visit_u8(u8),
        deserialize_u16 => visit_u16(u16),
        deserialize_u32 => visit_u32(u32),
        deserialize_u64 => visit_u64(u64),
        deserialize_u128 => visit_u128(u128),
        deserialize_f32 => visit_f32(f32),
        deserialize_f64 => visit_f64(f64),
        deserialize_char => visit_char(char),
    }

    #[inline]
    fn deserialize_str<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_str(self.run::<V::Value, &'f str>()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_bytes(self.run::<V::Value, &'f [u8]>()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'f>>(mut self, visitor: V) -> Result<V::Value, Unread> {
        match self.decoder.leaf::<u8>()? {
            0 => {
                self.pay::<V::Value>()?;
                visitor.visit_none()
            }
            1 => visitor.visit_some(self.below::<V::Value>()?),
            tag => Err(Unread::value(format!("the tag of an option is {tag}, neither 0 nor 1"))),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'f>>(mut self, visitor: V) -> Result<V::Value, Unread> {
        self.pay::<V::Value>()?;
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'f>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'f>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        visitor.visit_newtype_struct(self.below::<V::Value>()?)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
        let left = self.decoder.length()?;
        let mut elements = Elements::new(self.below::<V::Value>()?, left);
        let value = visitor.visit_seq(&mut elements)?;
        elements.finish()?;
        Ok(value)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'f>>(self, visitor: V) -> Result<V::Value, Unread> {
        let left = self.decoder.length()?;
        let mut elements = Elements::new(self.below::<V::Value>()?, left);
        let value = visitor.visit_map(&mut elements)?;
        elements.finish()?;
        Ok(value)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'f>>(self, length: usize, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_seq(Fields { within: self.below::<V::Value>()?, left: length })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'f>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'f>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'f>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        visitor.visit_enum(Variant(self.below::<V::Value>()?))
    }

    fn deserialize_identifier<V: Visitor<'f>>(self, _: V) -> Result<V::Value, Unread> {
        self.unknown()
    }

    fn deserialize_ignored_any<V: Visitor<'f>>(self, _: V) -> Result<V::Value, Unread> {
        self.unknown()
    }

    fn deserialize_any<V: Visitor<'f>>(self, _: V) -> Result<V::Value, Unread> {
        self.unknown()
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Elements, as many as the peer says.
struct Elements<'d, 'f> {
    within: Value<'d, 'f>,
    left: usize,
    /// How many elements there is room for in all, and for how many more.
    room: usize,
    room_left: usize,
    /// How much room the last element made.
    grown: usize,
}

impl<'d, 'f> Elements<'d, 'f> {
    #[inline]
    fn new(within: Value<'d, 'f>, left: usize) -> Self {
        Self { within, left, room: 0, room_left: 0, grown: 0 }
    }

    /// How many elements there are at least, as far as the peer is believed.
    #[inline]
    fn hint(&self) -> usize {
        let most = if self.within.depth < DEEP { HINTED_MAX } else { HINTED_DEEP_MAX };
        self.left.min(self.within.decoder.rest.len()).min(most)
    }

    /// Goes to the next element. Where there is no room for it, doubles it as a vector does.
    #[inline]
    fn advance(&mut self, least: usize) {
        self.grown = 0;
        if self.room_left == 0 {
            self.grown = if self.room == 0 { self.hint().max(least) } else { self.room };
            self.room += self.grown;
            self.room_left = self.grown;
        }
        self.room_left -= 1;
        self.left -= 1;
    }

    /// Reads a part that takes so many bytes of each element that room was made for.
    #[inline]
    fn part<S: DeserializeSeed<'f>>(&mut self, seed: S, bytes: usize) -> Result<S::Value, Unread> {
        if self.grown > 0 {
            self.within.decoder.charge(bytes.saturating_mul(self.grown))?;
        }
        seed.deserialize(self.within.part::<S::Value>())
    }

    /// A visitor that leaves elements behind would have the next value read from the middle of this one.
    #[inline]
    fn finish(&self) -> Result<(), Unread> {
        match self.left {
            0 => Ok(()),
            left => Err(Unread::value(format!("{left} elements more than its type takes"))),
        }
    }
}

impl<'f> SeqAccess<'f> for Elements<'_, 'f> {
    type Error = Unread;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'f>>(&mut self, seed: S) -> Result<Option<S::Value>, Unread> {
        if self.left == 0 {
            return Ok(None);
        }
        self.advance(1);
        let before = self.within.decoder.rest.len();
        let element = self.part(seed, size_of::<S::Value>().max(1))?;
        if self.within.decoder.rest.len() == before {
            self.within.decoder.empty_element()?;
        }
        Ok(Some(element))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// How many times its entries, and a byte for each, a hash table takes while it moves to one of twice the size:
/// of `2 n` buckets, 7/8 full at most, with `4 n` more beside them, where a vector has room for `2 n`.
const TABLE: usize = 3;

/// Fewest entries that a map pays for, [`TABLE`] times: the first node of a `BTreeMap` has room for eleven.
const ENTRIES_MIN: usize = 4;

impl<'f> MapAccess<'f> for Elements<'_, 'f> {
    type Error = Unread;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'f>>(&mut self, seed: S) -> Result<Option<S::Value>, Unread> {
        if self.left == 0 {
            return Ok(None);
        }
        self.advance(ENTRIES_MIN);
        let before = self.within.decoder.rest.len();
        let key = self.part(seed, TABLE * (size_of::<S::Value>() + 1))?;
        if self.within.decoder.rest.len() == before {
            self.within.decoder.empty_element()?;
        }
        Ok(Some(key))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'f>>(&mut self, seed: S) -> Result<S::Value, Unread> {
        self.part(seed, TABLE * (size_of::<S::Value>() + 1))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// Fields, as many as the type says: they lie in the place of the whole.
struct Fields<'d, 'f> {
    within: Value<'d, 'f>,
    left: usize,
}

impl<'f> SeqAccess<'f> for Fields<'_, 'f> {
    type Error = Unread;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'f>>(&mut self, seed: S) -> Result<Option<S::Value>, Unread> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.within.part::<S::Value>()).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(HINTED_MAX))
    }
}

/// A variant: its index, and what it holds.
struct Variant<'d, 'f>(Value<'d, 'f>);

impl<'f> EnumAccess<'f> for Variant<'_, 'f> {
    type Error = Unread;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'f>>(self, seed: S) -> Result<(S::Value, Self), Unread> {
        let index = self.0.decoder.leaf::<u32>()?;
        let variant = seed.deserialize(IntoDeserializer::<Unread>::into_deserializer(index))?;
        Ok((variant, self))
    }
}

impl<'f> VariantAccess<'f> for Variant<'_, 'f> {
    type Error = Unread;

    #[inline]
    fn unit_variant(self) -> Result<(), Unread> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'f>>(mut self, seed: S) -> Result<S::Value, Unread> {
        seed.deserialize(self.0.part::<S::Value>())
    }

    #[inline]
    fn tuple_variant<V: Visitor<'f>>(self, length: usize, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_seq(Fields { within: self.0, left: length })
    }

    #[inline]
    fn struct_variant<V: Visitor<'f>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.tuple_variant(fields.len(), visitor)
    }
}
