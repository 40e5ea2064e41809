//! Hosts that serve HTTP: rate, CPU, start and memory.
//!
//! `--serve KIND` makes this executable one of the servers. `--quick` makes a short run.

use std::{env, time::Instant};

use rpc_bench::{
    boundary::server::Folder,
    figures,
    harness::Failure,
    platform::{
        measure,
        served::{self, SERVE},
    },
    report,
};

fn main() -> Result<(), Failure> {
    let begun = Instant::now();
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [serve, kind, socket] = &arguments[..]
        && serve == SERVE
    {
        return served::serve(kind.parse()?, socket, begun);
    }
    let folder = Folder::new()?;
    let entries = measure::measure(arguments.iter().any(|argument| argument == "--quick"), &folder)?;
    measure::print(&entries);
    figures::print(figures::PLATFORM, &entries);
    Ok(report::write("platform", &entries)?)
}
