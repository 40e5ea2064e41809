//! The bytes of every frame. They are the protocol: a change here is a new version.

use std::time::Duration;

use super::{
    pair::{Side, auth},
    random::Random,
    raw::{Raw, frame, frames},
};
use crate::proto::{
    Beside, Call, Closing, Config, End, Event, Left, Opened, Payload, Status,
    wire::{Number, number, put_number},
};

/// Bytes as the document writes them.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// What `raw` writes, frame by frame.
#[track_caller]
fn assert_writes(raw: &mut Raw, expected: &[&str]) {
    let written: Vec<String> = raw.read().iter().map(|(kind, body)| hex(&frame(*kind, body))).collect();
    assert_eq!(written, expected);
}

#[test]
fn hello() {
    let mut raw = Raw::silent(Config::default());
    assert_writes(
        &mut raw,
        &[
            "26 00 00 01 52 50 43 00 01 01 80 40 80 80 80 02 80 80 80 02 80 80 80 10 80 08 01 00 00 00 00 00 00 00 \
             07 03 05 80 20 80 80 01",
        ],
    );
}

#[test]
fn open() {
    let mut raw = Raw::new();
    raw.side.core.open(auth()).unwrap();
    assert_writes(
        &mut raw,
        &["17 00 00 02 01 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 04 41 75 74 68 00"],
    );
}

#[test]
fn opened() {
    for (opened, expected) in [
        (Opened::Same, "02 00 00 03 00 00"),
        (
            Opened::Different { methods: vec![(0x0102, [9; 16])] },
            "1b 00 00 03 00 01 01 02 01 00 00 00 00 00 00 09 09 09 09 09 09 09 09 09 09 09 09 09 09 09 09",
        ),
        (Opened::Absent, "02 00 00 03 00 02"),
    ] {
        let mut raw = Raw::new();
        raw.side.core.opened(crate::proto::PeerSlot(0), opened);
        assert_writes(&mut raw, &[expected]);
    }
}

#[test]
fn a_call_with_everything_beside_it() {
    let mut raw = Raw::new();
    let all = Call {
        slot: raw.slot,
        method: 0x11,
        fingerprint: Some([0xf0; 16]),
        left: Left { depth: 31, invocations: 128, subrequests: 0 },
        deadline: Some(raw.now + Duration::from_millis(1)),
        metadata: &[("tenant", "a1", true), ("k", "", false)],
        trace: Some([0x77; 26]),
        payload: vec![0xab].into(),
        stream: None,
    };
    raw.side.core.call(all, raw.now).unwrap();
    assert_writes(
        &mut raw,
        &["52 00 00 04 00 00 00 11 00 00 00 00 00 00 00 00 17 1f 80 01 00 \
           f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 f0 e8 07 \
           02 06 74 65 6e 61 6e 74 02 61 31 01 01 6b 00 00 \
           1c 01 1a 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 77 01 ab"],
    );
}

#[test]
fn end() {
    for (status, expected) in [
        (Status::Ok, "0a 00 00 05 00 00 00 00 80 01 01 02 cd ef"),
        (Status::ServiceError, "0a 00 00 05 00 01 00 00 80 01 01 02 cd ef"),
        (Status::Refused, "0a 00 00 05 00 02 00 00 80 01 01 02 cd ef"),
        (Status::Failed, "0a 00 00 05 00 03 00 00 80 01 01 02 cd ef"),
        (Status::Cancelled, "0a 00 00 05 00 04 00 00 80 01 01 02 cd ef"),
        (Status::Deadline, "0a 00 00 05 00 05 00 00 80 01 01 02 cd ef"),
    ] {
        let mut raw = Raw::new();
        raw.write_call(0, b"");
        let id = raw.side.call_of().id;
        raw.side.core.end(
            id,
            End { status, used: (128, 1), payload: vec![0xcd, 0xef].into(), beside: Beside::Nothing },
        );
        assert_writes(&mut raw, &[expected]);
    }
}

#[test]
fn refusals_of_the_protocol() {
    let mut raw = Raw::new();
    raw.write_frame(0x04, &super::raw::call_with(0, 8, &[1], b""));
    assert_writes(&mut raw, &["07 00 00 05 00 42 00 00 00 00 00"]);
}

#[test]
fn part_and_grant() {
    let mut raw = Raw::new();
    raw.side.call(raw.slot, vec![0x55; (65 << 10) + 2], raw.now);
    let [(0x04, head)] = &raw.read()[..] else { panic!("the first piece is written") };
    assert_eq!(hex(&head[..23]), "00 00 00 08 07 06 05 04 03 02 01 00 00 20 e8 07 e7 07 82 88 04 55 55");
    assert_eq!(head.len(), 21 + (1 << 10));
    raw.write_frame(0x07, &[0x00]);
    let [(0x06, longest), (0x06, last)] = &raw.read()[..] else { panic!("the rest is written") };
    assert_eq!(longest.len(), 1 + (64 << 10));
    assert_eq!(hex(last), "00 55 55");

    raw.write_frame(0x05, &super::raw::end_head(0, 0, 3, b""));
    assert_writes(&mut raw, &["01 00 00 07 01"]);
    raw.write(&frame(0x06, &[0x01, 1, 2, 3]));
    assert_eq!(raw.side.ended().len(), 1);
}

#[test]
fn the_part_that_gives_a_value_up() {
    let mut raw = Raw::new();
    raw.side.call(raw.slot, vec![0x55; 400_000], raw.now);
    raw.read();
    raw.write_frame(0x07, &[0x00]);
    raw.write_frame(0x05, &super::raw::end_head(0, 0x47, 0, b""));
    assert_writes(&mut raw, &["01 00 00 06 02"]);
}

#[test]
fn credit() {
    let mut raw = Raw::with(Config { reply_bytes_max: 256 << 10, ..Config::default() });
    for number in 0..2 {
        raw.make_call(vec![]);
        raw.write_frame(0x05, &super::raw::end_head(number, 0, 40_000, &[0; 40_000]));
    }
    raw.side.core.taken(40_000);
    assert_writes(&mut raw, &[]);
    raw.side.core.taken(40_000);
    assert_writes(&mut raw, &["03 00 00 08 80 f1 04"]);
}

#[test]
fn cancel() {
    let mut raw = Raw::new();
    let key = raw.make_call(vec![]);
    raw.side.core.cancel(key);
    assert_writes(&mut raw, &["01 00 00 09 00"]);
}

#[test]
fn ping_and_pong() {
    let mut raw = Raw::new();
    raw.pass(Duration::from_secs(10));
    assert_writes(&mut raw, &["08 00 00 0a 00 00 00 00 00 00 00 00"]);
    raw.write_frame(0x0a, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_writes(&mut raw, &["08 00 00 0b 01 02 03 04 05 06 07 08"]);
}

#[test]
fn go_away() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    raw.side.core.drain("bye");
    assert_writes(&mut raw, &["06 00 00 0c 01 00 03 62 79 65"]);
    raw.side.core.close(Closing { why: "é".repeat(200) }, raw.now);
    let [(0x0c, body)] = &raw.read()[..] else { panic!("it goes away") };
    assert_eq!(hex(&body[..6]), "01 08 80 02 c3 a9");
    assert_eq!(body.len(), 4 + 256);
}

#[test]
fn numbers() {
    for (value, expected) in [
        (0, "00"),
        (127, "7f"),
        (128, "80 01"),
        (300, "ac 02"),
        (u64::from(u32::MAX), "ff ff ff ff 0f"),
        (u64::MAX, "ff ff ff ff ff ff ff ff ff 01"),
    ] {
        let mut bytes = Vec::new();
        put_number(&mut bytes, value);
        assert_eq!(hex(&bytes), expected);
        assert_eq!(number(&bytes), Number::Read(value, bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(number(&bytes[..cut]), Number::Cut);
        }
    }
}

#[test]
fn numbers_have_one_form() {
    for wrong in [
        &[0x80, 0x00][..],
        &[0xff, 0x80, 0x00],
        &[0xff; 10],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
    ] {
        assert_eq!(number(wrong), Number::Wrong, "{}", hex(wrong));
    }
}

#[test]
fn numbers_read_as_they_were_written() {
    let mut random = Random(3);
    for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
        let value = random.next() >> random.below(64);
        let mut bytes = Vec::new();
        put_number(&mut bytes, value);
        assert_eq!(number(&bytes), Number::Read(value, bytes.len()));
    }
}

/// A name, the bytes, and an end that is ready for them.
type Golden = (&'static str, Vec<u8>, fn() -> Raw);

/// Every kind of frame that a peer may send.
fn golden() -> Vec<Golden> {
    use super::raw::{call_head, call_with, end_head, grant, number, open, part};
    fn ready() -> Raw {
        let mut raw = Raw::new();
        raw.make_call(vec![1]);
        raw.write_call(0, b"x");
        raw
    }
    fn sending() -> Raw {
        let mut raw = Raw::new();
        raw.make_call(vec![0; 200_000]);
        raw
    }
    fn receiving() -> Raw {
        let mut raw = Raw::new();
        raw.write_frame(0x04, &call_head(0, 3000, b""));
        raw.read();
        raw
    }
    fn credited() -> Raw {
        let mut raw = ready();
        let id = raw.side.call_of().id;
        raw.side.reply(id, vec![7; 400]);
        raw.read();
        raw
    }
    let everything = [
        &[0xf0; 16][..],
        &[0xe8, 0x07],
        &[2, 1, b'k', 2, b'a', b'1', 1, 1, b'q', 0, 0],
        &[28, 1, 26],
        &[0x77; 26],
    ]
    .concat();
    let mut different = vec![0, 1, 2];
    different.extend_from_slice(&[5; 48]);
    vec![
        ("Hello", super::raw::hello(), || Raw::silent(Config::default())),
        ("Open", frame(0x02, &open(1, "Auth", "Admin")), ready),
        ("Opened", frame(0x03, &[0, 0]), ready),
        ("Opened, different", frame(0x03, &different), ready),
        ("Call", frame(0x04, &call_head(1, 5, b"t0ken")), ready),
        ("Call with everything", frame(0x04, &call_with(1, 23, &everything, b"t0ken")), ready),
        ("Call, begun", frame(0x04, &call_head(1, 100_000, b"t0ken")), ready),
        ("End", frame(0x05, &end_head(0, 0, 4, b"user")), ready),
        ("End, begun", frame(0x05, &end_head(0, 1, 100_000, b"user")), ready),
        ("Part", frame(0x06, &part(0, false, false, &[1; 3000])), receiving),
        ("Grant", frame(0x07, &grant(0, false)), sending),
        ("Credit", frame(0x08, &number(300)), credited),
        ("Cancel", frame(0x09, &number(0)), ready),
        ("Ping", frame(0x0a, &[1; 8]), ready),
        ("Pong", frame(0x0b, &[1; 8]), ready),
        ("GoAway", frame(0x0c, &[1, 0, 3, b'b', b'y', b'e']), ready),
        ("unknown, skippable", frame(0xff, b"whatever"), ready),
    ]
}

#[test]
fn every_golden_frame_is_read() {
    for (name, bytes, ready) in golden() {
        let mut raw = ready();
        raw.write(&bytes);
        assert!(raw.side.closed().is_none(), "{name}: {:?}", raw.side.closed());
    }
}

#[test]
fn every_truncation_of_every_golden_frame_ends_typed() {
    for (name, bytes, ready) in golden() {
        for cut in 4..bytes.len() {
            if cfg!(miri) && cut % 97 != 5 {
                continue;
            }
            // The header says so too, or the stream ends there.
            let mut raw = ready();
            raw.write(&frame(bytes[3], &bytes[4..cut]));
            let _ = raw.read();
            let mut raw = ready();
            raw.write(&bytes[..cut]);
            raw.side.core.end_of_stream();
            raw.side.drain_events();
            assert!(raw.side.closed().is_some(), "{name}, cut at {cut}");
        }
    }
}

#[test]
fn fixed_fields_of_golden_frames_cannot_be_cut() {
    for (name, bytes, ready) in golden() {
        // What a call or an end carries is as long as its head says or shorter, and a part and a skipped frame are as
        // long as they are.
        if name.starts_with("Part") || name.starts_with("unknown") || name.ends_with("begun") {
            continue;
        }
        let fixed = match name {
            "Call" | "Call with everything" => bytes.len() - 5,
            "End" => bytes.len() - 4,
            _ => bytes.len(),
        };
        for cut in 4..fixed {
            if cfg!(miri) && cut % 31 != 5 {
                continue;
            }
            let mut raw = ready();
            raw.write(&frame(bytes[3], &bytes[4..cut]));
            assert!(raw.side.closed().is_some(), "{name}, cut at {cut}");
        }
    }
}

#[test]
fn every_flipped_bit_of_every_golden_frame_ends_typed_or_is_another_frame() {
    for (name, bytes, ready) in golden() {
        for bit in 0..bytes.len().min(120) * 8 {
            if cfg!(miri) && bit % 211 != 0 {
                continue;
            }
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut raw = ready();
            raw.write(&flipped);
            // Whatever it is now, the session can be used or is over, and says so.
            for incoming in raw.side.calls() {
                raw.side.reply(incoming.id, vec![1]);
            }
            raw.read();
            raw.pass(Duration::from_secs(1));
            raw.side.core.lost("the end of the test");
            raw.side.drain_events();
            let closed = raw.side.closed().unwrap_or_else(|| panic!("{name}, bit {bit}: not over"));
            assert!(!closed.to_string().is_empty());
        }
    }
}

#[test]
fn heads_that_were_read_are_written_the_same() {
    let mut random = Random(9);
    for _ in 0..if cfg!(miri) { 20 } else { 3000 } {
        let mut raw = Raw::new();
        let texts: Vec<String> = (0..8).map(|_| "x".repeat(random.below(40))).collect();
        let metadata: Vec<(&str, &str, bool)> =
            texts.chunks(2).map(|pair| (&*pair[0], &*pair[1], random.percent(50))).collect();
        let made = Call {
            slot: raw.slot,
            method: random.next(),
            fingerprint: random.percent(50).then_some([3; 16]),
            left: Left {
                depth: random.next() as u32,
                invocations: random.next() as u32 >> random.below(32),
                subrequests: random.next() as u32 >> random.below(32),
            },
            deadline: random
                .percent(50)
                .then(|| raw.now + Duration::from_micros(random.next() >> (24 + random.below(36)))),
            metadata: if random.percent(50) { &metadata } else { &[] },
            trace: random.percent(50).then_some([4; 26]),
            payload: vec![5; random.below(200)].into(),
            stream: None,
        };
        raw.side.core.call(made, raw.now).unwrap();
        let written = raw.read();

        let mut reader = Raw::new();
        for (kind, body) in &written {
            reader.write_frame(*kind, body);
        }
        reader.assert_open();
        let Some(incoming) = reader.side.calls().pop() else { continue };
        let metadata: Vec<_> =
            incoming.metadata.iter().map(|(key, value, further)| (&**key, &**value, *further)).collect();
        let again = Call {
            slot: raw.slot,
            method: incoming.method,
            fingerprint: incoming.fingerprint,
            left: incoming.left,
            deadline: incoming.deadline.map(|deadline| raw.now + (deadline - reader.now)),
            metadata: &metadata,
            trace: incoming.trace,
            payload: incoming.payload.to_vec().into(),
            stream: None,
        };
        let mut writer = Raw::new();
        let offset = writer.now;
        let again =
            Call { deadline: again.deadline.map(|at| offset + (at - raw.now)), slot: writer.slot, ..again };
        writer.side.core.call(again, writer.now).unwrap();
        assert_eq!(writer.read(), written);
    }
}

#[test]
fn arbitrary_bytes_are_frames_or_the_end() {
    let mut random = Random(5);
    for _ in 0..if cfg!(miri) { 20 } else { 5000 } {
        let mut raw = Raw::new();
        raw.make_call(vec![1]);
        raw.write_call(0, b"x");
        for _ in 0..10 {
            let length = random.below(40);
            let body: Vec<u8> = (0..length).map(|_| (random.next() >> random.below(60)) as u8).collect();
            raw.write_frame(1 + random.below(13) as u8, &body);
            raw.read();
        }
        raw.pass(Duration::from_millis(1));
        raw.side.core.lost("the end of the test");
        raw.side.drain_events();
        assert!(raw.side.closed().is_some());
    }
}

#[test]
fn a_stream_cut_at_any_byte_says_the_same_up_to_there() {
    // A conversation with everything in it, as one end wrote it.
    let mut side = Side::new(Config::default(), std::time::Instant::now());
    let now = std::time::Instant::now();
    let slot = side.core.open(auth()).unwrap();
    side.read(&super::raw::hello(), now);
    for length in [0, 5, 70, 300, 3000] {
        side.call(slot, vec![length as u8; length], now);
    }
    let key = side.call(slot, vec![1], now);
    let mut bytes = side.write_all(now);
    side.core.cancel(key);
    side.core.drain("bye");
    bytes.extend(side.write_all(now));
    let whole = what_came(&[&bytes]);
    assert_eq!(frames(&bytes).len(), 10);
    for cut in 0..bytes.len() {
        if cfg!(miri) && cut % 997 != 0 {
            continue;
        }
        assert_eq!(what_came(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(if cfg!(miri) { 50 } else { 1 }).collect();
    assert_eq!(what_came(&single), whole);
}

/// Events of an end that reads these pieces.
fn what_came(pieces: &[&[u8]]) -> Vec<String> {
    let mut raw = Raw::silent(Config::default());
    for piece in pieces {
        raw.write(piece);
    }
    raw.side
        .events
        .iter()
        .map(|event| match event {
            Event::Call(incoming) => format!("call {} {:?}", incoming.id.number(), &incoming.payload[..]),
            event => format!("{event:?}"),
        })
        .collect()
}

#[test]
fn an_empty_payload_is_no_value() {
    let mut raw = Raw::new();
    raw.write_call(0, b"");
    let incoming = raw.side.call_of();
    assert!(incoming.payload.is_empty() && incoming.payload.bytes().is_none());
    raw.side.core.end(
        incoming.id,
        End { status: Status::Ok, used: (0, 0), payload: Payload::default(), beside: Beside::Nothing },
    );
    assert_writes(&mut raw, &["07 00 00 05 00 00 00 00 00 00 00"]);
}
