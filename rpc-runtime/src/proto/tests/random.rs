//! Numbers that look random and are the same for the same seed.

use std::env;

/// SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// With so many chances in a hundred.
    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// Says which seed failed.
pub(super) struct Seed(pub(super) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} fails; `RPC_PROTO_SEED={}` runs it alone", self.0, self.0);
        }
    }
}

/// Seeds to run: that of `RPC_PROTO_SEED`, or `RPC_PROTO_SEEDS` of them, or `usual`; few under Miri.
pub(super) fn seeds(usual: u64) -> impl Iterator<Item = u64> {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number of seeds"));
    match number("RPC_PROTO_SEED") {
        Some(seed) => seed..seed + 1,
        None if cfg!(miri) => 0..2,
        None => 0..number("RPC_PROTO_SEEDS").unwrap_or(usual),
    }
}
