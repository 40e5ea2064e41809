//! What arbitrary bytes must not do to the protocol, see [`crate::fuzzing`].

mod session;

pub(crate) use self::session::session;

use super::{
    call::{self, METADATA_BYTES_MAX, METADATA_MAX, More, Request, Target, flag, metadata_bytes},
    closed::{Closed, GoAway},
    end,
    frame::{BODY_BYTES_MAX, HEADER_BYTES, Header},
    hello::Hello,
    payload::Payload,
    streams::StreamId,
};

/// The header of the first frame, and its body read as each kind that has a head of its own. Gives whether some kind
/// took it.
///
/// # Panics
///
/// If a head goes beyond its frame or its limits, is written in another way than it was read, or is refused in more
/// than a line.
pub(crate) fn heads(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return false };
    match Header::read(*header) {
        Ok(header) => assert!(header.length <= BODY_BYTES_MAX),
        Err(closed) => is_a_line(&closed),
    }
    let hello = read(Hello::read(body)).is_some_and(|hello| {
        assert!(hello.oldest <= 1 && hello.newest >= 1);
        true
    });
    let go_away = read(GoAway::read(body)).is_some_and(|go_away| {
        assert!(go_away.sentence().len() < 4096 && !go_away.sentence().chars().any(char::is_control));
        true
    });
    let call = read(call::Head::read(body)).is_some_and(|head| {
        check_call(body, &head);
        true
    });
    let end = read(end::Head::read(body)).is_some_and(|head| {
        check_end(body, &head);
        true
    });
    hello || go_away || call || end
}

fn read<T>(read: Result<T, Closed>) -> Option<T> {
    read.map_err(|closed| is_a_line(&closed)).ok()
}

/// What a peer wrote is quoted in part, and escaped.
fn is_a_line(closed: &Closed) {
    let why = closed.why();
    assert!(!why.is_empty() && why.len() < 1024 && !why.chars().any(char::is_control), "{why:?}");
}

fn check_call(body: &[u8], head: &call::Head<'_>) {
    let metadata: Vec<_> =
        head.metadata.iter().map(|(key, value, further)| (&**key, &**value, *further)).collect();
    let length: usize = metadata.iter().map(|(key, value, _)| key.len() + value.len()).sum();
    assert!(metadata.len() <= METADATA_MAX && length <= METADATA_BYTES_MAX);
    let Target::Slot(slot) = head.target else {
        return assert!(head.refusal.is_some(), "handles are not served");
    };
    if head.refusal.is_some() {
        return;
    }
    assert!(head.piece.len() as u64 <= head.total && body.ends_with(head.piece));
    let more = More {
        fingerprint: head.fingerprint,
        metadata: metadata_bytes(&metadata).expect("it is within its limits"),
        trace: head.trace,
        stream: head.stream.map(|length| (StreamId::NONE, length)),
    };
    let (left, method) = (head.left, head.method);
    let request = Request { slot, method, left, payload: Payload::default(), more: Some(Box::new(more)) };
    let mut written = Vec::new();
    let total = usize::try_from(head.total).expect("of 64 bits");
    request.put_head(&mut written, head.number, head.deadline, total);
    let read = &body[..body.len() - head.piece.len()];
    // An extension that was ignored, or an empty list of them, is not written again.
    let flags = body.get(flags_at(body)).copied().unwrap_or_default();
    if flags & flag::EXTENSIONS == 0 {
        assert_eq!(written, read, "a head has one form");
    }
}

/// Where the flags of a call stand: behind two numbers, the kind of its target, its method and its encoding.
fn flags_at(body: &[u8]) -> usize {
    let number = |from: usize| body[from..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let target = number(0);
    let slot = target + 1;
    slot + number(slot) + 8 + 1
}

fn check_end(body: &[u8], head: &end::Head<'_>) {
    assert!(head.piece.len() as u64 <= head.total && body.ends_with(head.piece));
    let mut written = Vec::new();
    end::put_head(&mut written, head.number, head.verdict, head.used, head.beside, head.total);
    let read = &body[..body.len() - head.piece.len()];
    // The verdict of a later version is known as one alone, and extensions are ignored.
    let is_alike = written.len() == read.len();
    let differ = written.iter().zip(read).filter(|(a, b)| a != b).count();
    assert!(!is_alike || differ <= 1, "{written:02x?} for {read:02x?}");
}
