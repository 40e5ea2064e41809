//! The frame that is being read on this thread, so that a [`Bytes`] can be a part of it instead of a copy.
//!
//! serde has no way to hand a reference-counted buffer down to a field. A slice that a deserializer lends is
//! compared with the frame by address, and sliced by [`Bytes::slice_ref`]: safe code only.

use std::cell::RefCell;

use bytes::Bytes;

/// Shortest run that is sliced: a shorter one is copied faster than counted.
const SLICED_BYTES_MIN: usize = 4 << 10;

thread_local! {
    static FRAME: RefCell<Option<Bytes>> = const { RefCell::new(None) };
}

/// Runs `read` while `frame` is the one that runs may be sliced from.
pub(crate) fn in_frame<T>(frame: Option<&Bytes>, read: impl FnOnce() -> T) -> T {
    match frame {
        Some(frame) if frame.len() >= SLICED_BYTES_MIN => {
            let _outer = Outer(FRAME.replace(Some(frame.clone())));
            read()
        }
        // A frame that is too short has no part that is long enough, and needs no count taken.
        _ => read(),
    }
}

/// What was being read before: a `Deserialize` may read another frame.
struct Outer(Option<Bytes>);

impl Drop for Outer {
    fn drop(&mut self) {
        FRAME.set(self.0.take());
    }
}

/// The bytes as a part of the frame, or as a copy.
///
/// They are a part if they are at least half of it: so ten bytes that are kept never keep 32 MiB.
pub(crate) fn slice(bytes: &[u8]) -> Bytes {
    if bytes.len() < SLICED_BYTES_MIN {
        return Bytes::copy_from_slice(bytes);
    }
    FRAME.with_borrow(|frame| match frame {
        Some(frame) if bytes.len() >= frame.len() / 2 && lies_in(bytes, frame) => frame.slice_ref(bytes),
        _ => Bytes::copy_from_slice(bytes),
    })
}

fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}
