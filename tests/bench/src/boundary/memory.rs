//! What a server holds for sessions and calls that do nothing.

use std::time::Duration;

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    task::spawn_local,
    time::sleep,
};

use super::{
    load::add,
    measure::Effort,
    peers::{Hold, Peer, rpc, tarpc},
    server::{Folder, Server},
};
use crate::{
    harness::Failure,
    report::{Entry, Table, number},
};

/// Bytes that a server holds for an idle session and for a call in flight, and tarpc's beside them. The rows are called
/// `idle_session` and `held_call`; all of them are measured when one of the `parts` is in such a name, or there is none.
///
/// # Errors
///
/// A server cannot be started, or a call fails.
pub fn entries(parts: &[&str], effort: Effort, folder: &Folder) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let asked = |what: &str| parts.is_empty() || parts.iter().any(|part| what.contains(part));
    if asked("idle_session") {
        let tarpc = idle_session::<tarpc::Tarpc>(Peer::Tarpc, effort, folder)?;
        let rpc = idle_session::<rpc::Ready>(Peer::Rpc, effort, folder)?;
        entries.extend(compared("idle_session", tarpc, rpc));
    }
    if asked("held_call") {
        let tarpc = held_call::<tarpc::Tarpc>(Peer::Tarpc, effort, folder)?;
        let rpc = held_call::<rpc::Ready>(Peer::Rpc, effort, folder)?;
        entries.extend(compared("held_call", tarpc, rpc));
    }
    Ok(entries)
}

/// Prints them.
pub fn print(entries: &[Entry]) {
    let mut table = Table::new(&["row", "", "resident", "yardstick", "÷"]);
    for entry in entries {
        table.line(vec![
            entry.name.clone(),
            entry.unit.to_owned(),
            number(entry.value),
            entry.yardstick.clone().unwrap_or_default(),
            entry.ratio.map_or_else(String::new, number),
        ]);
    }
    table.print();
}

fn compared(what: &str, tarpc: f64, rpc: f64) -> [Entry; 2] {
    let entry = |peer: &str, value, yardstick: Option<String>| Entry {
        name: format!("{what}/{peer}/resident"),
        value,
        unit: "bytes",
        ratio: yardstick.is_some().then(|| value / tarpc),
        yardstick,
    };
    [entry("tarpc", tarpc, None), entry("rpc", rpc, Some(format!("{what}/tarpc/resident")))]
}

/// Bytes for a session over which one call was made. A first one comes before: what a server needs once is not counted.
fn idle_session<P: Hold>(peer: Peer, effort: Effort, folder: &Folder) -> Result<f64, Failure> {
    let (server, runtime) = fresh(peer, folder, "idle")?;
    runtime.block_on(async {
        let mut sessions = vec![server.connect::<P>().await?];
        add(&mut sessions[0], 0).await?;
        let before = server.resident_bytes()?;
        for _ in 0..effort.held {
            let mut session = server.connect::<P>().await?;
            add(&mut session, 0).await?;
            sessions.push(session);
        }
        let held = server.resident_bytes()?.saturating_sub(before);
        Ok(held as f64 / effort.held as f64)
    })
}

/// Bytes for a call whose handler waits, four times as many as there are sessions in the other row.
fn held_call<P: Hold>(peer: Peer, effort: Effort, folder: &Folder) -> Result<f64, Failure> {
    let (server, runtime) = fresh(peer, folder, "held")?;
    let calls = 4 * effort.held;
    runtime.block_on(async {
        let mut session = server.connect::<P>().await?;
        add(&mut session, 0).await?;
        let before = server.resident_bytes()?;
        let waiting: Vec<_> = (0..calls)
            .map(|_| {
                let mut session = session.clone();
                spawn_local(async move { session.hold().await })
            })
            .collect();
        // A peer may start a later call first: time is given for all to have arrived.
        for _ in 0..10 {
            sleep(Duration::from_millis(20)).await;
            add(&mut session, 0).await?;
        }
        let held = server.resident_bytes()?.saturating_sub(before);
        if let Some(ended) = waiting.iter().position(|call| call.is_finished()) {
            return Err(format!("expected call {ended} to wait for ever, and it has ended").into());
        }
        Ok(held as f64 / calls as f64)
    })
}

fn fresh(peer: Peer, folder: &Folder, name: &str) -> Result<(Server, LocalRuntime), Failure> {
    let server = Server::start(peer, folder, &format!("{name}-{}", peer.name()))?;
    Ok((server, Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?))
}
