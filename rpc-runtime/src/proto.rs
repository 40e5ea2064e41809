//! The boundary protocol: many calls, both ways, over one ordered stream of bytes.
//!
//! [`Core`] is one end of a session as a state machine. It has no stream, no clock and no task: a driver hands it what
//! was read and what time it is, asks it what to write and when to wake it, and does what its [`Event`]s say. Both
//! ends are alike, and both may call.
//!
//! # Frames
//!
//! A frame is `length:u24 kind:u8 body`, little-endian, the length is that of the body and at most 64 KiB + 1 KiB. The
//! highest bit of the kind says that a side which does not know it may skip it; any other unknown kind ends the
//! session. A `number` is LEB128 in its shortest form, a `run` is its length as a number and then its bytes, a `text`
//! is a run of UTF-8; `u64` and the like are little-endian and fixed.
//!
//! | kind | | body |
//! | --- | --- | --- |
//! | 01 | Hello | `52 50 43 00`, `oldest:number newest:number` version, limits as numbers: `in_flight first_bytes reply_bytes value_bytes slots`, `features:u64 extensions`; at most 4 KiB |
//! | 02 | Open | `slot:number digest:16 service:text entrypoint:text` |
//! | 03 | Opened | `slot:number`, then `00` same, `01 count:number (method:u64 fingerprint:16)*` different, or `02` absent |
//! | 04 | Call | `call:number target method:u64 encoding:u8 flags:u8 depth:number invocations:number subrequests:number`, what the flags say, `total:number piece` |
//! | 05 | End | `call:number status:u8 encoding:u8 flags:u8 invocations:number subrequests:number`, what the flags say, `total:number piece` |
//! | 06 | Part | `(call << 2 \| aborted << 1 \| reply):number piece` |
//! | 07 | Grant | `(call << 1 \| reply):number` |
//! | 08 | Credit | `bytes:number` of replies taken |
//! | 09 | Cancel | `call:number` |
//! | 0a, 0b | Ping, Pong | eight bytes, the same in the answer |
//! | 0c | GoAway | `next:number kind:u8 why:text` |
//! | 10–13 | | kept for data, credit, end and abort of streams |
//! | 14–19 | | kept for Release, Resolve, Disembargo, Provide, Accept, GetContract |
//!
//! A target is `00 slot:number`, `01 handle:number`, or `02 call:number count:number step:number*` with at most eight
//! steps. The flags of a head stand for fields in this order: 1 `fingerprint:16`; 2 `deadline:number`, what is left of
//! it in microseconds; 4 `count:number (key:text value:text further:u8)*`; 8 handles that the payload refers to,
//! `count:number (kind:u8 id:number contract:16)*`; 16 extensions, a run of `key:number value:run` with ascending keys,
//! of which an unknown odd one is ignored and an unknown even one refuses the call. Encoding 0 is postcard, 1 is kept
//! for a self-describing one. What this version does not serve (handles, results, other encodings) refuses the call it
//! stands in and not the session.
//!
//! A call of two bytes, `ab cd`, to method `0x0807060504030201` of slot 0, as the first of a session:
//!
//! ```text
//! 15 00 00 04                 21 bytes of a Call
//! 00                          call 0
//! 00 00                       to slot 0
//! 01 02 03 04 05 06 07 08     method
//! 00 00                       postcard, nothing beside it
//! 20 e8 07 e7 07              left: 32 deep, 1000 invocations, 999 subrequests
//! 02 ab cd                    a value of two bytes, all of it here
//! ```
//!
//! # A session
//!
//! Each side begins with its `Hello`. What every side takes (64 calls, 64 KiB of first pieces, 16 services) may follow
//! in the same write, the rest after the peer's `Hello`. A service is opened once; calls need not wait for the answer.
//!
//! Calls are numbered from 0 in the order of their heads, and every one is ended by exactly one `End`, also after a
//! `Cancel`. Until then it is in flight on both sides. `GoAway{next}` says that calls from `next` on were not taken.
//!
//! The reader never stops reading. What may be written is limited by credit:
//!
//! - calls in flight;
//! - first pieces of arguments of calls that have not ended, given back by the `End`;
//! - first pieces of replies, given back by `Credit` when the application has taken them;
//! - a value that is longer than its first piece waits for one `Grant` for its whole rest.
//!
//! A value ends with its last byte. Its sender may end it before: arguments by a `Cancel`, or by an aborted `Part` once
//! their call has ended early; a reply by an aborted `Part`, which answers a `Cancel` that came too late.

//! # A driver
//!
//! In a loop, until [`Core::is_over`]:
//!
//! 1. Read, to [`Core::space`] and then [`Core::filled`] if there is space, else to a buffer and then
//!    [`Core::receive`]. At the end of the stream [`Core::end_of_stream`], at an error [`Core::lost`].
//! 2. [`Core::tick`] if [`Core::timer`] has passed, after what could be read was read.
//! 3. Do what [`Core::event`] says until it says nothing. Events come from the methods that take `&mut self`, so they
//!    are asked for after each of these, or at least before the next read.
//! 4. While [`Core::has_output`]: write [`Core::slices`], then [`Core::sent`]; if the transport takes no more, go on.

#![allow(
    dead_code,
    unused_imports,
    reason = "numbers that the format keeps for later, and what the tests of the protocol alone look at"
)]

mod alarm;
mod call;
mod closed;
mod config;
mod end;
mod event;
mod extension;
mod frame;
mod grant;
mod hello;
mod incoming;
mod outgoing;
mod output;
mod pace;
mod payload;
mod receive;
mod send;
mod session;
mod table;
mod value;
mod wire;

pub(crate) use self::{
    call::{CallId, CallKey, Entries, Left, Metadata, PeerSlot, Slot},
    closed::{Closed, ClosedKind, Closing},
    config::{Config, HostBudget},
    end::{End, Refusal, Status},
    event::{Call, Ended, Event, InFlight, Incoming, Open, Opened, Refused},
    extension::TRACE_BYTES,
    payload::{Payload, Received},
    session::Core,
};

#[cfg(test)]
mod tests;
