//! The served socket, through raw bytes: one test for each row of what a client can do to it.

mod body;
mod head;
mod http2;
mod log;
mod panics;
mod reframe;
mod server;
mod stop;
mod tunnel;
mod upgrade;
