//! What a caught panic said, and where.

use std::{
    cell::RefCell,
    mem,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use crate::raw::Payload;

thread_local! {
    /// The latest panic of this thread. Only the panic hook sees it.
    static LATEST: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// A panic, as the hook saw it.
struct Seen {
    /// What it said, to tell it from one that came here without a hook: with `resume_unwind`.
    message: Option<String>,
    place: String,
}

/// Makes errors of panicked handlers name the place: installs a panic hook that remembers it and then calls the
/// previous hook. Calling it again does nothing.
///
/// A `Host` does this by itself; a program that uses typed calls alone may do it at start. Without it such an
/// error carries the message alone.
///
/// ```
/// rpc_runtime::install_panic_hook();
/// ```
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().map(str::to_owned);
            let seen = info.location().map(|place| Seen { message, place: place.to_string() });
            // A panic while the place is being taken, or at the end of the thread, goes without one.
            let _ = LATEST.try_with(|latest| {
                if let Ok(mut latest) = latest.try_borrow_mut() {
                    *latest = seen;
                }
            });
            previous(info);
        }));
    });
}

/// The message of a panic, with its place if the hook saw it. The payload ends here.
pub(crate) fn describe(payload: Payload) -> String {
    let said = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = take_latest().filter(|seen| seen.message.as_deref() == said).map(|seen| seen.place);
    let message = said.unwrap_or("its payload is not a text");
    let description = match place {
        Some(place) => format!("{message}, at {place}"),
        None => message.to_owned(),
    };
    drop_contained(|| drop(payload));
    description
}

/// Drops what a panic left behind. A second panic adds nothing to the first, which is on its way to the caller.
#[cold]
pub(crate) fn drop_contained(drop: impl FnOnce()) {
    let first = take_latest();
    let mut dropped = catch_unwind(AssertUnwindSafe(drop));
    for _ in 0..PAYLOADS_MAX {
        let Err(payload) = dropped else { break };
        dropped = catch_unwind(AssertUnwindSafe(|| mem::drop(payload)));
    }
    // Whoever carries panics in panics without end loses memory by it.
    mem::forget(dropped);
    let _ = LATEST.try_with(|latest| *latest.borrow_mut() = first);
}

/// How many payloads are dropped whose drop panics itself, one in the other.
const PAYLOADS_MAX: usize = 8;

fn take_latest() -> Option<Seen> {
    LATEST.try_with(|latest| latest.try_borrow_mut().ok()?.take()).ok().flatten()
}
