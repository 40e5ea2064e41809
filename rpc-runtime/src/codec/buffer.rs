//! Buffers for small values, used again: most values are written, copied into a batch, and gone.

use std::cell::RefCell;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Larger buffers go back to the allocator.
const KEPT_BYTES_MAX: usize = 1024;

/// How many a thread keeps: at most 256 KiB, and in practice an eighth of that.
const KEPT_MAX: usize = 256;

/// An empty buffer, with room if one is free.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    FREE.try_with(|free| free.try_borrow_mut().ok()?.pop()).ok().flatten().unwrap_or_default()
}

/// A buffer that nobody needs any more.
#[inline]
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > KEPT_BYTES_MAX {
        return;
    }
    buffer.clear();
    // On a thread whose locals are gone the buffer goes back to the allocator.
    let _ = FREE.try_with(|free| {
        if let Ok(mut free) = free.try_borrow_mut()
            && free.len() < KEPT_MAX
        {
            free.push(buffer);
        }
    });
}
