//! Numbers, runs of bytes and text in the body of a frame.
//!
//! A number is LEB128, least significant group first, in its shortest form: 300 is `AC 02`. A longer form is
//! refused, so that every frame has one encoding and two readers cannot disagree about it. A text is its length
//! as a number and then UTF-8.

use super::closed::Closed;

/// Reads the body of one frame from its front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Which frame, for the sentence about what is wrong with it.
    frame: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(frame: &'static str, body: &'a [u8]) -> Self {
        Self { rest: body, frame }
    }

    /// Inlined by force: a result that can hold a `Closed` comes back through memory, which costs more than the rest.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Result<u64, Closed> {
        // Most numbers are one byte or two: ids of slots, lengths, what is left.
        match *self.rest {
            [byte @ ..0x80, ref rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            [low, high @ 1..0x80, ref rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_number(),
        }
    }

    #[inline(never)]
    fn long_number(&mut self) -> Result<u64, Closed> {
        let (number, length) = match number(self.rest) {
            Number::Read(number, length) => (number, length),
            Number::Cut => return Err(self.cut()),
            Number::Wrong => return Err(self.wrong("a number is not in its shortest form, or above 2⁶⁴ − 1")),
        };
        self.rest = &self.rest[length..];
        Ok(number)
    }

    /// A number that has to fit 32 bits.
    #[inline(always)]
    pub(super) fn short_number(&mut self) -> Result<u32, Closed> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| self.wrong("a number is above 2³² − 1"))
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> Result<u8, Closed> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Closed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    pub(super) fn word(&mut self) -> Result<u64, Closed> {
        self.array().map(u64::from_le_bytes)
    }

    /// A run of bytes after its length, which is at most `max`.
    pub(super) fn run(&mut self, max: usize) -> Result<&'a [u8], Closed> {
        let length = self.number()?;
        let length = usize::try_from(length).ok().filter(|&length| length <= max);
        let length = length.ok_or_else(|| self.wrong(&format!("a run of bytes is longer than {max}")))?;
        let (run, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(run)
    }

    pub(super) fn text(&mut self, max: usize) -> Result<&'a str, Closed> {
        let run = self.run(max)?;
        str::from_utf8(run).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    /// Everything that is left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// That nothing is left.
    pub(super) fn end(self) -> Result<(), Closed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.wrong("bytes are left over behind its last field"))
        }
    }

    #[cold]
    pub(super) fn cut(&self) -> Closed {
        self.wrong("it ends within a field")
    }

    #[cold]
    pub(super) fn wrong(&self, what: &str) -> Closed {
        Closed::protocol(format!("the peer sent a malformed `{}` frame: {what}", self.frame))
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// A number, and how many bytes it takes.
    Read(u64, usize),
    /// The beginning of one.
    Cut,
    /// Neither.
    Wrong,
}

/// The number at the beginning of `bytes`.
pub(super) fn number(bytes: &[u8]) -> Number {
    if let Some(word) = bytes.first_chunk() {
        let word = u64::from_le_bytes(*word);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends != 0 {
            return number_in(word, ends.trailing_zeros() / 8 + 1);
        }
    }
    let mut number = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(NUMBER_BYTES_MAX) {
        let group = u64::from(byte & 0x7f);
        let last = index + 1 == NUMBER_BYTES_MAX;
        if last && byte > 1 {
            return Number::Wrong;
        }
        number |= group << (7 * index);
        if byte & 0x80 == 0 {
            let padded = index > 0 && byte == 0;
            return if padded { Number::Wrong } else { Number::Read(number, index + 1) };
        }
    }
    Number::Cut
}

/// The number in the first `length` bytes of a word, at once: its groups move together by twos, fours and eights.
#[inline]
const fn number_in(word: u64, length: u32) -> Number {
    let word = word & (u64::MAX >> (64 - 8 * length));
    if length > 1 && word >> (8 * (length - 1)) == 0 {
        return Number::Wrong;
    }
    let groups = word & 0x7f7f_7f7f_7f7f_7f7f;
    let twos = (groups & 0x007f_007f_007f_007f) | (groups & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (twos & 0x0000_3fff_0000_3fff) | (twos & 0x3fff_0000_3fff_0000) >> 2;
    Number::Read((fours & 0x0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4, length as usize)
}

/// The first fields of a head, put together on the stack: they join the batch with one look at its room.
#[derive(Debug)]
pub(super) struct Fields {
    /// With room for all of the word that the last field is written as.
    bytes: [u8; FIELDS_BYTES_MAX + 8],
    length: usize,
}

impl Fields {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { bytes: [0; FIELDS_BYTES_MAX + 8], length: 0 }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.first_of(u64::from(byte), 1);
    }

    #[inline]
    pub(super) fn word(&mut self, word: u64) {
        self.first_of(word, 8);
    }

    #[inline(always)]
    pub(super) fn number(&mut self, number: u64) {
        match number {
            ..0x80 => self.first_of(number, 1),
            0x80..0x4000 => self.first_of(number & 0x7f | 0x80 | number >> 7 << 8, 2),
            _ => self.long_number(number),
        }
    }

    #[inline(never)]
    fn long_number(&mut self, mut number: u64) {
        // Four bytes at a time: those that all go on, and then the rest.
        while number >= 1 << 28 {
            self.first_of(groups(number) | 0x8080_8080, 4);
            number >>= 28;
        }
        let length = (38 - (number as u32 | 1).leading_zeros()) / 7;
        self.first_of(groups(number) | 0x0080_8080 >> (32 - 8 * length), length as usize);
    }

    /// Appends the first `length` bytes of a word. All of it is written, which takes no loop, and what comes next is
    /// written over the rest.
    #[inline(always)]
    fn first_of(&mut self, word: u64, length: usize) {
        self.bytes[self.length..self.length + 8].copy_from_slice(&word.to_le_bytes());
        self.length += length;
    }

    #[inline]
    pub(super) fn put(self, to: &mut Vec<u8>) {
        // All of them, because a copy of known length is a few moves.
        let end = to.len() + self.length;
        to.extend_from_slice(&self.bytes[..FIELDS_BYTES_MAX]);
        to.truncate(end);
    }
}

/// The lowest 28 bits in groups of seven, a byte each.
#[inline]
const fn groups(number: u64) -> u64 {
    number & 0x7f | (number & 0x3f80) << 1 | (number & 0x1f_c000) << 2 | (number & 0xfe0_0000) << 3
}

/// The head of a call takes at most 61 with a deadline, and nothing else that its flags could say.
const FIELDS_BYTES_MAX: usize = 64;

#[inline]
pub(super) fn put_number(to: &mut Vec<u8>, number: u64) {
    if number < 0x80 {
        to.push(number as u8);
    } else {
        put_long_number(to, number);
    }
}

fn put_long_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

pub(super) fn put_run(to: &mut Vec<u8>, run: &[u8]) {
    put_number(to, run.len() as u64);
    to.extend_from_slice(run);
}

/// The beginning of `bytes` as one line of readable text, for a log: bytes of a peer may hold anything.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let (shown, cut) = match bytes.split_at_checked(ESCAPED_MAX) {
        Some((shown, rest)) => (shown, !rest.is_empty()),
        None => (bytes, false),
    };
    let mut text = shown.escape_ascii().to_string();
    if cut {
        text.push('…');
    }
    text
}

/// 64 bits in groups of seven.
pub(super) const NUMBER_BYTES_MAX: usize = 10;

/// Enough to know HTTP or a TLS record by.
const ESCAPED_MAX: usize = 48;
