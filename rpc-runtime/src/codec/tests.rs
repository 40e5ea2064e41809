use std::path::Path;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    __private::{Of, Unshaped as _},
    service::MethodInfo,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Query<'a> {
    text: &'a str,
    #[serde(with = "crate::shape::run")]
    body: &'a [u8],
    limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Refusal(String);

/// What `#[service]` writes for a method, as far as bytes are concerned.
trait Method {
    type Args<'a>;
    type Read<'a>;
    type Output;

    const INFO: &'static MethodInfo;

    fn codec<'a>() -> impl Codec<'a, Args = Self::Args<'a>, Read = Self::Read<'a>, Output = Self::Output>;
}

type Blob = Vec<u8>;
type Answered<T> = Result<T, Refusal>;

struct Find;

impl Method for Find {
    type Args<'a> = (&'a str, Query<'a>, &'a User, &'a [User], &'a Path, Blob, &'a [u8], Option<&'a str>);
    type Read<'a> = (&'a str, Query<'a>, User, Vec<User>, Box<Path>, Blob, &'a [u8], Option<&'a str>);
    type Output = Answered<Blob>;

    const INFO: &'static MethodInfo = &MethodInfo::new(
        "Directory",
        "find",
        &[
            ("name", Of::<str>::SHAPE),
            ("query", Of::<Query<'static>>::SHAPE),
            ("user", Of::<User>::SHAPE),
            ("users", Of::<[User]>::SHAPE),
            ("path", Of::<Path>::SHAPE),
            ("blob", Of::<Blob>::SHAPE),
            ("bytes", Of::<[u8]>::SHAPE),
            ("maybe", Of::<Option<&'static str>>::SHAPE),
        ],
        Of::<Answered<Blob>>::SHAPE,
    );

    #[inline]
    fn codec<'a>() -> impl Codec<'a, Args = Self::Args<'a>, Read = Self::Read<'a>, Output = Self::Output> {
        codec(
            (
                Of::<&'a str>::KIND,
                Of::<Query<'a>>::KIND,
                Lent::<User>::KIND,
                Lent::<[User]>::KIND,
                Lent::<Path>::KIND,
                Of::<Blob>::KIND,
                Of::<&'a [u8]>::KIND,
                Of::<Option<&'a str>>::KIND,
            ),
            Answer::<Answered<Blob>>::KIND,
        )
    }
}

struct Nothing;

impl Method for Nothing {
    type Args<'a> = ();
    type Read<'a> = ();
    type Output = Result<(), Refusal>;

    const INFO: &'static MethodInfo =
        &MethodInfo::new("Directory", "nothing", &[], Of::<Result<(), Refusal>>::SHAPE);

    fn codec<'a>() -> impl Codec<'a, Args = (), Read = (), Output = Self::Output> {
        codec((), Answer::<Result<(), Refusal>>::KIND)
    }
}

fn args<M: Method>(args: M::Args<'_>) -> Vec<u8> {
    let mut to = Encoder::default().checked(M::INFO);
    M::codec().write_args(args, &mut to).unwrap();
    flat(&to.finish())
}

fn flat(encoded: &Encoded) -> Vec<u8> {
    let bytes = encoded.chunks().collect::<Vec<_>>().concat();
    assert_eq!(bytes.len(), encoded.len());
    bytes
}

#[test]
fn arguments_arrive_as_they_left_and_borrow_from_the_frame() {
    let user = User { id: 7, name: "Ada".into() };
    let query = Query { text: "who", body: &[1, 2], limit: Some(3) };
    let given = (
        "name",
        query.clone(),
        &user,
        std::slice::from_ref(&user),
        Path::new("a/b"),
        vec![9; 20 << 10],
        &[4_u8, 5][..],
        Some("maybe"),
    );
    let frame = args::<Find>(given.clone());
    assert_eq!(frame, postcard::to_allocvec(&given).unwrap(), "the bytes are plain postcard's");

    let mut from = Decoder::new(&frame);
    let (name, read, one, some, path, blob, bytes, maybe) = Find::codec().read_args(&mut from).unwrap();
    assert_eq!((name, read.clone(), one, &some[..]), ("name", query, user.clone(), &[user][..]));
    assert_eq!(
        (&*path, blob, bytes, maybe),
        (Path::new("a/b"), vec![9; 20 << 10], &[4, 5][..], Some("maybe"))
    );
    for part in [name.as_bytes(), read.text.as_bytes(), read.body, bytes, maybe.unwrap().as_bytes()] {
        assert!(frame.as_ptr_range().contains(&part.as_ptr()), "{part:?} is in the frame");
    }
}

#[test]
fn a_method_without_arguments_has_no_bytes() {
    let mut to = Encoder::default();
    Nothing::codec().write_args((), &mut to).unwrap();
    assert!(to.finish().is_empty());
    Nothing::codec().read_args(&mut Decoder::new(&[])).unwrap();
}

#[test]
fn both_outcomes_are_written_as_serde_writes_a_result() {
    for outcome in [Ok(vec![1, 2, 3]), Ok(vec![7; 40 << 10]), Err(Refusal("no".into()))] {
        let mut to = Encoder::default().checked(Find::INFO);
        Find::codec().write_output(outcome.clone(), &mut to).unwrap();
        let encoded = to.finish();
        let bytes = flat(&encoded);
        assert_eq!(bytes, postcard::to_allocvec(&outcome).unwrap());
        assert_eq!(encoded.into_parts().1.len(), usize::from(bytes.len() > 40 << 10), "a long run is kept");
        assert_eq!(Find::codec().read_output(&mut Decoder::new(&bytes)).unwrap(), outcome);
    }
}
