//! Bodies: what stays what it is, what is copied, what is refused.

mod made;
mod tee;

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use rpc_runtime::{Body, BodyError};

fn pieces(pieces: &[&'static str]) -> Body {
    let items: Vec<_> = pieces.iter().map(|piece| Ok::<_, io::Error>(*piece)).collect();
    Body::from_stream(stream::iter(items))
}

#[test]
fn a_body_may_be_shared_between_threads_and_is_small() {
    fn shared<T: Send + Sync + Unpin + 'static>() {}
    shared::<Body>();
    shared::<BodyError>();
    assert_eq!(size_of::<Body>(), 40);
    assert_eq!(size_of::<Request<Body>>(), 264);
    assert_eq!(size_of::<BodyError>(), 8);
}

#[tokio::test]
async fn none_and_empty_stay_different() {
    assert!(Body::none().is_none());
    assert!(Body::default().is_none());
    assert!(!Body::empty().is_none());
    assert!(!Body::from("").is_none());
    for body in [Body::none(), Body::empty()] {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert_eq!(body.bytes().await.unwrap(), Bytes::new());
    }
}

#[tokio::test]
async fn reading_to_the_end_leaves_an_empty_body_behind() {
    let mut body = Body::from("hello");
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
    assert!(body.is_end_stream());
    assert!(!body.is_none());
    assert_eq!(body.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_complete_body_is_handed_over_without_a_copy() {
    let bytes = Bytes::from(vec![7; 4096]);
    let address = bytes.as_ptr();
    assert_eq!(Body::from(bytes.clone()).bytes().await.unwrap().as_ptr(), address);

    let stream = stream::iter([Ok::<_, io::Error>(bytes.clone())]);
    assert_eq!(Body::from_stream(stream).bytes().await.unwrap().as_ptr(), address);

    let foreign = http_body_util::Full::new(bytes.clone());
    assert_eq!(Body::new(foreign).bytes().await.unwrap().as_ptr(), address);
}

#[tokio::test]
async fn a_body_in_a_body_is_the_same_body() {
    assert!(Body::new(Body::none()).is_none());
    assert_eq!(format!("{:?}", Body::new(Body::from("hello"))), "Body(5 bytes)");
    let twice = Body::new(Body::new(pieces(&["a", "b"])));
    assert_eq!(twice.text().await.unwrap(), "ab");
}

#[tokio::test]
async fn debug_shows_no_content() {
    assert_eq!(format!("{:?}", Body::none()), "Body(none)");
    assert_eq!(format!("{:?}", Body::from("secret")), "Body(6 bytes)");
    assert_eq!(format!("{:?}", pieces(&["secret"])), "Body(stream)");
}

#[tokio::test]
async fn pieces_are_joined_up_to_the_limit() {
    assert_eq!(pieces(&["hel", "", "lo"]).text().await.unwrap(), "hello");
    assert_eq!(pieces(&["hel", "lo"]).bytes_up_to(5).await.unwrap(), "hello");
    assert_eq!(pieces(&[]).bytes_up_to(0).await.unwrap(), "");

    for refused in [pieces(&["hel", "lo"]), pieces(&["hello"]), Body::from("hello")] {
        let error = refused.bytes_up_to(4).await.unwrap_err();
        assert!(error.is_too_large(), "{error:?}");
        assert_eq!(error.to_string(), "the body is longer than the 4 bytes allowed");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    struct Claims;
    impl http_body::Body for Claims {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            panic!("nothing should be read")
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(u64::MAX)
        }
    }
    assert!(Body::new(Claims).bytes().await.unwrap_err().is_too_large());
}

#[tokio::test]
async fn the_error_of_a_stream_is_the_source_and_ends_the_body() {
    let items = [Ok("hel"), Err(io::Error::other("disk gone")), Ok("lo")];
    let mut body = Body::from_stream(stream::iter(items));
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hel");
    let error = body.chunk().await.unwrap_err();
    assert_eq!(error.to_string(), "the body ended early");
    assert_eq!(error.source().unwrap().to_string(), "disk gone");
    assert_eq!(body.chunk().await.unwrap(), None);
}

#[test]
fn an_error_of_a_body_is_not_wrapped_twice() {
    let error = BodyError::new(BodyError::new("disk gone"));
    assert_eq!(error.source().unwrap().to_string(), "disk gone");
}

#[tokio::test]
async fn bytes_that_are_not_text_are_refused_as_text() {
    let error = Body::from(vec![b'a', 0xff]).text().await.unwrap_err();
    assert!(error.is_not_text(), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("index 1"));
}

#[tokio::test]
async fn trailers_pass_through() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "7".parse().unwrap());
    let frames = [Ok::<_, BodyError>(Frame::data(Bytes::from("hello"))), Ok(Frame::trailers(trailers))];
    let body = Body::new(http_body_util::StreamBody::new(stream::iter(frames)));
    let collected = body.collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["checksum"], "7");
    assert_eq!(collected.to_bytes(), "hello");
}
