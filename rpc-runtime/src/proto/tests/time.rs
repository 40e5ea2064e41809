//! What happens by itself.

use std::time::Duration;

use super::{
    pair::Pair,
    raw::{Raw, call_with, end_head, hello, number},
};
use crate::proto::{ClosedKind, Config, Ended, Event, Refusal};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_peer_that_does_not_say_hello_in_two_seconds_is_closed() {
    let mut raw = Raw::silent(Config::default());
    assert_eq!(raw.side.core.timer(), Some(raw.now + 2 * SECOND));
    raw.write(&hello()[..10]);
    raw.pass(2 * SECOND - Duration::from_millis(1));
    raw.assert_open();
    raw.pass(Duration::from_millis(1));
    raw.assert_closed(ClosedKind::Timeout, "did not say `Hello` in time");
}

#[test]
fn the_time_for_a_hello_is_configured() {
    let mut raw = Raw::silent(Config { hello_timeout: 10 * SECOND, ..Config::default() });
    raw.pass(9 * SECOND);
    raw.write(&hello());
    raw.pass(9 * SECOND);
    raw.assert_open();
}

#[test]
fn a_silent_peer_is_asked_three_times_and_then_dead() {
    let mut raw = Raw::new();
    for _ in 0..3 {
        raw.pass(10 * SECOND);
        assert_eq!(raw.read(), [(0x0a, vec![0; 8])]);
        raw.assert_open();
    }
    raw.pass(10 * SECOND);
    raw.assert_closed(ClosedKind::Timeout, "left 3 pings unanswered");
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut raw = Raw::new();
    for _ in 0..10 {
        raw.pass(10 * SECOND);
        assert_eq!(raw.read(), [(0x0a, vec![0; 8])]);
        raw.pass(5 * SECOND);
        raw.write_frame(0x0b, &[0; 8]);
    }
    for _ in 0..30 {
        raw.pass(9 * SECOND);
        raw.write(&[0x01]);
        raw.write(&[0, 0, 0xfe, 0]);
    }
    assert!(raw.read().is_empty());
    raw.assert_open();
}

#[test]
fn a_driver_that_was_held_up_does_not_blame_the_peer() {
    let mut raw = Raw::new();
    raw.pass(500 * SECOND);
    raw.assert_open();
    assert_eq!(raw.read().len(), 1);
    raw.write_frame(0x0b, &[0; 8]);
    raw.pass(SECOND);
    raw.assert_open();
}

#[test]
fn two_idle_ends_keep_each_other() {
    let (mut pair, _) = Pair::new();
    for _ in 0..100 {
        pair.pass(7 * SECOND);
        pair.settle();
    }
    assert!(pair.client.events.is_empty() && pair.server.events.is_empty());
}

#[test]
fn deadlines_of_any_size_are_deadlines() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (left, expected) in [
        (1, Duration::from_micros(1)),
        (1_000_000, SECOND),
        (u64::from(u32::MAX) * 1000, day),
        (u64::MAX, day),
    ] {
        let mut raw = Raw::new();
        raw.write_frame(0x04, &call_with(0, 2, &number(left), b""));
        assert_eq!(raw.side.call_of().deadline, Some(raw.now + expected));
    }
}

#[test]
fn deadlines_of_any_size_can_be_asked_for() {
    let (mut pair, slot) = Pair::new();
    let far = pair.now + Duration::from_secs(u64::from(u32::MAX));
    pair.client.try_call(slot, vec![], Some(far), pair.now).unwrap();
    pair.settle();
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(pair.server.call_of().deadline, Some(pair.now + day));
    assert!(pair.client.core.timer().is_some());
}

#[test]
fn less_than_a_microsecond_is_not_nothing() {
    let mut raw = Raw::new();
    raw.side.try_call(raw.slot, vec![], Some(raw.now + Duration::from_nanos(1)), raw.now).unwrap();
    let [(0x04, head)] = &raw.read()[..] else { panic!("the call is written") };
    // Behind the flags and what is left of the limits.
    assert_eq!((head[12], head[18]), (2, 1));
}

#[test]
fn an_alarm_is_never_early() {
    let mut raw = Raw::new();
    raw.now += Duration::from_micros(300);
    let deadline = raw.now + Duration::from_micros(1500);
    raw.side.try_call(raw.slot, vec![], Some(deadline), raw.now).unwrap();
    raw.read();
    let alarm = raw.side.core.timer().unwrap();
    assert!(alarm >= deadline && alarm < deadline + Duration::from_millis(1));
    raw.now = alarm - Duration::from_micros(1);
    raw.pass(Duration::ZERO);
    assert!(raw.side.events.is_empty());
    raw.pass(Duration::from_micros(1));
    assert!(matches!(raw.side.ended_one().1, Ended::Deadline));
    assert_eq!(raw.read(), [(0x09, number(0))]);
}

#[test]
fn a_reply_after_the_deadline_is_nobodys() {
    let mut raw = Raw::new();
    raw.side.try_call(raw.slot, vec![], Some(raw.now + SECOND), raw.now).unwrap();
    raw.read();
    raw.pass(SECOND);
    raw.pass(Duration::from_millis(1));
    assert!(matches!(raw.side.ended_one().1, Ended::Deadline));
    raw.write_frame(0x05, &end_head(0, 0, 5, b"later"));
    raw.assert_open();
    assert!(raw.side.events.is_empty());
    assert_eq!(raw.side.core.in_flight(), Default::default());
}

#[test]
fn a_deadline_that_passes_after_the_end_is_nothing() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 2, &number(1000), b""));
    let id = raw.side.call_of().id;
    raw.side.reply(id, vec![1]);
    raw.pass(SECOND);
    assert!(raw.side.events.is_empty());
}

#[test]
fn a_deadline_after_a_cancel_is_not_told_twice() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 2, &number(1000), b""));
    raw.side.call_of();
    raw.write_frame(0x09, &number(0));
    assert!(matches!(raw.pop(), Some(Event::Cancelled { .. })));
    raw.pass(SECOND);
    assert!(raw.side.events.is_empty());
}

#[test]
fn a_cancel_after_a_deadline_is_not_told_twice() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_with(0, 2, &number(1000), b""));
    raw.side.call_of();
    raw.pass(SECOND);
    assert!(matches!(raw.pop(), Some(Event::DeadlinePassed { .. })));
    raw.write_frame(0x09, &number(0));
    assert!(raw.side.events.is_empty());
    raw.assert_open();
}

#[test]
fn many_deadlines_in_one_millisecond_are_all_told() {
    let (mut pair, slot) = Pair::new();
    let count = if cfg!(miri) { 50 } else { 8000 };
    let deadline = pair.now + Duration::from_millis(5);
    for _ in 0..count {
        pair.client.try_call(slot, vec![], Some(deadline), pair.now).unwrap();
    }
    pair.settle();
    let calls = pair.server.calls();
    assert_eq!(calls.len(), count);
    pair.pass(Duration::from_millis(6));
    assert!(pair.client.ended().iter().all(|(_, ended)| matches!(ended, Ended::Deadline)));
    assert_eq!(pair.server.events.len(), count);
    for incoming in calls {
        pair.server.reply(incoming.id, vec![]);
    }
    pair.settle();
    pair.assert_idle();
}

#[test]
fn a_deadline_that_passes_while_a_call_waits_for_credit_ends_it_unsent() {
    let config = Config { in_flight_max: 64, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    for _ in 0..64 {
        pair.client.call(slot, vec![], pair.now);
    }
    pair.settle();
    let deadline = pair.now + Duration::from_millis(5);
    pair.client.try_call(slot, vec![9], Some(deadline), pair.now).unwrap();
    pair.settle();
    pair.pass(Duration::from_millis(6));
    assert!(matches!(pair.client.ended_one().1, Ended::Deadline));
    assert_eq!(pair.client.core.in_flight().waiting, 0);
    pair.settle();
    assert_eq!(pair.server.calls().len(), 64);
}

#[test]
fn a_large_call_whose_deadline_passes_is_refused_by_the_callee() {
    let (mut pair, slot) = Pair::new();
    let deadline = pair.now + Duration::from_millis(5);
    pair.client.try_call(slot, vec![1; 300_000], Some(deadline), pair.now).unwrap();
    pair.server.read(&pair.client.write_all(pair.now), pair.now);
    pair.pass(Duration::from_millis(6));
    assert!(matches!(pair.client.ended_one().1, Ended::Deadline));
    pair.settle();
    assert!(pair.server.calls().is_empty() && pair.server.events.is_empty());
    pair.assert_idle();
}

#[test]
fn a_refused_deadline_is_a_refusal() {
    let mut raw = Raw::new();
    raw.make_call(vec![]);
    raw.write_frame(0x05, &end_head(0, Refusal::Deadline as u8, 0, b""));
    assert!(matches!(raw.side.ended_one().1, Ended::Refused(Refusal::Deadline)));
}

#[test]
fn an_idle_session_is_small() {
    let (mut pair, slot) = Pair::new();
    for side in [&pair.client, &pair.server] {
        assert!(side.core.heap_bytes() <= 2048, "{} bytes before the first call", side.core.heap_bytes());
    }
    for length in [1, 100, 60_000, if cfg!(miri) { 70_000 } else { 1 << 20 }] {
        for _ in 0..if cfg!(miri) { 3 } else { 50 } {
            pair.client.call(slot, vec![1; length], pair.now);
        }
        pair.settle();
        loop {
            let calls = pair.server.calls();
            if calls.is_empty() {
                break;
            }
            for incoming in calls {
                let reply = incoming.payload.to_vec();
                pair.server.reply(incoming.id, reply);
            }
            pair.settle();
            for (_, ended) in pair.client.ended() {
                let Ended::Reply { payload, .. } = ended else { panic!("a reply came: {ended:?}") };
                pair.client.core.taken(payload.len() as u64);
            }
            pair.settle();
        }
    }
    pair.assert_idle();
    pair.pass(10 * SECOND);
    pair.settle();
    // The pings that went with it.
    pair.client.core.call(super::pair::call(slot, vec![], None), pair.now).unwrap();
    pair.settle();
    let id = pair.server.call_of().id;
    pair.server.reply(id, vec![]);
    pair.settle();
    pair.client.ended_one();
    for _ in 0..3 {
        pair.pass(10 * SECOND);
        pair.settle();
    }
    for side in [&pair.client, &pair.server] {
        assert!(side.core.heap_bytes() <= 2048, "{} bytes after the last call", side.core.heap_bytes());
    }
}

#[test]
fn a_session_that_is_busy_at_the_wrong_moment_gives_its_memory_back_later() {
    let mut raw = Raw::new();
    for call in 0..64 {
        raw.write_call(call, &[1; 1000]);
    }
    let calls = raw.side.calls();
    raw.pass(10 * SECOND);
    assert!(raw.side.core.heap_bytes() > 2048);
    for incoming in calls {
        raw.side.reply(incoming.id, vec![1; 1000]);
    }
    raw.read();
    raw.pass(10 * SECOND);
    raw.read();
    raw.pass(10 * SECOND);
    assert!(raw.side.core.heap_bytes() <= 2048, "{} bytes", raw.side.core.heap_bytes());
}
