//! Calls in one process: time, allocations and instructions of every row.
//!
//! `--row NAME --calls N` only makes the calls: so this executable counts its own instructions under
//! callgrind. Any other argument is a part of the names to run; their yardsticks run with them.

use std::{env, io};

use rpc_bench::{
    figures,
    harness::{self, Row},
    peers::rpc,
    report::{self, Entry},
    rows,
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut rows = rows::all();
    if let ["--row", name, "--calls", calls] = arguments[..] {
        let row = rows.iter().find(|row| row.name == name).expect("the name of a row");
        row.set_up().calls(calls.parse().expect("a number of calls"));
        return Ok(());
    }
    if !arguments.is_empty() {
        let asked = |row: &&Row| arguments.iter().any(|part| row.name.contains(part));
        let names: Vec<_> = rows
            .iter()
            .filter(asked)
            .flat_map(|row| [row.name].into_iter().chain(row.yardsticks.clone()))
            .collect();
        rows.retain(|row| names.contains(&row.name));
    }
    let measured = harness::measure(&rows);
    report::print_rows(&measured);
    let mut entries = report::entries(&measured);
    entries.push(Entry {
        name: "suspend/rpc/held_beyond_handler".to_owned(),
        value: rpc::held_beyond_handler(),
        unit: "bytes",
        yardstick: None,
        ratio: None,
    });
    figures::print(figures::IN_PROCESS, &entries);
    report::write("in_process", &entries)
}
