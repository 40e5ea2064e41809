//! A peer that does what it must not.

use std::time::Duration;

use super::pair::auth;
use super::raw::{Raw, call_head, call_with, end_head, frame, grant, hello, hello_with, number, open, part};
use crate::proto::{
    Beside, ClosedKind, Config, End, Ended, Event, Open, Opened, Payload, Props, Refusal, Refused, Status,
    config::Limits, frame::reserved,
};

use ClosedKind::{Flood, FlowControl, Protocol, TooManyCancels, Version};

// The beginning of a session.

#[test]
fn a_frame_before_hello_closes() {
    for kind in [0x02, 0x04, 0x05, 0x09, 0x0a, 0x0c, 0x90] {
        let mut raw = Raw::silent(Config::default());
        raw.write_frame(kind, &[0; 8]);
        raw.assert_closed(Protocol, "a session begins with a `Hello`");
    }
}

#[test]
fn a_second_hello_closes() {
    let mut raw = Raw::new();
    raw.write(&hello());
    raw.assert_closed(Protocol, "second `Hello`");
}

#[test]
fn http_closes_with_a_line_that_shows_it() {
    let mut raw = Raw::silent(Config::default());
    raw.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    raw.assert_closed(Protocol, r"this one with `GET / HTTP/1.1\r\nHost: a\r\n\r\n`");
}

#[test]
fn tls_closes_with_a_line_that_shows_it() {
    let mut raw = Raw::silent(Config::default());
    raw.write(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    raw.assert_closed(Protocol, r"this one with `\x16\x03\x01\x02\x00\x01`");
}

#[test]
fn bytes_of_a_peer_are_cut_in_the_line_about_them() {
    let mut raw = Raw::silent(Config::default());
    raw.write(&[b'x'; 10_000]);
    let why = raw.side.closed().unwrap().to_string();
    assert!(why.len() < 250 && why.contains('…'), "{why}");
}

#[test]
fn another_magic_closes() {
    let mut raw = Raw::silent(Config::default());
    let mut hello = hello();
    hello[4] = b'r';
    raw.write(&hello);
    raw.assert_closed(Protocol, "does not begin with `RPC` and a zero byte");
}

#[test]
fn a_hello_of_more_than_4_kib_closes_before_it_is_buffered() {
    let mut raw = Raw::silent(Config::default());
    raw.write(&[0x01, 0x10, 0x00, 0x01]);
    raw.assert_closed(Protocol, "at most 4096 bytes");
}

#[test]
fn a_newer_version_alone_closes() {
    let mut raw = Raw::silent(Config::default());
    let mut hello = hello();
    (hello[8], hello[9]) = (2, 3);
    raw.write(&hello);
    raw.assert_closed(Version, "speaks versions 2 to 3");
}

#[test]
fn an_older_version_alone_closes() {
    let mut raw = Raw::silent(Config::default());
    let mut hello = hello();
    (hello[8], hello[9]) = (0, 0);
    raw.write(&hello);
    raw.assert_closed(Version, "speaks versions 0 to 0");
}

#[test]
fn a_newer_version_that_also_speaks_ours_is_fine() {
    let mut raw = Raw::silent(Config::default());
    let mut hello = hello();
    hello[9] = 9;
    raw.write(&hello);
    raw.assert_open();
}

#[test]
fn a_hello_below_the_floor_closes() {
    let floor = Limits::ASSUMED;
    for limits in [
        Limits { in_flight: floor.in_flight - 1, ..floor },
        Limits { first_bytes: floor.first_bytes - 1, ..floor },
        Limits { reply_bytes: floor.reply_bytes - 1, ..floor },
        Limits { value_bytes: floor.value_bytes - 1, ..floor },
        Limits { slots: floor.slots - 1, ..floor },
    ] {
        let mut raw = Raw::silent(Config::default());
        raw.write(&hello_with(limits));
        raw.assert_closed(Protocol, "below what every side takes");
    }
}

#[test]
fn unknown_extensions_of_a_hello_are_read_by_their_keys() {
    for (key, is_fine) in [(5, true), (2, false)] {
        let mut raw = Raw::silent(Config::default());
        let mut body = hello_with(Limits { streams: 0, ..Config::default().limits() })[4..].to_vec();
        body.pop();
        body.extend_from_slice(&[3, key, 1, 9]);
        raw.write_frame(0x01, &body);
        if is_fine { raw.assert_open() } else { raw.assert_closed(Protocol, "must not ignore") }
    }
}

#[test]
fn extensions_of_an_open_are_read_by_their_keys() {
    for (key, is_taken) in [(3, true), (17, true), (2, false), (18, false)] {
        let mut raw = Raw::new();
        raw.write_frame(0x02, &[&open(1, "Auth", "")[..], &[3, key, 1, 9]].concat());
        raw.assert_open();
        let opened = matches!(raw.pop(), Some(Event::Open { props: None, .. }));
        assert_eq!(opened, is_taken, "key {key}");
        if !is_taken {
            assert_eq!(raw.read().pop(), Some((0x03, vec![1, 2])), "it is answered as absent at once");
        }
    }
}

#[test]
fn props_that_are_malformed_close() {
    let props = |value: &[u8]| {
        let list = [&[16][..], &number(value.len() as u64), value].concat();
        let mut raw = Raw::new();
        let open = open(1, "Auth", "");
        raw.write_frame(0x02, &[&open[..], &number(list.len() as u64), &list].concat());
        raw
    };
    let named = |binding: usize, json: usize| {
        let name = [&number(binding as u64)[..], &vec![b'B'; binding]].concat();
        props(&[name, vec![b' '; json]].concat())
    };
    named(255, 8192).assert_open();
    named(0, 0).assert_open();
    named(256, 0).assert_closed(Protocol, "a run of bytes is longer than 255");
    named(255, 8193).assert_closed(Protocol, "its props are longer than 8 KiB");
    props(&[]).assert_closed(Protocol, "it ends within a field");
    props(&[4, b'A']).assert_closed(Protocol, "it ends within a field");
    props(&[1, 0xff, b'{', b'}']).assert_closed(Protocol, "a text is not UTF-8");
    props(&[1, b'A', 0xff]).assert_closed(Protocol, "its props are not UTF-8");
    let mut raw = Raw::new();
    raw.write_frame(0x02, &[&open(1, "Auth", "")[..], &[0, 0]].concat());
    raw.assert_closed(Protocol, "bytes are left over behind its last field");
}

#[test]
fn props_that_are_too_long_are_not_sent() {
    let props = Props { binding: "A".into(), json: " ".repeat(8193).into() };
    let mut raw = Raw::new();
    assert_eq!(raw.side.core.open(Open { props: Some(&props), ..auth() }), Err(Refused::Props));
    let props = Props { json: "{}".into(), ..props };
    assert!(raw.side.core.open(Open { props: Some(&props), ..auth() }).is_ok());
}

// Frames.

#[test]
fn an_unknown_kind_closes_unless_it_may_be_skipped() {
    let mut raw = Raw::new();
    raw.write_frame(0xfe, b"whatever");
    raw.assert_open();
    raw.write_frame(0x7e, b"whatever");
    raw.assert_closed(Protocol, "kind 0x7e");
}

#[test]
fn reserved_kinds_are_unknown_until_they_are_used() {
    for kind in [
        reserved::RELEASE,
        reserved::RESOLVE,
        reserved::DISEMBARGO,
        reserved::PROVIDE,
        reserved::ACCEPT,
        reserved::GET_CONTRACT,
    ] {
        let mut raw = Raw::new();
        raw.write_frame(kind, &[]);
        raw.assert_closed(Protocol, "which this side does not know");
    }
}

#[test]
fn a_frame_that_is_too_long_closes_when_its_header_is_there() {
    let mut raw = Raw::new();
    raw.write(&[0x01, 0x04, 0x01, 0x04]);
    raw.assert_closed(Protocol, "a frame of 66561 bytes where 66560 are the most");
}

#[test]
fn a_longest_frame_is_read() {
    let mut raw = Raw::new();
    raw.write_frame(0xfe, &[0; 66_560]);
    raw.assert_open();
}

#[test]
fn bytes_behind_the_last_field_close() {
    for (kind, mut body) in [
        (0x02, open(1, "B", "")),
        (0x07, grant(0, false)),
        (0x08, number(1)),
        (0x09, number(0)),
        (0x0a, vec![0; 8]),
        (0x0b, vec![0; 8]),
        (0x0c, vec![0, 0, 0]),
    ] {
        let mut raw = Raw::new();
        body.push(0);
        raw.write_frame(kind, &body);
        raw.assert_closed(Protocol, "bytes are left over");
    }
}

#[test]
fn a_number_in_a_longer_form_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x09, &[0x80, 0x00]);
    raw.assert_closed(Protocol, "not in its shortest form");
}

#[test]
fn useless_frames_have_a_budget_a_second() {
    let mut raw = Raw::new();
    for _ in 0..3 {
        for _ in 0..1000 {
            raw.write_frame(0xfe, &[]);
        }
        raw.assert_open();
        raw.pass(Duration::from_secs(1));
    }
    for _ in 0..1001 {
        raw.write_frame(0xfe, &[]);
    }
    raw.assert_closed(Flood, "more than 1000 frames within a second that do nothing");
}

#[test]
fn a_flood_of_pings_that_are_answered_spends_the_budget_too() {
    let mut raw = Raw::new();
    for _ in 0..1001 {
        raw.write_frame(0x0a, &[0; 8]);
        raw.read();
    }
    assert_eq!(raw.side.closed().unwrap().kind(), Flood);
}

#[test]
fn pings_while_nothing_is_read_close_after_64() {
    let mut raw = Raw::new();
    for _ in 0..64 {
        raw.write_frame(0x0a, &[0; 8]);
    }
    raw.assert_open();
    raw.write_frame(0x0a, &[0; 8]);
    raw.assert_closed(Flood, "took none of 64 answers");
}

#[test]
fn pongs_that_wait_in_the_batch_leave_room_for_no_more_than_64() {
    let mut raw = Raw::new();
    for _ in 0..64 {
        raw.write_frame(0x0a, &[0; 8]);
    }
    // In the batch, of which the transport takes one byte.
    assert_eq!(raw.side.write(raw.now, 1).len(), 1);
    for _ in 0..64 {
        raw.write_frame(0x0a, &[0; 8]);
        raw.side.write(raw.now, 1);
    }
    raw.assert_open();
    raw.write_frame(0x0a, &[0; 8]);
    assert_eq!(raw.side.closed().unwrap().kind(), Flood);
}

// Services.

#[test]
fn slots_are_opened_in_order_and_once() {
    for slot in [0, 2] {
        let mut raw = Raw::new();
        raw.write_frame(0x02, &open(slot, "Other", ""));
        raw.assert_closed(Protocol, "where 1 is the next");
    }
}

#[test]
fn more_services_than_allowed_close() {
    let mut raw = Raw::with(Config { slots_max: 16, ..Config::default() });
    for slot in 1..16 {
        raw.write_frame(0x02, &open(slot, "Other", ""));
    }
    raw.assert_open();
    raw.write_frame(0x02, &open(16, "Other", ""));
    raw.assert_closed(FlowControl, "more than 16 services");
}

#[test]
fn names_of_services_are_text_and_have_an_end() {
    let mut raw = Raw::new();
    raw.write_frame(0x02, &open(1, &"x".repeat(256), ""));
    raw.assert_closed(Protocol, "longer than 255");
    let mut raw = Raw::new();
    let mut body = open(1, "ab", "");
    body[18] = 0xff;
    raw.write_frame(0x02, &body);
    raw.assert_closed(Protocol, "not UTF-8");
}

#[test]
fn an_answer_to_nothing_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x03, &[5, 0]);
    raw.assert_closed(Protocol, "never asked");
}

#[test]
fn a_second_answer_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x03, &[0, 0]);
    raw.assert_open();
    raw.write_frame(0x03, &[0, 2]);
    raw.assert_closed(Protocol, "answered before");
}

#[test]
fn an_unknown_answer_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x03, &[0, 3]);
    raw.assert_closed(Protocol, "neither same, nor different, nor absent");
}

#[test]
fn an_answer_that_claims_more_methods_than_it_holds_closes_without_memory_for_them() {
    let mut raw = Raw::new();
    let mut body = vec![0, 1];
    body.extend(number(u64::MAX));
    raw.write_frame(0x03, &body);
    raw.assert_closed(Protocol, "it ends within a field");
}

// Calls.

#[test]
fn call_numbers_are_exactly_the_next() {
    for call in [0, 2, u64::MAX] {
        let mut raw = Raw::new();
        raw.write_call(0, b"");
        raw.write_call(call, b"");
        raw.assert_closed(Protocol, "where 1 is the next");
    }
}

#[test]
fn a_call_number_is_not_used_again_after_its_end() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let incoming = raw.side.call_of();
    raw.side.reply(incoming.id, vec![]);
    raw.read();
    raw.write_call(0, b"");
    raw.assert_closed(Protocol, "made call 0 where 1 is the next");
}

#[test]
fn a_call_to_a_slot_that_was_not_opened_closes() {
    let mut raw = Raw::new();
    let mut body = call_head(0, 0, b"");
    body[2] = 1;
    raw.write_frame(0x04, &body);
    raw.assert_closed(Protocol, "called slot 1 before it opened it");
}

#[test]
fn a_piece_longer_than_its_value_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 2, b"abc"));
    raw.assert_closed(Protocol, "first piece is longer than the value");
}

#[test]
fn an_unknown_flag_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 64, &[], b""));
    raw.assert_closed(Protocol, "a flag that is not known");
}

#[test]
fn an_unknown_target_closes() {
    let mut raw = Raw::new();
    let mut body = call_head(0, 0, b"");
    body[1] = 3;
    raw.write_frame(0x04, &body);
    raw.assert_closed(Protocol, "neither a slot, nor a handle, nor a result");
}

#[test]
fn a_path_of_more_than_eight_steps_closes() {
    let mut raw = Raw::new();
    let mut body = vec![0, 2, 0, 9];
    body.extend_from_slice(&[0; 40]);
    raw.write_frame(0x04, &body);
    raw.assert_closed(Protocol, "more than 8 steps");
}

/// The call is refused, and the session goes on with the next one.
#[track_caller]
fn assert_refused(body: &[u8], refusal: Refusal) {
    let mut raw = Raw::new();
    raw.write_frame(0x04, body);
    raw.assert_open();
    let [(0x05, end)] = &raw.read()[..] else { panic!("the call ends") };
    assert_eq!(end[..2], [0, refusal as u8]);
    assert!(raw.side.calls().is_empty());
    assert_eq!(raw.side.core.in_flight(), Default::default());
    raw.write_call(1, b"next");
    assert_eq!(&*raw.side.call_of().payload, b"next");
}

#[test]
fn calls_on_handles_and_results_are_refused() {
    let rest = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 1, 1, 0];
    assert_refused(&[&[0, 1, 5], &rest[..]].concat(), Refusal::Target);
    assert_refused(&[&[0, 2, 0, 2, 1, 1], &rest[..]].concat(), Refusal::Target);
}

#[test]
fn calls_in_another_encoding_are_refused() {
    let mut body = call_head(0, 0, b"");
    body[11] = 1;
    assert_refused(&body, Refusal::Encoding);
}

#[test]
fn calls_with_handles_beside_them_are_refused() {
    assert_refused(&call_with(0, 8, &[1], b""), Refusal::Capabilities);
}

#[test]
fn calls_with_an_extension_that_must_not_be_ignored_are_refused() {
    assert_refused(&call_with(0, 16, &[2, 4, 0], b""), Refusal::Extension);
}

#[test]
fn calls_with_too_much_metadata_are_refused() {
    let entry = [1, b'k', 1, b'v', 0];
    let many = [&[65][..], &entry.repeat(65)].concat();
    assert_refused(&call_with(0, 4, &many, b""), Refusal::Metadata);
    let mut long = vec![1, 1, b'k'];
    long.extend(number(8192));
    long.extend_from_slice(&[b'v'; 8192]);
    long.push(0);
    assert_refused(&call_with(0, 4, &long, b""), Refusal::Metadata);
}

#[test]
fn values_longer_than_allowed_are_refused_before_anything_is_kept() {
    assert_refused(&call_head(0, (32 << 20) + 1, b"begin"), Refusal::ValueTooLong);
    assert_refused(&call_head(0, u64::MAX, b"begin"), Refusal::ValueTooLong);
}

#[test]
fn a_deadline_of_nothing_is_refused() {
    assert_refused(&call_with(0, 2, &[0], b""), Refusal::Deadline);
}

#[test]
fn an_extension_that_may_be_ignored_is() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 16, &[3, 5, 1, 9], b"x"));
    assert_eq!(&*raw.side.call_of().payload, b"x");
}

#[test]
fn extensions_out_of_order_close() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 16, &[4, 5, 0, 3, 0], b""));
    raw.assert_closed(Protocol, "do not ascend");
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 16, &[4, 5, 0, 5, 0], b""));
    raw.assert_closed(Protocol, "do not ascend");
}

#[test]
fn a_trace_state_of_another_length_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 16, &[3, 1, 1, 9], b""));
    raw.assert_closed(Protocol, "not 26 bytes long");
}

#[test]
fn empty_metadata_and_odd_marks_close() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 4, &[0], b""));
    raw.assert_closed(Protocol, "its metadata is empty");
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 4, &[1, 1, b'k', 1, b'v', 2], b""));
    raw.assert_closed(Protocol, "neither 0 nor 1");
}

#[test]
fn more_calls_in_flight_than_allowed_close() {
    let mut raw = Raw::with(Config { in_flight_max: 64, ..Config::default() });
    for call in 0..64 {
        raw.write_call(call, b"");
    }
    raw.assert_open();
    raw.write_call(64, b"");
    raw.assert_closed(FlowControl, "more than 64 calls at a time");
}

#[test]
fn calls_that_were_cancelled_count_until_they_have_ended() {
    let mut raw = Raw::with(Config { in_flight_max: 64, ..Config::default() });
    for call in 0..64 {
        raw.write_call(call, b"");
        raw.write_frame(0x09, &number(call));
    }
    raw.write_call(64, b"");
    raw.assert_closed(FlowControl, "more than 64 calls at a time");
}

#[test]
fn ends_that_nobody_reads_keep_their_calls_in_flight() {
    let mut raw = Raw::with(Config { in_flight_max: 64, ..Config::default() });
    raw.write_frame(0x0a, &[0; 8]);
    assert_eq!(raw.side.write(raw.now, 1).len(), 1);
    for call in 0..64 {
        raw.write_call(call, b"");
    }
    for incoming in raw.side.calls() {
        raw.side.reply(incoming.id, vec![]);
    }
    assert_eq!(raw.side.core.in_flight().theirs, 64);
    raw.write_call(64, b"");
    assert_eq!(raw.side.closed().unwrap().kind(), FlowControl);
}

#[test]
fn first_pieces_beyond_their_credit_close() {
    let mut raw = Raw::with(Config { first_bytes_max: 64 << 10, ..Config::default() });
    raw.write_call(0, &[0; 40_000]);
    raw.write_call(1, &[0; (64 << 10) - 40_000]);
    raw.assert_open();
    raw.write_call(2, &[0]);
    raw.assert_closed(FlowControl, "beyond their credit of 65536 bytes");
}

#[test]
fn a_cancel_of_a_call_that_was_never_made_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x09, &number(0));
    raw.assert_closed(Protocol, "cancelled call 0, which it never made");
}

#[test]
fn a_cancel_of_a_call_that_has_ended_is_nothing() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let incoming = raw.side.call_of();
    raw.side.reply(incoming.id, vec![]);
    raw.read();
    raw.write_frame(0x09, &number(0));
    raw.assert_open();
    assert!(raw.side.events.is_empty());
}

#[test]
fn cancels_of_one_call_over_and_over_spend_the_budget() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    for _ in 0..1002 {
        raw.write_frame(0x09, &number(0));
    }
    raw.assert_closed(Flood, "do nothing");
}

#[test]
fn a_storm_of_cancels_closes() {
    let mut raw = Raw::with(Config { cancels_per_second_max: 10, ..Config::default() });
    for call in 0..11 {
        raw.assert_open();
        raw.write_call(call, b"");
        let incoming = raw.side.call_of();
        raw.write_frame(0x09, &number(call));
        let end = End {
            status: Status::Cancelled,
            used: (0, 0),
            payload: Payload::default(),
            beside: Beside::Nothing,
        };
        raw.side.core.end(incoming.id, end);
    }
    raw.assert_closed(TooManyCancels, "more than 10 calls within a second");
}

#[test]
fn cancels_at_a_pace_are_fine() {
    let mut raw = Raw::with(Config { cancels_per_second_max: 10, ..Config::default() });
    for call in 0..100 {
        raw.write_call(call, b"");
        raw.write_frame(0x09, &number(call));
        raw.pass(Duration::from_millis(101));
    }
    raw.assert_open();
}

#[test]
fn cancels_of_calls_whose_time_was_running_out_are_no_storm() {
    for (millis, is_storm) in [(999, true), (1000, false), (3999, false)] {
        let mut raw = Raw::with(Config { cancels_per_second_max: 10, ..Config::default() });
        for call in 0..11 {
            // Each has 4 s.
            raw.write_frame(0x04, &call_with(call, 2, &number(4_000_000), b""));
            raw.side.call_of();
        }
        raw.pass(Duration::from_millis(millis));
        for call in 0..11 {
            raw.write_frame(0x09, &number(call));
        }
        match is_storm {
            true => raw.assert_closed(TooManyCancels, "more than 10 calls within a second"),
            false => raw.assert_open(),
        }
    }
}

#[test]
fn cancels_of_calls_whose_handler_has_ended_are_no_storm() {
    let mut raw = Raw::with(Config { cancels_per_second_max: 1, ..Config::default() });
    for call in 0..100 {
        raw.write_call(call, b"");
        let incoming = raw.side.call_of();
        raw.side.reply(incoming.id, vec![1]);
        raw.write_frame(0x09, &number(call));
    }
    raw.assert_open();
}

// Ends.

#[test]
fn an_end_of_a_call_that_was_never_made_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x05, &end_head(0, 0, 0, b""));
    raw.assert_closed(Protocol, "ended call 0, which is not open");
}

#[test]
fn a_second_end_closes() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 0, b""));
    assert!(matches!(raw.side.ended_one().1, Ended::Reply { .. }));
    raw.write_frame(0x05, &end_head(0, 0, 0, b""));
    raw.assert_closed(Protocol, "ended call 0, which is not open");
}

#[test]
fn a_second_end_while_the_first_value_comes_closes() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 100_000, &[0; 60_000]));
    raw.write_frame(0x05, &end_head(0, 0, 0, b""));
    raw.assert_closed(Protocol, "ended call 0 twice");
}

#[test]
fn an_end_after_a_cancel_is_read_once() {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![1]);
    raw.side.core.cancel(key);
    raw.write_frame(0x05, &end_head(0, 0, 3, b"abc"));
    raw.assert_open();
    assert!(raw.side.events.is_empty());
    assert_eq!(raw.side.core.in_flight(), Default::default());
    raw.write_frame(0x05, &end_head(0, 0, 3, b"abc"));
    raw.assert_closed(Protocol, "not open");
}

#[test]
fn an_unknown_status_closes_and_an_unknown_refusal_does_not() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0x7a, 0, b""));
    assert!(matches!(raw.side.ended_one().1, Ended::Refused(Refusal::Other)));
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(1, 6, 0, b""));
    raw.assert_closed(Protocol, "its status is not known");
}

#[test]
fn a_refusal_with_a_value_closes() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0x40, 1, b"x"));
    raw.assert_closed(Protocol, "sent a value with it");
}

#[test]
fn replies_in_another_encoding_or_with_handles_close() {
    for at in [2, 3] {
        let mut raw = Raw::new();
        raw.make_call(vec![1]);
        let mut body = end_head(0, 0, 0, b"");
        body[at] = 8;
        raw.write_frame(0x05, &body);
        raw.assert_closed(Protocol, "is not known");
    }
}

#[test]
fn a_reply_longer_than_allowed_closes() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, u64::MAX, b"x"));
    raw.assert_closed(FlowControl, "where 33554432 were allowed");
}

#[test]
fn replies_beyond_their_credit_close() {
    let mut raw = Raw::with(Config { reply_bytes_max: 256 << 10, ..Config::default() });
    for call in 0..5 {
        raw.make_call(vec![1]);
        raw.assert_open();
        raw.write_frame(0x05, &end_head(call, 0, 60_000, &[0; 60_000]));
    }
    raw.assert_closed(FlowControl, "beyond its credit of 262144 bytes");
}

#[test]
fn credit_that_was_not_used_closes() {
    for bytes in [1, u64::MAX] {
        let mut raw = Raw::new();
        raw.write_frame(0x08, &number(bytes));
        raw.assert_closed(FlowControl, "credit that were not used");
    }
}

#[test]
fn a_credit_of_nothing_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x08, &number(0));
    raw.assert_closed(Protocol, "`Credit` of nothing");
}

// Large values.

#[test]
fn a_part_before_its_grant_closes() {
    let mut raw = Raw::with(Config { granted_bytes_max: 128 << 10, ..Config::default() });
    raw.write_frame(0x04, &call_head(0, 60_000, b""));
    raw.write_frame(0x04, &call_head(1, 60_000, b""));
    assert_eq!(raw.read(), [(0x07, grant(0, false))]);
    raw.write_frame(0x06, &part(1, false, false, &[0; 2000]));
    raw.assert_closed(FlowControl, "was not granted");
}

#[test]
fn a_part_of_a_call_that_is_not_open_closes() {
    for reply in [false, true] {
        let mut raw = Raw::new();
        raw.write_frame(0x06, &part(0, false, reply, &[0; 2000]));
        raw.assert_closed(Protocol, "call 0, which is not open");
    }
}

#[test]
fn a_part_of_a_call_whose_arguments_are_there_closes() {
    let mut raw = Raw::new();
    raw.write_call(0, b"all");
    raw.write_frame(0x06, &part(0, false, false, b"more"));
    raw.assert_closed(FlowControl, "was not granted");
}

#[test]
fn parts_beyond_their_value_close() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 10_000, &[0; 5000]));
    raw.write_frame(0x06, &part(0, false, false, &[0; 5001]));
    raw.assert_closed(FlowControl, "sent 5001 bytes of a value of call 0, of which 5000 were left");
}

#[test]
fn a_part_of_a_reply_before_its_end_closes() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x06, &part(0, false, true, &[0; 2000]));
    raw.assert_closed(Protocol, "before its end");
}

#[test]
fn a_part_of_a_reply_before_its_grant_closes() {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![1]);
    raw.side.core.cancel(key);
    raw.write_frame(0x05, &end_head(0, 0, 10_000, &[0; 5000]));
    raw.write_frame(0x06, &part(0, false, true, &[0; 5000]));
    raw.assert_closed(FlowControl, "before it was granted");
}

#[test]
fn empty_and_tiny_parts_spend_the_budget() {
    for length in [0, 1] {
        let mut raw = Raw::new();
        raw.write_frame(0x04, &call_head(0, 10_000, b""));
        for _ in 0..1001 {
            raw.write_frame(0x06, &part(0, false, false, &vec![0; length]));
        }
        raw.assert_closed(Flood, "do nothing");
    }
}

#[test]
fn the_last_part_of_a_value_may_be_short() {
    let mut raw = Raw::new();
    let count = if cfg!(miri) { 20 } else { 1100 };
    for call in 0..count {
        raw.write_frame(0x04, &call_head(call, 2, &[1]));
        raw.write_frame(0x06, &part(call, false, false, &[2]));
    }
    raw.assert_open();
    assert_eq!(raw.side.calls().len() as u64, count);
}

#[test]
fn giving_arguments_up_unasked_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 10_000, b""));
    raw.write_frame(0x06, &part(0, true, false, b""));
    raw.assert_closed(Protocol, "gave up the arguments of call 0 unasked");
}

#[test]
fn giving_up_with_bytes_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x06, &part(0, true, false, b"x"));
    raw.assert_closed(Protocol, "sent bytes with that");
}

#[test]
fn a_callee_may_give_up_its_reply() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 10_000, &[0; 5000]));
    raw.write_frame(0x06, &part(0, true, true, b""));
    assert!(matches!(raw.side.ended_one().1, Ended::Lost(_)));
    raw.assert_open();
    assert_eq!(raw.side.core.in_flight(), Default::default());
}

#[test]
fn grants_of_nothing_close() {
    for reply in [false, true] {
        let mut raw = Raw::new();
        raw.write_frame(0x07, &grant(0, reply));
        raw.assert_closed(FlowControl, "waits for no grant");
    }
}

#[test]
fn a_second_grant_closes() {
    let mut raw = Raw::new();
    raw.make_call(vec![0; 300_000]);
    raw.write_frame(0x07, &grant(0, false));
    raw.assert_open();
    raw.write_frame(0x07, &grant(0, false));
    raw.assert_closed(FlowControl, "waits for no grant");
}

#[test]
fn a_claimed_value_costs_what_arrived() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 32 << 20, &[0; 100]));
    raw.write(&frame(0x06, &part(0, false, false, &[0; 60_000]))[..30_000]);
    let key = (0, 0);
    let value = raw.side.core.theirs.value_mut(key).unwrap();
    assert!(value.capacity() <= 2 * 30_100 + (64 << 10), "{} bytes", value.capacity());
}

#[test]
fn a_claimed_frame_costs_what_arrived() {
    let mut raw = Raw::new();
    raw.write(&[0x00, 0x04, 0x01, 0x04, 0, 0, 0]);
    assert!(raw.side.core.input.partial_capacity() < 100);
}

// The end of a session.

#[test]
fn a_go_away_that_takes_calls_which_were_not_made_closes() {
    let mut raw = Raw::new();
    raw.write_frame(0x0c, &[1, 0, 0]);
    raw.assert_closed(Protocol, "which were never made");
}

#[test]
fn a_second_go_away_takes_no_more_than_the_first() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x0c, &[0, 0, 0]);
    raw.write_frame(0x0c, &[0, 0, 0]);
    raw.assert_open();
    raw.write_frame(0x0c, &[1, 0, 0]);
    raw.assert_closed(Protocol, "takes more calls than the first");
}

#[test]
fn what_a_peer_says_when_it_goes_is_one_line() {
    let mut raw = Raw::new();
    let why = "bye\r\n\x1b[31m";
    let mut body = vec![0, 77, why.len() as u8];
    body.extend_from_slice(why.as_bytes());
    raw.write_frame(0x0c, &body);
    let Some(Event::GoAway { why }) = raw.pop() else { panic!("it goes away") };
    assert_eq!(why, r"the peer ends the session (reason 77): bye\r\n\x1b[31m");
}

#[test]
fn after_the_end_nothing_is_read() {
    let mut raw = Raw::new();
    raw.write_frame(0x7e, b"");
    let events = raw.side.events.len();
    raw.write_call(0, b"");
    raw.write_frame(0x0a, &[0; 8]);
    assert_eq!(raw.side.events.len(), events);
    raw.side.core.opened(crate::proto::PeerSlot(0), Opened::Same);
    raw.assert_closed(Protocol, "kind 0x7e");
}
