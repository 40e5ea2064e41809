//! What a caught panic said, and where.

use std::{any::Any, cell::RefCell, panic, sync::Once};

thread_local! {
    /// Where the latest panic of this thread arose. Only the panic hook knows it.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
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
            // A panic while the place is being taken, or at the end of the thread, goes without one.
            let _ = PLACE.try_with(|place| {
                if let Ok(mut place) = place.try_borrow_mut() {
                    *place = info.location().map(ToString::to_string);
                }
            });
            previous(info);
        }));
    });
}

/// The message of a panic, with its place if the hook saw it.
pub(crate) fn describe(payload: &Box<dyn Any + Send>) -> String {
    let message = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("its payload is not a text");
    match PLACE.try_with(|place| place.try_borrow_mut().ok()?.take()).ok().flatten() {
        Some(place) => format!("{message}, at {place}"),
        None => message.to_owned(),
    }
}
