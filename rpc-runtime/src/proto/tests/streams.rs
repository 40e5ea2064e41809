//! Streams, and peers that do with them what they must not.

use bytes::Bytes;

use super::{
    pair::{Pair, Side, call, numbered},
    raw::{
        Raw, call_with, call_with_stream, data, end_with, hello, hello_with, open, stream_abort,
        stream_credit, stream_end,
    },
};
use crate::proto::{
    Arrived, Begun, Beside, Call, CallKey, Closing, Config, End, Ended, Event, Inflow, Payload, Refused,
    Room, Status, StreamId, closed::ClosedKind, config::Limits,
};

use ClosedKind::{FlowControl, Protocol};

/// What a peer may send before anything was read.
const FIRST: usize = 16 << 10;

const WINDOW: usize = 256 << 10;

/// Its peer has made call 0 with a stream.
fn called() -> (Raw, StreamId) {
    let mut raw = Raw::new();
    raw.write(&call_with_stream(0, 0));
    let arrived = raw.side.call_of().arrived.expect("a stream goes with it");
    (raw, arrived.id)
}

/// Its call 0 was answered with a stream, or with a connection.
fn answered(flags: u8) -> (Raw, Arrived) {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write(&end_with(0, 0, flags));
    let (_, Ended::Reply { arrived: Some(arrived), .. }) = raw.side.ended_one() else {
        panic!("a stream follows")
    };
    (raw, *arrived)
}

/// It has answered call 0 like this.
fn answers(beside: Beside) -> (Raw, Begun) {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let id = raw.side.call_of().id;
    let begun = end(&mut raw.side, id, beside).unwrap();
    raw.read();
    (raw, begun)
}

fn end(side: &mut Side, id: crate::proto::CallId, beside: Beside) -> Option<Begun> {
    let begun =
        side.core.end(id, End { status: Status::Ok, used: (0, 0), payload: Payload::default(), beside });
    side.drain_events();
    begun
}

fn upload(raw: &mut Raw) -> (CallKey, StreamId) {
    let call = Call { stream: Some(Some(9)), ..call(raw.slot, vec![], None) };
    let key = raw.side.core.call(call, raw.now).unwrap();
    (key, raw.side.core.upload_of(key).unwrap())
}

fn read(raw: &mut Raw, id: StreamId) -> Inflow {
    let inflow = raw.side.core.stream_read(id);
    raw.side.drain_events();
    inflow
}

#[track_caller]
fn assert_data(inflow: &Inflow, expected: &[u8]) {
    let Inflow::Data(data) = inflow else { panic!("{inflow:?}") };
    assert!(data == expected, "{} bytes, expected {}", data.len(), expected.len());
}

fn streams(raw: &Raw) -> usize {
    raw.side.core.in_flight().streams
}

// What a peer must not.

#[test]
fn more_than_the_credit_of_a_stream_closes() {
    let (mut raw, _) = called();
    raw.write(&data(0, 0, &[1; FIRST]));
    raw.assert_open();
    raw.write(&data(0, 0, &[1]));
    raw.assert_closed(FlowControl, "1 bytes of a stream of call 0 where 0 were allowed");
}

#[test]
fn a_piece_that_is_longer_than_the_credit_closes_before_it_is_read() {
    let (mut raw, _) = called();
    raw.write(&[2, 0, 1, 0x10, 0]);
    raw.assert_closed(FlowControl, "65537 bytes of a stream of call 0 where 16384 were allowed");
}

#[test]
fn a_piece_before_its_call_closes() {
    let mut raw = Raw::new();
    raw.write(&data(0, 0, b"a"));
    raw.assert_closed(Protocol, "a piece of a stream with its call 0, which is not open");
}

#[test]
fn a_piece_for_a_call_that_announced_no_stream_closes() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    raw.write(&data(0, 0, b"a"));
    raw.assert_closed(Protocol, "which is not open");
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write(&data(0, 1, b"a"));
    raw.assert_closed(Protocol, "a piece of a stream with its answer to call 0, which is not open");
}

#[test]
fn a_piece_behind_the_end_closes() {
    for last in [stream_end(0, 0), stream_abort(0, 0, false)] {
        let (mut raw, _) = called();
        raw.write(&last);
        raw.assert_open();
        raw.write(&data(0, 0, b"a"));
        raw.assert_closed(Protocol, "which is not open");
    }
}

#[test]
fn a_second_end_closes() {
    for first in [stream_end(0, 0), stream_abort(0, 0, false)] {
        for second in [stream_end(0, 0), stream_abort(0, 0, false)] {
            let (mut raw, _) = called();
            raw.write(&first);
            raw.write(&second);
            raw.assert_closed(Protocol, "of a stream with its call 0, which is not open");
        }
    }
}

#[test]
fn an_empty_piece_closes() {
    let (mut raw, _) = called();
    raw.write(&data(0, 0, b""));
    raw.assert_closed(Protocol, "an empty piece");
}

#[test]
fn a_lane_that_there_is_not_closes() {
    for frame in [data(0, 3, b"a"), stream_credit(0, 3, 1), stream_end(0, 3), stream_abort(0, 3, true)] {
        let (mut raw, _) = called();
        raw.write(&frame);
        raw.assert_closed(Protocol, "of a kind that there is not");
    }
}

#[test]
fn a_stream_of_a_peer_that_takes_none_closes() {
    let without = hello_with(Limits { streams: 0, ..Config::default().limits() });
    let mut raw = Raw::silent(Config::default());
    raw.write(&without);
    raw.write_frame(0x02, &open(0, "Auth", ""));
    raw.write(&call_with_stream(0, 0));
    raw.assert_closed(Protocol, "has not said that it can do");

    let mut raw = Raw::with(Config { streams_max: 0, ..Config::default() });
    raw.write(&call_with_stream(0, 0));
    raw.assert_closed(Protocol, "has not said that it can do");
}

#[test]
fn streams_beyond_the_cap_close() {
    let mut raw = Raw::with(Config { streams_max: 16, ..Config::default() });
    for number in 0..16 {
        raw.write(&call_with_stream(number, 0));
    }
    raw.write(&stream_end(3, 0));
    raw.write(&call_with_stream(16, 0));
    raw.assert_open();
    raw.write(&call_with_stream(17, 0));
    raw.assert_closed(FlowControl, "more than 16 streams at a time");
}

#[test]
fn a_stream_with_a_call_that_has_failed_closes() {
    for status in [1, 3, 0x40] {
        let mut raw = Raw::new();
        raw.make_call(vec![]);
        raw.write(&end_with(0, status, 32));
        raw.assert_closed(Protocol, "although the call has failed");
    }
}

#[test]
fn a_stream_and_a_connection_at_once_close() {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write(&end_with(0, 0, 96));
    raw.assert_closed(Protocol, "both a stream and a connection");
}

#[test]
fn credit_for_what_there_is_not_closes() {
    let mut raw = Raw::new();
    raw.write(&stream_credit(0, 0, 1));
    raw.assert_closed(Protocol, "of call 0, which was never made");
    let (mut raw, _) = called();
    raw.write(&stream_credit(1, 1, 1));
    raw.assert_closed(Protocol, "of call 1, which was never made");
    let (mut raw, _) = answers(Beside::Stream(None));
    raw.write(&stream_credit(0, 1, 0));
    raw.assert_closed(Protocol, "`StreamCredit` of nothing");
}

#[test]
fn credit_that_overflows_closes() {
    for bytes in [u64::from(u32::MAX), u64::MAX] {
        let (mut raw, _) = answers(Beside::Stream(None));
        raw.write(&stream_credit(0, 1, bytes));
        raw.assert_closed(FlowControl, "more than 4294967295 bytes of credit");
    }
}

#[test]
fn more_than_16_kib_said_with_an_end_close() {
    for (kind, head) in [(0x12, &[0][..]), (0x13, &[0, 0])] {
        for (length, is_fine) in [(FIRST, true), (FIRST + 1, false)] {
            let (mut raw, _) = called();
            let mut body = head.to_vec();
            body.resize(head.len() + length, 7);
            raw.write_frame(kind, &body);
            if is_fine { raw.assert_open() } else { raw.assert_closed(Protocol, "longer than 16 KiB") }
        }
    }
}

#[test]
fn an_abort_by_nobody_closes() {
    let (mut raw, _) = called();
    raw.write_frame(0x13, &[0, 2]);
    raw.assert_closed(Protocol, "neither by the sender nor by the receiver");
}

#[test]
fn a_hello_that_takes_streams_and_does_not_say_how_many_closes() {
    let limits = Config::default().limits();
    for limits in [Limits { streams: 15, ..limits }, Limits { stream_bytes: 4095, ..limits }] {
        let mut raw = Raw::silent(Config::default());
        raw.write(&hello_with(limits));
        raw.assert_closed(Protocol, "than every side takes");
    }
    let mut raw = Raw::silent(Config::default());
    let mut body = hello()[4..].to_vec();
    body.truncate(body.len() - 7);
    *body.last_mut().unwrap() = 0;
    raw.write_frame(0x01, &body);
    raw.assert_closed(Protocol, "ends within a field");
}

#[test]
fn a_reader_that_never_reads_holds_what_there_is_credit_for() {
    let (mut raw, id) = called();
    for _ in 0..FIRST {
        raw.write(&data(0, 0, &[7]));
    }
    let heap = raw.side.core.heap_bytes();
    assert!(heap < 3 * FIRST, "{heap} bytes");
    assert_eq!(raw.read(), [], "no credit is given");
    assert_data(&read(&mut raw, id), &[7; FIRST]);
}

#[test]
fn a_flood_of_aborts_holds_nothing() {
    let (mut raw, _) = answers(Beside::Stream(None));
    for _ in 0..10_000 {
        raw.write(&stream_abort(0, 1, true));
    }
    raw.assert_open();
    assert_eq!(raw.read(), [(0x13, vec![1, 0])], "it is answered once");
    let heap = raw.side.core.heap_bytes();
    assert!(heap < 16 << 10, "{heap} bytes");
}

#[test]
fn streams_that_begin_and_end_at_once_hold_nothing() {
    let mut raw = Raw::new();
    for number in 0..5000 {
        raw.write(&call_with_stream(number, 0));
        raw.write(&stream_abort(number, 0, false));
        let incoming = raw.side.call_of();
        raw.side.core.stream_stop(incoming.arrived.unwrap().id);
        raw.side.reply(incoming.id, vec![]);
        raw.read();
    }
    assert_eq!(streams(&raw), 0);
    let heap = raw.side.core.heap_bytes();
    assert!(heap < 64 << 10, "{heap} bytes");
}

// What crosses on the way.

#[test]
fn pieces_that_cross_a_stop_are_thrown_away() {
    let (mut raw, id) = called();
    raw.write(&data(0, 0, b"before"));
    raw.side.core.stream_stop(id);
    assert_eq!(raw.read(), [(0x13, vec![0, 1])]);
    raw.write(&data(0, 0, &[1; FIRST - 6]));
    raw.assert_open();
    assert_eq!(streams(&raw), 1, "its sender has not ended it");
    assert!(raw.side.core.heap_bytes() < FIRST);
    raw.write(&stream_abort(0, 0, false));
    raw.assert_open();
    assert_eq!((streams(&raw), raw.read()), (0, vec![]));
    assert!(matches!(read(&mut raw, id), Inflow::Lost));
}

#[test]
fn pieces_beyond_the_credit_close_behind_a_stop_too() {
    let (mut raw, id) = called();
    raw.side.core.stream_stop(id);
    raw.read();
    raw.write(&data(0, 0, &[1; FIRST]));
    raw.assert_open();
    raw.write(&data(0, 0, &[1]));
    raw.assert_closed(FlowControl, "1 bytes of a stream of call 0 where 0 were allowed");
}

#[test]
fn an_end_that_crosses_a_stop_is_taken() {
    for last in [stream_end(0, 0), stream_abort(0, 0, false)] {
        let (mut raw, id) = called();
        raw.side.core.stream_stop(id);
        raw.write(&last);
        raw.assert_open();
        assert_eq!(streams(&raw), 0);
    }
}

#[test]
fn credit_and_stops_that_cross_an_end_mean_nothing() {
    let (mut raw, begun) = answers(Beside::Stream(None));
    raw.side.core.stream_end(begun.id, Bytes::new());
    assert_eq!(raw.read(), [(0x12, vec![1])]);
    raw.write(&stream_credit(0, 1, 5));
    raw.write(&stream_abort(0, 1, true));
    raw.assert_open();
    assert_eq!((streams(&raw), raw.read()), (0, vec![]));
}

#[test]
fn what_goes_with_a_call_that_is_not_taken_is_ignored() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let id = raw.side.call_of().id;
    raw.side.core.drain("bye");
    raw.write(&call_with_stream(1, 0));
    raw.write(&data(1, 0, b"whatever"));
    raw.assert_open();
    raw.side.reply(id, vec![]);
    raw.read();
    raw.assert_open();
    raw.write(&stream_abort(1, 0, false));
    assert_eq!(raw.side.closed().unwrap().kind(), ClosedKind::Drained);
}

#[test]
fn a_stream_that_goes_with_a_refused_call_is_not_wanted() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 8 | 32, &[1], b""));
    let frames = raw.read();
    assert_eq!(frames[0], (0x13, vec![0, 1]));
    assert_eq!((frames[1].0, frames[1].1[1]), (0x05, 0x42));
    raw.write(&data(0, 0, b"on its way"));
    raw.write(&stream_abort(0, 0, false));
    raw.assert_open();
    assert_eq!(streams(&raw), 0);
}

#[test]
fn a_stream_that_goes_with_a_reply_to_a_cancelled_call_is_not_wanted() {
    for flags in [32, 64] {
        let mut raw = Raw::new();
        let key = raw.make_call(vec![]);
        raw.side.core.cancel(key);
        raw.read();
        raw.write(&end_with(0, 0, flags));
        raw.write(&data(0, 1, b"on its way"));
        raw.assert_open();
        let frames = raw.read();
        assert!(frames.contains(&(0x13, vec![1, 1])), "{frames:?}");
        assert_eq!(frames.contains(&(0x13, vec![2, 0])), flags == 64, "{frames:?}");
        raw.write(&stream_abort(0, 1, false));
        assert_eq!(raw.side.core.in_flight(), Default::default());
    }
}

// What becomes of streams.

#[test]
fn a_stream_is_whole_however_it_is_cut() {
    let bytes = numbered(FIRST);
    let all = [data(0, 0, &bytes[..10_000]), data(0, 0, &bytes[10_000..]), stream_end(0, 0)].concat();
    for at_once in [1, 3, 1000, all.len()] {
        let (mut raw, id) = called();
        let mut came = Vec::new();
        for slice in all.chunks(at_once) {
            raw.write(slice);
            match read(&mut raw, id) {
                Inflow::Data(data) => came.extend_from_slice(&data),
                Inflow::End(tail) => came.extend_from_slice(&tail),
                _ => {}
            }
        }
        assert!(came == bytes, "cut by {at_once}");
        assert_eq!(streams(&raw), 0);
    }
}

#[test]
fn a_reader_is_told_of_what_it_waits_for_and_once() {
    let (mut raw, id) = called();
    raw.write(&data(0, 0, b"a"));
    assert!(raw.pop().is_none(), "nobody waits");
    assert_data(&read(&mut raw, id), b"a");
    assert!(matches!(read(&mut raw, id), Inflow::Nothing));
    raw.write(&[data(0, 0, b"b"), data(0, 0, b"c")].concat());
    assert!(matches!(raw.pop(), Some(Event::Stream { id: of }) if of == id) && raw.pop().is_none());
    assert_data(&read(&mut raw, id), b"bc");
}

#[test]
fn credit_is_given_by_half_windows_and_a_window_that_is_used_up_grows() {
    let (mut raw, id) = called();
    raw.write(&data(0, 0, &[1; 100]));
    read(&mut raw, id);
    assert_eq!(raw.read(), [], "that was little");
    raw.write(&data(0, 0, &[1; FIRST / 2]));
    read(&mut raw, id);
    let given = raw.read();
    assert_eq!(given, [(0x11, stream_credit(0, 0, 100 + FIRST as u64 / 2)[4..].to_vec())]);
    raw.write(&data(0, 0, &[1; FIRST]));
    read(&mut raw, id);
    assert_eq!(raw.read(), [(0x11, stream_credit(0, 0, WINDOW as u64)[4..].to_vec())]);
    for _ in 0..WINDOW / FIRST {
        raw.write(&data(0, 0, &[1; FIRST]));
    }
    raw.assert_open();
    read(&mut raw, id);
    assert_eq!(raw.read(), [(0x11, stream_credit(0, 0, WINDOW as u64)[4..].to_vec())], "it grows no further");
}

#[test]
fn windows_take_a_quarter_of_the_memory_and_give_it_back() {
    let config = Config { granted_bytes_max: 4 << 20, ..Config::default() };
    let host = config.host.clone();
    let mut raw = Raw::with(config);
    let more = (WINDOW - FIRST) as u64;
    let mut ids = Vec::new();
    for number in 0..8 {
        raw.write(&call_with_stream(number, 0));
        ids.push(raw.side.call_of().arrived.unwrap().id);
        raw.write(&data(number, 0, &[1; FIRST]));
        read(&mut raw, ids[number as usize]);
        assert_eq!(host.granted(), more * (number + 1).min(4));
    }
    raw.side.core.stream_stop(ids[0]);
    assert_eq!(host.granted(), more * 3);
    raw.write(&stream_end(1, 0));
    read(&mut raw, ids[1]);
    assert_eq!(host.granted(), more * 2);
    raw.side.core.lost("gone");
    assert_eq!(host.granted(), 0);
}

#[test]
fn a_stream_may_be_made_as_far_as_its_credit_goes() {
    let (mut raw, begun) = answers(Beside::Stream(Some(7)));
    assert_eq!(raw.side.core.stream_room(begun.id), Room::Bytes(FIRST));
    raw.side.core.stream_write(begun.id, numbered(100_000).into());
    assert_eq!(raw.side.core.stream_room(begun.id), Room::None);
    let written = raw.read();
    assert_eq!(written.iter().map(|(_, body)| body.len() - 1).sum::<usize>(), FIRST);
    raw.write(&stream_credit(0, 1, 80_000));
    raw.side.core.stream_end(begun.id, Bytes::from_static(b"tail"));
    let more = raw.read();
    assert_eq!(more.iter().map(|(_, body)| body.len() - 1).sum::<usize>(), 80_000);
    raw.write(&stream_credit(0, 1, 80_000));
    let rest = raw.read();
    assert_eq!(rest[0].1.len() - 1, 100_000 - 80_000 - FIRST);
    assert_eq!(rest[1..], [(0x12, b"\x01tail".to_vec())]);
    assert_eq!(streams(&raw), 0);
}

#[test]
fn what_was_written_comes_before_the_reason_for_which_it_ends() {
    let (mut raw, begun) = answers(Beside::Stream(None));
    raw.side.core.stream_write(begun.id, Bytes::from_static(b"data"));
    raw.side.core.stream_abort(begun.id, Bytes::from_static(b"why"));
    assert_eq!(raw.side.core.stream_room(begun.id), Room::Gone);
    assert_eq!(raw.read(), [(0x10, b"\x01data".to_vec()), (0x13, b"\x01\x00why".to_vec())]);
}

#[test]
fn a_cancelled_call_gives_its_stream_up() {
    let mut raw = Raw::new();
    let (key, id) = upload(&mut raw);
    raw.read();
    raw.side.core.stream_write(id, Bytes::from_static(b"never sent"));
    raw.side.core.cancel(key);
    assert_eq!(raw.read(), [(0x09, vec![0]), (0x13, vec![0, 0])]);
    assert_eq!((raw.side.core.stream_room(id), streams(&raw)), (Room::Gone, 0));
}

#[test]
fn a_call_that_was_not_written_takes_its_stream_with_it() {
    let mut raw = Raw::new();
    let (key, id) = upload(&mut raw);
    raw.side.core.stream_write(id, Bytes::from_static(b"never sent"));
    raw.side.core.cancel(key);
    assert_eq!((raw.read(), raw.side.core.stream_room(id), streams(&raw)), (vec![], Room::Gone, 0));
}

#[test]
fn a_stream_goes_on_after_the_end_of_its_call() {
    let mut raw = Raw::new();
    let (_, id) = upload(&mut raw);
    raw.read();
    raw.write(&end_with(0, 0, 0));
    raw.side.core.stream_write(id, Bytes::from_static(b"more"));
    raw.side.core.stream_end(id, Bytes::new());
    assert_eq!(raw.read(), [(0x10, b"\0more".to_vec()), (0x12, vec![0])]);
}

#[test]
fn an_answer_that_is_cancelled_before_it_is_written_takes_its_streams_with_it() {
    for beside in [Beside::Stream(None), Beside::Connection] {
        let mut raw = Raw::new();
        raw.write_call(0, b"");
        let id = raw.side.call_of().id;
        let begun = end(&mut raw.side, id, beside).unwrap();
        raw.write_frame(0x09, &[0]);
        assert_eq!(raw.side.core.stream_room(begun.id), Room::Gone);
        if let Some(back) = begun.back {
            assert!(matches!(read(&mut raw, back), Inflow::Lost));
        }
        let frames = raw.read();
        assert_eq!((frames.len(), frames[0].1[1], frames[0].1[3]), (1, 4, 0), "cancelled, and no flags");
        assert_eq!(raw.side.core.in_flight(), Default::default());
    }
}

#[test]
fn a_call_becomes_a_connection() {
    let (mut raw, arrived) = answered(64);
    let back = arrived.back.expect("a way back");
    raw.side.core.stream_write(back, Bytes::from_static(b"hello"));
    assert_eq!(raw.read(), [(0x10, b"\x02hello".to_vec())]);
    raw.write(&data(0, 1, b"HELLO"));
    assert_data(&read(&mut raw, arrived.id), b"HELLO");

    let (mut raw, begun) = answers(Beside::Connection);
    raw.write(&data(0, 2, b"hello"));
    assert_data(&read(&mut raw, begun.back.unwrap()), b"hello");
    raw.write(&stream_end(0, 2));
    raw.side.core.stream_end(begun.id, Bytes::new());
    assert_eq!(raw.read(), [(0x12, vec![1])]);
    assert_eq!(streams(&raw), 0, "both have ended");
    assert!(matches!(read(&mut raw, begun.back.unwrap()), Inflow::End(_)));
}

#[test]
fn what_came_before_the_end_of_a_session_is_read_and_the_rest_is_lost() {
    let (mut raw, id) = called();
    raw.write(&data(0, 0, b"some"));
    raw.side.core.lost("reset");
    assert_data(&read(&mut raw, id), b"some");
    assert!(matches!(read(&mut raw, id), Inflow::Lost));

    let (mut raw, id) = called();
    raw.write(&[data(0, 0, b"all"), stream_end(0, 0)].concat());
    raw.side.core.lost("reset");
    assert_data(&read(&mut raw, id), b"all");
    assert!(matches!(read(&mut raw, id), Inflow::End(_)), "it had ended before");
}

#[test]
fn a_session_drains_when_its_streams_have_ended() {
    let (mut raw, begun) = answers(Beside::Stream(None));
    raw.side.core.drain("bye");
    raw.side.core.stream_write(begun.id, Bytes::from_static(b"still"));
    raw.read();
    raw.assert_open();
    raw.side.core.stream_end(begun.id, Bytes::new());
    raw.read();
    raw.side.drain_events();
    assert_eq!(raw.side.closed().unwrap().kind(), ClosedKind::Drained);
}

#[test]
fn a_session_that_is_closed_loses_its_streams() {
    let (mut raw, begun) = answers(Beside::Connection);
    raw.side.core.close(Closing { why: "the time to drain is over".to_owned() }, raw.now);
    assert_eq!(raw.side.core.stream_room(begun.id), Room::Gone);
    assert!(matches!(read(&mut raw, begun.back.unwrap()), Inflow::Lost));
}

#[test]
fn a_peer_that_writes_nothing_more_may_read_what_it_has_credit_for() {
    let (mut raw, begun) = answers(Beside::Stream(None));
    raw.side.core.end_of_stream();
    raw.assert_open();
    raw.side.core.stream_write(begun.id, Bytes::from_static(b"all"));
    raw.side.core.stream_end(begun.id, Bytes::new());
    assert_eq!(raw.read(), [(0x10, b"\x01all".to_vec()), (0x12, vec![1])]);
    raw.side.drain_events();
    assert!(raw.side.core.is_over().is_some());
}

#[test]
fn a_peer_that_takes_no_streams_is_sent_none() {
    let mut raw = Raw::silent(Config::default());
    raw.write(&hello_with(Limits { streams: 0, ..Config::default().limits() }));
    raw.slot = raw.side.core.open(super::pair::auth()).unwrap();
    assert_eq!(raw.side.core.takes_streams(), Some(false));
    let call = Call { stream: Some(None), ..call(raw.slot, vec![], None) };
    assert_eq!(raw.side.core.call(call, raw.now), Err(Refused::Streams { max: 0 }));
}

#[test]
fn a_long_stream_does_not_hold_up_a_short_one() {
    let (mut pair, slot) = Pair::new();
    let uploads = [(); 2].map(|()| {
        let key = pair.client.core.call(Call { stream: Some(None), ..call(slot, vec![], None) }, pair.now);
        pair.client.core.upload_of(key.unwrap()).unwrap()
    });
    pair.settle();
    let readers: Vec<_> = pair.server.calls().into_iter().map(|call| call.arrived.unwrap().id).collect();
    // The window of the first is as long as it gets.
    pair.client.core.stream_write(uploads[0], vec![1; FIRST].into());
    pair.settle();
    pair.server.core.stream_read(readers[0]);
    pair.settle();
    pair.client.core.stream_write(uploads[0], vec![1; WINDOW].into());
    pair.client.core.stream_write(uploads[1], Bytes::from_static(b"short"));
    let first = pair.client.write(pair.now, usize::MAX);
    assert!(first.windows(5).any(|window| window == b"short"), "it goes with the first batch");
    assert!(first.len() < 2 * (64 << 10), "which has one piece of the long one");
}
