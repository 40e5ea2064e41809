//! Two bodies from one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// A body of this many pieces of a kilobyte, counted as they are made.
fn counted(pieces: usize) -> (Body, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let body = stream::iter(0..pieces).map(move |piece| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, io::Error>(vec![piece as u8; 1024])
    });
    (Body::from_stream(body), made)
}

#[tokio::test]
async fn both_halves_have_all_of_it_whichever_is_read_first() {
    for order in [[0, 1], [1, 0]] {
        let (body, made) = counted(100);
        let (a, b) = body.tee();
        let mut halves = [Some(a), Some(b)];
        let mut read = Vec::new();
        for at in order {
            read.push(halves[at].take().unwrap().bytes().await.unwrap());
            assert_eq!(made.load(Ordering::Relaxed), 100);
        }
        assert_eq!(read[0], read[1]);
        assert_eq!(read[0].len(), 100 << 10);
    }
}

#[tokio::test]
async fn halves_of_none_are_none_and_those_of_bytes_share_them() {
    let (a, b) = Body::none().tee();
    assert!(a.is_none() && b.is_none());
    let (a, b) = Body::empty().tee();
    assert!(!a.is_none() && !b.is_none());
    let (a, b) = Body::from(vec![7; 4096]).tee();
    let (a, b) = (a.bytes().await.unwrap(), b.bytes().await.unwrap());
    assert_eq!(a.as_ptr(), b.as_ptr());

    let (a, b) = pieces(&["hello"]).tee();
    let (a, b) = (a.bytes().await.unwrap(), b.bytes().await.unwrap());
    assert_eq!(a.as_ptr(), b.as_ptr());
}

#[tokio::test]
async fn nothing_is_read_that_neither_half_has_asked_for() {
    let (body, made) = counted(10);
    let (mut a, mut b) = body.tee();
    assert_eq!(made.load(Ordering::Relaxed), 0);
    a.chunk().await.unwrap().unwrap();
    b.chunk().await.unwrap().unwrap();
    a.chunk().await.unwrap().unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_half_that_falls_too_far_behind_fails_and_the_other_goes_on() {
    let (body, _) = counted(10);
    let (mut fast, slow) = body.tee_up_to(4 << 10);
    for _ in 0..10 {
        fast.chunk().await.unwrap().unwrap();
    }
    assert!(fast.chunk().await.unwrap().is_none());
    let mut slow = slow;
    let error = slow.chunk().await.unwrap_err();
    assert!(error.is_too_large(), "{error:?}");
    assert_eq!(error.to_string(), "the body is longer than the 4096 bytes allowed");
    assert!(slow.chunk().await.unwrap().is_none(), "told once");
}

#[tokio::test]
async fn many_tiny_pieces_are_as_much_as_they_take_in_memory() {
    let bytes = || stream::iter(0..1_000_000).map(|_| Ok::<_, io::Error>("x"));
    let (mut fast, mut slow) = Body::from_stream(bytes()).tee_up_to(4 << 20);
    while fast.chunk().await.unwrap().is_some() {}
    assert!(slow.chunk().await.unwrap_err().is_too_large());
    let (mut fast, mut slow) = Body::from_stream(bytes().take(20_000)).tee_up_to(4 << 20);
    while fast.chunk().await.unwrap().is_some() {}
    assert_eq!(slow.chunk().await.unwrap().unwrap(), "x");
    // Those of nothing are not kept at all.
    let nothing =
        stream::iter(0..1_000_000).map(|number| Ok::<_, io::Error>(if number == 0 { "x" } else { "" }));
    let (mut fast, slow) = Body::from_stream(nothing).tee_up_to(1);
    while fast.chunk().await.unwrap().is_some() {}
    assert_eq!(slow.text().await.unwrap(), "x");
}

#[tokio::test]
async fn a_half_within_the_limit_loses_nothing() {
    let (body, _) = counted(100);
    let (mut fast, mut slow) = body.tee_up_to(4 << 10);
    let mut behind = 0;
    while let Some(piece) = fast.chunk().await.unwrap() {
        behind += 1;
        if behind == 4 {
            assert_eq!(slow.chunk().await.unwrap().unwrap()[0], piece[0] - 3);
            behind -= 1;
        }
    }
    for _ in 0..behind {
        slow.chunk().await.unwrap().unwrap();
    }
    assert!(slow.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_half_that_is_dropped_is_kept_nothing_for() {
    let (body, _) = counted(100);
    let (fast, slow) = body.tee_up_to(4 << 10);
    drop(slow);
    assert_eq!(fast.bytes().await.unwrap().len(), 100 << 10);
}

#[tokio::test]
async fn with_the_second_half_the_source_is_dropped() {
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let source = stream::iter(0..10).map(move |_| {
        let _kept = &kept;
        Ok::<_, io::Error>("piece")
    });
    let (mut a, b) = Body::from_stream(source).tee();
    a.chunk().await.unwrap();
    drop(a);
    assert_eq!(Arc::strong_count(&held), 2);
    drop(b);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn an_error_is_one_of_both_after_what_came_before_it() {
    let items = [Ok("hel"), Err(io::Error::other("disk gone")), Ok("lo")];
    let (a, b) = Body::from_stream(stream::iter(items)).tee();
    for mut half in [a, b] {
        assert_eq!(half.chunk().await.unwrap().unwrap(), "hel");
        let error = half.chunk().await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "disk gone");
        assert!(half.chunk().await.unwrap().is_none());
    }
    let stalled = stream::iter([Err::<Bytes, _>(BodyError::stalled())]);
    let (a, b) = Body::from_stream(stalled).tee();
    for half in [a, b] {
        assert!(half.bytes().await.unwrap_err().is_stalled());
    }
}

#[tokio::test]
async fn a_reader_is_woken_though_the_other_asked_last_and_asks_no_more() {
    let (sender, receiver) = mpsc::unbounded_channel::<io::Result<&'static str>>();
    let source = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let (mut a, mut b) = Body::from_stream(source).tee();
    let waiting = tokio::spawn(async move { a.chunk().await.unwrap().unwrap() });
    tokio::task::yield_now().await;
    // It asks after the other, and is then left alone.
    assert!(timeout(Duration::from_millis(20), b.chunk()).await.is_err());
    sender.send(Ok("piece")).unwrap();
    assert_eq!(timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap(), "piece");
    assert_eq!(b.chunk().await.unwrap().unwrap(), "piece");
}

#[tokio::test]
async fn trailers_and_lengths_are_those_of_the_source() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "7".parse().unwrap());
    let frames = [Ok::<_, BodyError>(Frame::data(Bytes::from("hello"))), Ok(Frame::trailers(trailers))];
    let (a, b) = Body::new(http_body_util::StreamBody::new(stream::iter(frames))).tee();
    for half in [a, b] {
        let collected = half.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["checksum"], "7");
        assert_eq!(collected.to_bytes(), "hello");
    }
    // The length that a source declares stays the length of what a half has not read.
    let boxed = http_body_util::Full::new(Bytes::from("hello"));
    let (mut a, b) = Body::new(boxed).tee();
    assert_eq!((a.size_hint().exact(), b.size_hint().exact()), (Some(5), Some(5)));
    a.chunk().await.unwrap();
    assert_eq!((a.size_hint().exact(), b.size_hint().exact()), (Some(0), Some(5)));
    assert!(a.is_end_stream() && !b.is_end_stream());
}
