//! Calls and their ends.

use std::time::Duration;

use super::pair::{Pair, auth, call, numbered};
use crate::proto::{Beside, Config, End, Ended, Event, Left, Opened, Payload, Refusal, Refused, Status};

#[test]
fn a_call_arrives_as_it_was_made_and_its_reply_comes_back() {
    let (mut pair, slot) = Pair::new();
    let key = pair.client.call(slot, b"t0ken".to_vec(), pair.now);
    pair.settle();
    let incoming = pair.server.call_of();
    assert_eq!(&*incoming.payload, b"t0ken");
    assert_eq!(incoming.method, 0x0102_0304_0506_0708);
    assert_eq!(incoming.left, Left { depth: 32, invocations: 1000, subrequests: 999 });
    assert_eq!((incoming.fingerprint, incoming.deadline, incoming.trace), (None, None, None));
    assert_eq!(incoming.metadata.capacity(), 0);
    let end = End {
        status: Status::ServiceError,
        used: (3, 2),
        payload: b"refused".to_vec().into(),
        beside: Beside::Nothing,
    };
    pair.server.core.end(incoming.id, end);
    pair.settle();
    let (ended_key, ended) = pair.client.ended_one();
    assert_eq!(ended_key, key);
    let Ended::Reply { status: Status::ServiceError, used: (3, 2), payload, .. } = ended else {
        panic!("an error of the service came back: {ended:?}")
    };
    assert_eq!(&*payload, b"refused");
    pair.client.core.taken(7);
    pair.settle();
    pair.assert_idle();
}

#[test]
fn hello_open_and_calls_travel_in_the_first_write() {
    let mut pair = Pair::silent(Config::default(), Config::default());
    let slot = pair.client.core.open(auth()).unwrap();
    for number in 0..64 {
        pair.client.call(slot, vec![number], pair.now);
    }
    let first = pair.client.write(pair.now, usize::MAX);
    pair.server.read(&first, pair.now);
    assert_eq!(pair.server.calls().len(), 64);
    assert!(matches!(
        &pair.server.events[..],
        [Event::Open { service, entrypoint, digest: [7, ..], .. }] if service == "Auth" && entrypoint.is_empty()
    ));
}

#[test]
fn before_the_peers_hello_only_64_calls_are_written() {
    let mut pair = Pair::silent(Config::default(), Config::default());
    let slot = pair.client.core.open(auth()).unwrap();
    for number in 0..65 {
        pair.client.call(slot, vec![number], pair.now);
    }
    let first = pair.client.write_all(pair.now);
    assert_eq!(pair.client.core.in_flight().waiting, 1);
    assert!(!pair.client.core.has_output());
    pair.server.read(&first, pair.now);
    let hello = pair.server.write_all(pair.now);
    pair.client.read(&hello, pair.now);
    assert!(pair.client.core.has_output());
    pair.settle();
    assert_eq!(pair.server.calls().len(), 65);
}

#[test]
fn a_cancelled_call_counts_until_its_end() {
    let (mut pair, slot) = Pair::new();
    let key = pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    let incoming = pair.server.call_of();
    pair.client.core.cancel(key);
    pair.settle();
    assert!(matches!(pair.server.events.pop(), Some(Event::Cancelled { id }) if id == incoming.id));
    assert_eq!(pair.client.core.in_flight().ours, 1);
    assert_eq!(pair.server.core.in_flight().theirs, 1);
    let end =
        End { status: Status::Cancelled, used: (0, 0), payload: Payload::default(), beside: Beside::Nothing };
    pair.server.core.end(incoming.id, end);
    pair.settle();
    assert!(pair.client.events.is_empty(), "{:?}", pair.client.events);
    pair.assert_idle();
}

#[test]
fn a_call_that_was_not_written_vanishes_when_it_is_cancelled() {
    let (mut pair, slot) = Pair::new();
    let key = pair.client.call(slot, vec![1], pair.now);
    pair.client.core.cancel(key);
    assert!(!pair.client.core.has_output());
    pair.client.call(slot, vec![2], pair.now);
    pair.settle();
    let incoming = pair.server.call_of();
    assert_eq!((&*incoming.payload, incoming.id.number()), (&[2][..], 0));
}

#[test]
fn a_reply_that_crosses_its_cancel_is_nobodys() {
    let (mut pair, slot) = Pair::new();
    let key = pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    let incoming = pair.server.call_of();
    pair.server.reply(incoming.id, vec![9; 40]);
    pair.client.core.cancel(key);
    pair.settle();
    assert!(pair.client.events.is_empty() && pair.server.events.is_empty());
    pair.assert_idle();
}

#[test]
fn a_large_value_arrives_whole_both_ways() {
    for uses_space in [true, false] {
        let (mut pair, slot) = Pair::new();
        pair.client.uses_space = uses_space;
        pair.server.uses_space = uses_space;
        let value = numbered(1_000_003);
        pair.client.call(slot, value.clone(), pair.now);
        pair.settle();
        let incoming = pair.server.call_of();
        assert!(*incoming.payload == value[..]);
        assert!(pair.server.core.in_flight().granted > 900_000);
        pair.server.reply(incoming.id, value.clone());
        pair.settle();
        assert_eq!(pair.server.core.in_flight().granted, 0);
        let (_, Ended::Reply { payload, .. }) = pair.client.ended_one() else { panic!("a reply came") };
        assert!(*payload == value[..]);
        assert_eq!(pair.client.core.in_flight().untaken, value.len() as u64);
        pair.client.core.taken(payload.len() as u64);
        pair.settle();
        pair.assert_idle();
    }
}

#[test]
fn a_deadline_travels_as_what_is_left_of_it() {
    let (mut pair, slot) = Pair::new();
    let deadline = pair.now + Duration::from_millis(500);
    pair.client.try_call(slot, vec![1], Some(deadline), pair.now).unwrap();
    pair.now += Duration::from_millis(100);
    pair.settle();
    assert_eq!(pair.server.call_of().deadline, Some(deadline));
}

/// A handler that computes for long makes a call at the end of a turn whose time was read at its beginning.
#[test]
fn the_time_of_a_call_counts_even_if_it_is_written_by_an_older_one() {
    let (mut pair, slot) = Pair::new();
    let turn = pair.now;
    let deadline = turn + Duration::from_millis(500);
    pair.client.try_call(slot, vec![1], Some(deadline), turn + Duration::from_millis(100)).unwrap();
    pair.settle();
    assert_eq!(pair.server.call_of().deadline, Some(turn + Duration::from_millis(400)));
}

#[test]
fn a_deadline_ends_the_call_at_both_ends() {
    let (mut pair, slot) = Pair::new();
    let deadline = pair.now + Duration::from_millis(5);
    pair.client.try_call(slot, vec![1], Some(deadline), pair.now).unwrap();
    pair.settle();
    let incoming = pair.server.call_of();
    pair.pass(Duration::from_millis(4));
    assert!(pair.client.events.is_empty() && pair.server.events.is_empty());
    pair.pass(Duration::from_millis(2));
    assert!(matches!(pair.client.ended_one(), (_, Ended::Deadline)));
    assert!(matches!(pair.server.events.pop(), Some(Event::DeadlinePassed { id }) if id == incoming.id));
    let end =
        End { status: Status::Deadline, used: (0, 0), payload: Payload::default(), beside: Beside::Nothing };
    pair.server.core.end(incoming.id, end);
    pair.settle();
    pair.assert_idle();
}

#[test]
fn a_call_whose_deadline_passes_in_the_queue_is_not_written() {
    let (mut pair, slot) = Pair::new();
    pair.client.try_call(slot, vec![1], Some(pair.now), pair.now).unwrap();
    pair.settle();
    assert!(matches!(pair.client.ended_one(), (_, Ended::Deadline)));
    assert!(pair.server.calls().is_empty());
    pair.assert_idle();
}

#[test]
fn calls_of_an_absent_service_are_refused() {
    let mut pair = Pair::silent(Config::default(), Config::default());
    let slot = pair.client.core.open(auth()).unwrap();
    pair.settle();
    let Some(Event::Open { slot: peer_slot, .. }) = pair.server.events.pop() else {
        panic!("it was asked for")
    };
    pair.server.core.opened(peer_slot, Opened::Absent);
    pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    assert!(matches!(pair.client.ended_one(), (_, Ended::Refused(Refusal::Absent))));
    assert!(pair.server.calls().is_empty());
    pair.assert_idle();
}

#[test]
fn a_queue_has_an_end() {
    let config = Config { waiting_max: 3, ..Config::default() };
    let (mut pair, slot) = Pair::with(config, Config::default());
    for number in 0..3 {
        pair.client.call(slot, vec![number], pair.now);
    }
    let refused = pair.client.core.call(call(slot, vec![], None), pair.now);
    assert_eq!(refused, Err(Refused::Overloaded { waiting_max: 3 }));
}
