//! Any bytes, read as values of many types, each within its memory and 256 KiB of stack.
//!
//! `cargo +nightly fuzz run --sanitizer none decode -- -max_len=131072`: a sanitizer's frames need a larger stack.

#![no_main]

#[path = "../../../tests/codec/counting.rs"]
mod counting;
#[path = "../../../tests/codec/harmless.rs"]
mod harmless;
#[allow(dead_code, reason = "the tests make values, too")]
#[path = "../../../tests/codec/zoo.rs"]
mod zoo;

use std::thread;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(256 << 10);
        reader.spawn_scoped(scope, || harmless::read_as_everything(bytes)).expect("a thread can be made");
    });
});
