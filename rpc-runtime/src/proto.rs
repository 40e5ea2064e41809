//! The boundary protocol: many calls, both ways, over one ordered stream of bytes.
//!
//! [`Core`] is one end of a session as a state machine. It has no stream, no clock and no task: a driver hands it what
//! was read and what time it is, asks it what to write and when to wake it, and does what its [`Event`]s say. Both
//! ends are alike, and both may call.
//!
#![doc = include_str!("proto/protocol.md")]
//!
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
#[cfg(all(feature = "host", any(test, feature = "fuzzing")))]
pub(crate) mod fuzzing;
mod grant;
mod hello;
mod incoming;
mod outgoing;
mod output;
mod pace;
mod payload;
mod props;
mod receive;
mod send;
mod session;
mod streams;
mod table;
mod value;
mod wire;

#[cfg(feature = "host")]
pub(crate) use self::hello::VERSION;
pub(crate) use self::{
    call::{CallId, CallKey, Entries, Left, Metadata, PeerSlot, Slot},
    closed::{Closed, ClosedKind, Closing},
    config::{Config, HostBudget},
    end::{End, Refusal, Status},
    event::{Call, Ended, Event, InFlight, Incoming, Open, Opened, Refused},
    extension::TRACE_BYTES,
    payload::{Payload, Received},
    props::{PROPS_BYTES_MAX, Props},
    session::Core,
    streams::{Arrived, Begun, Beside, Inflow, Length, Room, StreamId, TAIL_BYTES_MAX},
};

#[cfg(test)]
mod tests;
