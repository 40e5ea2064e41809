//! What arbitrary bytes must not do, as functions that panic when they do it.
//!
//! `fuzz`, beside this crate's `src`, feeds them without end; the tests below, and so every `cargo test`, for a few
//! seconds with the same seeds.

mod grammar;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{Method, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::grammar::Message;
use crate::{
    Body, Request,
    config::{Config, Origin, Variable},
    edge, proto,
};

/// Any file, in either language, is a configuration or has faults, and is read in time. Gives whether it is a
/// configuration.
///
/// # Panics
///
/// If not.
pub fn config(bytes: &[u8]) -> bool {
    let json = bytes.trim_ascii_start().starts_with(b"{");
    // One language at a time has something to read: the other one finds a fault in the first line.
    config_of(if json { "fuzz.jsonc" } else { "fuzz.toml" }, bytes)
}

fn config_of(file: &str, bytes: &[u8]) -> bool {
    // A release build takes 40 ms on a quiet machine. What is looked for here is work that grows with the square of
    // the length, which takes minutes.
    let bound = Duration::from_secs(5);
    let start = Instant::now();
    let read = Config::from_bytes(file.to_owned(), bytes.to_vec(), Origin::default());
    let took = start.elapsed();
    assert!(took <= bound, "{} bytes took {took:?}", bytes.len());
    let faults = match read {
        Ok(config) => {
            config.vars.iter().for_each(variable);
            return true;
        }
        Err(faults) => faults,
    };
    assert!(!faults.is_empty(), "neither a configuration nor a fault");
    let lines = String::from_utf8_lossy(bytes).split('\n').count();
    assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.place().line())), "{faults}");
    // Whatever is quoted of the file is cut to what a person reads.
    let report = faults.to_string();
    assert!(report.len() < 200 << 10, "a report of {} bytes", report.len());
    false
}

/// Any bytes are a frame of a session with a head within its limits, or no frame. Gives whether they are one.
///
/// # Panics
///
/// If not.
pub fn frame_head(bytes: &[u8]) -> bool {
    proto::fuzzing::heads(bytes)
}

/// A session survives any peer and any application: each call has one end, and nothing is left when the session is
/// over. The bytes say what the two do. Gives whether a call got through, and how many bytes the peer sent.
///
/// # Panics
///
/// If not.
pub fn session(bytes: &[u8]) -> (bool, usize) {
    proto::fuzzing::session(bytes)
}

/// Each value can be asked for as any type, and is that or a fault.
fn variable(variable: &Variable) {
    type Nested = std::collections::BTreeMap<String, Vec<Option<String>>>;
    let faults = [
        variable.read::<String>().err(),
        variable.read::<u8>().err(),
        variable.read::<f64>().err(),
        variable.read::<Nested>().err(),
    ];
    let told: Vec<_> = faults.iter().flatten().map(ToString::to_string).collect();
    assert!(told.len() >= 2, "it is a string, a number and a table at once: {variable:?}");
}

/// Whatever a handler of the edge gets to see is, in order and complete, what the strict grammar finds in the bytes.
/// Gives whether one saw anything.
///
/// # Panics
///
/// If not.
pub fn http_head(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n") {
        return false; // Another grammar, which another library reads.
    }
    let (mut found, served) = (grammar::messages(bytes).into_iter(), served(bytes));
    for seen in &served {
        let told = || format!("{seen:?} in {:?}", bytes.escape_ascii().to_string());
        let found = found.next().unwrap_or_else(|| panic!("it is no request: {}", told()));
        assert!(found.agrees_with(seen), "it is {found:?}: {}", told());
    }
    !served.is_empty()
}

/// The requests that a handler gets when these bytes are all that a client sends.
fn served(bytes: &[u8]) -> Vec<Message> {
    let seen = Arc::<Mutex<Vec<Message>>>::default();
    let seeing = Arc::clone(&seen);
    let handler = move |request: Request| {
        let seen = Arc::clone(&seeing);
        async move {
            let (head, body) = request.into_parts();
            let message = Message::of(&head, body.bytes().await.ok());
            seen.lock().expect("no handler panics").push(message);
            // Any other answer to CONNECT would end HTTP.
            let refused = head.method == Method::CONNECT;
            let mut response = Response::new(Body::none());
            *response.status_mut() = if refused { StatusCode::FORBIDDEN } else { StatusCode::OK };
            response
        }
    };
    let (client, server) = tokio::io::duplex(64 << 10);
    let (mut answers, mut requests) = tokio::io::split(client);
    let talk = async {
        let sent = async {
            // A server that has closed early has refused the rest.
            let _ = requests.write_all(bytes).await;
            let _ = requests.shutdown().await;
        };
        let mut answered = Vec::new();
        let _ = tokio::join!(sent, answers.read_to_end(&mut answered), edge::serve_bytes(server, handler));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without sockets needs nothing of the system");
    let ended = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), talk).await });
    assert!(ended.is_ok(), "the connection does not end: {:?}", bytes.escape_ascii().to_string());
    std::mem::take(&mut *seen.lock().expect("no handler panics"))
}
