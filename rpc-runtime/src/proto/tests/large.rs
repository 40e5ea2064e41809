//! Values of more than one piece, and the credit for all of them.

use std::{io::IoSlice, time::Duration};

use bytes::Bytes;

use super::{
    pair::{Pair, call, numbered},
    raw::{Raw, call_head, end_head, frame, grant, number, part},
};
use crate::proto::{
    Beside, Config, End, Ended, Event, HostBudget, Opened, Payload, Received, Refusal, Refused, Status,
};

const MIB: usize = if cfg!(miri) { 192 << 10 } else { 1 << 20 };

fn reply_of(ended: Ended) -> Received {
    match ended {
        Ended::Reply { payload, .. } => payload,
        ended => panic!("a reply came: {ended:?}"),
    }
}

/// Kinds of the frames of one batch, values by their lengths.
fn batch(pair: &mut Pair) -> Vec<(u8, usize)> {
    let bytes = pair.client.write(pair.now, usize::MAX);
    assert!(bytes.len() <= 256 << 10, "a batch of {} bytes", bytes.len());
    super::raw::frames(&bytes).iter().map(|(kind, body)| (*kind, body.len())).collect()
}

#[test]
fn a_value_of_one_piece_needs_no_grant() {
    let (mut pair, slot) = Pair::new();
    let value = numbered(64 << 10);
    pair.client.call(slot, value.clone(), pair.now);
    pair.settle();
    assert!(*pair.server.call_of().payload == value[..]);
    assert_eq!(pair.server.core.in_flight().granted, 0);
}

#[test]
fn a_value_of_one_byte_more_needs_one() {
    let (mut pair, slot) = Pair::new();
    let value = numbered((64 << 10) + 1);
    pair.client.call(slot, value.clone(), pair.now);
    pair.settle();
    assert!(*pair.server.call_of().payload == value[..]);
    assert_eq!(pair.server.core.in_flight().granted, (63 << 10) + 1);
}

#[test]
fn a_long_head_leaves_less_of_the_first_frame_to_the_value() {
    let (mut pair, slot) = Pair::new();
    let text = "x".repeat(8000);
    let value = numbered(64 << 10);
    let mut made = call(slot, value.clone(), None);
    let metadata = [("k", &*text, false)];
    made.metadata = &metadata;
    pair.client.core.call(made, pair.now).unwrap();
    pair.settle();
    let incoming = pair.server.call_of();
    assert!(*incoming.payload == value[..]);
    assert_eq!(incoming.metadata, [("k".to_owned(), text, false)]);
}

#[test]
fn spliced_runs_arrive_in_their_places() {
    let (mut pair, slot) = Pair::new();
    let (long, short) = (Bytes::from(numbered(150_000)), Bytes::from_static(b"short"));
    let runs = vec![(0, short.clone()), (2, long.clone()), (2, short.clone()), (4, long.clone())];
    let payload = Payload::spliced(b"abcd".to_vec(), runs);
    assert_eq!(payload.len(), 300_014);
    let expected = [&short[..], b"ab", &long, &short, b"cd", &long].concat();
    pair.client.call(slot, payload, pair.now);
    pair.settle();
    assert!(*pair.server.call_of().payload == expected[..]);
}

#[test]
#[should_panic(expected = "a run is spliced in at 5 of 4")]
fn a_run_is_not_spliced_in_beyond_the_end() {
    drop(Payload::spliced(vec![0; 4], vec![(5, Bytes::new())]));
}

#[test]
fn long_runs_are_not_copied_on_their_way_out() {
    let (mut pair, slot) = Pair::new();
    let value = Bytes::from(numbered(60_000));
    pair.client.call(slot, value.clone(), pair.now);
    let mut slices = [IoSlice::new(&[]); 4];
    let count = pair.client.core.slices(pair.now, &mut slices);
    assert_eq!(count, 2);
    assert_eq!(slices[1].as_ptr(), value.as_ptr());
}

#[test]
fn slices_beyond_the_room_for_them_come_next_time() {
    let (mut pair, slot) = Pair::new();
    for _ in 0..3 {
        pair.client.call(slot, numbered(20_000), pair.now);
    }
    let mut bytes = Vec::new();
    for _ in 0..6 {
        let mut slices = [IoSlice::new(&[]); 1];
        assert_eq!(pair.client.core.slices(pair.now, &mut slices), 1);
        bytes.extend_from_slice(&slices[0]);
        let length = slices[0].len();
        pair.client.core.sent(length);
    }
    assert!(!pair.client.core.has_output());
    pair.server.read(&bytes, pair.now);
    assert_eq!(pair.server.calls().len(), 3);
}

#[test]
fn the_transport_may_take_a_byte_at_a_time() {
    let (mut pair, slot) = Pair::new();
    let value = Payload::spliced(vec![1; 10], vec![(5, numbered(5000).into())]);
    pair.client.call(slot, value, pair.now);
    let mut bytes = Vec::new();
    while pair.client.core.has_output() {
        bytes.extend(pair.client.write(pair.now, 1));
    }
    pair.server.read(&bytes, pair.now);
    let expected = [&[1; 5][..], &numbered(5000), &[1; 5]].concat();
    assert!(*pair.server.call_of().payload == expected[..]);
}

#[test]
fn large_values_take_turns() {
    let (mut pair, slot) = Pair::new();
    for _ in 0..3 {
        pair.client.call(slot, vec![0; 250_000], pair.now);
    }
    pair.server.read(&pair.client.write_all(pair.now), pair.now);
    let grants = pair.server.write_all(pair.now);
    pair.client.read(&grants, pair.now);
    let mut order = Vec::new();
    while pair.client.core.has_output() {
        let bytes = pair.client.write(pair.now, usize::MAX);
        order.extend(super::raw::frames(&bytes).iter().map(|(_, body)| body[0] >> 2));
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn small_calls_go_before_the_pieces_of_a_large_value_but_only_64_of_them() {
    let (mut pair, slot) = Pair::new();
    pair.client.call(slot, vec![0; 300_000], pair.now);
    pair.server.read(&pair.client.write_all(pair.now), pair.now);
    let grants = pair.server.write_all(pair.now);
    pair.client.read(&grants, pair.now);
    for _ in 0..100 {
        pair.client.call(slot, vec![1], pair.now);
    }
    let frames = batch(&mut pair);
    assert!(frames[..64].iter().all(|&(kind, _)| kind == 0x04));
    assert_eq!(frames[64], (0x06, 1 + (64 << 10)));
    assert!(frames[65..].iter().all(|&(kind, _)| kind == 0x04));
    assert_eq!(frames.len(), 101, "whoever comes next waits for one piece");
}

#[test]
fn pieces_fill_a_batch_when_nobody_waits_behind_them() {
    let (mut pair, slot) = Pair::new();
    pair.client.call(slot, vec![0; 300_000], pair.now);
    pair.server.read(&pair.client.write_all(pair.now), pair.now);
    let grants = pair.server.write_all(pair.now);
    pair.client.read(&grants, pair.now);
    assert_eq!(batch(&mut pair).iter().map(|frame| frame.0).collect::<Vec<_>>(), [0x06; 3]);
}

#[test]
fn control_frames_go_first() {
    let (mut pair, slot) = Pair::new();
    pair.client.call(slot, vec![1], pair.now);
    pair.server.core.opened(crate::proto::PeerSlot(0), Opened::Same);
    pair.client.core.drain("bye");
    assert_eq!(batch(&mut pair).iter().map(|frame| frame.0).collect::<Vec<_>>(), [0x0c, 0x04]);
}

#[test]
fn a_batch_is_at_most_256_kib() {
    let (mut pair, slot) = Pair::new();
    for _ in 0..20 {
        pair.client.call(slot, vec![0; 50_000], pair.now);
    }
    while pair.client.core.has_output() {
        assert!(!batch(&mut pair).is_empty());
    }
}

#[test]
fn granted_values_are_bounded_and_come_in_order() {
    let config =
        Config { granted_bytes_max: 4 * MIB as u64, value_bytes_max: 2 * MIB as u32, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    for tag in 0..4 {
        pair.client.call(slot, vec![tag; MIB], pair.now);
    }
    pair.settle();
    // Two of nearly 1 MiB: what one value may take is left to replies.
    let first = pair.server.calls();
    assert_eq!(first.iter().map(|incoming| incoming.payload[0]).collect::<Vec<_>>(), [0, 1]);
    assert!(pair.server.core.in_flight().granted <= 2 * MIB as u64);
    pair.server.reply(first[1].id, vec![]);
    pair.settle();
    let third = pair.server.call_of();
    assert_eq!(third.payload[0], 2);
    pair.server.reply(first[0].id, vec![]);
    pair.server.reply(third.id, vec![]);
    pair.settle();
    let last = pair.server.call_of();
    pair.server.reply(last.id, vec![]);
    pair.settle();
    pair.assert_idle();
}

#[test]
fn a_small_call_passes_large_ones_that_wait() {
    let config = Config { granted_bytes_max: 384 << 10, value_bytes_max: 128 << 10, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    for tag in 0..3 {
        pair.client.call(slot, vec![tag; 128 << 10], pair.now);
    }
    pair.settle();
    pair.client.call(slot, vec![9], pair.now);
    pair.settle();
    let calls: Vec<u8> = pair.server.calls().iter().map(|incoming| incoming.payload[0]).collect();
    assert_eq!(calls, [0, 1, 9]);
}

#[test]
fn replies_are_granted_while_arguments_hold_their_share() {
    let config =
        Config { granted_bytes_max: 4 * MIB as u64, value_bytes_max: 2 * MIB as u32, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    let back = pair.server.core.open(super::pair::auth()).unwrap();
    for _ in 0..3 {
        pair.client.call(slot, vec![1; MIB], pair.now);
    }
    pair.settle();
    assert_eq!(pair.server.calls().len(), 2);
    pair.server.call(back, vec![2], pair.now);
    pair.settle();
    let asked = pair.client.call_of();
    pair.client.reply(asked.id, vec![3; 2 * MIB]);
    pair.settle();
    assert_eq!(reply_of(pair.server.ended_one().1).len(), 2 * MIB);
}

#[test]
fn replies_that_nobody_takes_stop_further_ones_and_not_empty_ones() {
    let config = Config { reply_bytes_max: 256 << 10, ..Config::default() };
    let (mut pair, slot) = Pair::with(config, Config::default());
    for _ in 0..6 {
        pair.client.call(slot, vec![1], pair.now);
    }
    pair.settle();
    let calls = pair.server.calls();
    for incoming in &calls[..5] {
        pair.server.reply(incoming.id, vec![7; 60_000]);
    }
    pair.server.reply(calls[5].id, vec![]);
    pair.settle();
    let lengths: Vec<usize> =
        pair.client.ended().into_iter().map(|(_, ended)| reply_of(ended).len()).collect();
    assert_eq!(lengths, [0, 60_000, 60_000, 60_000, 60_000]);
    assert!(!pair.server.core.has_output());
    pair.client.core.taken(60_000);
    pair.client.core.taken(60_000);
    pair.settle();
    assert_eq!(reply_of(pair.client.ended_one().1).len(), 60_000);
    pair.client.core.taken(3 * 60_000);
    pair.settle();
    pair.assert_idle();
}

#[test]
fn a_cancelled_reply_that_waits_for_credit_ends_at_once() {
    let config = Config { reply_bytes_max: 256 << 10, ..Config::default() };
    let (mut pair, slot) = Pair::with(config, Config::default());
    let keys: Vec<_> = (0..6).map(|_| pair.client.call(slot, vec![1], pair.now)).collect();
    pair.settle();
    for incoming in pair.server.calls() {
        pair.server.reply(incoming.id, vec![7; 60_000]);
    }
    pair.settle();
    assert_eq!(pair.client.ended().len(), 4);
    pair.client.core.cancel(keys[5]);
    pair.settle();
    assert_eq!(pair.client.core.in_flight().ours, 1);
    pair.client.core.taken(4 * 60_000);
    pair.settle();
    assert_eq!(pair.client.ended_one().0, keys[4]);
    assert_eq!(pair.server.core.in_flight().theirs, 0);
}

#[test]
fn first_pieces_wait_for_their_credit() {
    let config = Config { in_flight_max: 10_000, first_bytes_max: 64 << 10, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    for _ in 0..400 {
        pair.client.call(slot, vec![1; 64], pair.now);
    }
    for _ in 0..3 {
        pair.client.call(slot, vec![1; 30_000], pair.now);
    }
    for _ in 0..400 {
        pair.client.call(slot, vec![1; 64], pair.now);
    }
    pair.settle();
    let calls = pair.server.calls();
    assert_eq!((calls.len(), pair.server.core.in_flight().first_bytes), (657, 64 << 10));
    pair.server.reply(calls[0].id, vec![]);
    pair.settle();
    assert_eq!(pair.server.calls().len(), 1);
}

#[test]
fn calls_that_wait_for_one_behind_them_do_not_keep_it_back() {
    let (mut pair, slot) = Pair::with(Config::default(), Config::default());
    for _ in 0..500 {
        pair.client.call(slot, vec![1; 64 << 10], pair.now);
    }
    let last = pair.client.call(slot, vec![2], pair.now);
    pair.settle();
    let calls = pair.server.calls();
    assert_eq!(calls.len(), 501);
    assert!(pair.server.core.in_flight().first_bytes < 4 << 20);
    for incoming in calls {
        pair.server.reply(incoming.id, vec![3]);
    }
    pair.settle();
    let ended = pair.client.ended();
    assert_eq!(ended.len(), 501);
    assert!(ended.iter().any(|(key, _)| *key == last));
}

#[test]
fn arguments_too_long_for_the_peer_are_refused_here() {
    let config = Config { value_bytes_max: 100_000, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    let refused = pair.client.try_call(slot, vec![0; 100_001], None, pair.now);
    assert_eq!(refused, Err(Refused::TooLong { length: 100_001, max: 100_000 }));
    assert!(pair.client.try_call(slot, vec![0; 100_000], None, pair.now).is_ok());
}

#[test]
fn arguments_found_too_long_when_the_peer_says_hello_are_refused_without_being_written() {
    let config = Config { value_bytes_max: 100_000, ..Config::default() };
    let mut pair = Pair::silent(Config::default(), config);
    let slot = pair.client.core.open(super::pair::auth()).unwrap();
    pair.client.call(slot, vec![0; 100_001], pair.now);
    pair.client.call(slot, vec![1], pair.now);
    assert!(pair.client.core.has_output());
    pair.settle();
    assert!(matches!(pair.client.ended_one().1, Ended::Refused(Refusal::ValueTooLong)));
    assert_eq!(&*pair.server.call_of().payload, [1]);
}

#[test]
fn a_large_call_waits_for_the_peers_hello() {
    let mut pair = Pair::silent(Config::default(), Config::default());
    let slot = pair.client.core.open(super::pair::auth()).unwrap();
    pair.client.call(slot, numbered(100_000), pair.now);
    let first = pair.client.write_all(pair.now);
    assert!(first.len() < 200);
    pair.server.read(&first, pair.now);
    pair.settle();
    assert_eq!(pair.server.call_of().payload.len(), 100_000);
}

#[test]
fn a_reply_too_long_for_the_caller_becomes_a_refusal_that_says_the_handler_ran() {
    let config = Config { value_bytes_max: 100_000, ..Config::default() };
    let (mut pair, slot) = Pair::with(config, Config::default());
    pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    let id = pair.server.call_of().id;
    pair.server.reply(id, vec![0; 100_001]);
    pair.settle();
    let Ended::Refused(refusal) = pair.client.ended_one().1 else { panic!("it is refused") };
    assert!(refusal == Refusal::ReplyTooLong && refusal.is_of_reply());
    pair.assert_idle();
}

#[test]
fn cancelling_half_sent_arguments_frees_both_ends() {
    for batches in 0..6 {
        let (mut pair, slot) = Pair::new();
        let key = pair.client.call(slot, vec![1; MIB], pair.now);
        pair.server.read(&pair.client.write_all(pair.now), pair.now);
        let granted = pair.server.write_all(pair.now);
        pair.client.read(&granted, pair.now);
        for _ in 0..batches {
            let bytes = pair.client.write(pair.now, 200_000);
            pair.server.read(&bytes, pair.now);
        }
        pair.client.core.cancel(key);
        pair.settle();
        for event in std::mem::take(&mut pair.server.events) {
            if let Event::Cancelled { id } = event {
                pair.server.reply(id, vec![]);
            }
        }
        pair.settle();
        assert!(pair.client.events.is_empty());
        pair.assert_idle();
    }
}

#[test]
fn cancelling_a_half_read_reply_frees_both_ends() {
    for batches in 0..6 {
        let (mut pair, slot) = Pair::new();
        let key = pair.client.call(slot, vec![1], pair.now);
        pair.settle();
        let id = pair.server.call_of().id;
        pair.server.reply(id, vec![7; MIB]);
        pair.client.read(&pair.server.write_all(pair.now), pair.now);
        let granted = pair.client.write_all(pair.now);
        pair.server.read(&granted, pair.now);
        for _ in 0..batches {
            let bytes = pair.server.write(pair.now, 150_000);
            pair.client.read(&bytes, pair.now);
        }
        pair.client.core.cancel(key);
        pair.settle();
        assert!(pair.client.events.is_empty());
        pair.assert_idle();
    }
}

#[test]
fn a_deadline_in_the_middle_of_arguments_refuses_and_drains_them() {
    let (mut pair, slot) = Pair::new();
    let mut raw = Raw::new();
    raw.write_frame(
        0x04,
        &super::raw::call_with(0, 2, &number(1000), b"")
            .split_last()
            .unwrap()
            .1
            .iter()
            .copied()
            .chain(number(100_000))
            .collect::<Vec<_>>(),
    );
    assert_eq!(raw.read(), [(0x07, grant(0, false))]);
    raw.write_frame(0x06, &part(0, false, false, &[1; 40_000]));
    raw.pass(Duration::from_millis(2));
    assert_eq!(raw.read(), [(0x05, end_head(0, Refusal::Deadline as u8, 0, b""))]);
    assert_eq!((raw.side.core.in_flight().granted, raw.side.core.in_flight().theirs), (0, 1));
    // What was on its way, then the word that it was the last.
    raw.write_frame(0x06, &part(0, false, false, &[1; 40_000]));
    raw.assert_open();
    raw.write_frame(0x06, &part(0, true, false, b""));
    raw.assert_open();
    assert_eq!(raw.side.core.in_flight(), Default::default());
    assert!(raw.side.calls().is_empty());
    // Or its last byte.
    raw.write_frame(
        0x04,
        &super::raw::call_with(1, 2, &number(1000), b"")
            .split_last()
            .unwrap()
            .1
            .iter()
            .copied()
            .chain(number(5000))
            .collect::<Vec<_>>(),
    );
    raw.read();
    raw.pass(Duration::from_millis(2));
    raw.read();
    raw.write_frame(0x06, &part(1, false, false, &[1; 5000]));
    raw.assert_open();
    assert_eq!(raw.side.core.in_flight(), Default::default());
    drop((pair.client.call(slot, vec![], pair.now), pair));
}

#[test]
fn a_caller_whose_call_ended_early_stops_sending_and_says_so() {
    let mut raw = Raw::new();
    raw.make_call(vec![0; 400_000]);
    raw.write_frame(0x07, &grant(0, false));
    raw.write_frame(0x05, &end_head(0, Refusal::Stalled as u8, 0, b""));
    assert!(matches!(raw.side.ended_one().1, Ended::Refused(Refusal::Stalled)));
    assert_eq!(raw.read(), [(0x06, part(0, true, false, b""))]);
    assert_eq!(raw.side.core.in_flight(), Default::default());
}

#[test]
fn arguments_that_stall_are_refused_after_ten_seconds() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 10_000, b""));
    raw.read();
    raw.pass(Duration::from_secs(6));
    raw.write_frame(0x06, &part(0, false, false, &[1; 5000]));
    raw.pass(Duration::from_secs(6));
    assert_eq!(raw.side.core.in_flight().granted, 10_000);
    raw.pass(Duration::from_secs(5));
    let ends: Vec<_> = raw.read().into_iter().filter(|(kind, _)| *kind == 0x05).collect();
    assert_eq!(ends, [(0x05, end_head(0, Refusal::Stalled as u8, 0, b""))]);
    assert_eq!(raw.side.core.in_flight().granted, 0);
}

#[test]
fn a_part_that_trickles_in_makes_progress() {
    for uses_space in [true, false] {
        let mut raw = Raw::new();
        raw.side.uses_space = uses_space;
        raw.write_frame(0x04, &call_head(0, 10_000, b""));
        raw.read();
        let bytes = frame(0x06, &part(0, false, false, &[1; 10_000]));
        for piece in bytes.chunks(3000) {
            raw.write(piece);
            raw.pass(Duration::from_secs(9));
        }
        assert_eq!(raw.side.call_of().payload.len(), 10_000);
    }
}

#[test]
fn a_reply_that_stalls_is_lost_and_cancelled() {
    let mut raw = Raw::new();
    raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 10_000, b"begin"));
    assert_eq!(raw.read(), [(0x07, grant(0, true))]);
    raw.pass(Duration::from_secs(11));
    assert!(matches!(raw.side.ended_one().1, Ended::Lost(why) if why.contains("made no progress")));
    assert!(raw.read().contains(&(0x09, number(0))));
    assert_eq!((raw.side.core.in_flight().granted, raw.side.core.in_flight().ours), (0, 1));
    raw.write_frame(0x06, &part(0, true, true, b""));
    raw.assert_open();
    assert_eq!(raw.side.core.in_flight(), Default::default());
}

#[test]
fn the_rest_of_a_dropped_reply_is_read_and_thrown_away() {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![1]);
    raw.write_frame(0x05, &end_head(0, 0, 10_000, b"begin"));
    raw.read();
    let bytes = frame(0x06, &part(0, false, true, &[1; 9_995]));
    raw.write(&bytes[..4000]);
    raw.side.core.cancel(key);
    assert!(raw.side.core.space().is_none());
    raw.write(&bytes[4000..]);
    raw.assert_open();
    assert!(raw.side.events.is_empty());
    assert_eq!(raw.side.core.in_flight(), Default::default());
}

#[test]
fn a_grant_that_crosses_a_cancel_is_nothing() {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![0; 100_000]);
    raw.side.core.cancel(key);
    raw.write_frame(0x07, &grant(0, false));
    raw.assert_open();
    assert_eq!(raw.read(), [(0x09, number(0))]);
}

#[test]
fn sessions_of_a_host_share_its_memory() {
    let host = HostBudget::new(4 * MIB as u64);
    let config = || Config { host: host.clone(), value_bytes_max: MIB as u32, ..Config::default() };
    let (mut one, slot) = Pair::with(Config::default(), config());
    let (mut other, other_slot) = Pair::with(Config::default(), config());
    for _ in 0..3 {
        one.client.call(slot, vec![1; MIB], one.now);
    }
    one.settle();
    let held = one.server.calls();
    assert_eq!(held.len(), 3);
    other.client.call(other_slot, vec![1; MIB], other.now);
    other.settle();
    assert!(other.server.calls().is_empty());
    // Nobody tells a session that another has given back: it asks again by itself.
    one.server.reply(held[0].id, vec![]);
    one.settle();
    let asks_at = other.server.core.timer().unwrap();
    assert!(asks_at <= other.now + Duration::from_millis(10));
    other.pass(Duration::from_millis(10));
    other.settle();
    assert_eq!(other.server.calls().len(), 1);
    drop((one, other));
    assert_eq!(host.granted(), 0);
}

#[test]
fn a_session_that_ends_gives_the_hosts_memory_back() {
    let host = HostBudget::new(4 * MIB as u64);
    let config = Config { host: host.clone(), value_bytes_max: MIB as u32, ..Config::default() };
    let (mut pair, slot) = Pair::with(Config::default(), config);
    pair.client.call(slot, vec![1; MIB], pair.now);
    pair.settle();
    assert!(host.granted() > MIB as u64 / 2);
    pair.server.core.lost("gone");
    assert_eq!(host.granted(), 0);
}

#[test]
fn the_next_header_is_read_with_the_rest_of_a_piece() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &call_head(0, 130_000, b""));
    raw.read();
    let mut bytes = frame(0x06, &part(0, false, false, &numbered(65_000)));
    bytes.extend(frame(0x06, &part(0, false, false, &numbered(130_000)[65_000..])));
    // The driver's buffer holds the first header, all else goes to its place.
    raw.side.core.receive(&bytes[..100], raw.now);
    let mut rest = &bytes[100..];
    let mut reads = 0;
    while !rest.is_empty() {
        let space = raw.side.core.space().expect("a value is under way");
        let length = space.len().min(rest.len());
        space[..length].copy_from_slice(&rest[..length]);
        raw.side.core.filled(length, raw.now);
        rest = &rest[length..];
        reads += 1;
    }
    assert_eq!(reads, 2);
    raw.side.drain_events();
    assert!(*raw.side.call_of().payload == numbered(130_000)[..]);
}

#[test]
fn small_frames_between_pieces_are_read_too() {
    for uses_space in [true, false] {
        let mut raw = Raw::new();
        raw.side.uses_space = uses_space;
        raw.write_frame(0x04, &call_head(0, 10_000, b""));
        let value = numbered(10_000);
        let mut bytes = frame(0x06, &part(0, false, false, &value[..4000]));
        bytes.extend(frame(0x04, &call_head(1, 5, b"small")));
        bytes.extend(frame(0x09, &number(1)));
        bytes.extend(frame(0x06, &part(0, false, false, &value[4000..])));
        raw.write(&bytes);
        let [small, large] = &raw.side.calls()[..] else { panic!("two calls came") };
        assert_eq!(&*small.payload, b"small");
        assert!(*large.payload == value[..]);
    }
}

#[test]
fn large_values_both_ways_at_once_make_progress() {
    let config = || Config { granted_bytes_max: 256 << 10, value_bytes_max: 128 << 10, ..Config::default() };
    let (mut pair, slot) = Pair::with(config(), config());
    let back = pair.server.core.open(super::pair::auth()).unwrap();
    for _ in 0..20 {
        pair.client.call(slot, vec![1; 120_000], pair.now);
        pair.server.call(back, vec![2; 120_000], pair.now);
    }
    let (mut done, mut rounds) = (0, 0);
    while done < 40 {
        pair.settle();
        for side in [&mut pair.client, &mut pair.server] {
            for incoming in side.calls() {
                side.reply(incoming.id, vec![3; 110_000]);
            }
            for (_, ended) in side.ended() {
                side.core.taken(reply_of(ended).len() as u64);
                done += 1;
            }
        }
        rounds += 1;
        assert!(rounds < 1000, "nothing moves");
    }
    pair.settle();
    pair.assert_idle();
}

#[test]
fn a_value_that_came_is_sliced_without_a_copy() {
    let (mut pair, slot) = Pair::new();
    pair.client.call(slot, vec![7; 100_000], pair.now);
    pair.client.call(slot, vec![7; 64], pair.now);
    pair.settle();
    let [small, large] = &pair.server.calls()[..] else { panic!("two calls came") };
    assert!(small.payload.bytes().is_none());
    let bytes = large.payload.bytes().unwrap();
    assert_eq!(bytes.slice_ref(&large.payload[500..900]).as_ptr(), large.payload[500..].as_ptr());
}

#[test]
fn what_was_used_is_told_with_the_end_of_a_large_reply() {
    let (mut pair, slot) = Pair::new();
    pair.client.call(slot, vec![1], pair.now);
    pair.settle();
    let id = pair.server.call_of().id;
    let end = End {
        status: Status::ServiceError,
        used: (7, 8),
        payload: vec![1; 100_000].into(),
        beside: Beside::Nothing,
    };
    pair.server.core.end(id, end);
    pair.settle();
    let Ended::Reply { status, used, payload, .. } = pair.client.ended_one().1 else {
        panic!("a reply came")
    };
    assert_eq!((status, used, payload.len()), (Status::ServiceError, (7, 8), 100_000));
}
