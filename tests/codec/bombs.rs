//! A few bytes that ask for much: each is refused in less than a millisecond.

use std::{
    any::type_name,
    collections::{BTreeMap, HashMap, HashSet, LinkedList, VecDeque},
    time::{Duration, Instant},
};

use rpc_runtime::__private::Encoder;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    on_small_stack, peak, read,
    zoo::{List, Maps, Sequences, Skipped, Tree, Unit, Wide},
};

/// A message as long as a boundary lets through.
const LONGEST: usize = 32 << 20;

const EVER: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];

/// Reads a pattern, repeated to so many bytes, and says why it is refused. At most `bytes_max` of memory may be
/// taken, and a millisecond in the best of five.
fn refused<T: DeserializeOwned>(pattern: &[u8], length: usize, bytes_max: usize) -> String {
    let mut bytes = pattern.repeat(length.div_ceil(pattern.len()));
    bytes.truncate(length);
    let mut best = Duration::MAX;
    let mut reason = String::new();
    for _ in 0..5 {
        let start = Instant::now();
        let (refused, peak) = peak(|| read::<T>(&bytes).map(drop).unwrap_err().to_string());
        best = best.min(start.elapsed());
        assert!(peak <= bytes_max, "{} took {peak} bytes for {length}", type_name::<T>());
        reason = refused;
    }
    assert!(best < Duration::from_millis(1), "{}: {best:?} for {length} bytes", type_name::<T>());
    reason
}

/// The same at 1 x, 10 x and the largest size.
fn refused_at_any_size<T: DeserializeOwned>(pattern: &[u8], length: usize, bytes_max: usize, why: &str) {
    for length in [length, 10 * length, LONGEST] {
        let reason = refused::<T>(pattern, length, bytes_max);
        assert!(reason.contains(why), "{} in {length} bytes: {reason}", type_name::<T>());
    }
}

/// 43.6 KB overflow 2 MiB of stack in postcard itself, 5.4 KB without optimization.
#[test]
fn a_list_of_boxes_is_refused_at_128_levels() {
    on_small_stack(|| {
        for length in [5_400, 43_600] {
            refused_at_any_size::<List>(
                &[1],
                length,
                64 << 10,
                "the limit of 128 levels of nesting is reached",
            );
        }
    });
}

#[test]
fn a_tree_in_any_direction_is_refused_at_128_levels() {
    on_small_stack(|| {
        // Pair, Named by its second field, Many.
        for pattern in [&[3][..], &[4, 0, 1], &[5, 1]] {
            refused_at_any_size::<Tree>(pattern, 5_400, 64 << 10, "128 levels of nesting");
        }
    });
}

/// 36 KB request 5.5 GB in postcard itself.
#[test]
fn nested_maps_of_any_announced_length_are_refused() {
    on_small_stack(|| {
        let ever: Vec<u8> = EVER.into_iter().chain([7]).collect();
        refused_at_any_size::<Maps>(&ever, 36_000, 64 << 10, "18446744073709551615 elements are announced");
        // As many as there are bytes, so that the announcement alone is no reason.
        refused_at_any_size::<Maps>(&[0x7f, 7], 36_000, 256 << 10, "128 levels of nesting");
        refused_at_any_size::<Maps>(&[1, 7], 36_000, 64 << 10, "128 levels of nesting");
    });
}

/// 85 KB request 5.1 GB in postcard itself.
#[test]
fn nested_sequences_of_any_announced_length_are_refused() {
    on_small_stack(|| {
        refused_at_any_size::<Sequences>(&EVER, 85_000, 64 << 10, "elements are announced");
        refused_at_any_size::<Sequences>(&[0x7f], 85_000, 64 << 10, "128 levels of nesting");
        refused_at_any_size::<Sequences>(&[1], 85_000, 64 << 10, "128 levels of nesting");
    });
}

/// 4 bytes make 312 MB in postcard itself, 10 bytes never end.
#[test]
fn elements_that_take_no_bytes_are_few() {
    fn all(pattern: &[u8]) {
        let why = "elements are announced";
        for length in [pattern.len(), 10 * pattern.len()] {
            assert!(refused::<LinkedList<()>>(pattern, length, 1 << 10).contains(why));
            assert!(refused::<HashSet<()>>(pattern, length, 1 << 10).contains(why));
            assert!(refused::<Vec<Unit>>(pattern, length, 1 << 10).contains(why));
            assert!(refused::<Vec<Skipped>>(pattern, length, 1 << 10).contains(why));
        }
    }
    on_small_stack(|| {
        all(&[0x80, 0xda, 0xc4, 0x09]);
        all(&EVER);
        // 32 MiB announced in 32 MiB, and many that are short.
        let why = "the limit of 1024 elements that take no bytes is reached";
        let longest = [0xff, 0xff, 0xff, 0x0f];
        assert!(refused::<LinkedList<()>>(&longest, LONGEST, 64 << 10).contains(why));
        assert!(refused::<HashSet<()>>(&longest, LONGEST, 64 << 10).contains(why));
        for pattern in [&longest[..], &[0x7f]] {
            assert!(refused::<Vec<Vec<Unit>>>(pattern, LONGEST, 64 << 10).contains(why));
            assert!(refused::<Vec<LinkedList<Skipped>>>(pattern, LONGEST, 64 << 10).contains(why));
        }
    });
}

#[test]
fn few_elements_that_take_no_bytes_are_read() {
    assert_eq!(read::<Vec<()>>(&[0x80, 0x08]).unwrap().len(), 1024);
    assert_eq!(read::<BTreeMap<(), Unit>>(&[1]).unwrap().len(), 1);
}

/// 127 levels of enum around the innermost, on the small stack.
#[test]
fn the_deepest_values_are_read() {
    on_small_stack(|| {
        let list = [&[1; 127][..], &[0]].concat();
        assert_eq!(super::write(&read::<List>(&list).unwrap()), list);
        assert!(read::<List>(&[&[1; 128][..], &[0]].concat()).is_err());
        // A newtype and a sequence, or a map, at each level.
        let nested = [&[1; 63][..], &[0]].concat();
        assert_eq!(super::write(&read::<Sequences>(&nested).unwrap()), nested);
        let nested = [[1, 9].repeat(63), vec![0]].concat();
        assert_eq!(super::write(&read::<Maps>(&nested).unwrap()), nested);
        // `Many`, each an enum and a sequence.
        let tree = [[5, 1].repeat(63), vec![0]].concat();
        assert_eq!(super::write(&read::<Tree>(&tree).unwrap()), tree);
    });
}

/// What nobody could read is not sent, and a value of any depth does not overflow the stack.
#[test]
fn a_value_that_nests_too_deep_is_not_written() {
    fn refused<T: Serialize>(value: T) {
        let why = Encoder::default().value(&value).unwrap_err();
        assert_eq!(why.to_string(), "the limit of 128 levels of nesting is reached", "{}", type_name::<T>());
        // Its own drop would go as deep.
        std::mem::forget(value);
    }
    on_small_stack(|| {
        let list = |levels: u32| (0..levels).fold(List::Nil, |list, _| List::Cons(Box::new(list)));
        assert_eq!(super::write(&list(127)).len(), 128);
        refused(list(128));
        refused(list(100_000));
        refused((0..64).fold(Sequences(Vec::new()), |inner, _| Sequences(vec![inner])));
        refused((0..64).fold(Maps(HashMap::new()), |inner, _| Maps(HashMap::from([(9, inner)]))));
        refused((0..64).fold(Tree::Leaf, |inner, _| Tree::Many(vec![inner])));
        refused((0..128).fold(Tree::Leaf, |inner, _| Tree::Pair(Box::new(inner), Box::new(Tree::Leaf))));
    });
}

/// Whatever a type makes of the error, a limit that was met stays met.
#[test]
fn a_type_cannot_hide_that_a_limit_was_met() {
    #[derive(Debug)]
    struct Lenient;

    impl<'de> Deserialize<'de> for Lenient {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let _ = List::deserialize(deserializer);
            Ok(Self)
        }
    }

    let refused = read::<Lenient>(&[1; 200]).unwrap_err().to_string();
    assert_eq!(refused, "the limit of 128 levels of nesting is reached");
}

/// 1,006 times its bytes, without bad intent: 100,000 of nothing.
#[test]
fn wide_elements_are_read_within_the_budget() {
    let nothing = |count: usize| super::write(&vec![Wide::None; count]);
    let (read, held) = peak(|| read::<Vec<Wide>>(&nothing(100_003)).unwrap().len());
    assert_eq!(read, 100_003);
    assert!(held > 100_003 * size_of::<Wide>(), "{held} bytes");
}

/// Reads a large value with too small a budget.
fn stays_within<T: Serialize + DeserializeOwned>(value: impl FnOnce(std::ops::Range<u32>) -> T) {
    let bytes = super::write(&value(0..100_000));
    let budget = 1 << 20;
    let (refused, held) = peak(|| super::read_within::<T>(&bytes, budget).map(drop).unwrap_err().to_string());
    let name = type_name::<T>();
    assert_eq!(refused, "the limit of 1048576 bytes of memory is reached", "{name}");
    assert!(held <= budget + (64 << 10), "{name} took {held} bytes");
    assert!(held > budget / 5, "{name} took {held} bytes: what it takes is charged, not much more");
}

#[test]
fn whatever_is_read_stays_within_its_budget() {
    stays_within(|all| all.map(u128::from).collect::<Vec<_>>());
    stays_within(|all| all.take(20_000).map(|n| [u64::from(n); 16]).collect::<VecDeque<_>>());
    stays_within(|all| all.map(|n| n.to_string()).collect::<Vec<_>>());
    stays_within(|all| all.map(|n| vec![n; 9]).collect::<Vec<_>>());
    stays_within(|all| all.map(|n| (n, n)).collect::<HashMap<_, _>>());
    stays_within(|all| all.take(20_000).map(|n| (n, [n; 20])).collect::<HashMap<_, _>>());
    stays_within(|all| all.map(|n| (n, ())).collect::<HashMap<_, _>>());
    stays_within(|all| all.map(|n| (n, n)).collect::<BTreeMap<_, _>>());
    stays_within(|all| all.map(|_| BTreeMap::from([(1_u8, 1_u8)])).collect::<Vec<_>>());
    stays_within(|all| all.map(|n| BTreeMap::from([(n, [n; 8])])).collect::<Vec<_>>());
    stays_within(|all| all.map(|_| HashMap::from([(1_u8, 1_u8)])).collect::<Vec<_>>());
    stays_within(|all| all.map(|_| Some(Box::new(Wide::None))).collect::<Vec<_>>());
    stays_within(|all| all.map(|_| Box::new((Wide::None, 1_u8))).collect::<Box<[_]>>());
}
