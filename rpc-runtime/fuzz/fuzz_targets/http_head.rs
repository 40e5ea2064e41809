//! `cargo +nightly fuzz run http_head`: see `rpc_runtime::fuzzing::http_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    rpc_runtime::fuzzing::http_head(bytes);
});
