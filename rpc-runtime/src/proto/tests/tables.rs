//! What calls lie in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::random::Random;
use crate::proto::{
    alarm::{Alarms, Side},
    config::{Config, HostBudget, Limits},
    payload::Received,
    table::{Line, Table},
    value::Value,
};

#[test]
fn an_index_is_used_again_and_a_key_is_not() {
    let mut table = Table::default();
    let first = (table.insert(0, 'a'), 0);
    assert_eq!(table.get(first), Some(&'a'));
    table.remove(first, None);
    let second = (table.insert(1, 'b'), 1);
    assert_eq!(first.0, second.0);
    assert_eq!((table.get(first), table.get(second)), (None, Some(&'b')));
    table.remove(first, None);
    assert_eq!((table.get(second), table.len()), (Some(&'b'), 1));
}

#[test]
fn a_call_is_found_by_its_number_however_many_it_outlives() {
    let mut table = Table::default();
    let old: Vec<u64> = vec![0, 7, 5000];
    let last = if cfg!(miri) { 9000 } else { 100_000 };
    for number in 0..last {
        let index = table.insert(number, number);
        table.name(index, number);
        if !old.contains(&number) {
            assert_eq!(table.index_of(number), Some(index));
            table.remove((index, number), Some(number));
            assert_eq!(table.index_of(number), None);
        }
    }
    for number in &old {
        let index = table.index_of(*number).unwrap();
        assert_eq!(table.at_mut(index), Some((*number, &mut number.clone())));
    }
    assert!(table.heap_bytes() < 20_000, "{} bytes", table.heap_bytes());
    for number in &old {
        let index = table.index_of(*number).unwrap();
        table.remove((index, *number), Some(*number));
        assert_eq!(table.index_of(*number), None);
    }
    assert_eq!(table.index_of(last), None);
    assert!(table.is_empty());
    table.trim();
    assert_eq!(table.heap_bytes(), 0);
}

#[test]
fn numbers_that_come_in_order_and_go_in_any_are_found() {
    let mut random = Random(11);
    let (mut table, mut model) = (Table::default(), HashMap::new());
    for number in 0..if cfg!(miri) { 300 } else { 30_000 } {
        let index = table.insert(number, number);
        table.name(index, number);
        model.insert(number, index);
        // In waves, so that some live long among few and others among many.
        while model.len() > 1 && random.percent(if number % 4000 < 2000 { 30 } else { 60 }) {
            let gone = *model.keys().nth(random.below(model.len().min(4))).unwrap();
            let index = model.remove(&gone).unwrap();
            assert_eq!(table.get((index, gone)), Some(&gone));
            table.remove((index, gone), Some(gone));
            assert_eq!(table.get((index, gone)), None);
        }
        let asked = random.next() % (number + 2);
        assert_eq!(table.index_of(asked), model.get(&asked).copied());
    }
    assert_eq!(table.len(), model.len());
}

#[test]
fn a_line_forgets_those_that_left_it() {
    let mut line = Line::default();
    for serial in 0..1000 {
        line.push((0, serial));
    }
    for left in 1..1000_u64 {
        line.leave(|(_, serial)| serial == 0 || serial > left);
        assert_eq!(line.len() as u64, 1000 - left);
    }
    assert!(line.keys_len() < 50);
    assert_eq!(line.front(), Some((0, 0)));
    line.pop();
    assert_eq!(line.len(), 0);
}

#[test]
fn alarms_go_off_in_order_and_on_time() {
    let start = Instant::now();
    let mut alarms = Alarms::new(start);
    for (serial, millisecond) in [(0, 30), (1, 10), (2, 20)] {
        alarms.set(start + Duration::from_millis(millisecond), Side::Ours, (0, serial));
    }
    assert_eq!(alarms.next(), Some(start + Duration::from_millis(10)));
    assert_eq!(alarms.due(start + Duration::from_millis(9)), None);
    let late = start + Duration::from_millis(25);
    assert_eq!(alarms.due(late), Some((Side::Ours, (0, 1))));
    assert_eq!(alarms.due(late), Some((Side::Ours, (0, 2))));
    assert_eq!(alarms.due(late), None);
}

#[test]
fn an_alarm_of_the_past_goes_off_at_once() {
    let start = Instant::now();
    let mut alarms = Alarms::new(start + Duration::from_secs(1));
    alarms.set(start, Side::Theirs, (0, 0));
    assert!(alarms.due(start + Duration::from_secs(1)).is_some());
}

#[test]
fn a_value_takes_memory_as_it_comes() {
    let total = 32 << 20;
    let mut value = Value::new(&[1; 1000], total, Instant::now());
    let mut came = 1000;
    while came < if cfg!(miri) { 200 << 10 } else { 1 << 20 } {
        let space = value.space(64 << 10);
        space.fill(2);
        value.filled(64 << 10, 0);
        came += 64 << 10;
        assert!(value.capacity() <= 2 * came + (64 << 10) + 16, "{} of {came}", value.capacity());
    }
    value.put(&[3; 100]);
    assert_eq!(value.left(), total - came - 100);
}

#[test]
fn a_value_that_is_meant_is_not_copied_again() {
    let total = 32 << 20;
    let mut value = Value::new(&[1; 1000], total, Instant::now());
    value.put(&[2; 1 << 20]);
    value.space(64 << 10);
    assert_eq!(value.capacity(), total + 16);
}

#[test]
fn the_memory_of_a_whole_value_is_its_length() {
    let mut value = Value::new(&[], 200_000, Instant::now());
    while value.left() > 0 {
        let length = value.left().min(64 << 10);
        value.space(length).fill(7);
        value.filled(length, 0);
        assert!(value.capacity() <= 200_016);
    }
    let received = value.into_received();
    assert!(received.len() == 200_000 && received.iter().all(|&byte| byte == 7));
}

#[test]
fn values_of_up_to_64_bytes_are_kept_without_memory() {
    for length in [0, 1, 63, 64, 65, 1000] {
        let bytes: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        let received = Received::copied(&bytes);
        assert_eq!(received[..], bytes);
        assert_eq!(received.bytes().is_some(), length > 64);
    }
}

#[test]
fn a_budget_is_never_overdrawn() {
    let budget = HostBudget::new(1000 << 10);
    assert!(budget.take(600 << 10, 0));
    assert!(!budget.take(500 << 10, 0));
    assert!(!budget.take(300 << 10, 200 << 10));
    assert!(budget.take(200 << 10, 200 << 10));
    assert!(!budget.take(u64::MAX, 0));
    budget.give_back(800 << 10);
    assert_eq!(budget.granted(), 0);
}

#[test]
fn limits_have_floors_and_ceilings() {
    let nothing = Config {
        in_flight_max: 0,
        first_bytes_max: 0,
        reply_bytes_max: 0,
        value_bytes_max: 0,
        slots_max: 0,
        granted_bytes_max: 0,
        streams_max: 0,
        stream_bytes: 0,
        ..Config::default()
    };
    assert_eq!(nothing.checked().limits(), Limits::ASSUMED);
    let all = Config { value_bytes_max: u32::MAX, granted_bytes_max: u64::MAX, ..Config::default() };
    // Half of what the host has.
    assert_eq!(all.checked().value_bytes_max, 128 << 20);
    let usual = Config::default();
    assert_eq!(usual.clone().checked().limits(), usual.limits());
}
