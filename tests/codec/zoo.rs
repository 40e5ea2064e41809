//! Types of every kind, and a way to make values of them at random.

use std::{
    collections::{BTreeMap, HashMap, HashSet, LinkedList, VecDeque},
    hash::Hash,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A sequence of numbers that looks random: xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A value at random; `depth` says how many levels may still follow.
pub(crate) trait Any: Sized {
    fn any(random: &mut Random, depth: u32) -> Self;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum List {
    Nil,
    Cons(Box<Self>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Tree {
    Leaf,
    Number(i64),
    Text(Box<str>),
    Pair(Box<Self>, Box<Self>),
    Named { left: Box<Self>, right: Option<Box<Self>> },
    Many(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Maps(pub(crate) HashMap<u8, Self>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sequences(pub(crate) Vec<Self>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Unit;

/// Takes no bytes on the wire, and 32 here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    #[serde(skip)]
    kept: [u64; 4],
}

/// 264 bytes that one byte stands for.
pub(crate) type Wide = Option<[u64; 32]>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Boxes {
    pub(crate) first: Option<Box<Wide>>,
    pub(crate) others: Vec<Option<Box<Wide>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Borrowed<'a> {
    pub(crate) text: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) maybe: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) pairs: Vec<(&'a str, u16)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Everything {
    pub(crate) numbers: (i8, i16, i32, i64, i128, u8, u16, u32, u64, u128),
    pub(crate) floats: (f32, f64),
    pub(crate) flag: bool,
    pub(crate) letter: char,
    pub(crate) text: String,
    pub(crate) options: Option<Option<Option<u8>>>,
    pub(crate) units: (Unit, ()),
    pub(crate) array: [u16; 3],
    pub(crate) result: Result<Duration, String>,
    pub(crate) address: IpAddr,
    pub(crate) path: PathBuf,
    pub(crate) time: SystemTime,
    pub(crate) queue: VecDeque<u32>,
    pub(crate) links: LinkedList<i16>,
    pub(crate) set: HashSet<u32>,
    pub(crate) names: BTreeMap<String, Vec<u16>>,
    pub(crate) nested: Option<Nested>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Nested {
    A,
    B(Inner),
    C { inner: Inner, again: Option<Box<Self>> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Inner {
    X,
    Y(u8, String),
    Z { flag: bool },
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl Any for $ty {
            fn any(random: &mut Random, _: u32) -> Self {
                // Small and large ones, since their lengths differ.
                let mut bytes = [0; size_of::<Self>()];
                let length = random.below(bytes.len() + 1);
                bytes[..length].copy_from_slice(&random.bytes(length));
                Self::from_le_bytes(bytes)
            }
        }
    )*};
}

numbers!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128);

impl Any for bool {
    fn any(random: &mut Random, _: u32) -> Self {
        random.below(2) == 0
    }
}

impl Any for char {
    fn any(random: &mut Random, depth: u32) -> Self {
        Self::from_u32(u32::any(random, depth) % 0x11_0000).unwrap_or('å')
    }
}

impl Any for String {
    fn any(random: &mut Random, depth: u32) -> Self {
        (0..random.below(20)).map(|_| char::any(random, depth)).collect()
    }
}

impl Any for Box<str> {
    fn any(random: &mut Random, depth: u32) -> Self {
        String::any(random, depth).into()
    }
}

impl<T: Any> Any for Box<T> {
    fn any(random: &mut Random, depth: u32) -> Self {
        Self::new(T::any(random, depth))
    }
}

impl<T: Any> Any for Option<T> {
    fn any(random: &mut Random, depth: u32) -> Self {
        (depth > 0 && random.below(2) == 0).then(|| T::any(random, depth - 1))
    }
}

impl<T: Any, E: Any> Any for Result<T, E> {
    fn any(random: &mut Random, depth: u32) -> Self {
        if random.below(2) == 0 { Ok(T::any(random, depth)) } else { Err(E::any(random, depth)) }
    }
}

impl<T: Any, const N: usize> Any for [T; N] {
    fn any(random: &mut Random, depth: u32) -> Self {
        std::array::from_fn(|_| T::any(random, depth))
    }
}

fn some<T: Any, C: FromIterator<T>>(random: &mut Random, depth: u32) -> C {
    let length = if depth == 0 { 0 } else { random.below(5) };
    (0..length).map(|_| T::any(random, depth - 1)).collect()
}

macro_rules! sequences {
    ($($name:ident $(: $bound:ident + $other:ident)?),*) => {$(
        impl<T: Any $(+ $bound + $other)?> Any for $name<T> {
            fn any(random: &mut Random, depth: u32) -> Self {
                some(random, depth)
            }
        }
    )*};
}

sequences!(Vec, VecDeque, LinkedList, HashSet: Eq + Hash);

impl<K: Any + Ord, V: Any> Any for BTreeMap<K, V> {
    fn any(random: &mut Random, depth: u32) -> Self {
        some(random, depth)
    }
}

impl<K: Any + Eq + Hash, V: Any> Any for HashMap<K, V> {
    fn any(random: &mut Random, depth: u32) -> Self {
        some(random, depth)
    }
}

impl<A: Any, B: Any> Any for (A, B) {
    fn any(random: &mut Random, depth: u32) -> Self {
        (A::any(random, depth), B::any(random, depth))
    }
}

impl<A: Any, B: Any, C: Any, D: Any> Any for (A, B, C, D) {
    fn any(random: &mut Random, depth: u32) -> Self {
        (A::any(random, depth), B::any(random, depth), C::any(random, depth), D::any(random, depth))
    }
}

impl Any for Duration {
    fn any(random: &mut Random, depth: u32) -> Self {
        Self::new(u64::any(random, depth), u32::any(random, depth) % 1_000_000_000)
    }
}

impl Any for List {
    fn any(random: &mut Random, depth: u32) -> Self {
        (0..random.below(depth as usize * 10 + 1)).fold(Self::Nil, |list, _| Self::Cons(Box::new(list)))
    }
}

impl Any for Tree {
    fn any(random: &mut Random, depth: u32) -> Self {
        if depth == 0 {
            return Self::Leaf;
        }
        let below = depth - 1;
        match random.below(5) {
            0 => Self::Number(Any::any(random, below)),
            1 => Self::Text(Any::any(random, below)),
            2 => Self::Pair(Any::any(random, below), Any::any(random, below)),
            3 => Self::Named { left: Any::any(random, below), right: Any::any(random, below) },
            _ => Self::Many(Any::any(random, below)),
        }
    }
}

impl Any for Maps {
    fn any(random: &mut Random, depth: u32) -> Self {
        Self(Any::any(random, depth))
    }
}

impl Any for Sequences {
    fn any(random: &mut Random, depth: u32) -> Self {
        Self(Any::any(random, depth))
    }
}

impl Any for Unit {
    fn any(_: &mut Random, _: u32) -> Self {
        Self
    }
}

impl Any for Skipped {
    fn any(_: &mut Random, _: u32) -> Self {
        Self::default()
    }
}

impl Any for Boxes {
    fn any(random: &mut Random, depth: u32) -> Self {
        Self { first: Any::any(random, depth), others: Any::any(random, depth) }
    }
}

impl Any for Nested {
    fn any(random: &mut Random, depth: u32) -> Self {
        match random.below(3) {
            0 => Self::A,
            1 => Self::B(Any::any(random, depth)),
            _ => Self::C { inner: Any::any(random, depth), again: Any::any(random, depth) },
        }
    }
}

impl Any for Inner {
    fn any(random: &mut Random, depth: u32) -> Self {
        match random.below(3) {
            0 => Self::X,
            1 => Self::Y(Any::any(random, depth), Any::any(random, depth)),
            _ => Self::Z { flag: Any::any(random, depth) },
        }
    }
}

impl Any for Everything {
    fn any(random: &mut Random, depth: u32) -> Self {
        let r = random;
        Self {
            numbers: (
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
                Any::any(r, 0),
            ),
            floats: (i32::any(r, 0) as f32 / 3.0, i64::any(r, 0) as f64 / 7.0),
            flag: Any::any(r, 0),
            letter: Any::any(r, 0),
            text: Any::any(r, 0),
            options: Any::any(r, depth),
            units: (Unit, ()),
            array: Any::any(r, 0),
            result: Any::any(r, depth),
            address: if r.below(2) == 0 {
                IpAddr::from(<[u8; 4]>::any(r, 0))
            } else {
                IpAddr::from(<[u8; 16]>::any(r, 0))
            },
            path: String::any(r, 0).into(),
            time: SystemTime::UNIX_EPOCH + Duration::new(r.next() >> 24, r.next() as u32 % 1_000_000_000),
            queue: Any::any(r, depth),
            links: Any::any(r, depth),
            set: Any::any(r, depth),
            names: Any::any(r, depth),
            nested: Any::any(r, depth),
        }
    }
}
