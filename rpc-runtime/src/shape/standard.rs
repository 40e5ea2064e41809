//! Shapes of the standard library's types, as serde writes them in its compact form.
//!
//! Addresses, times and paths are those of a format that is not meant for people; `usize` travels as `u64`,
//! a pointer as what it points to, an integer with a niche as the plain one.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{NonZero, Saturating, Wrapping};
use std::ops::{Bound, Range, RangeFrom, RangeInclusive, RangeTo};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use super::{Fields, Leaf, Node, Shape};

macro_rules! shapes {
    ($($({$($generics:tt)*})? $ty:ty => $node:expr;)*) => {$(
        impl<$($($generics)*)?> Shape for $ty {
            const NODE: Node = $node;
        }
    )*};
}

/// Types that travel as another one.
macro_rules! aliases {
    ($($({$($generics:tt)*})? $ty:ty => $same:ty;)*) => {$(
        impl<$($($generics)*)?> Shape for $ty {
            const NODE: Node = <$same>::NODE;
        }
    )*};
}

shapes! {
    bool => Node::leaf(Leaf::Bool);
    i8 => Node::leaf(Leaf::I8);
    i16 => Node::leaf(Leaf::I16);
    i32 => Node::leaf(Leaf::I32);
    i64 => Node::leaf(Leaf::I64);
    i128 => Node::leaf(Leaf::I128);
    u8 => Node::leaf(Leaf::U8);
    u16 => Node::leaf(Leaf::U16);
    u32 => Node::leaf(Leaf::U32);
    u64 => Node::leaf(Leaf::U64);
    u128 => Node::leaf(Leaf::U128);
    f32 => Node::leaf(Leaf::F32);
    f64 => Node::leaf(Leaf::F64);
    char => Node::leaf(Leaf::Char);
    str => Node::leaf(Leaf::String);
    () => Node::unit();
    {T: ?Sized} PhantomData<T> => Node::unit();
    CStr => Node::bytes();

    {T: Shape} Option<T> => Node::option(T::shape);
    {T: Shape, E: Shape} Result<T, E> => Node::enumeration("Result", &[
        ("Ok", Fields::Newtype(T::shape)),
        ("Err", Fields::Newtype(E::shape)),
    ]);
    {T: Shape} Bound<T> => Node::enumeration("Bound", &[
        ("Unbounded", Fields::Unit),
        ("Included", Fields::Newtype(T::shape)),
        ("Excluded", Fields::Newtype(T::shape)),
    ]);

    {T: Shape} [T] => Node::seq(T::shape);
    {T: Shape, const N: usize} [T; N] => Node::array(T::shape, N);
    {K: Shape, V: Shape} BTreeMap<K, V> => Node::map(K::shape, V::shape);
    {K: Shape, V: Shape, H} HashMap<K, V, H> => Node::map(K::shape, V::shape);

    {T: Shape} Range<T> => Node::structure("Range", &[("start", T::shape), ("end", T::shape)]);
    {T: Shape} RangeInclusive<T> => Node::structure("RangeInclusive", &[("start", T::shape), ("end", T::shape)]);
    {T: Shape} RangeFrom<T> => Node::structure("RangeFrom", &[("start", T::shape)]);
    {T: Shape} RangeTo<T> => Node::structure("RangeTo", &[("end", T::shape)]);

    Duration => Node::structure("Duration", &[("secs", u64::shape), ("nanos", u32::shape)]);
    SystemTime => Node::structure("SystemTime", &[
        ("secs_since_epoch", u64::shape),
        ("nanos_since_epoch", u32::shape),
    ]);

    IpAddr => Node::enumeration("IpAddr", &[
        ("V4", Fields::Newtype(Ipv4Addr::shape)),
        ("V6", Fields::Newtype(Ipv6Addr::shape)),
    ]);
    SocketAddr => Node::enumeration("SocketAddr", &[
        ("V4", Fields::Newtype(SocketAddrV4::shape)),
        ("V6", Fields::Newtype(SocketAddrV6::shape)),
    ]);
    OsStr => Node::enumeration("OsString", &[
        ("Unix", Fields::Newtype(<[u8]>::shape)),
        ("Windows", Fields::Newtype(<[u16]>::shape)),
    ]);
}

aliases! {
    isize => i64;
    usize => u64;
    String => str;
    Path => str;
    PathBuf => str;
    OsString => OsStr;
    CString => CStr;
    Ipv4Addr => [u8; 4];
    Ipv6Addr => [u8; 16];
    SocketAddrV4 => (Ipv4Addr, u16);
    SocketAddrV6 => (Ipv6Addr, u16);

    {T: Shape} Vec<T> => [T];
    {T: Shape} VecDeque<T> => [T];
    {T: Shape} LinkedList<T> => [T];
    {T: Shape} BinaryHeap<T> => [T];
    {T: Shape} BTreeSet<T> => [T];
    {T: Shape, H} HashSet<T, H> => [T];

    {T: Shape + ?Sized} &T => T;
    {T: Shape + ?Sized} &mut T => T;
    {T: Shape + ?Sized} Box<T> => T;
    {T: Shape + ?Sized} Rc<T> => T;
    {T: Shape + ?Sized} Arc<T> => T;
    {T: Shape + ToOwned + ?Sized} Cow<'_, T> => T;
    {T: Shape + ?Sized} Cell<T> => T;
    {T: Shape + ?Sized} RefCell<T> => T;
    {T: Shape + ?Sized} Mutex<T> => T;
    {T: Shape + ?Sized} RwLock<T> => T;
    {T: Shape} Wrapping<T> => T;
    {T: Shape} Saturating<T> => T;
    {T: Shape} Reverse<T> => T;

    NonZero<i8> => i8;
    NonZero<i16> => i16;
    NonZero<i32> => i32;
    NonZero<i64> => i64;
    NonZero<i128> => i128;
    NonZero<isize> => isize;
    NonZero<u8> => u8;
    NonZero<u16> => u16;
    NonZero<u32> => u32;
    NonZero<u64> => u64;
    NonZero<u128> => u128;
    NonZero<usize> => usize;

    AtomicBool => bool;
    AtomicI8 => i8;
    AtomicI16 => i16;
    AtomicI32 => i32;
    AtomicI64 => i64;
    AtomicIsize => isize;
    AtomicU8 => u8;
    AtomicU16 => u16;
    AtomicU32 => u32;
    AtomicU64 => u64;
    AtomicUsize => usize;
}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Shape, $($rest: Shape),*> Shape for ($first, $($rest,)*) {
            const NODE: Node = Node::tuple(&[$first::shape, $($rest::shape),*]);
        }
        tuples!($($rest)*);
    };
    () => {};
}

// As long as serde's.
tuples!(A B C D E F G H I J K L M N O P);
