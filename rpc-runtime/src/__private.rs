//! What expansions name. Not part of the interface: it changes without notice.

pub use std::{
    boxed::Box,
    clone::Clone,
    fmt,
    future::Future,
    marker::{Send, Sync},
    option::Option,
    result::Result,
    sync::Arc,
    time::Duration,
};

pub use serde;

pub use crate::{
    __client as client, __local_client as local_client,
    boundary::{Begun, Boundary, Far, Incoming, OwnedOf, Proxy, Taken},
    call::{Call, Chosen, Way, call},
    carried::{
        After, AllCarried, Carried, Inside, NoResult, NotCarried, Part, Returned, Whole, argument, field,
    },
    client::{Inner, passing},
    codec::{
        Answer, Codec, Coded, Decoder, Encoded, Encoder, Kind, Kinds, Lend, Lent, LentPlain, LentRun,
        LentUnknown, Outcome, Plain, PlainKind, RunAnswer, RunOf, Unknown, UnknownKind, Unread, Unwritten,
        Value, codec,
    },
    error::{Cause, CauseIn, Error, Field, NoCause},
    fetch::DynFetcher,
    local::Local,
    raw::{Flavour, Given, Rest, SameThread, Slot, Start, Started, Threaded},
    service::{
        Answers, ArgsOf, Calling, CauseOf, CodecOf, FromError, Method, MethodId, MethodInfo, NOT_CARRIED,
        OutputOf, Reply, Serves, Service, ServiceInfo, SlotOf, StartedOf, Target,
    },
    session::{ByteStream, Served, connect},
    shape::{
        Fields, Node, Shape,
        by_type::{ByElement, Of, Unshaped},
        run::{ReadRun, Run},
    },
    worker::Worker,
};

#[cfg(feature = "net")]
pub use crate::session::at;

/// `#[serde(with = ..)]` of a field that is a run of bytes.
pub mod run {
    pub use crate::shape::run::{deserialize, serialize};
}
