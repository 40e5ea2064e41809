//! `cargo +nightly fuzz run config -- -max_len=1048576`: see `rpc_runtime::fuzzing::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    rpc_runtime::fuzzing::config(bytes);
});
