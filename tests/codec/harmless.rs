//! Any bytes, read as values of many types: nothing happens but an error, and within bounds of memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rpc_runtime::__private::Decoder;
use serde::Deserialize;

use crate::{
    counting::peak,
    zoo::{Borrowed, Boxes, Everything, Inner, List, Maps, Nested, Sequences, Skipped, Tree, Unit, Wide},
};

/// What memory a type may take for so many bytes.
#[derive(Clone, Copy)]
enum Allowed {
    /// 100 times the bytes: what is made of elements of at most 32 bytes.
    HundredTimes,
    /// The budget.
    Budget,
}

/// A budget that inputs of this size can reach.
const BUDGET: usize = 256 << 10;
const SLACK: usize = 64 << 10;

fn harmless<'f, T: Deserialize<'f>>(bytes: &'f [u8], allowed: Allowed) {
    let budget = match allowed {
        Allowed::HundredTimes => 128 << 20,
        Allowed::Budget => BUDGET,
    };
    let ((), peak) = peak(|| {
        let mut from = Decoder::new(bytes).within(budget);
        drop(from.value::<T>().and_then(|value| from.finish().map(|()| value)));
    });
    let most = match allowed {
        Allowed::HundredTimes => 100 * bytes.len() + SLACK,
        Allowed::Budget => BUDGET + SLACK,
    };
    let name = std::any::type_name::<T>();
    assert!(
        peak <= most,
        "{name} took {peak} bytes for {}: {:?}",
        bytes.len(),
        &bytes[..bytes.len().min(64)]
    );
}

/// Reads the same bytes as every type.
pub(crate) fn read_as_everything(bytes: &[u8]) {
    use Allowed::{Budget, HundredTimes};
    harmless::<List>(bytes, HundredTimes);
    harmless::<Tree>(bytes, HundredTimes);
    harmless::<Sequences>(bytes, HundredTimes);
    harmless::<Borrowed<'_>>(bytes, HundredTimes);
    harmless::<Vec<Borrowed<'_>>>(bytes, Budget);
    harmless::<LinkedList<()>>(bytes, HundredTimes);
    harmless::<Vec<LinkedList<u8>>>(bytes, HundredTimes);
    harmless::<HashSet<Unit>>(bytes, HundredTimes);
    harmless::<Vec<HashSet<u32>>>(bytes, HundredTimes);
    harmless::<BTreeSet<u64>>(bytes, HundredTimes);
    harmless::<Vec<Skipped>>(bytes, HundredTimes);
    harmless::<VecDeque<Option<u32>>>(bytes, HundredTimes);
    harmless::<Vec<(String, Duration)>>(bytes, Budget);
    harmless::<Vec<Option<Duration>>>(bytes, HundredTimes);
    harmless::<Vec<IpAddr>>(bytes, HundredTimes);
    harmless::<Vec<SocketAddr>>(bytes, HundredTimes);
    harmless::<Vec<PathBuf>>(bytes, HundredTimes);
    harmless::<Vec<SystemTime>>(bytes, HundredTimes);
    harmless::<Vec<char>>(bytes, HundredTimes);
    harmless::<Vec<f64>>(bytes, HundredTimes);
    harmless::<Box<[Box<str>]>>(bytes, HundredTimes);
    harmless::<Vec<Inner>>(bytes, HundredTimes);
    harmless::<Maps>(bytes, Budget);
    harmless::<Vec<Nested>>(bytes, Budget);
    harmless::<Vec<Everything>>(bytes, Budget);
    harmless::<Vec<Wide>>(bytes, Budget);
    harmless::<Boxes>(bytes, Budget);
    harmless::<HashMap<u8, HashMap<u16, [u64; 4]>>>(bytes, Budget);
    harmless::<BTreeMap<u16, BTreeMap<u8, u8>>>(bytes, Budget);
    harmless::<BTreeMap<u32, Boxes>>(bytes, Budget);
    harmless::<(Vec<Everything>, Tree, Maps, Boxes)>(bytes, Budget);
}
