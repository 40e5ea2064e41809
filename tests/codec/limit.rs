//! A value that is too long to be written costs no more than one that is not.

use std::fmt;

use bytes::Bytes;
use rpc_runtime::__private::{Answer, Codec, Encoder, Of, PlainKind as _, codec};
use serde::{Serialize, Serializer};

use crate::peak;

const LIMIT: usize = 1_000_000;

/// Writes with a limit, and says how long it became, or why not.
fn write<T: Serialize + ?Sized>(value: &T) -> Result<usize, String> {
    let (written, held) = peak(|| {
        let mut to = Encoder::new(LIMIT);
        to.value(value).map_err(|error| error.to_string())?;
        Ok(to.finish().len())
    });
    assert!(held <= LIMIT + (64 << 10), "{held} bytes were held");
    written
}

const REFUSED: &str = "the limit of 1000000 bytes is reached";

#[test]
fn a_value_of_the_limit_is_written_and_a_byte_more_is_not() {
    // Three bytes are its length.
    assert_eq!(write(&"a".repeat(LIMIT - 3)), Ok(LIMIT));
    assert_eq!(write(&"a".repeat(LIMIT - 2)), Err(REFUSED.into()));
    assert_eq!(write(&vec![true; LIMIT - 3]), Ok(LIMIT));
    assert_eq!(write(&vec![true; LIMIT - 2]), Err(REFUSED.into()));
}

#[test]
fn a_value_of_ten_times_the_limit_is_refused_before_it_is_written() {
    assert_eq!(write(&vec!["some text"; LIMIT]), Err(REFUSED.into()));
    assert_eq!(write(&vec![u64::MAX; LIMIT]), Err(REFUSED.into()));
    assert_eq!(write(&"a".repeat(10 * LIMIT)), Err(REFUSED.into()));
    assert_eq!(write(&Displayed(10 * LIMIT)), Err(REFUSED.into()));
}

#[test]
fn a_run_that_is_kept_counts_too() {
    let kinds =
        codec((Of::<Bytes>::NEW.__kind(), Of::<Bytes>::NEW.__kind()), Answer::<Result<(), ()>>::NEW.__kind());
    let run = Bytes::from(vec![1; LIMIT / 2]);
    let mut to = Encoder::new(LIMIT + 6);
    kinds.write_args((run.clone(), run.clone()), &mut to).unwrap();
    assert_eq!(to.finish().len(), LIMIT + 6);
    let mut to = Encoder::new(LIMIT + 5);
    let refused = kinds.write_args((run.clone(), run), &mut to).unwrap_err();
    assert_eq!(refused.to_string(), "the limit of 1000005 bytes is reached");
}

/// What stands before a value in the buffer, such as the head of a frame, is not part of it.
#[test]
fn what_stood_in_the_buffer_does_not_count() {
    let mut to = Encoder::reusing(vec![0; 100], 8);
    to.value(&[1_u8; 8]).unwrap();
    assert_eq!(to.finish().len(), 108);
    let mut to = Encoder::reusing(vec![0; 100], 8);
    assert_eq!(to.value(&[1_u8; 9]).unwrap_err().to_string(), "the limit of 8 bytes is reached");
}

#[test]
fn a_type_cannot_hide_that_the_limit_was_met() {
    struct Lenient;

    impl Serialize for Lenient {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;

            let mut tuple = serializer.serialize_tuple(2)?;
            let _ = tuple.serialize_element(&"a".repeat(LIMIT + 1));
            tuple.end()
        }
    }

    assert_eq!(write(&Lenient), Err(REFUSED.into()));
}

/// So many letters, through `collect_str`.
struct Displayed(usize);

impl Serialize for Displayed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Displayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_str("a"))
    }
}
