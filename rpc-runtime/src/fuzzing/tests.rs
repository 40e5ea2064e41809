//! The short form: pseudo-random changes of the seeds in `fuzz/corpus`, the same ones in every run.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

#[test]
fn any_file_is_a_configuration_or_has_faults() {
    let words: [&[u8]; 16] = [
        b"[",
        b"]]\n",
        b"{",
        b"}",
        b" = ",
        b"\"\"\"",
        b"'",
        b".",
        b"vars",
        b"services",
        b"1e9",
        b"\xff",
        b"/*",
        b"\": ",
        b"\\ud83d",
        b"[env.a]\n",
    ];
    feed("config", 4_000, &words, super::config);
}

#[test]
fn a_request_that_is_served_is_one_to_a_strict_reader_too() {
    let words: [&[u8]; 16] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b"Host: b\r\n",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"chunked",
        b"\0",
        b"#",
        b"http://",
        b"HTTP/1.1",
        b"0\r\n\r\n",
    ];
    feed("http_head", 8_000, &words, super::http_head);
}

#[test]
fn the_head_of_a_frame_is_within_its_limits_or_refused() {
    let words: [&[u8]; 10] = [
        b"\x00",
        b"\x01",
        b"\x80",
        b"\xff\xff\xff\xff\x0f",
        b"RPC\0",
        b"\x1f",
        b"\x42",
        b"\x10",
        b"key",
        b"\x80\x40",
    ];
    feed("frame_head", 60_000, &words, super::frame_head);
}

#[test]
fn a_session_survives_any_peer() {
    let words: [&[u8]; 9] = [
        b"\x03\x01\x00\x00",
        b"\x06\x01\x01",
        b"\x04\x00\x00\x01\x00",
        b"\x09\x00\x01",
        b"\x05\x01\xff",
        b"\x0a",
        b"\x08\x00",
        b"\x01\x06\x01\x00",
        b"\xff",
    ];
    feed("session", 6_000, &words, |bytes| super::session(bytes).0);
}

/// Each seed as it is, then so many inputs that were changed: of which some are accepted, or there would be nothing
/// that can fail.
fn feed(target: &str, inputs: u32, words: &[&[u8]], harness: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    // What a run without end has found lies beside them, under names without a suffix.
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some()).collect();
    files.sort_unstable();
    let seeds: Vec<_> = files.into_iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty());
    let mut accepted = seeds.iter().filter(|seed| harness(seed)).count();
    for number in 0..inputs {
        let input = Random(number.into()).input(&seeds, words);
        match catch_unwind(AssertUnwindSafe(|| harness(&input))) {
            Ok(is_accepted) => accepted += usize::from(is_accepted),
            Err(panic) => {
                eprintln!("input {number}: {:?}", input.escape_ascii().to_string());
                resume_unwind(panic);
            }
        }
    }
    assert!(accepted > inputs as usize / 50, "{accepted} of {inputs} are accepted");
}

/// `SplitMix64` of Steele, Lea and Flood: every number is a good seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a `usize`")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// One in sixteen is nothing but noise.
    fn input(&mut self, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
        if self.below(16) == 0 {
            let length = self.below(256);
            return (0..length).map(|_| self.byte()).collect();
        }
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, seeds, words);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&[u8]]) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(16)).min(input.len());
        match self.below(6) {
            0 if at < input.len() => input[at] = self.byte(),
            1 => drop(input.drain(at..end)),
            2 => input.truncate(at),
            3 => {
                let again = input[at..end].to_vec();
                drop(input.splice(at..at, again));
            }
            4 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => drop(input.splice(at..at, words[self.below(words.len())].iter().copied())),
        }
    }
}
