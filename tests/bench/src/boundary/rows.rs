//! The list of rows.

use super::{
    load::{Echoes, InFlight, Sequential},
    measure::Row,
    peers::{Peer, hyper, mux, raw, rpc, tarpc},
};

/// Every row of the benchmark `boundary`, in the order they are printed.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(sequential("call"));
    rows.extend(sequential("call_one_core").map(Row::on_one_core));
    for calls in [1, 64, 256, 4096] {
        rows.extend(in_flight(calls));
    }
    rows.extend(echoes());
    rows.extend(beside());
    rows
}

/// One small call after the other.
fn sequential(what: &str) -> impl Iterator<Item = Row> {
    let name = |peer: &str| format!("{what}/{peer}");
    [
        Row::new(name("raw"), Peer::Raw, Sequential::<raw::Raw>::new),
        Row::new(name("mux"), Peer::Mux, Sequential::<mux::Mux>::new).against(name("raw")),
        Row::new(name("hyper"), Peer::Hyper, Sequential::<hyper::Hyper>::new).against(name("raw")),
        Row::new(name("tarpc"), Peer::Tarpc, Sequential::<tarpc::Tarpc>::new).against(name("raw")),
        Row::new(name("rpc"), Peer::Rpc, Sequential::<rpc::Ready>::new).against(name("raw")),
    ]
    .into_iter()
}

/// Small calls, so many at any time.
fn in_flight(calls: usize) -> [Row; 5] {
    let name = |peer: &str| format!("calls_{calls}/{peer}");
    let against = |row: Row| row.against(name("mux")).against(name("tarpc"));
    [
        Row::new(name("mux"), Peer::Mux, move |runtime, server| {
            InFlight::<mux::Mux>::new(runtime, server, calls)
        }),
        Row::new(name("tarpc"), Peer::Tarpc, move |runtime, server| {
            InFlight::<tarpc::Tarpc>::new(runtime, server, calls)
        })
        .against(name("mux")),
        against(Row::new(name("rpc"), Peer::Rpc, move |runtime, server| {
            InFlight::<rpc::Ready>::new(runtime, server, calls)
        })),
        against(Row::new(name("rpc_suspended"), Peer::Rpc, move |runtime, server| {
            InFlight::<rpc::Suspended>::new(runtime, server, calls)
        })),
        against(Row::new(name("rpc_deadline"), Peer::Rpc, move |runtime, server| {
            InFlight::<rpc::Deadline>::new(runtime, server, calls)
        })),
    ]
}

/// 1 MiB there and back, one call after the other.
fn echoes() -> [Row; 7] {
    [
        Row::new("echo_1m/raw", Peer::Raw, Echoes::<raw::Raw>::new),
        Row::new("echo_1m/hyper", Peer::Hyper, Echoes::<hyper::Hyper>::new).against("echo_1m/raw"),
        Row::new("echo_1m/tarpc_vec", Peer::Tarpc, Echoes::<tarpc::EchoVec>::new).against("echo_1m/raw"),
        Row::new("echo_1m/tarpc_bytes", Peer::Tarpc, Echoes::<tarpc::EchoBytes>::new).against("echo_1m/raw"),
        Row::new("echo_1m/rpc_slice", Peer::Rpc, Echoes::<rpc::EchoSlice>::new).against("echo_1m/raw"),
        Row::new("echo_1m/rpc_vec", Peer::Rpc, Echoes::<rpc::EchoVec>::new).against("echo_1m/raw"),
        Row::new("echo_1m/rpc_bytes", Peer::Rpc, Echoes::<rpc::EchoBytes>::new).against("echo_1m/raw"),
    ]
}

/// Small calls alone, and beside 32 MiB that travel there and back on the same session.
fn beside() -> [Row; 2] {
    [
        Row::new("beside_32m/rpc_alone", Peer::Rpc, Sequential::<rpc::Ready>::new).longer(3),
        Row::new("beside_32m/rpc", Peer::Rpc, Sequential::<rpc::Beside>::new)
            .against("beside_32m/rpc_alone")
            .longer(3),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::figures::{BOUNDARY, Bound};

    #[test]
    fn every_yardstick_is_a_row_and_no_name_is_given_twice() {
        let rows = all();
        let names: HashSet<_> = rows.iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), rows.len());
        for row in &rows {
            assert!(row.yardsticks.iter().all(|yardstick| names.contains(yardstick)), "{}", row.name);
        }
    }

    /// A figure that speaks of no row would never be printed, and nobody would miss it.
    #[test]
    fn every_figure_is_of_a_row() {
        let rows = all();
        let is_row = |number: &str| {
            let (row, _) = number.rsplit_once('/').expect("the name of a row and of a measure");
            row.starts_with("idle_session/") || rows.iter().any(|known| known.name == row)
        };
        for figure in BOUNDARY {
            assert!(is_row(figure.name), "{}", figure.name);
            if let Bound::Times(_, other) | Bound::AtLeastTimes(_, other) = figure.bound {
                assert!(is_row(other), "{other}");
            }
        }
    }
}
