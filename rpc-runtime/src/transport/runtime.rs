//! What sockets need of the tokio runtime they are made in.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::{net::UnixStream, runtime::Handle, time::Instant};

use super::error::Error;

/// Whether there is a runtime, with I/O and with time.
///
/// Tokio panics where something is made that needs what is not there, and offers no way to ask before. So one of each
/// is made here: the panic hook sees what tokio says of it, and the caller gets an error and no panic.
pub(super) fn check() -> Result<(), Error> {
    if Handle::try_current().is_err() {
        return Err(Error::invalid("there is no tokio runtime here: await it inside of one"));
    }
    let io = || {
        // Without a descriptor for it there is no answer, and the socket itself fails next with a reason of its own.
        let _ = UnixStream::pair();
    };
    if catch_unwind(AssertUnwindSafe(io)).is_err() {
        return Err(Error::invalid(
            "the tokio runtime has no I/O: build it with `enable_io` or `enable_all`",
        ));
    }
    let timer = || drop(tokio::time::sleep_until(Instant::now()));
    if catch_unwind(AssertUnwindSafe(timer)).is_err() {
        return Err(Error::invalid(
            "the tokio runtime has no timer: build it with `enable_time` or `enable_all`",
        ));
    }
    Ok(())
}
