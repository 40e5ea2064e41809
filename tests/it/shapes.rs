//! Shapes: what a contract sees, and that it is what postcard writes.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU64, Wrapping};
use std::ops::{Bound, Range, RangeInclusive};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use rpc_runtime::contract::Signature;
use rpc_runtime::shape::{Fields, Layout, Node, check};
use rpc_runtime::{Shape, message};
use serde::{Deserialize, Serialize};

fn text<T: Shape + ?Sized>() -> String {
    Layout::of::<T>().to_string()
}

fn equal<A: Shape + ?Sized, B: Shape + ?Sized>() -> bool {
    let (a, b) = (Layout::of::<A>(), Layout::of::<B>());
    let equal = a == b;
    assert_eq!(equal, a.to_string() == b.to_string(), "the text tells as much as the layout: {a}, {b}");
    assert_eq!(equal, a.differences(&b).is_empty(), "a difference is found if there is one: {a}, {b}");
    assert_eq!(equal, fingerprint::<A>() == fingerprint::<B>());
    equal
}

fn fingerprint<T: Shape + ?Sized>() -> rpc_runtime::contract::Fingerprint {
    Signature::new("f", &[], T::shape).contract().fingerprint()
}

/// The classes of types that an earlier base for contracts, JSON Schema, held to be equal.
mod told_apart {
    use super::*;

    #[message]
    enum UnitsAround {
        A,
        B(u32),
        C,
    }
    #[message]
    enum UnitsFirst {
        A,
        C,
        B(u32),
    }
    #[message]
    enum UnitsLast {
        B(u32),
        A,
        C,
    }

    #[test]
    fn the_order_of_variants() {
        assert!(!equal::<UnitsAround, UnitsFirst>());
        assert!(!equal::<UnitsAround, UnitsLast>());
        assert!(!equal::<UnitsFirst, UnitsLast>());
    }

    #[message]
    enum Documented {
        /// Has a comment.
        A,
        B,
        C(u8),
    }
    #[message]
    enum DocumentedLater {
        B,
        /// Has a comment.
        A,
        C(u8),
    }

    #[test]
    fn the_order_of_documented_variants() {
        assert!(!equal::<Documented, DocumentedLater>());
    }

    #[message]
    struct InOrder {
        a: Option<u8>,
        b: u8,
        c: Option<u8>,
    }
    #[message]
    struct OutOfOrder {
        c: Option<u8>,
        b: u8,
        a: Option<u8>,
    }

    #[test]
    fn the_order_of_fields() {
        assert!(!equal::<InOrder, OutOfOrder>());
    }

    #[test]
    fn options_in_options() {
        assert!(!equal::<Option<Option<u32>>, Option<u32>>());
        assert!(!equal::<Option<()>, ()>());
    }

    #[test]
    fn the_keys_of_maps() {
        assert!(!equal::<BTreeMap<u8, u8>, BTreeMap<u64, u8>>());
        assert!(!equal::<BTreeMap<i8, u8>, BTreeMap<i64, u8>>());
        assert!(!equal::<BTreeMap<char, u8>, BTreeMap<String, u8>>());
        assert!(!equal::<BTreeMap<bool, u8>, BTreeMap<String, u8>>());
        assert!(!equal::<BTreeMap<IpAddr, u8>, BTreeMap<String, u8>>());
    }

    /// Serialized as text by a function.
    #[message]
    struct AsText {
        #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
        #[rpc(shape = String)]
        value: u16,
    }
    #[message]
    struct Plain {
        value: u16,
    }
    fn to_text<S: serde::Serializer>(value: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }
    fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }

    #[test]
    fn a_field_written_by_a_function() {
        assert!(!equal::<AsText, Plain>());
        let written = postcard::to_allocvec(&AsText { value: 300 }).unwrap();
        assert_eq!(written, *b"\x03300");
        assert_eq!(postcard::from_bytes::<AsText>(&written).unwrap().value, 300);
        check(&AsText { value: 300 }).unwrap();
    }

    #[test]
    fn addresses_and_paths_from_text() {
        assert!(!equal::<SocketAddr, String>());
        assert!(!equal::<SocketAddr, PathBuf>());
        assert!(equal::<PathBuf, String>(), "a path is text on the wire");
    }

    #[message]
    struct WithTitle {
        title: u8,
        description: u8,
    }
    #[message]
    struct Without {
        title: u8,
    }

    #[test]
    fn fields_called_title_and_description() {
        assert!(!equal::<WithTitle, Without>());
        assert_eq!(text::<WithTitle>(), "struct { title: u8, description: u8 }");
    }
}

/// The cases of the prototype.
mod recursion {
    use super::*;

    #[message]
    pub(super) struct Lent<'a> {
        text: &'a str,
        raw: &'a [u8],
        more: Cow<'a, str>,
    }
    #[message]
    pub(super) struct Owned {
        text: String,
        raw: Vec<u8>,
        more: String,
    }

    pub(super) const LENT: Lent<'_> = Lent { text: "t", raw: &[3, 4], more: Cow::Borrowed("m") };

    pub(super) fn owned() -> Owned {
        Owned { text: "t".into(), raw: vec![3, 4], more: "m".into() }
    }

    #[test]
    fn a_borrowed_twin_equals_the_owned_one() {
        assert!(equal::<Lent<'_>, Owned>());
    }

    #[message]
    #[derive(Debug, Clone, PartialEq)]
    pub(super) enum List<T> {
        Nil,
        Cons(T, Box<Self>),
    }

    #[test]
    fn a_recursive_type_ends() {
        assert_eq!(text::<List<u32>>(), "#0 enum { Nil, Cons(u32, #0) }");
        assert_eq!(text::<List<List<u8>>>(), "#0 enum { Nil, Cons(#1 enum { Nil, Cons(u8, #1) }, #0) }");
        assert!(!equal::<List<List<u8>>, List<u8>>());
        let list = List::Cons(7, Box::new(List::Cons(8, Box::new(List::Nil))));
        check(&list).unwrap();
        let written = postcard::to_allocvec(&list).unwrap();
        assert_eq!(postcard::from_bytes::<List<u32>>(&written).unwrap(), list);
    }

    #[message]
    struct Even {
        next: Option<Box<Odd>>,
    }
    #[message]
    struct Odd {
        next: Option<Box<Even>>,
    }
    #[message]
    struct Any {
        next: Option<Box<Self>>,
    }

    #[test]
    fn unrolled_recursion_is_the_same_recursion() {
        assert_eq!(text::<Even>(), "#0 struct { next: Option<#0> }");
        assert!(equal::<Even, Odd>());
        assert!(equal::<Even, Any>());
    }

    /// Thirty types that all name each other have more simple paths than could ever be walked.
    #[test]
    fn densely_recursive_types_cost_no_more_than_their_tables() {
        macro_rules! dense {
            ($($name:ident),*) => { dense!(@ [$($name),*] $($name)*); };
            (@ $all:tt $($name:ident)*) => { $(dense!(@one $name $all);)* };
            (@one $name:ident [$($other:ident),*]) => {
                #[message]
                #[expect(non_snake_case, reason = "fields are called as their types")]
                struct $name { own: own::$name, $($other: Option<Box<$other>>,)* }
            };
        }
        mod own {
            //! One variant each, called as the type it tells apart.
            macro_rules! own {
                ($($name:ident),*) => { $(#[rpc_runtime::message] pub(super) enum $name { $name })* };
            }
            own!(
                A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z, Aa, Bb, Cc, Dd
            );
        }
        dense!(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z, Aa, Bb, Cc, Dd);
        assert!(!equal::<A, Dd>());
        assert!(equal::<A, A>());
        assert_eq!(text::<A>().matches("Option").count(), 900);
    }

    /// A type without values.
    #[message]
    struct Hole(Box<Self>);

    #[message]
    struct Nest(Vec<Self>);

    #[test]
    fn newtypes_without_end_are_no_value() {
        assert_eq!(text::<Option<Hole>>(), "Option<never>");
        assert_eq!(text::<Option<Nest>>(), "Option<#1 [#1]>");
        check(&Nest(vec![Nest(vec![]), Nest(vec![Nest(vec![])])])).unwrap();
    }

    #[message]
    struct Wrap<T> {
        inner: T,
    }
    mod x {
        #[rpc_runtime::message]
        pub(crate) struct P {
            pub(crate) a: u8,
        }
    }
    mod y {
        #[rpc_runtime::message]
        pub(crate) struct P {
            pub(crate) a: u16,
        }
    }
    mod z {
        #[rpc_runtime::message]
        pub(crate) struct Q {
            pub(crate) a: u16,
        }
    }

    #[test]
    fn types_are_told_apart_by_what_they_hold_and_not_by_name() {
        assert!(!equal::<Wrap<Wrap<u32>>, Wrap<u32>>());
        assert!(!equal::<x::P, y::P>());
        assert!(equal::<y::P, z::Q>());
        assert!(equal::<(y::P, y::P), (y::P, z::Q)>(), "one type twice is two equal types");
    }

    #[test]
    fn a_shared_type_is_written_once() {
        #[message]
        struct Point {
            x: u8,
            y: u8,
        }
        #[message]
        struct Line {
            from: Point,
            to: Point,
        }
        assert_eq!(text::<(Line, Line)>(), "(#1 struct { from: #2 struct { x: u8, y: u8 }, to: #2 }, #1)",);
    }
}

#[test]
fn every_kind_has_its_text() {
    #[message]
    struct Unit;
    #[message]
    struct Newtype(u8);
    #[message]
    struct Tuple(u8, i128);
    #[message]
    struct EmptyTuple();
    #[message]
    struct Empty {}
    #[message]
    enum Each {
        Unit,
        Newtype(bool),
        Tuple(u8, f32),
        Struct {
            a: char,
        },
        #[serde(rename = "needs, quotes")]
        Quoted,
        One((u8,)),
        Nothing(),
    }
    #[message]
    enum Nothing {}

    assert_eq!(text::<Unit>(), "()");
    assert_eq!(text::<Newtype>(), "u8");
    assert_eq!(text::<Tuple>(), "(u8, i128)");
    assert_eq!(text::<EmptyTuple>(), "(,)");
    assert_eq!(text::<Empty>(), "struct {}");
    assert_eq!(text::<Nothing>(), "enum {}");
    assert_eq!(
        text::<Each>(),
        "enum { Unit, Newtype(bool), Tuple(u8, f32), Struct { a: char }, \"needs, quotes\", One((u8,)), \
         Nothing(,) }",
    );
    assert_eq!(text::<[u16; 4]>(), "[u16; 4]");
    assert_eq!(text::<Vec<Option<String>>>(), "[Option<string>]");
    assert_eq!(text::<HashMap<u64, Bytes>>(), "{u64: bytes}");
    assert_eq!(text::<uuid::Uuid>(), "opaque \"uuid 1\"");
    assert_eq!(text::<chrono::DateTime<chrono::Utc>>(), "opaque \"chrono 0.4 DateTime\"");

    struct Counter;
    impl Shape for Counter {
        const NODE: Node = Node::handle(|| "Counter");
    }
    assert_eq!(text::<Counter>(), "handle Counter");
}

#[test]
fn a_type_without_a_shape_is_known_by_its_name() {
    #[derive(Serialize, Deserialize)]
    struct Foreign(u8);
    #[message]
    struct Holder {
        known: u8,
        foreign: Foreign,
        many: Vec<Foreign>,
        #[rpc(opaque = "foreign 2")]
        named: Foreign,
    }
    let text = text::<Holder>();
    assert!(text.starts_with("struct { known: u8, foreign: opaque \"it::shapes::"), "{text}");
    assert!(text.contains("Foreign\", many: opaque \"alloc::vec::Vec<it::shapes::"), "{text}");
    assert!(text.ends_with("named: opaque \"foreign 2\" }"), "{text}");
}

#[test]
fn differences_name_the_place() {
    mod old {
        use super::*;
        #[message]
        pub(super) struct Address {
            zip: u32,
            city: String,
        }
        #[message]
        pub(super) struct User {
            id: u64,
            address: Address,
            tags: Vec<(u8, u8)>,
            nick: Option<String>,
        }
        #[message]
        pub(super) enum Reason {
            Gone,
            Busy { for_ms: u64 },
            Code(u8),
        }
    }
    #[message]
    struct Address {
        zip: String,
        city: String,
    }
    #[message]
    struct User {
        id: u64,
        address: Address,
        tags: Vec<(u8, u16)>,
        role: Reason,
    }
    #[message]
    enum Reason {
        Gone,
        Code(u8, u8),
        Busy { for_ms: u64, until: u64 },
        Full,
    }
    let shown = |differences: Vec<rpc_runtime::shape::Difference>| {
        differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        shown(Layout::of::<User>().differences(&Layout::of::<old::User>())),
        [
            "field `User.role`: enum Reason here, nothing there",
            "field `User.nick`: nothing here, Option<string> there",
            "field `User.address.zip`: string here, u32 there",
            "element `User.tags[].1`: u16 here, u8 there",
        ],
    );
    assert_eq!(
        shown(Layout::of::<Reason>().differences(&Layout::of::<old::Reason>())),
        [
            "variant `Reason::Full`: a variant here, nothing there",
            "variant `Reason::Code`: 2 values here, u8 there",
            "field `Reason::Busy.until`: u64 here, nothing there",
        ],
    );

    let here = Signature::new(
        "move",
        &[("user", User::shape), ("count", u64::shape), ("dry", bool::shape)],
        <Result<(), Reason>>::shape,
    );
    let there = Signature::new(
        "move",
        &[("user", old::User::shape), ("count", String::shape)],
        <Result<u8, old::Reason>>::shape,
    );
    assert_eq!(
        shown(here.contract().differences(there.contract())),
        [
            "argument `dry`: bool here, nothing there",
            "argument `user`: field `User.role`: enum Reason here, nothing there",
            "argument `user`: field `User.nick`: nothing here, Option<string> there",
            "argument `user`: field `User.address.zip`: string here, u32 there",
            "argument `user`: element `User.tags[].1`: u16 here, u8 there",
            "argument `count`: u64 here, string there",
            "result: () here, u8 there",
            "error: variant `Reason::Full`: a variant here, nothing there",
        ],
        "at most eight",
    );
}

#[test]
fn a_changed_order_is_said_once() {
    mod old {
        #[rpc_runtime::message]
        pub(super) struct Point {
            x: u8,
            y: u16,
        }
    }
    #[message]
    struct Point {
        y: u16,
        x: u8,
    }
    let differences = Layout::of::<Point>().differences(&Layout::of::<old::Point>());
    let [difference] = differences.as_slice() else { panic!("{differences:?}") };
    assert_eq!(difference.to_string(), "`Point`: order y, x here, order x, y there");
}

#[test]
fn a_fingerprint_covers_names_and_never_moves() {
    let contract = |method: &'static str, argument: &'static str| {
        let arguments: &'static [_] = Box::leak(Box::new([(argument, <&str>::shape as fn() -> _)]));
        Signature::new(method, arguments, <Result<u64, ()>>::shape).contract().fingerprint()
    };
    let verify = contract("verify", "token");
    assert_ne!(verify, contract("check", "token"));
    assert_ne!(verify, contract("verify", "ticket"));
    // SHA-256 of `verify struct { token: string } -> enum { Ok(u64), Err(()) }`, by another tool.
    assert_eq!(verify.to_string(), "db9793eec499316ee202e2cd75056d96");
    assert_eq!(rpc_runtime::contract::Fingerprint::from_bytes(verify.to_bytes()), verify);
}

/// One type of the all-pairs test.
struct Entry {
    name: &'static str,
    layout: Layout,
    written: Vec<Vec<u8>>,
    again: fn(&[u8]) -> postcard::Result<Vec<u8>>,
}

macro_rules! entries {
    ($($ty:ty: $($value:expr),+;)*) => {
        vec![$(Entry {
            name: stringify!($ty),
            layout: Layout::of::<$ty>(),
            written: vec![$({
                let value: $ty = $value;
                check(&value).unwrap_or_else(|lie| panic!("{}: {lie}", stringify!($ty)));
                postcard::to_allocvec(&value).expect(stringify!($ty))
            }),+],
            again: |bytes| {
                let (value, rest) = postcard::take_from_bytes::<$ty>(bytes)?;
                assert!(rest.is_empty(), "{}: {rest:?} left over", stringify!($ty));
                postcard::to_allocvec(&value)
            },
        }),*]
    };
}

#[message]
#[derive(Clone)]
struct Account {
    id: u64,
    name: String,
    mail: Option<String>,
}
#[message]
struct AccountLent<'a> {
    id: u64,
    name: &'a str,
    mail: Option<&'a str>,
}
#[message]
struct AccountSkipping {
    id: NonZeroU64,
    #[serde(skip)]
    #[expect(dead_code, reason = "not written")]
    cache: Vec<u8>,
    name: Box<str>,
    mail: Option<char>,
}
#[message]
#[serde(rename_all = "UPPERCASE")]
struct AccountRenamed {
    id: u64,
    name: String,
    mail: Option<String>,
}
#[message]
struct AccountId(u64);
#[message]
#[serde(transparent)]
struct AccountTag<T> {
    id: u64,
    #[serde(skip)]
    tag: PhantomData<T>,
}
#[message]
struct Pair(u8, u8);
#[message]
struct PairSkipping(u8, #[serde(skip)] PhantomData<u8>, u8);
#[message]
enum Event {
    Start,
    Line(String),
    Move { x: i32, y: i32 },
    Both(u8, bool),
}
#[message]
enum EventTwin<'a> {
    Start,
    Line(Cow<'a, str>),
    Move {
        #[serde(skip)]
        cached: bool,
        x: i32,
        y: i32,
    },
    Both(u8, #[serde(skip)] u8, bool),
    #[serde(skip)]
    #[expect(dead_code, reason = "never made")]
    Local(u8),
}
#[message]
enum EventShort {
    Start,
    Line(#[serde(skip)] u8),
}
#[message]
enum Flags {
    Start,
    Line,
}

fn entries() -> Vec<Entry> {
    entries! {
        bool: true, false;
        i8: -5;
        i16: -500;
        i32: -70_000;
        i64: i64::MIN;
        isize: -3;
        i128: i128::MIN;
        u8: 1, 200;
        u16: 300;
        u32: 70_000;
        u64: 1, u64::MAX;
        usize: 9;
        u128: u128::MAX;
        NonZeroU8: NonZeroU8::MAX;
        NonZeroU64: NonZeroU64::MAX;
        Wrapping<u64>: Wrapping(4);
        Cell<u64>: Cell::new(4);
        RefCell<u64>: RefCell::new(4);
        std::sync::Mutex<u64>: std::sync::Mutex::new(4);
        std::sync::atomic::AtomicU64: 4.into();
        AccountId: AccountId(11);
        AccountTag<String>: AccountTag { id: 12, tag: PhantomData };
        f32: 1.5;
        f64: -2.25;
        char: 'x';
        String: "text".into();
        &str: "lent";
        Box<str>: "boxed".into();
        Cow<'_, str>: "cow".into();
        PathBuf: "/etc/hosts".into();
        (): ();
        PhantomData<u8>: PhantomData;
        (u8,): (3,);
        (u8, u8): (3, 4);
        Pair: Pair(3, 4);
        PairSkipping: PairSkipping(3, PhantomData, 4);
        [u8; 2]: [3, 4];
        [u16; 0]: [];
        Option<u32>: None, Some(5);
        Option<Option<u32>>: None, Some(None), Some(Some(5));
        Option<()>: None, Some(());
        Vec<u8>: vec![1, 2, 3], vec![];
        &[u8]: &[1, 2, 3];
        Box<[u8]>: Box::new([1, 2]);
        VecDeque<u8>: [1, 2].into();
        Bytes: Bytes::from_static(b"abc");
        BytesMut: BytesMut::from(&b"abc"[..]);
        std::ffi::CString: c"abc".into();
        BTreeSet<u8>: [1].into();
        Vec<u32>: vec![300];
        VecDeque<u32>: [300].into();
        LinkedList<u32>: [300].into();
        BTreeSet<u32>: [300].into();
        HashSet<u32>: [1].into();
        BinaryHeap<u32>: [1].into();
        Vec<(u8, u8)>: vec![(1, 2)];
        BTreeMap<u8, u8>: [(1, 2)].into();
        HashMap<u8, u8>: [(1, 2)].into();
        BTreeMap<u64, String>: [(1, "a".into())].into();
        Duration: Duration::from_millis(1_500);
        SystemTime: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        Ipv4Addr: Ipv4Addr::LOCALHOST;
        [u8; 4]: [1, 2, 3, 4];
        Ipv6Addr: Ipv6Addr::LOCALHOST;
        IpAddr: IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST);
        SocketAddr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80),
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 80);
        Range<u32>: 1..5;
        RangeInclusive<u32>: 1..=5;
        Bound<u32>: Bound::Unbounded, Bound::Included(4), Bound::Excluded(4);
        Account: Account { id: 1, name: "n".into(), mail: Some("m".into()) };
        AccountLent<'_>: AccountLent { id: 1, name: "n", mail: None };
        AccountSkipping: AccountSkipping { id: NonZeroU64::MIN, cache: vec![1], name: "n".into(), mail: Some('c') };
        AccountRenamed: AccountRenamed { id: 1, name: "n".into(), mail: Some("m".into()) };
        Vec<Account>: vec![];
        VecDeque<AccountLent<'_>>: [AccountLent { id: 1, name: "n", mail: None }].into();
        Event: Event::Start, Event::Line("l".into()), Event::Move { x: 1, y: -1 }, Event::Both(1, true);
        EventTwin<'_>: EventTwin::Start, EventTwin::Line("l".into()),
            EventTwin::Move { cached: true, x: 1, y: -1 }, EventTwin::Both(1, 2, true);
        EventShort: EventShort::Start, EventShort::Line(1);
        Flags: Flags::Start, Flags::Line;
        recursion::Owned: recursion::owned();
        recursion::Lent<'_>: recursion::LENT;
        recursion::List<u8>: recursion::List::Cons(1, Box::new(recursion::List::Nil));
    }
}

#[test]
fn equal_layouts_mean_equal_bytes() {
    let entries = entries();
    let mut equal = 0;
    for (position, a) in entries.iter().enumerate() {
        for (other, b) in entries.iter().enumerate().filter(|(_, b)| b.layout == a.layout) {
            equal += usize::from(position != other);
            for written in &a.written {
                let again = (b.again)(written);
                assert_eq!(again.as_ref(), Ok(written), "{} read and written as {}", a.name, b.name);
            }
        }
    }
    assert!(entries.len() >= 60, "{} types", entries.len());
    assert!(equal >= 100, "{equal} pairs of different types with equal layouts");
}

#[test]
fn layouts_that_differ_have_different_texts() {
    let entries = entries();
    for a in &entries {
        for b in &entries {
            let (text, other) = (a.layout.to_string(), b.layout.to_string());
            assert_eq!(a.layout == b.layout, text == other, "{} and {}", a.name, b.name);
            assert_eq!(a.layout == b.layout, a.layout.differences(&b.layout).is_empty(), "{text}, {other}");
        }
    }
}

/// Hand-written halves that do not fit, and where the checking serializer says so.
mod lies {
    use super::*;

    /// Written by `write`, said to be a `T`.
    struct Lie<T, W>(W, PhantomData<T>);

    impl<T: Shape, W> Shape for Lie<T, W> {
        const NODE: Node = T::NODE;
    }

    impl<T, W: Serialize> Serialize for Lie<T, W> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }

    fn lie<T: Shape>(value: impl Serialize) -> String {
        check(&Lie(value, PhantomData::<T>)).expect_err("a lie").to_string()
    }

    #[derive(Serialize)]
    struct Swapped {
        b: u8,
        a: u8,
    }
    #[derive(Serialize)]
    struct Flattened {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    #[derive(Serialize)]
    struct Short {
        a: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<u8>,
    }
    #[derive(Serialize)]
    enum Other {
        A,
        C(u8),
        B { wrong: bool },
    }
    #[message]
    struct True {
        a: u8,
        b: u8,
    }
    #[message]
    enum Choice {
        A(u8),
        B { right: bool },
        C,
    }

    #[test]
    fn are_found_where_they_are() {
        let said = |what: &str, is: &str| format!("the shape says {what}, the value is serialized as {is}");
        assert_eq!(lie::<u64>(1u32), said("u64", "u32"));
        assert_eq!(lie::<String>(b"x"), said("string", "a tuple of 1"));
        assert_eq!(lie::<Vec<u8>>([1u8]), said("bytes", "a tuple of 1"));
        assert_eq!(lie::<[u8; 2]>([1u8]), said("an array of 2", "a tuple of 1"));
        assert_eq!(lie::<(u8, u8)>((1u8, 2u16)), format!("at `1`: {}", said("u8", "u16")));
        assert_eq!(lie::<Vec<u16>>(vec![1u8]), format!("at `[0]`: {}", said("u16", "u8")));
        assert_eq!(lie::<Option<u8>>(3u8), said("an option", "u8"));
        assert_eq!(lie::<u8>(Some(3u8)), said("u8", "some"));
        assert_eq!(
            lie::<BTreeMap<u8, u8>>(BTreeMap::from([(1u16, 1u8)])),
            format!("at `{{key}}`: {}", said("u8", "u16"))
        );
        assert_eq!(
            lie::<BTreeMap<u8, u8>>(BTreeMap::from([(1u8, 1u16)])),
            format!("at `{{value}}`: {}", said("u8", "u16"))
        );
        assert_eq!(lie::<True>(Swapped { b: 1, a: 1 }), said("field a", "field b"));
        assert_eq!(lie::<True>(Short { a: 1, b: None }), said("field b", "the end"));
        assert_eq!(lie::<True>((1u8, 1u8)), said("struct True", "a tuple of 2"));
        assert_eq!(
            lie::<True>(Flattened { a: 1, rest: BTreeMap::new() }),
            said("a map, whose length comes first", "a map of unknown length")
        );
        assert_eq!(
            lie::<Choice>(Other::A),
            format!("at `A`: {}", said("one value", "a variant without values"))
        );
        assert_eq!(lie::<Choice>(Other::C(1)), said("variant 1 is B", "C"));
        assert_eq!(lie::<Choice>(Other::B { wrong: true }), said("variant 2 is C", "B"));
    }

    #[test]
    fn are_found_inside_a_truthful_value() {
        #[message]
        struct Outer {
            inner: Vec<Option<Middle>>,
        }
        #[message]
        enum Middle {
            One {
                #[serde(with = "shortened")]
                #[rpc(shape = u64)]
                n: u64,
            },
        }
        mod shortened {
            use super::*;
            pub(super) fn serialize<S: serde::Serializer>(
                value: &u64,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(value.to_le_bytes()[0])
            }
            pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<u64, D::Error> {
                u8::deserialize(deserializer).map(u64::from)
            }
        }
        let value = Outer { inner: vec![None, Some(Middle::One { n: 3 })] };
        assert_eq!(
            check(&value).unwrap_err().to_string(),
            "at `inner[1].One.n`: the shape says u64, the value is serialized as u8",
        );
    }

    #[test]
    fn below_an_opaque_node_are_not_looked_for() {
        struct Opaque;
        impl Shape for Opaque {
            const NODE: Node = Node::opaque("anything");
        }
        let anything = (1u8, "text", vec![Some(Event::Both(1, true)), Some(Event::Move { x: 1, y: 2 })]);
        check(&Lie(anything, PhantomData::<Opaque>)).unwrap();
        check(&Lie(BTreeMap::from([(1, Swapped { b: 1, a: 2 })]), PhantomData::<Opaque>)).unwrap();
        assert!(lie::<Opaque>(Flattened { a: 1, rest: BTreeMap::new() }).contains("of unknown length"));
    }

    #[test]
    fn a_hand_written_table_is_followed() {
        #[derive(Serialize)]
        enum Reply {
            Later,
            Now(u8, u8),
        }
        impl Shape for Reply {
            const NODE: Node = Node::enumeration(
                "Reply",
                &[("Later", Fields::Unit), ("Now", Fields::Tuple(&[u8::shape, u8::shape]))],
            );
        }
        check(&[Reply::Later, Reply::Now(1, 2)]).unwrap();
    }
}
