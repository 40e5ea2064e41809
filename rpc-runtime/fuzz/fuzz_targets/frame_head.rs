//! Any bytes, read as the head of a frame, within the memory of the bytes and 64 KiB: see
//! `rpc_runtime::fuzzing::frame_head`.
//!
//! `cargo +nightly fuzz run --sanitizer none frame_head -- -max_len=131072`: a sanitizer has an allocator of its own.

#![no_main]

#[path = "../../../tests/codec/counting.rs"]
mod counting;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (_, peak) = counting::peak(|| rpc_runtime::fuzzing::frame_head(bytes));
    assert!(peak <= 4 * bytes.len() + (64 << 10), "{peak} bytes for {}", bytes.len());
});
