//! Hosts that serve HTTP: rate, CPU, start and memory.
//!
//! `--serve KIND` makes this executable one of the servers, and `dev` a host as a user's program is one. `--quick` makes a
//! short run.

use std::{env, process::ExitCode, time::Instant};

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

fn main() -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [serve, kind, socket] = &arguments[..]
        && serve == SERVE
    {
        served::serve(kind.parse()?, socket, begun)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.first().is_some_and(|argument| argument == "dev") {
        return Ok(served::workers().run());
    }
    let folder = Folder::new()?;
    let entries = measure::measure(arguments.iter().any(|argument| argument == "--quick"), &folder)?;
    measure::print(&entries);
    figures::print(figures::PLATFORM, &entries);
    report::write("platform", &entries)?;
    Ok(ExitCode::SUCCESS)
}
