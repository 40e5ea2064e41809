//! Values at random arrive as they left; bytes at random do no harm.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque},
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    on_small_stack, peak, read_within, write,
    zoo::{
        Any, Borrowed, Boxes, Everything, Inner, List, Maps, Nested, Random, Sequences, Skipped, Tree, Unit,
        Wide,
    },
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

/// What memory a type may take for so many bytes.
#[derive(Clone, Copy)]
enum Allowed {
    /// 100 times the bytes: what is made of elements of at most 32 bytes.
    HundredTimes,
    /// The budget.
    Budget,
}

/// A budget that inputs of this size can reach.
const BUDGET: usize = 256 << 10;
const SLACK: usize = 64 << 10;

fn harmless<'f, T: Deserialize<'f>>(bytes: &'f [u8], allowed: Allowed) {
    let budget = match allowed {
        Allowed::HundredTimes => 128 << 20,
        Allowed::Budget => BUDGET,
    };
    let ((), peak) = peak(|| drop(read_within::<T>(bytes, budget)));
    let most = match allowed {
        Allowed::HundredTimes => 100 * bytes.len() + SLACK,
        Allowed::Budget => BUDGET + SLACK,
    };
    let name = std::any::type_name::<T>();
    assert!(
        peak <= most,
        "{name} took {peak} bytes for {}: {:?}",
        bytes.len(),
        &bytes[..bytes.len().min(64)]
    );
}

/// Reads the same bytes as every type.
fn read_as_everything(bytes: &[u8]) {
    use Allowed::{Budget, HundredTimes};
    harmless::<List>(bytes, HundredTimes);
    harmless::<Tree>(bytes, HundredTimes);
    harmless::<Sequences>(bytes, HundredTimes);
    harmless::<Borrowed<'_>>(bytes, HundredTimes);
    harmless::<Vec<Borrowed<'_>>>(bytes, Budget);
    harmless::<LinkedList<()>>(bytes, HundredTimes);
    harmless::<Vec<LinkedList<u8>>>(bytes, HundredTimes);
    harmless::<HashSet<Unit>>(bytes, HundredTimes);
    harmless::<Vec<HashSet<u32>>>(bytes, HundredTimes);
    harmless::<BTreeSet<u64>>(bytes, HundredTimes);
    harmless::<Vec<Skipped>>(bytes, HundredTimes);
    harmless::<VecDeque<Option<u32>>>(bytes, HundredTimes);
    harmless::<Vec<(String, Duration)>>(bytes, Budget);
    harmless::<Vec<Option<Duration>>>(bytes, HundredTimes);
    harmless::<Vec<IpAddr>>(bytes, HundredTimes);
    harmless::<Vec<SocketAddr>>(bytes, HundredTimes);
    harmless::<Vec<PathBuf>>(bytes, HundredTimes);
    harmless::<Vec<SystemTime>>(bytes, HundredTimes);
    harmless::<Vec<char>>(bytes, HundredTimes);
    harmless::<Vec<f64>>(bytes, HundredTimes);
    harmless::<Box<[Box<str>]>>(bytes, HundredTimes);
    harmless::<Vec<Inner>>(bytes, HundredTimes);
    harmless::<Maps>(bytes, Budget);
    harmless::<Vec<Nested>>(bytes, Budget);
    harmless::<Vec<Everything>>(bytes, Budget);
    harmless::<Vec<Wide>>(bytes, Budget);
    harmless::<Boxes>(bytes, Budget);
    harmless::<HashMap<u8, HashMap<u16, [u64; 4]>>>(bytes, Budget);
    harmless::<BTreeMap<u16, BTreeMap<u8, u8>>>(bytes, Budget);
    harmless::<BTreeMap<u32, Boxes>>(bytes, Budget);
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
            harmless::<(Vec<Everything>, Tree, Maps, Boxes)>(&bytes, Allowed::Budget);
        }
    });
}
