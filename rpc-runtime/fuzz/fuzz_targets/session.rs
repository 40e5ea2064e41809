//! A session whose peer and whose application do what the bytes say, within 100 times the memory of what the peer sent:
//! see `rpc_runtime::fuzzing::session`.
//!
//! `cargo +nightly fuzz run --sanitizer none session -- -max_len=4096`: a sanitizer has an allocator of its own.

#![no_main]

#[path = "../../../tests/codec/counting.rs"]
mod counting;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let ((_, fed), peak) = counting::peak(|| rpc_runtime::fuzzing::session(bytes));
    let most = 100 * (fed + bytes.len()) + (1 << 20);
    assert!(peak <= most, "{peak} bytes for {fed} of the peer, {} in all", bytes.len());
});
