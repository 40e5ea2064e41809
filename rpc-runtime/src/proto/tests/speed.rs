//! What calls cost, two ends back to back. Printed, not asserted: `cargo test --release -p rpc-runtime --lib
//! proto::tests::speed -- --nocapture --test-threads 1`.

use std::{
    hint::black_box,
    io::IoSlice,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::pair::{Pair, call};
use crate::proto::{Beside, Core, End, Ended, Event, Payload, Slot, Status};

/// What goes from one end to the other, without a stream.
fn carry(from: &mut Core, to: &mut Core, now: Instant) {
    let mut slices = [IoSlice::new(&[]); 16];
    let count = from.slices(now, &mut slices);
    let mut length = 0;
    for slice in &slices[..count] {
        to.receive(slice, now);
        length += slice.len();
    }
    from.sent(length);
}

fn round(
    pair: &mut Pair,
    slot: Slot,
    calls: usize,
    payload: &mut impl FnMut(usize) -> Payload,
    deadline: Option<Instant>,
) {
    let Pair { client, server, now } = pair;
    for _ in 0..calls {
        client.core.call(call(slot, payload(40), deadline), *now).unwrap();
    }
    carry(&mut client.core, &mut server.core, *now);
    while let Some(event) = server.core.event() {
        let Event::Call(incoming) = event else { panic!("a call came: {event:?}") };
        let end = End { status: Status::Ok, used: (1, 0), payload: payload(24), beside: Beside::Nothing };
        server.core.end(black_box(incoming).id, end);
    }
    carry(&mut server.core, &mut client.core, *now);
    while let Some(event) = client.core.event() {
        let Event::Ended { ended: Ended::Reply { payload, .. }, .. } = event else {
            panic!("a reply came: {event:?}")
        };
        client.core.taken(black_box(payload).len() as u64);
    }
}

fn nanoseconds_per_call(calls: usize, deadline: bool, mut payload: impl FnMut(usize) -> Payload) -> f64 {
    let (mut pair, slot) = Pair::new();
    let deadline = deadline.then(|| pair.now + Duration::from_secs(60));
    // Many short windows, the best of them: others use the machine too.
    let (windows, rounds) = if cfg!(any(miri, debug_assertions)) { (1, 2) } else { (2000, 2048 / calls) };
    let mut best = Duration::MAX;
    for _ in 0..windows {
        let start = Instant::now();
        for _ in 0..rounds {
            round(&mut pair, slot, calls, &mut payload, deadline);
        }
        best = best.min(start.elapsed());
    }
    best.as_nanos() as f64 / (rounds * calls) as f64
}

#[test]
fn a_call_and_its_end_cost() {
    static VALUE: [u8; 40] = [7; 40];
    for calls in [1, 64, 1024] {
        let shared = nanoseconds_per_call(calls, false, |length| Bytes::from_static(&VALUE[..length]).into());
        let owned = nanoseconds_per_call(calls, false, |length| VALUE[..length].to_vec().into());
        let timed = nanoseconds_per_call(calls, true, |length| VALUE[..length].to_vec().into());
        println!(
            "{calls:>5} calls at a time: {shared:.0} ns a call and its end, {owned:.0} ns with its payloads \
             allocated, {timed:.0} ns with a deadline too"
        );
    }
}

#[test]
fn a_large_value_costs() {
    let length = 1 << 20;
    let value = Bytes::from(vec![7; length]);
    let (mut pair, slot) = Pair::new();
    let rounds = if cfg!(any(miri, debug_assertions)) { 1 } else { 200 };
    let mut best = [Duration::MAX; 2];
    // Copied once, as a socket would; with `space` straight to its place, without through a buffer.
    let mut wire = vec![0; 320 << 10];
    for (uses_space, best) in [true, false].into_iter().zip(&mut best) {
        for _ in 0..rounds {
            let start = Instant::now();
            pair.client.core.call(call(slot, value.clone(), None), pair.now).unwrap();
            let incoming = loop {
                let mut slices = [IoSlice::new(&[]); 16];
                let count = pair.client.core.slices(pair.now, &mut slices);
                let mut sent = 0;
                for mut slice in slices[..count].iter().map(|slice| &slice[..]) {
                    sent += slice.len();
                    while !slice.is_empty() {
                        match pair.server.core.space().filter(|_| uses_space) {
                            Some(space) => {
                                let here = space.len().min(slice.len());
                                space[..here].copy_from_slice(&slice[..here]);
                                pair.server.core.filled(here, pair.now);
                                slice = &slice[here..];
                            }
                            None => {
                                let here = &mut wire[..slice.len()];
                                here.copy_from_slice(slice);
                                pair.server.core.receive(here, pair.now);
                                slice = &[];
                            }
                        }
                    }
                }
                pair.client.core.sent(sent);
                if let Some(Event::Call(incoming)) = pair.server.core.event() {
                    break incoming;
                }
                carry(&mut pair.server.core, &mut pair.client.core, pair.now);
            };
            assert_eq!(incoming.payload.len(), length);
            *best = (*best).min(start.elapsed());
            pair.server.reply(incoming.id, Vec::new());
            pair.settle();
            pair.client.ended_one();
        }
    }
    let mut copy = vec![0; length];
    let mut bare = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(&mut copy).copy_from_slice(&value);
        bare = bare.min(start.elapsed());
    }
    println!(
        "1 MiB of arguments: {:.0?} read into its place, {:.0?} through a buffer; a bare copy {bare:.0?}",
        best[0], best[1]
    );
}
