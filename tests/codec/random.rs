//! Values at random arrive as they left; bytes at random do no harm.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    harmless::read_as_everything,
    on_small_stack, write,
    zoo::{Any, Boxes, Everything, List, Maps, Nested, Random, Sequences, Tree},
};

fn round_trips<T: Any + Serialize + DeserializeOwned + PartialEq + Debug>(times: u64) {
    for seed in 0..times {
        let value = T::any(&mut Random::new(seed), 6);
        let bytes = write(&value);
        assert_eq!(
            bytes,
            postcard::to_allocvec(&value).unwrap(),
            "seed {seed}: the bytes are plain postcard's"
        );
        assert_eq!(crate::read::<T>(&bytes).unwrap(), value, "seed {seed}");
        // No shorter and no longer bytes are the same value.
        assert!(crate::read::<T>(&[&bytes[..], &[0]].concat()).is_err(), "seed {seed}");
        if let Some(short) = bytes.len().checked_sub(1) {
            assert!(crate::read::<T>(&bytes[..short]).is_err(), "seed {seed}");
        }
    }
}

#[test]
fn values_at_random_arrive_as_they_left_in_the_bytes_of_postcard() {
    round_trips::<Everything>(2_000);
    round_trips::<Tree>(2_000);
    round_trips::<Nested>(2_000);
    round_trips::<List>(200);
    round_trips::<Maps>(200);
    round_trips::<Sequences>(200);
    round_trips::<Boxes>(200);
    round_trips::<(Option<Option<u8>>, (i128, u128))>(1_000);
    round_trips::<HashMap<u64, Result<String, char>>>(500);
    round_trips::<BTreeMap<String, BTreeMap<i16, Vec<bool>>>>(500);
}

#[test]
fn floats_keep_their_bits() {
    for float in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE, 5e-324] {
        assert_eq!(crate::read::<f64>(&write(&float)).unwrap().to_bits(), float.to_bits());
        let float = float as f32;
        assert_eq!(crate::read::<f32>(&write(&float)).unwrap().to_bits(), float.to_bits());
    }
}

#[test]
fn bytes_at_random_do_no_harm() {
    on_small_stack(|| {
        for seed in 0..1_000 {
            let mut random = Random::new(seed);
            let length = 1 << random.below(16);
            let mut bytes = random.bytes(length);
            // Small numbers are tags, lengths and chains of both.
            let most = [2, 4, 8, 128, 256][random.below(5)];
            for byte in &mut bytes {
                *byte = (usize::from(*byte) % most) as u8;
            }
            read_as_everything(&bytes);
        }
    });
}

#[test]
fn bytes_of_values_with_some_of_them_changed_do_no_harm() {
    on_small_stack(|| {
        for seed in 0..1_000 {
            let mut random = Random::new(seed);
            let mut bytes = write(&<(Vec<Everything>, Tree, Maps, Boxes)>::any(&mut random, 5));
            for _ in 0..random.below(8) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => drop(bytes.splice(at..at, [0xff, 0xff, 0xff, 0x07])),
                    _ => bytes.truncate(at + 1),
                }
            }
            read_as_everything(&bytes);
        }
    });
}
