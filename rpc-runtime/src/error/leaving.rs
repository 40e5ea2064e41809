//! What of an error leaves its host.
//!
//! What a Worker says of itself, it says to its callers: denials, what was not found, its application's own words,
//! panics with their place. What is wrong with the program around it is nobody else's business: that stays in the log,
//! under a reference that the caller is given. A hook of whoever serves may say otherwise.

use std::{borrow::Cow, cell::RefCell, sync::Arc};

use super::{Error, Kind, Reference};

/// Says what leaves in the place of an error.
pub(crate) type Hook = dyn Fn(&Error) -> Error + Send + Sync;

thread_local! {
    /// Of the session whose answer is being written.
    static HOOK: RefCell<Option<Arc<Hook>>> = const { RefCell::new(None) };
}

/// Writes an answer, with what a session says of errors in force.
pub(crate) fn with_hook<R>(hook: Option<&Arc<Hook>>, write: impl FnOnce() -> R) -> R {
    struct Restore(Option<Arc<Hook>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            HOOK.set(self.0.take());
        }
    }
    let Some(hook) = hook else { return write() };
    let _restore = Restore(HOOK.replace(Some(Arc::clone(hook))));
    write()
}

/// What may leave.
pub(super) fn told(error: &Error) -> Cow<'_, Error> {
    let hook = HOOK.with_borrow(Clone::clone);
    let error = match hook {
        Some(hook) => Cow::Owned(hook(error)),
        None => Cow::Borrowed(error),
    };
    match error.kind() {
        Kind::Setup(_) if error.reference().is_none() => Cow::Owned(referred(&error)),
        _ => error,
    }
}

#[cold]
fn referred(error: &Error) -> Error {
    let reference = Reference::new();
    tracing::error!(target: "rpc_runtime", %reference, %error, "a caller elsewhere is told of an internal error");
    let mut told = error.clone();
    let inner = told.make_mut();
    inner.kind = Kind::Setup("an internal error".into());
    inner.source = None;
    inner.reference = Some(reference.to_string().into());
    told
}
