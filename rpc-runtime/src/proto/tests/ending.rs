//! How sessions end, and what becomes of their calls.

use std::time::Duration;

use super::{
    pair::{Pair, auth},
    raw::{Raw, call_head, end_head, frame, hello, number},
};
use crate::proto::{ClosedKind, Closing, Config, Ended, Event, Refused};

fn closing(why: &str) -> Closing {
    Closing { why: why.into() }
}

#[test]
fn a_lost_call_that_was_written_may_have_run() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.side.core.lost("reset by peer");
    raw.side.drain_events();
    assert!(
        matches!(raw.side.ended_one().1, Ended::Lost(why) if &*why == "the connection was lost: reset by peer")
    );
    assert_eq!(raw.side.closed().unwrap().kind(), ClosedKind::PeerWent);
    assert!(raw.side.core.is_over().is_some());
}

#[test]
fn a_lost_call_that_was_not_handed_to_the_transport_has_not() {
    let mut raw = Raw::new();
    raw.side.call(raw.slot, vec![1], raw.now);
    raw.side.core.lost("reset");
    raw.side.drain_events();
    assert!(matches!(raw.side.ended_one().1, Ended::NotSent(_)));
}

#[test]
fn a_call_is_sent_with_its_last_byte() {
    for (all_but, is_sent) in [(0, true), (1, false)] {
        let mut raw = Raw::new();
        raw.side.call(raw.slot, vec![1; 100], raw.now);
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = raw.side.core.slices(raw.now, &mut slices);
        let length: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        raw.side.core.sent(length - all_but);
        raw.side.core.lost("reset");
        raw.side.drain_events();
        assert_eq!(matches!(raw.side.ended_one().1, Ended::Lost(_)), is_sent);
    }
}

#[test]
fn a_call_whose_rest_waits_for_a_grant_was_not_sent() {
    let mut raw = Raw::new();
    raw.make_call(vec![1; 100_000]);
    raw.side.core.lost("reset");
    raw.side.drain_events();
    assert!(matches!(raw.side.ended_one().1, Ended::NotSent(_)));
}

#[test]
fn a_reply_that_was_half_read_is_lost() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 100_000, &[0; 1000]));
    raw.side.core.lost("reset");
    raw.side.drain_events();
    assert!(matches!(raw.side.ended_one().1, Ended::Lost(_)));
    assert_eq!(raw.side.core.in_flight(), Default::default());
}

#[test]
fn a_cancelled_call_has_no_second_outcome_when_the_session_ends() {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![1]);
    raw.side.core.cancel(key);
    let large = raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(1, 0, 100_000, &[0; 1000]));
    raw.side.core.cancel(large);
    raw.side.core.lost("reset");
    raw.side.drain_events();
    assert!(raw.side.ended().is_empty());
}

#[test]
fn after_the_end_nothing_is_begun() {
    let mut raw = Raw::new();
    raw.side.core.lost("reset");
    assert_eq!(raw.side.try_call(raw.slot, vec![], None, raw.now), Err(Refused::Closed));
    assert_eq!(raw.side.core.open(auth()), Err(Refused::Closed));
    assert_eq!(raw.side.core.timer(), None);
    assert!(!raw.side.core.has_output());
}

#[test]
fn an_end_is_told_once() {
    let mut raw = Raw::new();
    raw.side.core.lost("reset");
    raw.side.core.lost("reset");
    raw.side.core.end_of_stream();
    raw.side.core.close(closing("no"), raw.now);
    raw.side.core.drain("no");
    raw.side.drain_events();
    assert_eq!(raw.side.events.len(), 1, "{:?}", raw.side.events);
}

#[test]
fn closing_tells_the_peer_and_then_is_over() {
    let mut raw = Raw::new();
    raw.side.core.close(closing("time to go"), raw.now);
    assert!(raw.side.core.is_over().is_none());
    let [(0x0c, body)] = &raw.read()[..] else { panic!("the peer is told") };
    assert_eq!(&body[..], b"\x00\x08\x0atime to go");
    assert_eq!(raw.side.core.is_over().unwrap().kind(), ClosedKind::Closed);
}

#[test]
fn a_close_after_a_long_silence_has_its_second_too() {
    let mut raw = Raw::new();
    raw.now += Duration::from_secs(9);
    raw.side.core.close(closing("time to go"), raw.now);
    raw.side.core.tick(raw.now);
    raw.side.drain_events();
    assert_eq!(raw.side.core.is_over(), None, "the peer is to be told");
    raw.assert_closed(ClosedKind::Closed, "time to go");
}

#[test]
fn a_close_that_cannot_be_written_is_over_after_a_second() {
    let mut raw = Raw::new();
    raw.side.core.close(closing("time to go"), raw.now);
    assert_eq!(raw.side.core.timer(), Some(raw.now + Duration::from_secs(1)));
    raw.pass(Duration::from_millis(999));
    assert!(raw.side.core.is_over().is_none());
    raw.pass(Duration::from_millis(1));
    assert!(raw.side.core.is_over().is_some());
}

#[test]
fn a_close_whose_transport_fails_is_over_at_once() {
    let mut raw = Raw::new();
    raw.side.core.close(closing("time to go"), raw.now);
    raw.side.core.lost("reset");
    assert_eq!(raw.side.core.is_over().unwrap().kind(), ClosedKind::Closed);
}

#[test]
fn calls_in_the_batch_of_a_session_that_closes_may_run() {
    let mut raw = Raw::new();
    raw.side.call(raw.slot, vec![1], raw.now);
    assert_eq!(raw.side.write(raw.now, 1).len(), 1);
    raw.side.call(raw.slot, vec![2], raw.now);
    raw.side.core.close(closing("time to go"), raw.now);
    raw.side.drain_events();
    let ended = raw.side.ended();
    assert!(matches!(ended[..], [(_, Ended::Lost(_)), (_, Ended::NotSent(_))]), "{ended:?}");
}

#[test]
fn draining_lets_running_calls_end() {
    let (mut pair, slot) = Pair::new();
    let key = pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    let id = pair.server.call_of().id;
    pair.server.core.drain("new version");
    pair.settle();
    assert!(matches!(
        &pair.client.events[..],
        [Event::GoAway { why }] if why == "the peer takes no more calls: new version"
    ));
    assert!(pair.server.core.is_over().is_none());
    assert_eq!(pair.client.try_call(slot, vec![], None, pair.now), Err(Refused::GoingAway));
    assert_eq!(pair.client.core.open(auth()), Err(Refused::GoingAway));
    pair.server.reply(id, vec![7]);
    pair.settle();
    assert!(matches!(pair.client.ended_one(), (ended, Ended::Reply { .. }) if ended == key));
    assert_eq!(pair.server.core.is_over().unwrap().kind(), ClosedKind::Drained);
}

#[test]
fn calls_that_cross_a_drain_were_not_sent() {
    let (mut pair, slot) = Pair::new();
    let taken = pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    pair.server.core.drain("new version");
    let crossing = pair.client.call(slot, vec![2], pair.now);
    let bytes = pair.client.write_all(pair.now);
    let waiting = pair.client.call(slot, vec![3], pair.now);
    pair.server.read(&bytes, pair.now);
    assert_eq!(pair.server.call_of().id.number(), 0);
    pair.settle();
    let ended = pair.client.ended();
    assert!(ended.iter().all(|(_, ended)| matches!(ended, Ended::NotSent(_))));
    assert_eq!(ended.iter().map(|ended| ended.0).collect::<Vec<_>>(), [crossing, waiting]);
    assert_eq!(pair.client.core.in_flight().ours, 1);
    assert!(ended.iter().all(|ended| ended.0 != taken));
}

#[test]
fn cancels_of_calls_that_crossed_a_drain_are_nothing() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    raw.side.core.drain("new version");
    raw.write_call(1, b"");
    raw.write_frame(0x09, &number(1));
    raw.assert_open();
    raw.write_frame(0x09, &number(2));
    raw.assert_closed(ClosedKind::Protocol, "never made");
}

#[test]
fn a_side_that_drains_may_still_call() {
    let (mut pair, slot) = Pair::new();
    let back = pair.server.core.open(auth()).unwrap();
    pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    let id = pair.server.call_of().id;
    pair.server.core.drain("new version");
    pair.server.call(back, vec![2], pair.now);
    pair.settle();
    let asked = pair.client.call_of().id;
    pair.server.reply(id, vec![]);
    pair.settle();
    assert!(pair.server.core.is_over().is_none());
    pair.client.reply(asked, vec![]);
    pair.settle();
    assert!(pair.server.core.is_over().is_some());
}

#[test]
fn a_side_that_drains_is_over_when_its_last_call_ends_unwritten() {
    let mut raw = Raw::silent(Config::default());
    let slot = raw.side.core.open(auth()).unwrap();
    // Too long to be written before the peer has said what it takes.
    let deadline = raw.now + Duration::from_secs(1);
    raw.side.try_call(slot, vec![0; 100_000], Some(deadline), raw.now).unwrap();
    raw.side.core.drain("new version");
    raw.read();
    raw.now += Duration::from_secs(1);
    raw.write(&hello());
    assert!(raw.side.core.has_output() && raw.side.core.is_over().is_none());
    // Nothing is left to be sent, so nothing will be said to have been.
    assert_eq!(raw.side.core.slices(raw.now, &mut [std::io::IoSlice::new(&[]); 4]), 0);
    raw.side.drain_events();
    assert!(matches!(raw.side.ended_one().1, Ended::Deadline));
    assert_eq!(raw.side.core.is_over().unwrap().kind(), ClosedKind::Drained);
}

#[test]
fn an_idle_side_that_drains_is_over_once_the_peer_is_told() {
    let mut raw = Raw::new();
    raw.side.core.drain("new version");
    assert!(raw.side.core.is_over().is_none());
    raw.read();
    assert_eq!(raw.side.core.is_over().unwrap().kind(), ClosedKind::Drained);
}

#[test]
fn a_peer_that_has_written_all_still_gets_its_replies() {
    let mut raw = Raw::new();
    raw.write_call(0, b"question");
    let id = raw.side.call_of().id;
    raw.side.core.end_of_stream();
    assert!(raw.side.core.is_over().is_none());
    raw.side.reply(id, b"answer".to_vec());
    assert_eq!(raw.read(), [(0x05, end_head(0, 0, 6, b"answer"))]);
    assert_eq!(raw.side.core.is_over().unwrap().kind(), ClosedKind::PeerLeft);
}

#[test]
fn a_stream_that_ends_with_nothing_under_way_is_over() {
    let mut raw = Raw::new();
    raw.side.core.end_of_stream();
    assert_eq!(raw.side.core.is_over().unwrap().to_string(), "the peer closed the stream");
}

#[test]
fn a_peer_leaves_in_order_when_it_says_so_or_nobody_waits_for_it() {
    let kind_after = |frames: &dyn Fn(&mut Raw)| {
        let mut raw = Raw::new();
        frames(&mut raw);
        raw.side.core.end_of_stream();
        raw.read();
        raw.side.core.is_over().unwrap().kind()
    };
    let says = |raw: &mut Raw, next: u8, kind: ClosedKind| raw.write_frame(0x0c, &[next, kind as u8, 0]);
    assert_eq!(kind_after(&|_| ()), ClosedKind::PeerLeft);
    assert_eq!(kind_after(&|raw| says(raw, 0, ClosedKind::Closed)), ClosedKind::PeerLeft);
    assert_eq!(kind_after(&|raw| says(raw, 0, ClosedKind::Drained)), ClosedKind::PeerLeft);
    assert_eq!(kind_after(&|raw| says(raw, 0, ClosedKind::Flood)), ClosedKind::PeerWent);
    let is_called = |raw: &mut Raw| {
        raw.make_call(vec![1]);
    };
    assert_eq!(kind_after(&is_called), ClosedKind::PeerWent);
    let says_so_in_a_call = |raw: &mut Raw| {
        raw.make_call(vec![1]);
        says(raw, 1, ClosedKind::Closed);
    };
    assert_eq!(kind_after(&says_so_in_a_call), ClosedKind::PeerLeft);
}

#[test]
fn a_stream_that_ends_before_hello_is_over() {
    let mut raw = Raw::silent(Config::default());
    raw.side.core.end_of_stream();
    assert_eq!(
        raw.side.core.is_over().unwrap().to_string(),
        "the peer closed the stream before it said `Hello`"
    );
}

#[test]
fn a_stream_that_ends_within_a_frame_is_over() {
    for cut in [1, 4, 10] {
        let mut raw = Raw::new();
        raw.write_call(0, b"x");
        raw.write(&frame(0x04, &call_head(1, 5, b"t0ken"))[..cut]);
        raw.side.core.end_of_stream();
        assert_eq!(raw.side.core.is_over().unwrap().to_string(), "the stream ended within a frame");
    }
}

#[test]
fn calls_of_this_side_are_lost_when_the_peer_writes_nothing_more() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.side.call(raw.slot, vec![2], raw.now);
    raw.write_call(0, b"keeps it open");
    raw.side.core.end_of_stream();
    raw.side.drain_events();
    let ended = raw.side.ended();
    assert!(matches!(ended[..], [(_, Ended::Lost(_)), (_, Ended::NotSent(_))]), "{ended:?}");
    assert_eq!(raw.side.try_call(raw.slot, vec![], None, raw.now), Err(Refused::Closed));
}

#[test]
fn a_peer_that_has_written_all_is_not_asked_whether_it_lives() {
    let mut raw = Raw::new();
    raw.write_call(0, b"question");
    raw.side.core.end_of_stream();
    raw.pass(Duration::from_secs(60));
    assert!(raw.read().is_empty());
    raw.assert_open();
}

#[test]
fn a_large_reply_to_a_peer_that_can_grant_nothing_is_given_up() {
    let mut raw = Raw::new();
    raw.write_call(0, b"question");
    let id = raw.side.call_of().id;
    raw.side.core.end_of_stream();
    raw.side.reply(id, vec![7; 100_000]);
    raw.read();
    assert!(raw.side.core.is_over().is_some());
}

#[test]
fn arguments_that_were_half_read_are_given_up_at_the_end_of_the_stream() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 10_000, b"begin"));
    raw.side.core.end_of_stream();
    raw.read();
    assert!(raw.side.core.is_over().is_some());
    assert!(raw.side.calls().is_empty());
}

#[test]
fn what_a_peer_said_when_it_ended_is_why() {
    for is_lost in [false, true] {
        let mut raw = Raw::new();
        raw.make_call(vec![1]);
        raw.write_frame(0x0c, b"\x01\x04\x0ctoo much ado");
        if is_lost {
            raw.side.core.lost("reset by peer");
        } else {
            raw.side.core.end_of_stream();
        }
        raw.side.drain_events();
        let why = "the peer ends the session (Flood): too much ado";
        assert!(matches!(raw.side.ended_one().1, Ended::Lost(lost) if &*lost == why));
        assert_eq!(raw.side.core.is_over().unwrap().to_string(), why);
    }
}

#[test]
fn handlers_of_a_peer_that_has_ended_the_session_are_not_waited_for() {
    let mut raw = Raw::new();
    raw.write_call(0, b"question");
    raw.write_frame(0x0c, b"\x00\x08\x03bye");
    raw.side.core.end_of_stream();
    raw.side.drain_events();
    assert!(raw.side.core.is_over().is_some() && raw.side.closed().is_some());
}

#[test]
fn a_peer_that_only_drains_is_not_why_the_connection_was_lost() {
    let mut raw = Raw::new();
    raw.write_frame(0x0c, b"\x00\x00\x03bye");
    raw.side.core.lost("reset by peer");
    assert_eq!(raw.side.core.is_over().unwrap().to_string(), "the connection was lost: reset by peer");
}

#[test]
fn a_second_end_of_a_call_by_its_driver_is_nothing() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let id = raw.side.call_of().id;
    raw.side.reply(id, vec![1]);
    raw.side.reply(id, vec![2]);
    assert_eq!(raw.read(), [(0x05, end_head(0, 0, 1, &[1]))]);
    raw.write_call(1, b"");
    raw.side.reply(id, vec![3]);
    assert!(raw.read().is_empty());
}

#[test]
fn a_key_means_nothing_once_its_call_has_ended() {
    let mut raw = Raw::new();
    let old = raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 0, b""));
    raw.side.ended_one();
    let new = raw.make_call(vec![2]);
    assert_eq!(old.index(), new.index());
    assert_ne!(old, new);
    raw.side.core.cancel(old);
    assert!(raw.read().is_empty());
    assert_eq!(raw.side.core.in_flight().ours, 1);
}

#[test]
fn ends_with_a_deadline_leave_no_alarm_behind() {
    let mut raw = Raw::new();
    for number in 0..if cfg!(miri) { 200 } else { 1000 } {
        let deadline = raw.now + Duration::from_secs(60);
        raw.side.try_call(raw.slot, vec![], Some(deadline), raw.now).unwrap();
        raw.read();
        raw.write_frame(0x05, &end_head(number, 0, 0, b""));
    }
    assert!(raw.side.core.alarms.len() <= 70, "{} alarms", raw.side.core.alarms.len());
}

#[test]
fn cancels_in_the_queue_leave_nothing_behind() {
    let mut pair = Pair::silent(Config::default(), Config::default());
    let slot = pair.client.core.open(auth()).unwrap();
    for _ in 0..64 {
        pair.client.call(slot, vec![1], pair.now);
    }
    pair.client.write_all(pair.now);
    let first = pair.client.call(slot, vec![2], pair.now);
    for _ in 0..if cfg!(miri) { 200 } else { 10_000 } {
        let key = pair.client.call(slot, vec![3], pair.now);
        pair.client.core.cancel(key);
    }
    assert!(pair.client.core.ours.waiting.keys_len() < 50);
    assert_eq!(pair.client.core.in_flight().waiting, 1);
    pair.client.core.cancel(first);
    assert_eq!(pair.client.core.ours.waiting.keys_len(), 0);
}
