//! `#[message]`: what serde's attributes mean for postcard, and what is added to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use bytes::Bytes;
use rpc_runtime::Error;
use rpc_runtime::shape::{Layout, check};
use rpc_runtime::{Cause, Shape, message};

fn text<T: Shape + ?Sized>() -> String {
    Layout::of::<T>().to_string()
}

/// Whether `part` lies inside `whole`.
fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr()) || part.is_empty()
}

#[test]
fn a_renamed_type_has_serdes_names() {
    #[message]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        first_name: u8,
        #[serde(rename = "LAST")]
        last_name: u8,
        r#type: u8,
        _x_y: u8,
    }
    #[message]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "kebab-case")]
    enum Variants {
        NotFound,
        #[serde(rename_all = "PascalCase")]
        TooMany {
            retry_after: u8,
        },
        TooFew {
            at_least: u8,
        },
    }
    assert_eq!(text::<Fields>(), "struct { firstName: u8, LAST: u8, type: u8, xY: u8 }");
    assert_eq!(
        text::<Variants>(),
        "enum { NOT_FOUND, TOO_MANY { RetryAfter: u8 }, TOO_FEW { at-least: u8 } }",
    );
    check(&Fields { first_name: 1, last_name: 2, r#type: 3, _x_y: 4 }).unwrap();
    check(&Variants::NotFound).unwrap();
    check(&Variants::TooMany { retry_after: 1 }).unwrap();
    check(&Variants::TooFew { at_least: 1 }).unwrap();
}

/// The checking serializer sees serde's own names.
#[test]
fn every_rename_rule_is_serdes() {
    macro_rules! rules {
        ($($rule:literal)*) => {$({
            #[message]
            #[serde(rename_all = $rule)]
            struct Fields { a: u8, ab_cd: u8, _lead: u8, trail_: u8, x2_y: u8 }
            check(&Fields { a: 1, ab_cd: 1, _lead: 1, trail_: 1, x2_y: 1 }).unwrap();

            #[message]
            #[serde(rename_all = $rule, rename_all_fields = $rule)]
            enum Variants { A, AbCd, HTTPGet, X2Y { ab_cd: u8 } }
            for variant in [Variants::A, Variants::AbCd, Variants::HTTPGet, Variants::X2Y { ab_cd: 1 }] {
                check(&variant).unwrap();
            }
        })*};
    }
    rules! {
        "lowercase" "UPPERCASE" "PascalCase" "camelCase" "snake_case" "SCREAMING_SNAKE_CASE" "kebab-case"
        "SCREAMING-KEBAB-CASE"
    }
}

#[test]
fn a_skipped_field_takes_its_default() {
    #[message]
    #[derive(Debug, PartialEq)]
    struct Cached {
        a: u8,
        #[serde(skip)]
        hits: u32,
        #[serde(skip, default = "seven")]
        limit: u32,
        b: u16,
    }
    fn seven() -> u32 {
        7
    }
    let written = postcard::to_allocvec(&Cached { a: 1, hits: 9, limit: 9, b: 300 }).unwrap();
    assert_eq!(written, [1, 0xAC, 2]);
    assert_eq!(postcard::from_bytes::<Cached>(&written).unwrap(), Cached { a: 1, hits: 0, limit: 7, b: 300 },);
    assert_eq!(text::<Cached>(), "struct { a: u8, b: u16 }");
}

#[test]
fn a_default_costs_nothing_on_the_wire() {
    #[message]
    #[derive(Debug, PartialEq, Default)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        #[serde(alias = "n")]
        count: u8,
        #[serde(default)]
        name: Option<String>,
    }
    let options = Options { count: 3, name: None };
    let written = postcard::to_allocvec(&options).unwrap();
    assert_eq!(written, [3, 0]);
    assert_eq!(postcard::from_bytes::<Options>(&written).unwrap(), options);
    check(&options).unwrap();
}

#[test]
fn a_skipped_last_variant_moves_no_other() {
    #[message]
    #[derive(Debug, PartialEq)]
    enum E {
        A,
        B,
        #[serde(skip)]
        Local,
        #[serde(skip)]
        AlsoLocal(PhantomData<std::thread::ThreadId>),
    }
    for variant in [E::A, E::B] {
        let written = postcard::to_allocvec(&variant).unwrap();
        assert_eq!(postcard::from_bytes::<E>(&written).unwrap(), variant);
        check(&variant).unwrap();
    }
    assert!(postcard::to_allocvec(&E::Local).is_err());
    assert!(postcard::to_allocvec(&E::AlsoLocal(PhantomData)).is_err());
    assert_eq!(text::<E>(), "enum { A, B }");
}

#[test]
fn lent_fields_lie_in_the_frame() {
    #[message]
    #[derive(Debug, PartialEq)]
    struct Inner<'b> {
        word: &'b str,
    }
    #[message]
    #[derive(Debug, PartialEq)]
    struct Frame<'a> {
        text: &'a str,
        raw: &'a [u8],
        maybe: Option<&'a str>,
        maybe_raw: Option<&'a [u8]>,
        cow: Cow<'a, str>,
        cow_raw: Cow<'a, [u8]>,
        inner: Inner<'a>,
        many: Vec<Inner<'a>>,
        by_name: BTreeMap<&'a str, Option<Inner<'a>>>,
        runs: Vec<&'a [u8]>,
        owned: String,
    }
    let sent = Frame {
        text: "text",
        raw: b"raw",
        maybe: Some("maybe"),
        maybe_raw: Some(b"maybe raw"),
        cow: "cow".into(),
        cow_raw: b"cow raw".into(),
        inner: Inner { word: "inner" },
        many: vec![Inner { word: "one" }, Inner { word: "two" }],
        by_name: [("key", Some(Inner { word: "three" }))].into(),
        runs: vec![b"run"],
        owned: "owned".into(),
    };
    check(&sent).unwrap();
    let frame = postcard::to_allocvec(&sent).unwrap();
    let got: Frame<'_> = postcard::from_bytes(&frame).unwrap();
    assert_eq!(got, sent);
    let lent = [
        got.text.as_bytes(),
        got.raw,
        got.maybe.unwrap().as_bytes(),
        got.maybe_raw.unwrap(),
        got.inner.word.as_bytes(),
        got.many[1].word.as_bytes(),
        got.by_name.keys().next().unwrap().as_bytes(),
        got.runs[0],
    ];
    assert!(lent.iter().all(|part| lies_in(part, &frame)));
    assert!(matches!(got.cow, Cow::Borrowed(text) if lies_in(text.as_bytes(), &frame)));
    assert!(matches!(got.cow_raw, Cow::Borrowed(raw) if lies_in(raw, &frame)));
    assert!(!lies_in(got.owned.as_bytes(), &frame));
}

#[test]
fn enums_lend_too() {
    #[message]
    #[derive(Debug, PartialEq)]
    enum Token<'a> {
        End,
        Word(&'a str),
        Quoted {
            text: Cow<'a, str>,
        },
        Pair(Cow<'a, [u8]>, Option<&'a str>),
        #[serde(borrow)]
        Marked(Cow<'a, str>),
    }
    for token in [
        Token::End,
        Token::Word("w"),
        Token::Quoted { text: "q".into() },
        Token::Pair(b"p".into(), None),
        Token::Marked("m".into()),
    ] {
        check(&token).unwrap();
        let frame = postcard::to_allocvec(&token).unwrap();
        let got: Token<'_> = postcard::from_bytes(&frame).unwrap();
        assert_eq!(got, token);
        let lent = match &got {
            Token::End => true,
            Token::Word(text) => lies_in(text.as_bytes(), &frame),
            Token::Quoted { text: Cow::Borrowed(text) } => lies_in(text.as_bytes(), &frame),
            Token::Pair(Cow::Borrowed(raw), _) => lies_in(raw, &frame),
            Token::Marked(Cow::Borrowed(text)) => lies_in(text.as_bytes(), &frame),
            _ => false,
        };
        assert!(lent, "{got:?} was copied");
    }
}

/// Byte runs: the same bytes as plain serde writes, in one piece.
mod runs {
    use super::*;
    use serde::{Deserialize, Serialize};

    type Blob = Vec<u8>;

    #[message]
    #[derive(Debug, Clone, PartialEq)]
    struct Marked<'a> {
        vec: Vec<u8>,
        boxed: Box<[u8]>,
        cow: Cow<'a, [u8]>,
        bytes: Bytes,
        maybe: Option<Vec<u8>>,
        none: Option<Bytes>,
        many: Vec<Vec<u8>>,
        nested: Option<Vec<Option<Bytes>>>,
        #[rpc(bytes)]
        alias: Blob,
        array: [u8; 2],
        wide: Vec<u16>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Plain<'a> {
        vec: Vec<u8>,
        boxed: Box<[u8]>,
        cow: Cow<'a, [u8]>,
        bytes: Bytes,
        maybe: Option<Vec<u8>>,
        none: Option<Bytes>,
        many: Vec<Vec<u8>>,
        nested: Option<Vec<Option<Bytes>>>,
        alias: Blob,
        array: [u8; 2],
        wide: Vec<u16>,
    }

    fn marked() -> Marked<'static> {
        Marked {
            vec: vec![1, 2, 255],
            boxed: Box::new([3]),
            cow: b"cow".into(),
            bytes: Bytes::from_static(b"bytes"),
            maybe: Some(vec![4]),
            none: None,
            many: vec![vec![5], vec![], vec![6, 7]],
            nested: Some(vec![None, Some(Bytes::from_static(b"x"))]),
            alias: vec![8, 9],
            array: [10, 11],
            wide: vec![300],
        }
    }

    #[test]
    fn are_the_bytes_of_plain_serde() {
        let Marked { vec, boxed, cow, bytes, maybe, none, many, nested, alias, array, wide } = marked();
        let plain = Plain { vec, boxed, cow, bytes, maybe, none, many, nested, alias, array, wide };
        let written = postcard::to_allocvec(&marked()).unwrap();
        assert_eq!(written, postcard::to_allocvec(&plain).unwrap());
        assert_eq!(postcard::from_bytes::<Marked<'_>>(&written).unwrap(), marked());
        assert_eq!(postcard::from_bytes::<Plain<'_>>(&written).unwrap(), plain);
        check(&marked()).unwrap();
    }

    #[test]
    fn are_written_in_one_piece() {
        let pieces = Pieces::of(&marked());
        assert_eq!(pieces.runs, 10, "each run is one call");
        assert_eq!(pieces.bytes, 2, "the array alone is written byte by byte");
        let plain = Pieces::of(&Plain {
            vec: vec![1; 3],
            boxed: Box::new([]),
            cow: b"".into(),
            bytes: Bytes::new(),
            maybe: None,
            none: None,
            many: vec![],
            nested: None,
            alias: vec![],
            array: [0; 2],
            wide: vec![],
        });
        assert_eq!((plain.runs, plain.bytes), (1, 5), "what serde does without the mark");
    }

    #[test]
    fn a_type_that_only_looks_like_one_says_so() {
        #[message]
        #[derive(Debug, PartialEq)]
        struct Bytes {
            inner: u8,
        }
        #[message]
        struct Holder {
            #[rpc(bytes = false)]
            bytes: Bytes,
        }
        let written = postcard::to_allocvec(&Holder { bytes: Bytes { inner: 3 } }).unwrap();
        assert_eq!(written, [3]);
        assert_eq!(text::<Holder>(), "struct { bytes: struct { inner: u8 } }");
    }

    #[test]
    fn an_absent_optional_run_is_none() {
        #[message]
        struct Optional {
            run: Option<Vec<u8>>,
            plain: Option<u8>,
        }
        use serde::de::IntoDeserializer;
        use serde::de::value::{Error, MapDeserializer};
        let empty = MapDeserializer::<_, Error>::new(std::iter::empty::<(&str, u8)>());
        let optional = Optional::deserialize(empty.into_deserializer()).unwrap();
        assert_eq!((optional.run, optional.plain), (None, None));
    }

    /// The expansion of a call decides by type, so that an alias is a run and a shadowed `u8` is none.
    #[test]
    fn are_known_by_type() {
        use rpc_runtime::__private::{ByElement as _, Of};
        #[expect(non_camel_case_types, reason = "shadows the primitive")]
        mod shadow {
            #[derive(serde::Serialize)]
            pub(super) struct u8(pub(super) i8);
            pub(super) type Fake = Vec<u8>;
        }
        macro_rules! runs {
            ($ty:ty, $value:expr) => {{
                let value: $ty = $value;
                let mut pieces = Pieces::default();
                Of::<$ty>::serialize(&value, &mut pieces).unwrap();
                pieces.runs
            }};
        }
        assert_eq!(runs!(Vec<u8>, vec![1]), 1);
        assert_eq!(runs!(Blob, vec![1]), 1);
        assert_eq!(runs!(&[u8], &[1]), 1);
        assert_eq!(runs!(Cow<'_, [u8]>, Cow::Borrowed(&[1])), 1);
        assert_eq!(runs!(Option<Blob>, Some(vec![1])), 1);
        assert_eq!(runs!(Vec<Bytes>, vec![Bytes::new(), Bytes::new()]), 2);
        assert_eq!(runs!([u8; 1], [1]), 0);
        assert_eq!(runs!(Vec<u16>, vec![1]), 0);
        assert_eq!(runs!(String, "text".into()), 0);
        assert_eq!(runs!(shadow::Fake, vec![shadow::u8(1)]), 0);

        let mut frame = postcard::Deserializer::from_bytes(&[2, 7, 8]);
        assert_eq!(Of::<Blob>::deserialize(&mut frame).unwrap(), [7, 8]);
        let mut frame = postcard::Deserializer::from_bytes(&[2, 7, 8]);
        assert_eq!(Of::<Vec<u16>>::deserialize(&mut frame).unwrap(), [7, 8]);
        let frame = [2, 7, 8];
        let lent = Of::<&[u8]>::deserialize(&mut postcard::Deserializer::from_bytes(&frame)).unwrap();
        assert!(lies_in(lent, &frame));
    }

    /// Counts runs and single bytes.
    #[derive(Default)]
    struct Pieces {
        runs: usize,
        bytes: usize,
    }

    impl Pieces {
        fn of(value: &impl Serialize) -> Self {
            let mut pieces = Self::default();
            value.serialize(&mut pieces).unwrap();
            pieces
        }
    }

    mod counting {
        //! A serializer that only counts.

        use super::Pieces;
        use serde::ser::*;

        #[derive(Debug)]
        pub(super) enum Never {}
        impl std::fmt::Display for Never {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match *self {}
            }
        }
        impl std::error::Error for Never {}
        impl Error for Never {
            fn custom<T: std::fmt::Display>(message: T) -> Self {
                panic!("{message}")
            }
        }

        macro_rules! ignore {
            ($($method:ident($($ty:ty),*))*) => {$(
                fn $method(self, $(_: $ty),*) -> Result<(), Never> { Ok(()) }
            )*};
        }
        macro_rules! open {
            ($($method:ident($($ty:ty),*))*) => {$(
                fn $method(self, $(_: $ty),*) -> Result<Self, Never> { Ok(self) }
            )*};
        }

        impl Serializer for &mut Pieces {
            type Ok = ();
            type Error = Never;
            type SerializeSeq = Self;
            type SerializeTuple = Self;
            type SerializeTupleStruct = Self;
            type SerializeTupleVariant = Self;
            type SerializeMap = Self;
            type SerializeStruct = Self;
            type SerializeStructVariant = Self;

            ignore! {
                serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
                serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_f32(f32) serialize_f64(f64)
                serialize_char(char) serialize_str(&str) serialize_none() serialize_unit()
                serialize_unit_struct(&'static str) serialize_unit_variant(&'static str, u32, &'static str)
            }
            open! {
                serialize_seq(Option<usize>) serialize_tuple(usize) serialize_tuple_struct(&'static str, usize)
                serialize_tuple_variant(&'static str, u32, &'static str, usize) serialize_map(Option<usize>)
                serialize_struct(&'static str, usize)
                serialize_struct_variant(&'static str, u32, &'static str, usize)
            }

            fn serialize_u8(self, _: u8) -> Result<(), Never> {
                self.bytes += 1;
                Ok(())
            }
            fn serialize_bytes(self, _: &[u8]) -> Result<(), Never> {
                self.runs += 1;
                Ok(())
            }
            fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
                value.serialize(self)
            }
            fn serialize_newtype_struct<T: Serialize + ?Sized>(
                self,
                _: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                value.serialize(self)
            }
            fn serialize_newtype_variant<T: Serialize + ?Sized>(
                self,
                _: &'static str,
                _: u32,
                _: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                value.serialize(self)
            }
        }

        macro_rules! parts {
            ($($trait:ident::$method:ident($($name:ty)?))*) => {$(
                impl $trait for &mut Pieces {
                    type Ok = ();
                    type Error = Never;
                    fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? part: &T) -> Result<(), Never> {
                        part.serialize(&mut **self)
                    }
                    fn end(self) -> Result<(), Never> { Ok(()) }
                }
            )*};
        }
        parts! {
            SerializeSeq::serialize_element() SerializeTuple::serialize_element()
            SerializeTupleStruct::serialize_field() SerializeTupleVariant::serialize_field()
            SerializeStruct::serialize_field(&'static str)
            SerializeStructVariant::serialize_field(&'static str)
        }
        impl SerializeMap for &mut Pieces {
            type Ok = ();
            type Error = Never;
            fn serialize_key<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Never> {
                part.serialize(&mut **self)
            }
            fn serialize_value<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Never> {
                part.serialize(&mut **self)
            }
            fn end(self) -> Result<(), Never> {
                Ok(())
            }
        }
    }
}

/// `Cause`, by type.
mod causes {
    use super::*;

    type Renamed = Error;

    #[message]
    #[derive(Debug)]
    enum AuthError {
        Refused,
        Text(String),
        Rpc(Error),
        Aliased(Renamed),
        Named { source: Error },
        Two(Error, u8),
        Other(Plain),
    }
    #[message]
    #[derive(Debug)]
    struct Plain(u8);
    #[message]
    enum Outer {
        Auth(AuthError),
        Local(Plain),
    }
    #[message]
    enum Generic<T> {
        Held(T),
        Rpc(Error),
    }
    #[message]
    enum Never {}

    fn error() -> Error {
        Error::denied("away")
    }

    #[test]
    fn are_found_in_the_only_field_of_a_variant() {
        for held in
            [AuthError::Rpc(error()), AuthError::Aliased(error()), AuthError::Named { source: error() }]
        {
            assert_eq!(held.rpc(), Some(&error()), "{held:?}");
        }
        for free in [
            AuthError::Refused,
            AuthError::Text("text".into()),
            AuthError::Two(error(), 1),
            AuthError::Other(Plain(1)),
        ] {
            assert_eq!(free.rpc(), None, "{free:?}");
        }
    }

    #[test]
    fn are_found_in_the_error_of_a_callee() {
        assert_eq!(Outer::Auth(AuthError::Rpc(error())).rpc(), Some(&error()));
        assert_eq!(Outer::Auth(AuthError::Refused).rpc(), None);
        assert_eq!(Outer::Local(Plain(1)).rpc(), None);
    }

    #[test]
    fn are_found_in_a_generic_error() {
        assert_eq!(Generic::<u8>::Rpc(error()).rpc(), Some(&error()));
        assert_eq!(Generic::Held(error()).rpc(), None, "a parameter is the caller's business");
        fn is_cause<T: Cause>() {}
        is_cause::<Never>();
    }
}

#[test]
fn generic_messages_bound_only_what_is_written() {
    trait Table {
        type Row;
    }
    struct Users;
    impl Table for Users {
        type Row = (u64, String);
    }
    struct Unshaped;

    #[message]
    struct Page<'a, T, const N: usize>
    where
        T: Clone,
    {
        items: Vec<T>,
        of: PhantomData<[u8; N]>,
        title: &'a str,
    }
    #[message]
    struct Id<T> {
        id: u64,
        of: PhantomData<T>,
    }
    #[message]
    #[serde(bound(serialize = "T::Row: serde::Serialize", deserialize = "T::Row: serde::Deserialize<'de>"))]
    struct Rows<T: Table> {
        rows: Vec<T::Row>,
    }
    #[message]
    struct Skipping<T: Default> {
        kept: u8,
        #[serde(skip)]
        #[expect(dead_code, reason = "not written")]
        skipped: T,
    }

    assert_eq!(text::<Page<'_, u8, 3>>(), "struct { items: bytes, of: (), title: string }");
    assert_eq!(text::<Id<Unshaped>>(), "struct { id: u64, of: () }");
    assert_eq!(text::<Rows<Users>>(), "struct { rows: [(u64, string)] }");
    check(&Rows::<Users> { rows: vec![(1, "a".into())] }).unwrap();
    let written =
        postcard::to_allocvec(&Page { items: vec![1u16], of: PhantomData::<[u8; 1]>, title: "t" }).unwrap();
    let page: Page<'_, u16, 1> = postcard::from_bytes(&written).unwrap();
    assert_eq!((page.items, page.title), (vec![1], "t"));
    assert_eq!(text::<Skipping<u8>>(), "struct { kept: u8 }");
}

#[test]
fn declared_forms_stand_for_what_is_not_seen() {
    #[message]
    #[serde(try_from = "String", into = "String")]
    #[rpc(shape = String)]
    #[derive(Debug, Clone, PartialEq)]
    struct Even(u32);
    impl TryFrom<String> for Even {
        type Error = std::num::ParseIntError;
        fn try_from(text: String) -> Result<Self, Self::Error> {
            text.parse().map(Self)
        }
    }
    impl From<Even> for String {
        fn from(Even(even): Even) -> Self {
            even.to_string()
        }
    }
    #[message]
    struct Holder {
        #[rpc(opaque = "even 1")]
        one: Even,
        two: Even,
    }
    #[message]
    #[rpc(opaque = "token 1")]
    struct Token(u8);
    #[message]
    enum Either {
        #[rpc(shape = u8)]
        Token(Token),
        #[rpc(opaque = "other 1")]
        Other(Token),
    }

    assert_eq!(text::<Even>(), "string");
    check(&Even(4)).unwrap();
    assert_eq!(text::<Holder>(), "struct { one: opaque \"even 1\", two: string }");
    assert_eq!(text::<Token>(), "opaque \"token 1\"");
    assert_eq!(text::<Either>(), "enum { Token(u8), Other(opaque \"other 1\") }");
    let written = postcard::to_allocvec(&Even(4)).unwrap();
    assert_eq!(postcard::from_bytes::<Even>(&written).unwrap(), Even(4));
}

#[test]
fn cfg_holds_for_the_table_as_for_the_type() {
    #[message]
    struct Fields {
        a: u8,
        #[cfg(any())]
        gone: NoSuchType,
        #[cfg(not(any()))]
        b: u16,
    }
    #[message]
    enum Variants {
        A,
        #[cfg(any())]
        Gone(NoSuchType),
        #[cfg(not(any()))]
        B(Error),
    }
    assert_eq!(text::<Fields>(), "struct { a: u8, b: u16 }");
    assert_eq!(text::<Variants>().split('(').next(), Some("enum { A, B"));
    check(&Fields { a: 1, b: 1 }).unwrap();
    check(&Variants::A).unwrap();
    assert!(Variants::B(Error::denied("x")).rpc().is_some());
}

#[test]
fn the_runtime_may_be_elsewhere() {
    mod elsewhere {
        pub(super) use rpc_runtime as moved;
    }
    #[message(crate = "elsewhere::moved")]
    struct Moved {
        raw: Vec<u8>,
    }
    assert_eq!(text::<Moved>(), "struct { raw: bytes }");
}

#[test]
fn types_handed_on_by_a_macro_are_seen_through() {
    macro_rules! define {
        ($name:ident, $ty:ty, $lent:ty) => {
            #[message]
            struct $name<'a> {
                run: $ty,
                lent: $lent,
                marker: PhantomData<&'a ()>,
            }
        };
    }
    define!(Handed, Vec<u8>, Option<Cow<'a, str>>);
    check(&Handed { run: vec![1], lent: None, marker: PhantomData }).unwrap();
    assert_eq!(text::<Handed<'_>>(), "struct { run: bytes, lent: Option<string>, marker: () }");
}
