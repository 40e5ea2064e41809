//! Calls between two processes: latency, rate, CPU and memory of every row.
//!
//! `--serve PEER PATH` makes this executable the server of a row. `--quick` makes a short run. Any other argument is a
//! part of the names to run; their yardsticks run with them.

use std::{env, path::Path};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rpc_bench::{
    boundary::{
        measure::{self, Effort, Row},
        memory, rows,
        server::{self, Folder, SERVE},
    },
    figures,
    harness::Failure,
    report,
};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    allow_many_sockets()?;
    if let [SERVE, peer, path] = arguments[..] {
        return server::serve(peer.parse()?, Path::new(path));
    }
    let quick = arguments.contains(&"--quick");
    arguments.retain(|&argument| argument != "--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let rows = asked(rows::all(), &arguments);
    let folder = Folder::new()?;
    let measured = measure::measure(&rows, effort, &folder)?;
    measure::print(&measured);
    let memory = memory::entries(&arguments, effort, &folder)?;
    memory::print(&memory);
    let mut entries = measure::entries(&measured);
    entries.extend(memory);
    if entries.is_empty() {
        return Err(format!("expected a part of the name of a row, got {}", arguments.join(" ")).into());
    }
    figures::print(figures::BOUNDARY, &entries);
    Ok(report::write("boundary", &entries)?)
}

/// Rows whose name contains one of the parts, all without parts, and their yardsticks.
fn asked(mut rows: Vec<Row>, parts: &[&str]) -> Vec<Row> {
    if parts.is_empty() {
        return rows;
    }
    let asked = |row: &&Row| parts.iter().any(|part| row.name.contains(part));
    let names: Vec<_> = rows
        .iter()
        .filter(asked)
        .flat_map(|row| [row.name.clone()].into_iter().chain(row.yardsticks.clone()))
        .collect();
    rows.retain(|row| names.contains(&row.name));
    rows
}

/// A thousand sessions are a thousand sockets at either end, as many as many systems allow at first.
fn allow_many_sockets() -> Result<(), Failure> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
