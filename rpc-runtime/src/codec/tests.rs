use std::path::Path;

use bytes::Bytes;
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
                Of::<&'a str>::NEW.__kind(),
                Of::<Query<'a>>::NEW.__kind(),
                Lent::<User>::NEW.__kind(),
                Lent::<[User]>::NEW.__kind(),
                Lent::<Path>::NEW.__kind(),
                Of::<Blob>::NEW.__kind(),
                Of::<&'a [u8]>::NEW.__kind(),
                Of::<Option<&'a str>>::NEW.__kind(),
            ),
            Answer::<Answered<Blob>>::NEW.__kind(),
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
        codec((), Answer::<Result<(), Refusal>>::NEW.__kind())
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
        assert_eq!(
            encoded.into_parts().1.map_or(0, |runs| runs.len()),
            usize::from(bytes.len() > 40 << 10),
            "a long run is kept"
        );
        assert_eq!(Find::codec().read_output(&mut Decoder::new(&bytes)).unwrap(), outcome);
    }
}

fn refused<M: Method>(frame: &[u8]) -> crate::Error {
    M::codec().read_args(&mut Decoder::new(frame)).map(drop).unwrap_err().into_error(M::INFO)
}

struct Several;

impl Method for Several {
    type Args<'a> = (bool, &'a str, Option<char>, Result<u8, u8>, std::num::NonZeroU8, List);
    type Read<'a> = Self::Args<'a>;
    type Output = Result<Vec<u32>, Refusal>;

    const INFO: &'static MethodInfo = &MethodInfo::new(
        "Directory",
        "several",
        &[
            ("flag", Of::<bool>::SHAPE),
            ("text", Of::<str>::SHAPE),
            ("letter", Of::<Option<char>>::SHAPE),
            ("outcome", Of::<Result<u8, u8>>::SHAPE),
            ("count", Of::<std::num::NonZeroU8>::SHAPE),
            ("list", Of::<List>::SHAPE),
        ],
        Of::<Result<Vec<u32>, Refusal>>::SHAPE,
    );

    fn codec<'a>() -> impl Codec<'a, Args = Self::Args<'a>, Read = Self::Read<'a>, Output = Self::Output> {
        codec(
            (
                Of::<bool>::NEW.__kind(),
                Of::<&'a str>::NEW.__kind(),
                Of::<Option<char>>::NEW.__kind(),
                Of::<Result<u8, u8>>::NEW.__kind(),
                Of::<std::num::NonZeroU8>::NEW.__kind(),
                Of::<List>::NEW.__kind(),
            ),
            Answer::<Result<Vec<u32>, Refusal>>::NEW.__kind(),
        )
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum List {
    Nil,
    Cons(Box<Self>),
}

#[test]
fn an_error_names_the_argument_and_what_is_wrong_with_it() {
    let good = [1, 1, b'a', 1, 1, b'b', 0, 5, 9, 1, 0];
    let read = Several::codec().read_args(&mut Decoder::new(&good)).unwrap();
    assert_eq!((read.0, read.1, read.2, read.3, read.4.get()), (true, "a", Some('b'), Ok(5), 9));
    assert!(matches!(read.5, List::Cons(nil) if matches!(*nil, List::Nil)));
    for (at, change, message) in [
        (0, &[2][..], "argument `flag` of `Directory/several` cannot be read: a bool is neither 0 nor 1"),
        (1, &[1, 0xff], "argument `text` of `Directory/several` cannot be read: a string is not UTF-8"),
        (1, &[99], "argument `text` of `Directory/several` cannot be read: its bytes end too early"),
        (
            1,
            &[0xff; 11],
            "argument `text` of `Directory/several` cannot be read: a number does not fit its type",
        ),
        (
            3,
            &[2],
            "argument `letter` of `Directory/several` cannot be read: the tag of an option is 2, neither 0 \
                   nor 1",
        ),
        (4, &[1, 0xff], "argument `letter` of `Directory/several` cannot be read: a char is not one"),
        (
            6,
            &[7],
            "argument `outcome` of `Directory/several` cannot be read: invalid value: integer `7`, expected \
                   `Ok` or `Err`",
        ),
        (
            8,
            &[0],
            "argument `count` of `Directory/several` cannot be read: invalid value: integer `0`, expected a \
                   nonzero u8",
        ),
        (
            9,
            &[3],
            "argument `list` of `Directory/several` cannot be read: invalid value: integer `3`, expected \
                   variant index 0 <= i < 2",
        ),
    ] {
        let mut frame = good[..at].to_vec();
        frame.extend(change);
        let error = refused::<Several>(&frame);
        assert!(error.is_decode(), "{error:?}");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_limit_names_its_value_and_the_argument() {
    let deep = [&[1, 0, 0, 0, 5, 9][..], &[1; 300]].concat();
    let error = refused::<Several>(&deep);
    assert!(error.is_limit());
    assert_eq!(
        error.to_string(),
        "the limit of 128 levels of nesting in argument `list` of `Directory/several` is reached"
    );

    let long = postcard::to_allocvec(&Ok::<_, Refusal>(vec![1_u32; 1000])).unwrap();
    let read = Several::codec().read_output(&mut Decoder::new(&long).within(2048));
    let error = read.unwrap_err().into_error(Several::INFO);
    assert!(error.is_limit());
    assert_eq!(
        error.to_string(),
        "the limit of 2048 bytes of memory in the result of `Directory/several` is reached"
    );

    let mut to = Encoder::new(4);
    let error = Nothing::codec().write_output(Err(Refusal("no way".into())), &mut to);
    let error = error.unwrap_err().into_error(Nothing::INFO);
    assert!(error.is_limit());
    assert_eq!(error.to_string(), "the limit of 4 bytes in the result of `Directory/nothing` is reached");
}

#[test]
fn nothing_may_be_left_over() {
    let error = Nothing::codec().read_args(&mut Decoder::new(&[1, 2])).unwrap_err();
    assert_eq!(error.to_string(), "2 bytes are left over");
    let error =
        Nothing::codec().read_output(&mut Decoder::new(&[0, 7])).unwrap_err().into_error(Nothing::INFO);
    let expected = "the result of `Directory/nothing` cannot be read: 1 bytes are left over";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_type_that_leaves_elements_behind_is_refused() {
    #[derive(Debug)]
    struct First;

    impl<'de> Deserialize<'de> for First {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;

            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = First;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("elements")
                }

                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<First, A::Error> {
                    seq.next_element::<u8>().map(|_| First)
                }
            }

            deserializer.deserialize_seq(Visitor)
        }
    }

    let error = Decoder::new(&[3, 1, 2, 3]).value::<First>().unwrap_err();
    assert_eq!(error.to_string(), "2 elements more than its type takes");
}

#[test]
fn the_budget_says_what_was_taken() {
    let bytes = postcard::to_allocvec(&vec!["abc"; 10]).unwrap();
    let mut from = Decoder::new(&bytes).within(1000);
    from.value::<Vec<String>>().unwrap();
    assert_eq!(from.used(), 10 * size_of::<String>() + 30);
}

#[test]
fn an_error_of_a_type_keeps_its_text() {
    let not_text = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&[0xff]);
    let error = Encoder::default().value(&(1, Path::new(not_text))).unwrap_err();
    assert_eq!(error.to_string(), "path contains invalid UTF-8 characters");

    struct Unknown;

    impl Serialize for Unknown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serde::ser::SerializeMap::end(serializer.serialize_map(None)?)
        }
    }

    let error = Encoder::default().value(&Unknown).unwrap_err().into_error(Nothing::INFO);
    assert!(error.is_decode());
    assert_eq!(
        error.to_string(),
        "the result of `Directory/nothing` cannot be written: the length of a map must be known before its \
         elements, as it is not with `#[serde(flatten)]`"
    );

    let error = Decoder::new(&[0]).value::<serde::de::IgnoredAny>().unwrap_err();
    assert!(error.to_string().starts_with("its type asks the bytes what they are"), "{error}");
}

/// A hand-written `Serialize` that does not do what the shape says.
#[cfg(debug_assertions)]
#[test]
fn a_checked_encoder_finds_a_value_that_lies_about_its_shape() {
    struct Tagged {
        #[allow(dead_code, reason = "its shape alone matters")]
        tags: Vec<Celsius>,
    }

    struct Celsius;

    impl Serialize for Celsius {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_f32(21.5)
        }
    }

    impl Serialize for Tagged {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeStruct as _;
            let mut fields = serializer.serialize_struct("Tagged", 1)?;
            fields.serialize_field("tags", &self.tags)?;
            fields.end()
        }
    }

    impl<'de> Deserialize<'de> for Tagged {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            unreachable!("it is only written")
        }
    }

    impl crate::Shape for Tagged {
        const NODE: crate::shape::Node =
            crate::shape::Node::structure("Tagged", &[("tags", <Vec<f64>>::shape)]);
    }

    static INFO: MethodInfo =
        MethodInfo::new("Weather", "report", &[("at", u8::shape), ("tagged", Tagged::shape)], Tagged::shape);
    use crate::Shape as _;

    let plan = codec(
        (Of::<u8>::NEW.__kind(), Of::<Tagged>::NEW.__kind()),
        Answer::<Result<Vec<u8>, Refusal>>::NEW.__kind(),
    );
    let given = || (1, Tagged { tags: vec![Celsius] });
    let error =
        plan.write_args(given(), &mut Encoder::default().checked(&INFO)).unwrap_err().into_error(&INFO);
    assert_eq!(
        error.to_string(),
        "argument `tagged` of `Weather/report` cannot be written: its shape does not hold: at `tags[0]`: the shape \
         says f64, the value is serialized as f32"
    );
    plan.write_args(given(), &mut Encoder::default()).unwrap();

    // A run inside a result, too, against a shape that says something else.
    for outcome in [Ok(vec![1]), Err(Refusal("no".into()))] {
        let error = plan.write_output(outcome, &mut Encoder::default().checked(&INFO)).unwrap_err();
        assert!(error.to_string().contains("the shape says struct Tagged"), "{error}");
    }
}

#[test]
fn long_runs_that_are_owned_are_kept_and_short_ones_copied() {
    let plan = codec(
        (
            Of::<Vec<u8>>::NEW.__kind(),
            Of::<&str>::NEW.__kind(),
            Of::<Bytes>::NEW.__kind(),
            Of::<Box<[u8]>>::NEW.__kind(),
            Lent::<Vec<u8>>::NEW.__kind(),
        ),
        Answer::<Result<(), ()>>::NEW.__kind(),
    );
    let (vec, bytes, short) = (vec![1; 16 << 10], Bytes::from(vec![2; 20 << 10]), vec![3; 100]);
    let (at, lent) = (vec.as_ptr(), vec![4; 17 << 10]);
    let mut to = Encoder::default();
    plan.write_args((vec.clone(), "text", bytes.clone(), short.clone().into(), &lent), &mut to).unwrap();
    let again = flat(&to.finish());
    assert_eq!(again, postcard::to_allocvec(&(&vec, "text", &bytes[..], &short, &lent)).unwrap());

    let mut to = Encoder::default();
    plan.write_args((vec, "text", bytes.clone(), short.into(), &lent), &mut to).unwrap();
    let encoded = to.finish();
    let chunks: Vec<_> = encoded.chunks().map(<[u8]>::len).collect();
    assert_eq!(chunks, [3, 16 << 10, 5 + 3, 20 << 10, 101 + 3 + (17 << 10)]);
    for (_, runs) in [encoded.clone().into_parts(), encoded.into_parts()] {
        let runs = runs.unwrap();
        assert_eq!((runs[0].0, runs[0].1.as_ptr()), (3, at), "the vector itself, in the clone too");
        assert_eq!((runs[1].0, runs[1].1.as_ptr()), (11, bytes.as_ptr()), "a share of the bytes");
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(with = "crate::shape::run")]
    body: Bytes,
    #[serde(with = "crate::shape::run")]
    rest: Option<Bytes>,
}

#[test]
fn bytes_are_a_part_of_their_frame_where_they_are_a_large_part() {
    let plan =
        codec((Of::<u8>::NEW.__kind(), Of::<Page>::NEW.__kind()), Answer::<Result<Bytes, ()>>::NEW.__kind());
    let is_part = |body: usize, rest: usize, in_frame: bool| {
        let page = Page { body: vec![1; body].into(), rest: Some(vec![2; rest].into()) };
        let mut to = Encoder::default();
        plan.write_args((7, page), &mut to).unwrap();
        let frame = Bytes::from(flat(&to.finish()));
        let mut from = Decoder::new(&frame);
        if in_frame {
            from = from.inside(&frame);
        }
        let (_, page) = plan.read_args(&mut from).unwrap();
        assert_eq!((&page.body[..], page.rest.as_deref().unwrap()), (&vec![1; body][..], &vec![2; rest][..]));
        frame.as_ptr_range().contains(&page.body.as_ptr())
    };
    assert!(is_part(4 << 10, 100, true));
    assert!(is_part(1 << 20, 1 << 10, true));
    assert!(!is_part((4 << 10) - 1, 100, true), "short");
    assert!(!is_part(4 << 10, 5 << 10, true), "less than half of the frame");
    assert!(!is_part(4 << 10, 100, false), "no frame");

    let answer = Bytes::from(postcard::to_allocvec(&Ok::<_, ()>(Bytes::from(vec![5; 8 << 10]))).unwrap());
    let read = plan.read_output(&mut Decoder::new(&answer).inside(&answer)).unwrap().unwrap();
    assert!(answer.as_ptr_range().contains(&read.as_ptr()));
    assert_eq!(read, vec![5; 8 << 10]);
    // After the reading there is no frame.
    assert!(!answer.as_ptr_range().contains(&slice(&answer).as_ptr()));
}

/// A value that reads another frame while it is read.
#[test]
fn a_frame_within_a_frame_leaves_the_outer_one_in_place() {
    let frames = [vec![1; 8 << 10], vec![2; 8 << 10]].map(Bytes::from);
    in_frame(Some(&frames[0]), || {
        in_frame(Some(&frames[1]), || {
            assert_eq!(slice(&frames[1]).as_ptr(), frames[1].as_ptr());
            assert_ne!(slice(&frames[0]).as_ptr(), frames[0].as_ptr(), "not the frame that is being read");
        });
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            in_frame(Some(&frames[1]), || panic!("on purpose"));
        }));
        assert!(read.is_err());
        assert_eq!(slice(&frames[0]).as_ptr(), frames[0].as_ptr());
    });
}

#[test]
fn a_run_is_found_by_its_type() {
    fn name<K: fmt::Debug>(kind: K) -> String {
        format!("{kind:?}")
    }

    struct Opaque;
    type Alias = Option<Bytes>;
    assert_eq!(name(Of::<Blob>::NEW.__kind()), "RunOf");
    assert_eq!(name(Of::<&[u8]>::NEW.__kind()), "RunOf");
    assert_eq!(name(Of::<Alias>::NEW.__kind()), "RunOf");
    assert_eq!(name(Of::<[u8; 4]>::NEW.__kind()), "Plain");
    assert_eq!(name(Of::<Vec<u16>>::NEW.__kind()), "Plain");
    assert_eq!(name(Lent::<Blob>::NEW.__kind()), "LentRun");
    assert_eq!(name(Lent::<[u8]>::NEW.__kind()), "LentRun");
    assert_eq!(name(Lent::<[u16]>::NEW.__kind()), "LentPlain");
    assert_eq!(name(Lent::<str>::NEW.__kind()), "LentPlain");
    assert_eq!(name(Answer::<Answered<Blob>>::NEW.__kind()), "RunAnswer");
    assert_eq!(name(Answer::<Answered<String>>::NEW.__kind()), "Plain");
    // These types have been refused by `argument` and `Returned`: nothing more is said about them.
    assert_eq!(name(Of::<Opaque>::NEW.__kind()), "Unknown");
    assert_eq!(name(Lent::<[Opaque]>::NEW.__kind()), "LentUnknown");
    assert_eq!(name(Answer::<Answered<Opaque>>::NEW.__kind()), "Unknown");
}

/// A handler holds what was read across its awaits.
#[test]
fn a_future_that_holds_what_was_read_can_be_sent() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }

    async fn serve(frame: Bytes) -> Result<usize, Unread> {
        let mut from = Decoder::new(&frame).inside(&frame);
        let read = Find::codec().read_args(&mut from)?;
        std::future::ready(()).await;
        let (path, users): (&Path, &[User]) = (&read.4, &read.3);
        std::future::ready(()).await;
        Ok(read.1.text.len() + path.as_os_str().len() + users.len())
    }

    let task = sent(serve(Bytes::new()));
    let done = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task);
    assert_eq!(done.unwrap_err().to_string(), "its bytes end too early");
}
