//! The figures the project has set itself, each a bound on one number of the same run.

use crate::report::{Entry, Table, number};

/// A bound on one number.
#[derive(Debug)]
pub struct Figure {
    /// `row/measure` of the number.
    pub name: &'static str,
    /// What it must keep.
    pub bound: Bound,
}

/// What a number must not exceed, or fall below.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// This many times the other number.
    Times(f64, &'static str),
    /// The other number and this much more.
    More(f64, &'static str),
    /// This much.
    AtMost(f64),
    /// The other way round: what it must not fall below is this many times the other number.
    AtLeastTimes(f64, &'static str),
}

/// Calls in one process.
pub const IN_PROCESS: &[Figure] = &[
    // Instructions and allocations are exact; times are good to about ±7 %.
    times("add/rpc/instructions", 0.65, "add/async_trait/instructions"),
    times("add/rpc_inside/instructions", 0.70, "add/async_trait/instructions"),
    times("add_8/rpc/instructions", 0.80, "add_8/async_trait/instructions"),
    times("add_8/rpc_inside/instructions", 0.80, "add_8/async_trait/instructions"),
    times("add/rpc/time_best", 0.85, "add/async_trait/time_best"),
    times("add/rpc_inside/time_best", 0.85, "add/async_trait/time_best"),
    times("add_8/rpc/time_best", 0.80, "add_8/async_trait/time_best"),
    times("add_8/rpc_inside/time_best", 0.80, "add_8/async_trait/time_best"),
    times("add/rpc/time_best", 1.0 / 100.0, "add/tarpc_channel/time_best"),
    times("add/rpc/time_best", 1.0 / 20.0, "add/actor/time_best"),
    at_most("add/rpc/allocations", 0.0),
    at_most("add/rpc_inside/allocations", 0.0),
    at_most("add/rpc_metadata/allocations", 0.0),
    at_most("add/rpc_deadline/allocations", 0.0),
    at_most("add/rpc_inherited/allocations", 0.0),
    at_most("add/rpc_intercepted/allocations", 1.0),
    at_most("add_8/rpc/allocations", 0.0),
    at_most("suspend/rpc/allocations", 0.0),
    at_most("suspend/rpc_deadline/allocations", 0.0),
    at_most("large/rpc/allocations", 0.0),
    times("echo_1m/rpc/time_best", 3.0, "add/rpc/time_best"),
    at_most("suspend/rpc/held_beyond_handler", 256.0),
    more("fetch/rpc/instructions", 300.0, "fetch/rpc_handler/instructions"),
    more("fetch/rpc/allocations", 1.0, "fetch/rpc_handler/allocations"),
    times("fetch/rpc/instructions", 0.50, "fetch/axum_layered/instructions"),
    times("fetch/rpc/time_best", 1.0 / 15.0, "fetch/hyper_loopback/time_best"),
];

/// Calls between two processes. The best round of each row counts, as it is the one that was disturbed least; of tails
/// the median does, as a tail is what disturbs.
pub const BOUNDARY: &[Figure] = &[
    times("call/rpc/p50_best", 1.25, "call/raw/p50_best"),
    times("call_one_core/rpc/p50_best", 1.25, "call_one_core/raw/p50_best"),
    at_least("calls_64/rpc/rate_best", 0.50, "calls_64/mux/rate_best"),
    at_least("calls_256/rpc/rate_best", 0.40, "calls_256/mux/rate_best"),
    at_least("calls_64/rpc/rate_best", 4.5, "calls_64/tarpc/rate_best"),
    at_least("calls_256/rpc/rate_best", 4.5, "calls_256/tarpc/rate_best"),
    at_least("calls_64/rpc_suspended/rate_best", 0.45, "calls_64/mux/rate_best"),
    at_least("calls_256/rpc_suspended/rate_best", 0.33, "calls_256/mux/rate_best"),
    at_least("calls_64/rpc_deadline/rate_best", 0.40, "calls_64/mux/rate_best"),
    at_least("calls_256/rpc_deadline/rate_best", 0.30, "calls_256/mux/rate_best"),
    times("calls_64/rpc/server_cpu_best", 0.25, "calls_64/tarpc/server_cpu_best"),
    at_least("echo_1m/rpc_bytes/rate_best", 0.80, "echo_1m/raw/rate_best"),
    at_least("echo_1m/rpc_slice/rate_best", 0.80, "echo_1m/raw/rate_best"),
    at_least("echo_1m/rpc_vec/rate_best", 0.60, "echo_1m/raw/rate_best"),
    times("beside_32m/rpc/p99_median", 5.0, "beside_32m/rpc_alone/p99_median"),
    at_most("idle_session/rpc/resident", 20.0 * 1024.0),
];

/// Hosts.
pub const PLATFORM: &[Figure] = &[
    at_least("gateway/rpc/rate_best", 0.85, "hello/hyper/rate_best"),
    at_least("gateway_unix/rpc/rate_best", 0.50, "hello/hyper/rate_best"),
    more("hop/rpc/cpu_best", 1000.0, "hello/rpc/cpu_best"),
    at_most("start_50/rpc/time_median", 300.0),
    at_most("idle_50/rpc/resident", 30.0),
    at_most("appearance/rpc/time_median", 500.0),
];

/// Generated code.
pub const CODEGEN: &[Figure] = &[
    times("service_rpc/dev_clean", 2.0, "service_async_trait/dev_clean"),
    times("service_rpc/dev_edit", 2.0, "service_async_trait/dev_edit"),
    times("messages_rpc/dev_edit", 1.15, "messages_serde/dev_edit"),
    at_most("service_rpc/expanded_lines_each", 60.0),
];

/// Prints which figures are reached; one whose numbers were not measured in this run is left out.
///
/// A figure that is missed does not fail the run: times on a shared machine may miss by chance.
pub fn print(figures: &[Figure], entries: &[Entry]) {
    let mut table = Table::new(&["figure", "measured", "bound", "", "of"]);
    for figure in figures {
        if let Some((measured, bound, of)) = compare(figure, entries) {
            let (reached, sign) = match figure.bound {
                Bound::AtLeastTimes(..) => (measured >= bound, "≥"),
                _ => (measured <= bound, "≤"),
            };
            let verdict = if reached { "reached" } else { "MISSED" };
            table.line(vec![
                figure.name.to_owned(),
                number(measured),
                format!("{sign} {}", number(bound)),
                verdict.to_owned(),
                of,
            ]);
        }
    }
    table.print();
}

/// What was measured, its bound, and what both are counted in.
fn compare(figure: &Figure, entries: &[Entry]) -> Option<(f64, f64, String)> {
    let find = |name: &str| entries.iter().find(|entry| entry.name == name);
    let entry = find(figure.name)?;
    Some(match figure.bound {
        Bound::Times(bound, other) | Bound::AtLeastTimes(bound, other) => {
            (entry.value / find(other)?.value, bound, format!("× {other}"))
        }
        Bound::More(bound, other) => (entry.value - find(other)?.value, bound, format!("more than {other}")),
        Bound::AtMost(bound) => (entry.value, bound, entry.unit.to_owned()),
    })
}

const fn times(name: &'static str, factor: f64, other: &'static str) -> Figure {
    Figure { name, bound: Bound::Times(factor, other) }
}

const fn at_least(name: &'static str, factor: f64, other: &'static str) -> Figure {
    Figure { name, bound: Bound::AtLeastTimes(factor, other) }
}

const fn more(name: &'static str, more: f64, other: &'static str) -> Figure {
    Figure { name, bound: Bound::More(more, other) }
}

const fn at_most(name: &'static str, bound: f64) -> Figure {
    Figure { name, bound: Bound::AtMost(bound) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: f64) -> Entry {
        Entry { name: name.to_owned(), value, unit: "ns", yardstick: None, ratio: None }
    }

    #[test]
    fn a_bound_is_compared_with_the_other_number_of_the_run() {
        let entries = [entry("own", 30.0), entry("other", 20.0)];
        let measured = |figure| compare(&figure, &entries).map(|(measured, bound, _)| (measured, bound));
        assert_eq!(measured(times("own", 2.0, "other")), Some((1.5, 2.0)));
        assert_eq!(measured(more("own", 5.0, "other")), Some((10.0, 5.0)));
        assert_eq!(measured(at_most("own", 0.0)), Some((30.0, 0.0)));
        assert_eq!(measured(at_least("own", 2.0, "other")), Some((1.5, 2.0)));
        assert_eq!(measured(times("own", 2.0, "not measured")), None);
    }
}
