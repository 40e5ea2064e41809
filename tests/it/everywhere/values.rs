//! Every kind of argument arrives, and every kind of result comes back.

use std::{collections::BTreeMap, time::Duration};

use rpc_tests_workers::{Numbers, Query, Tree, Values as _};

use super::*;

everywhere! {
    each_kind_of_argument_arrives
    numbers_keep_their_bits
    what_is_lent_is_read_where_it_lies
    trees_of_values_are_equal_after_the_trip
    a_spawned_method_answers_as_any_other
    an_idempotent_method_answers_as_any_other
}

fn named(name: &str) -> Tree {
    Tree::Named { name: name.to_owned(), weight: -7 }
}

async fn each_kind_of_argument_arrives(there: &There) {
    let values = &there.place.values;
    values.nothing().await.unwrap();
    assert_eq!(values.text("").await.unwrap(), "");
    assert_eq!(values.text("grün 🦀 \0").await.unwrap(), "grün 🦀 \0");
    assert_eq!(values.optional(None).await.unwrap(), None);
    assert_eq!(values.optional(Some("x")).await.unwrap().as_deref(), Some("x"));
    assert_eq!(values.run(b"\x00\xff").await.unwrap(), &b"\x00\xff"[..]);
    assert_eq!(values.vector(vec![1, 2]).await.unwrap(), [1, 2]);
    assert_eq!(values.bytes("ab".into()).await.unwrap(), "ab");
    assert_eq!(values.array([0, 1, 254, 255]).await.unwrap(), [0, 1, 254, 255]);
    let mixed = values.mixed(1, "b", &[3], &Tree::Leaf, (4, -5)).await.unwrap();
    assert_eq!(mixed, "1 b [3] Leaf (4, -5)");
}

async fn numbers_keep_their_bits(there: &There) {
    let least = Numbers {
        small: (u8::MIN, i8::MIN, u16::MIN, i16::MIN),
        large: (u32::MIN, i32::MIN, u64::MIN, i64::MIN),
        huge: (u128::MIN, i128::MIN),
        floats: (f32::NEG_INFINITY, f64::MIN_POSITIVE),
        others: (false, '\0', Duration::ZERO),
    };
    let most = Numbers {
        small: (u8::MAX, i8::MAX, u16::MAX, i16::MAX),
        large: (u32::MAX, i32::MAX, u64::MAX, i64::MAX),
        huge: (u128::MAX, i128::MAX),
        floats: (f32::MAX, -0.0),
        others: (true, char::MAX, Duration::MAX),
    };
    for numbers in [least, most] {
        let back = there.place.values.numbers(numbers.clone()).await.unwrap();
        assert_eq!(back, numbers);
        assert_eq!(back.floats.1.to_bits(), numbers.floats.1.to_bits());
        let not_a_number = Numbers { floats: (f32::NAN, f64::NAN), ..numbers };
        let back = there.place.values.numbers(not_a_number.clone()).await.unwrap();
        assert_eq!(back.floats.0.to_bits(), f32::NAN.to_bits());
        assert_eq!(back.floats.1.to_bits(), f64::NAN.to_bits());
    }
}

async fn what_is_lent_is_read_where_it_lies(there: &There) {
    let values = &there.place.values;
    assert_eq!(values.lent(&named("a")).await.unwrap(), named("a"));
    let trees = [named("a"), Tree::Leaf, named("b")];
    assert_eq!(values.lent_slice(&trees).await.unwrap(), trees);
    assert_eq!(values.lent_slice(&[]).await.unwrap(), []);
    assert_eq!(values.query(Query { prefix: "p", limit: 3 }).await.unwrap(), "p:3");
}

async fn a_spawned_method_answers_as_any_other(there: &There) {
    assert_eq!(there.place.values.spawned("a").await.unwrap(), "a");
}

async fn an_idempotent_method_answers_as_any_other(there: &There) {
    assert_eq!(there.place.values.again("a").await.unwrap(), "a");
}

async fn trees_of_values_are_equal_after_the_trip(there: &There) {
    for seed in 1..=150 {
        let mut random = Random(seed);
        let tree = random.tree(5);
        let back = there.place.values.tree(tree.clone()).await.unwrap();
        assert_eq!(back, tree, "seed {seed}");
        assert_eq!(there.place.values.lent(&tree).await.unwrap(), tree, "seed {seed}");
    }
}

/// splitmix64: every seed gives the same values for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn text(&mut self) -> String {
        let length = self.below(20);
        (0..length).map(|_| char::from_u32(self.below(0x11_0000) as u32).unwrap_or('\u{fffd}')).collect()
    }

    fn tree(&mut self, depth: u32) -> Tree {
        let kinds = if depth == 0 { 4 } else { 7 };
        match self.below(kinds) {
            0 => Tree::Leaf,
            1 => Tree::Named { name: self.text(), weight: self.next() as i32 },
            2 => {
                let length = self.below(300);
                Tree::Raw((0..length).map(|_| self.next() as u8).collect())
            }
            // Of every length that a variable-length integer has.
            3 => Tree::Number(self.next() >> self.below(64)),
            4 => Tree::Pair(Box::new(self.tree(depth - 1)), Box::new(self.tree(depth - 1))),
            5 => {
                let length = self.below(6);
                Tree::Many((0..length).map(|_| self.tree(depth - 1)).collect())
            }
            _ => {
                let length = self.below(4);
                let entry = |random: &mut Self| {
                    let value = (random.below(4) > 0).then(|| random.tree(depth - 1));
                    (random.text(), value)
                };
                Tree::ByName((0..length).map(|_| entry(self)).collect::<BTreeMap<_, _>>())
            }
        }
    }
}
