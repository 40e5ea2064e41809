//! How long the values of a call may be.

use crate::{
    codec::{Encoded, Encoder, Unwritten},
    error::{Exceeded, Kind},
    invocation::with_current,
    limits::{Limits, VALUE_BYTES_MAX},
    service::MethodInfo,
};

/// How long a value may be that is encoded: the arguments of a call, or its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Longest {
    limit: u32,
    warns: bool,
}

impl Longest {
    /// Of an answer under these limits.
    pub(super) fn under(limits: &Limits) -> Self {
        Self { limit: limits.value_bytes, warns: limits.warns() }
    }

    /// Of the arguments of the call whose invocation this is.
    pub(super) fn of_current() -> Self {
        let any = Self { limit: VALUE_BYTES_MAX, warns: false };
        with_current(|frame| match frame.map(|frame| (frame, frame.state.value_bytes())) {
            Some((frame, limit)) if limit < VALUE_BYTES_MAX => Self { limit, warns: frame.warns() },
            _ => any,
        })
    }

    /// What the encoder, or who collects a body, is held to.
    pub(super) fn bytes(self) -> usize {
        if self.warns { VALUE_BYTES_MAX as usize } else { self.limit as usize }
    }

    /// The bytes of what was written, which are warned of if they are too many.
    pub(super) fn finish(self, encoder: Encoder, what: &str, method: &MethodInfo) -> Encoded {
        let encoded = encoder.finish();
        let bytes = encoded.len();
        if self.warns && bytes > self.limit as usize {
            let limit = format!("bytes in the {what} of `{}/{}`", method.service, method.name);
            let exceeded = Exceeded::new(limit, u64::from(self.limit)).by(bytes as u64);
            with_current(|frame| {
                if let Some(frame) = frame {
                    frame.warn_of(exceeded);
                }
            });
        }
        encoded
    }

    /// The same with what could not be written.
    pub(super) fn finished(
        self,
        written: Result<(), Unwritten>,
        encoder: Encoder,
        what: &str,
        method: &MethodInfo,
    ) -> Result<Encoded, Kind> {
        match written {
            Ok(()) => Ok(self.finish(encoder, what, method)),
            Err(unwritten) => Err(unwritten.into_kind(method)),
        }
    }
}
