//! The examples of the document: each is what one end writes, and what the other understands.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{
    golden::hex,
    pair::{auth, call},
    raw::{Raw, call_head, call_with, end_head, frame},
};
use crate::proto::{
    Beside, Call, ClosedKind, Config, End, Ended, Event, Inflow, Left, Open, Opened, PeerSlot, Props,
    Refusal, Room, Status, StreamId,
};

/// One example of a kind: an end that writes it as its last frame, and another that reads it.
type Check = (fn() -> Raw, fn(&[u8]));

/// The examples below each heading of a frame: `04 Call`.
fn examples() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let (_, document) = include_str!("../protocol.md").split_once("\n# Frames\n").unwrap();
    let document = document.split("\n# ").next().unwrap();
    let sections = document.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    let bytes = |example: &str| -> Vec<u8> {
        let example = example.split_once("```").unwrap().0;
        let lines = example.lines().map(|line| line.split("  ").next().unwrap());
        lines.flat_map(str::split_whitespace).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    sections.map(|(heading, text)| (heading, text.split("```text\n").skip(1).map(bytes).collect())).collect()
}

const CHECKS: &[(&str, &[Check])] = &[
    ("01 Hello", &[(|| Raw::silent(Config::default()), reads_hello)]),
    ("02 Open", &[(writes_open, reads_open), (writes_bound_open, reads_bound_open)]),
    ("03 Opened", &[(writes_opened, reads_opened)]),
    ("04 Call", &[(writes_call, reads_call), (writes_whole_call, reads_whole_call)]),
    ("05 End", &[(writes_end, reads_end), (writes_refusal, reads_refusal)]),
    ("06 Part", &[(writes_part, reads_part), (writes_abort, reads_abort)]),
    ("07 Grant", &[(writes_grant, reads_grant)]),
    ("08 Credit", &[(writes_credit, reads_credit)]),
    ("09 Cancel", &[(writes_cancel, reads_cancel)]),
    ("0a Ping, 0b Pong", &[(writes_ping, reads_ping), (writes_pong, reads_pong)]),
    ("0c GoAway", &[(writes_go_away, reads_go_away)]),
    ("10 StreamData", &[(writes_stream_data, reads_stream_data)]),
    ("11 StreamCredit", &[(writes_stream_credit, reads_stream_credit)]),
    ("12 StreamEnd", &[(writes_stream_end, reads_stream_end)]),
    ("13 StreamAbort", &[(writes_stop, reads_stop), (writes_stream_abort, reads_stream_abort)]),
];

#[test]
fn each_example_is_what_one_end_writes_and_the_other_understands() {
    let mut examples = examples();
    for (heading, checks) in CHECKS {
        let examples = examples.remove(heading).unwrap_or_else(|| panic!("there is no `{heading}`"));
        assert_eq!(examples.len(), checks.len(), "{heading}");
        for (example, (writes, reads)) in examples.iter().zip(*checks) {
            let written = writes().read().pop().map(|(kind, body)| hex(&frame(kind, &body)));
            assert_eq!(written, Some(hex(example)), "{heading}");
            reads(example);
        }
    }
    assert!(examples.is_empty(), "nobody looks at {:?}", examples.keys());
}

#[test]
fn the_tables_of_the_document_have_every_status_and_reason() {
    let document = include_str!("../protocol.md");
    for (number, name) in [(0, "target"), (6, "absent"), (9, "reply too long")] {
        assert!(document.contains(&format!("| `4{number}` | {name} |")), "{name}");
    }
    for status in 0..=5_u8 {
        assert!(document.contains(&format!("| `{status:02x}` | ")), "status {status}");
    }
    for reason in [0, 1, 2, 3, 4, 5, 6, 8] {
        assert!(document.contains(&format!("\n| `{reason}` | ")), "reason {reason}");
    }
}

fn reads_hello(example: &[u8]) {
    let mut raw = Raw::silent(Config::default());
    raw.write(example);
    raw.assert_open();
    assert!(raw.side.core.is_greeted());
}

fn writes_open() -> Raw {
    let mut raw = Raw::new();
    raw.side.core.open(auth()).unwrap();
    raw
}

fn reads_open(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write(example);
    let Some(Event::Open { slot: PeerSlot(1), service, entrypoint, digest: [7, ..], props: None }) =
        raw.pop()
    else {
        panic!("it opens slot 1")
    };
    assert_eq!((&*service, &*entrypoint), ("Auth", ""));
}

fn bound() -> Props {
    Props { binding: "AUTH".into(), json: r#"{"tenant":"a1"}"#.into() }
}

fn writes_bound_open() -> Raw {
    let mut raw = Raw::new();
    raw.side.core.open(Open { props: Some(&bound()), ..auth() }).unwrap();
    raw
}

fn reads_bound_open(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write(example);
    assert!(
        matches!(raw.pop(), Some(Event::Open { slot: PeerSlot(1), props: Some(props), .. }) if props == bound())
    );
}

fn different() -> Opened {
    Opened::Different { methods: vec![(0x0102, [9; 16])] }
}

fn writes_opened() -> Raw {
    let mut raw = Raw::new();
    raw.side.core.opened(PeerSlot(0), different());
    raw
}

fn reads_opened(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write(example);
    assert!(matches!(raw.pop(), Some(Event::Opened { opened, .. }) if opened == different()));
}

const METHOD: u64 = 0x0807_0605_0403_0201;

fn writes_call() -> Raw {
    let mut raw = Raw::new();
    let call = Call { method: METHOD, ..call(raw.slot, vec![0xab, 0xcd], None) };
    raw.side.core.call(call, raw.now).unwrap();
    raw
}

fn reads_call(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write(example);
    let call = raw.side.call_of();
    assert_eq!((call.id.number(), call.slot, call.method), (0, PeerSlot(0), METHOD));
    assert_eq!(call.left, Left { depth: 32, invocations: 1000, subrequests: 999 });
    assert!(call.fingerprint.is_none() && call.deadline.is_none() && call.trace.is_none());
    assert_eq!(&*call.payload, [0xab, 0xcd]);
}

const LEFT: Left = Left { depth: 31, invocations: 128, subrequests: 0 };

/// The trace of the document, as its W3C header: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
const TRACE: [u8; 26] = [
    0, 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c, 0xb7,
    0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31, 1,
];

fn writes_whole_call() -> Raw {
    let mut raw = Raw::new();
    let call = Call {
        slot: raw.slot,
        method: 0x11,
        fingerprint: Some([0xf0; 16]),
        left: LEFT,
        deadline: Some(raw.now + Duration::from_millis(1)),
        metadata: &[("tenant", "a1", true), ("k", "", false)],
        trace: Some(TRACE),
        payload: vec![0xab].into(),
        stream: None,
    };
    raw.side.core.call(call, raw.now).unwrap();
    raw
}

fn reads_whole_call(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write(example);
    let call = raw.side.call_of();
    assert_eq!((call.method, call.fingerprint, call.left), (0x11, Some([0xf0; 16]), LEFT));
    assert_eq!(call.deadline, Some(raw.now + Duration::from_millis(1)));
    let metadata = [("tenant".to_owned(), "a1".to_owned(), true), ("k".to_owned(), String::new(), false)];
    assert_eq!(call.metadata, metadata);
    assert_eq!((call.trace, &*call.payload), (Some(TRACE), &[0xab][..]));
}

fn writes_end() -> Raw {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let id = raw.side.call_of().id;
    raw.side.core.end(
        id,
        End { status: Status::Ok, used: (128, 1), payload: vec![0xcd, 0xef].into(), beside: Beside::Nothing },
    );
    raw
}

fn reads_end(example: &[u8]) {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write(example);
    let (_, Ended::Reply { status: Status::Ok, used: (128, 1), payload, .. }) = raw.side.ended_one() else {
        panic!("it answers")
    };
    assert_eq!(&*payload, [0xcd, 0xef]);
}

fn writes_refusal() -> Raw {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 8, &[1], b""));
    raw
}

fn reads_refusal(example: &[u8]) {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write(example);
    assert!(matches!(raw.side.ended_one().1, Ended::Refused(Refusal::Capabilities)));
}

fn writes_part() -> Raw {
    let mut raw = Raw::new();
    raw.make_call(vec![0x55; (65 << 10) + 2]);
    raw.write_frame(0x07, &[0x00]);
    raw
}

fn reads_part(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 4, &[0x44; 2]));
    assert_eq!(raw.read(), [(0x07, vec![0])], "it is granted");
    raw.write(example);
    assert_eq!(&*raw.side.call_of().payload, [0x44, 0x44, 0x55, 0x55]);
}

fn writes_abort() -> Raw {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    raw.write_call(1, b"");
    let id = raw.side.calls()[1].id;
    raw.side.reply(id, vec![0x55; 100_000]);
    raw.read();
    raw.write_frame(0x09, &[0x01]);
    raw
}

fn reads_abort(example: &[u8]) {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.make_call(vec![]);
    raw.write_frame(0x05, &end_head(1, 0, 100_000, &[0; 10]));
    raw.write(example);
    assert!(matches!(raw.side.ended_one().1, Ended::Lost(_)));
}

fn writes_grant() -> Raw {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write_frame(0x05, &end_head(0, 0, 100_000, &[0; 10]));
    raw
}

fn reads_grant(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let id = raw.side.call_of().id;
    raw.side.reply(id, vec![0x55; (64 << 10) + 1]);
    raw.read();
    raw.write(example);
    assert_eq!(raw.read().len(), 1, "the rest of the reply");
}

fn writes_credit() -> Raw {
    let mut raw = Raw::with(Config { reply_bytes_max: 256 << 10, ..Config::default() });
    for number in 0..2 {
        raw.make_call(vec![]);
        raw.write_frame(0x05, &end_head(number, 0, 40_000, &[0; 40_000]));
        raw.side.core.taken(40_000);
    }
    raw
}

fn reads_credit(example: &[u8]) {
    let mut raw = Raw::new();
    for number in 0..2 {
        raw.write_call(number, b"");
        let id = raw.side.call_of().id;
        raw.side.reply(id, vec![0; 40_000]);
        raw.read();
    }
    raw.write(example);
    raw.assert_open();
    raw.write(example);
    raw.assert_closed(ClosedKind::FlowControl, "80000 bytes of credit that were not used");
}

fn writes_cancel() -> Raw {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![]);
    raw.side.core.cancel(key);
    raw
}

fn reads_cancel(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let called = raw.side.call_of().id;
    raw.write(example);
    assert!(matches!(raw.pop(), Some(Event::Cancelled { id }) if id == called));
}

fn writes_ping() -> Raw {
    let mut raw = Raw::new();
    raw.pass(Duration::from_secs(10));
    raw
}

fn reads_ping(example: &[u8]) {
    let mut raw = Raw::new();
    raw.write(example);
    assert_eq!(raw.read(), [(0x0b, vec![0; 8])]);
}

fn writes_pong() -> Raw {
    let mut raw = Raw::new();
    raw.write_frame(0x0a, &[1, 2, 3, 4, 5, 6, 7, 8]);
    raw
}

fn reads_pong(example: &[u8]) {
    let mut raw = writes_ping();
    raw.write(example);
    raw.assert_open();
}

fn writes_go_away() -> Raw {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    raw.side.core.drain("bye");
    raw
}

fn reads_go_away(example: &[u8]) {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    let second = raw.make_call(vec![]);
    raw.write(example);
    let (key, Ended::NotSent(why)) = raw.side.ended_one() else { panic!("call 1 was not taken") };
    assert_eq!((key, &*why), (second, "the peer takes no more calls: bye"));
    assert!(matches!(raw.pop(), Some(Event::GoAway { .. })));
    raw.assert_open();
}

/// An end that has made a call with a stream, and wrote the head.
fn uploads() -> (Raw, StreamId) {
    let mut raw = Raw::new();
    let key =
        raw.side.core.call(Call { stream: Some(None), ..call(raw.slot, vec![], None) }, raw.now).unwrap();
    let id = raw.side.core.upload_of(key).unwrap();
    raw.read();
    (raw, id)
}

/// An end that was called with a stream.
fn is_uploaded_to() -> (Raw, StreamId) {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 32, &[0], b""));
    let id = raw.side.call_of().arrived.unwrap().id;
    (raw, id)
}

/// An end whose call was answered with a stream.
fn downloads() -> (Raw, StreamId) {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write_frame(0x05, &[0, 0, 0, 32, 0, 0, 0, 0]);
    let (_, Ended::Reply { arrived: Some(arrived), .. }) = raw.side.ended_one() else {
        panic!("a stream follows")
    };
    (raw, arrived.id)
}

/// An end that has answered a call with a stream.
fn is_downloaded_from() -> (Raw, StreamId) {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let id = raw.side.call_of().id;
    let end = End { status: Status::Ok, used: (0, 0), payload: vec![].into(), beside: Beside::Stream(None) };
    let begun = raw.side.core.end(id, end).unwrap();
    raw.read();
    (raw, begun.id)
}

fn writes_stream_data() -> Raw {
    let (mut raw, id) = uploads();
    raw.side.core.stream_write(id, Bytes::from_static(b"abc"));
    raw
}

fn reads_stream_data(example: &[u8]) {
    let (mut raw, id) = is_uploaded_to();
    raw.write(example);
    assert!(matches!(raw.side.core.stream_read(id), Inflow::Data(data) if data == "abc"));
}

fn writes_stream_credit() -> Raw {
    let (mut raw, id) = downloads();
    let mut piece = vec![1];
    piece.resize(1 + (8 << 10), 7);
    for _ in 0..2 {
        raw.write_frame(0x10, &piece);
    }
    raw.side.core.grants.exhaust();
    assert!(matches!(raw.side.core.stream_read(id), Inflow::Data(data) if data.len() == 16 << 10));
    raw
}

fn reads_stream_credit(example: &[u8]) {
    let (mut raw, id) = is_downloaded_from();
    raw.side.core.stream_write(id, vec![7; 20 << 10].into());
    raw.read();
    assert_eq!(raw.side.core.stream_room(id), Room::None);
    raw.write(example);
    assert_eq!(raw.side.core.stream_room(id), Room::Bytes(12 << 10));
}

fn writes_stream_end() -> Raw {
    let (mut raw, id) = uploads();
    raw.side.core.stream_end(id, Bytes::new());
    raw
}

fn reads_stream_end(example: &[u8]) {
    let (mut raw, id) = is_uploaded_to();
    raw.write(example);
    assert!(matches!(raw.side.core.stream_read(id), Inflow::End(tail) if tail.is_empty()));
}

fn writes_stop() -> Raw {
    let (mut raw, id) = downloads();
    raw.side.core.stream_stop(id);
    raw
}

fn reads_stop(example: &[u8]) {
    let (mut raw, id) = is_downloaded_from();
    raw.write(example);
    assert_eq!(raw.side.core.stream_room(id), Room::Gone);
    assert_eq!(raw.read(), [(0x13, vec![1, 0])], "it says that nothing more will come");
}

fn writes_stream_abort() -> Raw {
    let (mut raw, id) = uploads();
    raw.side.core.stream_abort(id, Bytes::from_static(b"cannot"));
    raw
}

fn reads_stream_abort(example: &[u8]) {
    let (mut raw, id) = is_uploaded_to();
    raw.write(example);
    assert!(matches!(raw.side.core.stream_read(id), Inflow::Aborted(why) if why == "cannot"));
}
