//! What a caller makes of the end of its call.

use std::{error::Error as StdError, sync::Arc};

use super::{shared::Shared, stream::Coming};
use crate::{
    codec::{Decoder, Encoded, Encoder},
    error::{Error, Exceeded, Kind},
    invocation::Frame,
    limits::VALUE_BYTES_MAX,
    metadata,
    proto::{Ended, Received, Refusal, Refused, Status},
};

/// What came back, before its value is read.
pub(super) enum Reply {
    /// The method answered, with a value or with the service's own error, and perhaps a stream.
    Answer(Received, Option<Box<Coming>>),
    /// It did not.
    Failure(Failed),
}

/// A call that failed.
pub(super) struct Failed {
    pub(super) why: Why,
    /// Whether a handler may have run.
    pub(super) ran: bool,
    /// What lies below the reason, if that is known here.
    pub(super) source: Option<Source>,
}

pub(super) type Source = Arc<dyn StdError + Send + Sync>;

pub(super) enum Why {
    /// It is known here.
    Here(Kind),
    /// The other end says so.
    There(Error),
}

impl Failed {
    /// No handler ran, and the reason is known here.
    pub(super) fn before(why: Kind) -> Self {
        Self { why: Why::Here(why), ran: false, source: None }
    }

    /// A handler may have run.
    pub(super) fn after(why: Kind) -> Self {
        Self { why: Why::Here(why), ran: true, source: None }
    }

    /// It ran, and this is what it answered.
    pub(super) fn there(error: Error) -> Self {
        Self { why: Why::There(error), ran: true, source: None }
    }

    #[cfg(feature = "net")]
    pub(super) fn because(self, source: Option<Source>) -> Self {
        Self { source, ..self }
    }

    /// The error for the caller whose own call has `frame`.
    pub(super) fn into_error(self, frame: Option<&Frame<'_>>) -> Error {
        let caller = frame.and_then(|frame| frame.parent);
        let Some(frame) = frame else { return Error::outside(self.why.into_kind()) };
        let given = || frame.state.time_given();
        let here = |kind| Error::of_call(kind, caller, frame.state.method, frame.state.binding);
        let error = match self.why {
            Why::Here(Kind::Deadline(None)) => here(Kind::Deadline(given())),
            Why::Here(Kind::DeadlineBefore(None, what)) => here(Kind::DeadlineBefore(given(), what)),
            Why::Here(kind) => here(kind),
            Why::There(error) => error.come_back(frame, !self.ran),
        };
        let error = match self.source {
            Some(source) => error.with_shared_source(source),
            None => error,
        };
        super::Failure::keep(&error, self.ran, caller);
        error
    }
}

impl Why {
    #[cfg(feature = "net")]
    fn kind(&self) -> &Kind {
        match self {
            Self::Here(kind) => kind,
            Self::There(error) => error.kind(),
        }
    }

    fn into_kind(self) -> Kind {
        match self {
            Self::Here(kind) => kind,
            Self::There(error) => error.kind().clone(),
        }
    }
}

impl Failed {
    /// The same, of a call that was made before and failed so after its handler had begun. Whatever keeps this attempt
    /// from a handler, the call is not one that no handler has seen.
    #[cfg(feature = "net")]
    fn after_a_run(self, before: Self) -> Self {
        let text = match (before.why.kind(), &self.why) {
            // Who answers at the address now is refused here.
            (Kind::Disconnected(before), Why::Here(Kind::Denied(why))) => Some((before, why)),
            (Kind::Disconnected(before), why) => match why.kind() {
                Kind::Unavailable(why) => Some((before, why)),
                _ => None,
            },
            _ => None,
        };
        let text = text.map(|(before, why)| format!("{before}; made again, it was not taken: {why}"));
        let why = text.map_or(self.why, |text| Why::Here(Kind::Disconnected(text.into())));
        Self { why, ran: true, source: self.source }
    }

    /// Whether the two ends have different contracts.
    pub(super) fn is_contract(&self) -> bool {
        matches!(&self.why, Why::Here(Kind::Contract(_)))
            || matches!(&self.why, Why::There(error) if !self.ran && matches!(error.kind(), Kind::Contract(_)))
    }
}

impl Reply {
    pub(super) fn is_contract(&self) -> bool {
        matches!(self, Self::Failure(failed) if failed.is_contract())
    }

    /// What a call has come to that was made again after it had failed so `before`.
    #[cfg(feature = "net")]
    pub(super) fn after(self, before: Self) -> Self {
        match (self, before) {
            (Self::Failure(failed), Self::Failure(before)) if before.ran && !failed.ran => {
                Self::Failure(failed.after_a_run(before))
            }
            (reply, _) => reply,
        }
    }

    /// Whether an idempotent method may be called again: it has not run, or nobody knows.
    pub(super) fn may_be_tried_again(&self) -> bool {
        let Self::Failure(failed) = self else { return false };
        match &failed.why {
            Why::Here(Kind::Unavailable(_) | Kind::Disconnected(_)) => true,
            Why::There(error) => !failed.ran && matches!(error.kind(), Kind::Unavailable(_)),
            Why::Here(_) => false,
        }
    }

    pub(super) fn of(ended: Ended, shared: &Arc<Shared>) -> Self {
        match ended {
            Ended::Reply { status: Status::Ok | Status::ServiceError, payload, arrived, .. } => {
                Self::Answer(payload, arrived.map(|arrived| Box::new(Coming::of(shared, *arrived))))
            }
            // Its deadline passed there first. It is the caller's own.
            Ended::Reply { status: Status::Deadline, payload, .. } if payload.is_empty() => {
                Self::Failure(Failed::after(Kind::Deadline(None)))
            }
            Ended::Reply { status, payload, .. } => {
                let ran = !matches!(status, Status::Refused);
                Self::Failure(Failed { ran, ..Failed::there(read_error(status, &payload)) })
            }
            Ended::NotSent(why) => {
                Self::Failure(Failed::before(Kind::Unavailable(String::from(&*why).into())))
            }
            Ended::Lost(why) => Self::Failure(Failed::after(Kind::Disconnected(String::from(&*why).into()))),
            Ended::Deadline => Self::Failure(Failed::after(Kind::Deadline(None))),
            Ended::Refused(refusal) => {
                Self::Failure(Failed { ran: refusal.is_of_reply(), ..Failed::before(kind_of(refusal)) })
            }
        }
    }
}

/// What the protocol at the other end has against a call.
fn kind_of(refusal: Refusal) -> Kind {
    let too_long = |what: &'static str| Kind::Limit(Exceeded::new(what, u64::from(VALUE_BYTES_MAX)));
    match refusal {
        Refusal::Absent => Kind::NotFound("the other end does not serve this service to us".into()),
        Refusal::ValueTooLong => too_long("bytes of arguments that the other end takes"),
        Refusal::ReplyTooLong => too_long("bytes of an answer that this end takes"),
        Refusal::Metadata => Kind::Limit(metadata::unknown_excess()),
        Refusal::Deadline => Kind::Deadline(None),
        Refusal::Stalled => Kind::Disconnected("the rest of the arguments did not arrive".into()),
        Refusal::Target | Refusal::Encoding | Refusal::Capabilities | Refusal::Extension | Refusal::Other => {
            Kind::Contract(
                "the other end is of another version, and does not know what this call carries".into(),
            )
        }
    }
}

/// Why a call could not even be begun, over a session that has ended for this reason if it has.
pub(super) fn refused(refused: &Refused, why_closed: Option<&Arc<str>>) -> Failed {
    let text = match (refused, why_closed) {
        (Refused::Closed, Some(why)) => format!("{refused}: {why}").into(),
        _ => refused.to_string().into(),
    };
    Failed::before(match refused {
        Refused::Overloaded { .. } | Refused::Streams { .. } => Kind::Overloaded(text),
        Refused::TooLong { length, max } => Kind::Limit(
            Exceeded::new("bytes of arguments that the other end takes", *max as u64).by(*length as u64),
        ),
        Refused::Metadata => Kind::Limit(metadata::unknown_excess()),
        Refused::Slots { max } => Kind::Limit(Exceeded::new("services opened on a session", u64::from(*max))),
        Refused::GoingAway | Refused::Closed | Refused::Slot => Kind::Unavailable(text),
        Refused::Name | Refused::Props => Kind::Setup(text),
    })
}

/// An error as the payload of an answer.
pub(super) fn write_error(error: &Error) -> Encoded {
    let mut encoder = Encoder::new(ERROR_BYTES_MAX);
    match encoder.value(error) {
        Ok(()) => encoder.finish(),
        Err(_) => {
            // Too long to tell in full.
            let mut encoder = Encoder::new(ERROR_BYTES_MAX);
            let short = error.shortened();
            let _ = encoder.value(&short);
            encoder.finish()
        }
    }
}

fn read_error(status: Status, payload: &Received) -> Error {
    if payload.is_empty() {
        return Error::outside(match status {
            Status::Deadline => Kind::Deadline(None),
            _ => Kind::Cancelled("by the other end".into()),
        });
    }
    let read = decoder(payload).whole::<Error>();
    read.unwrap_or_else(|_| Error::outside(Kind::Decode("the error that the other end answered with".into())))
}

/// Reads what came in.
pub(super) fn decoder(payload: &Received) -> Decoder<'_> {
    let decoder = Decoder::new(payload);
    match payload.bytes() {
        Some(frame) => decoder.inside(frame),
        None => decoder,
    }
}

/// What an error may take on its way, with all of its sources and hops: nobody reads more.
const ERROR_BYTES_MAX: usize = 64 * 1024;
