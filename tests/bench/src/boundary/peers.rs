//! The peers over a socket, one file each. The calls are those of the peers in one process.

use std::str::FromStr;

use tokio::net::UnixStream;

use crate::harness::Failure;

pub mod frame;
pub mod hyper;
pub mod mux;
pub mod raw;
pub mod rpc;
pub mod tarpc;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Frames, one call at a time.
    Raw,
    /// Frames, many calls in flight.
    Mux,
    /// tarpc with postcard.
    Tarpc,
    /// HTTP/1.1 with bodies in postcard.
    Hyper,
    /// A session of ours.
    Rpc,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Mux, Self::Tarpc, Self::Hyper, Self::Rpc];

    /// As rows and arguments call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mux => "mux",
            Self::Tarpc => "tarpc",
            Self::Hyper => "hyper",
            Self::Rpc => "rpc",
        }
    }

    /// Serves one connection until it ends.
    ///
    /// # Errors
    ///
    /// How it ended, if not in order.
    pub async fn serve(self, stream: UnixStream) -> Result<(), Failure> {
        match self {
            Self::Raw => raw::serve(stream).await,
            Self::Mux => mux::serve(stream).await,
            Self::Tarpc => tarpc::serve(stream).await,
            Self::Hyper => hyper::serve(stream).await,
            Self::Rpc => rpc::serve(stream).await,
        }
    }
}

impl FromStr for Peer {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let peer = Self::ALL.into_iter().find(|peer| peer.name() == name);
        peer.ok_or_else(|| format!("expected the name of a peer, got `{name}`").into())
    }
}

/// The caller's end of a connection. What it needs of tasks it spawns on the runtime of the thread.
pub trait Ends: Sized + 'static {
    /// Connects.
    fn connect(stream: UnixStream) -> impl Future<Output = Result<Self, Failure>>;
}

/// Small calls: two numbers there, their sum back. Each is some microseconds, or 100 ns when thousands are in flight, so
/// that the future around the peer's own is not seen.
pub trait Add: Ends {
    /// One call.
    fn add(&mut self, a: u64, b: u64) -> impl Future<Output = Result<u64, Failure>>;

    /// Waits until nothing that the calls have started is left.
    fn settle(&mut self) -> impl Future<Output = Result<(), Failure>> {
        async { Ok(()) }
    }
}

/// Calls whose handler waits for ever.
pub trait Hold: Add + Clone {
    /// One call; it is never ready.
    fn hold(&mut self) -> impl Future<Output = Result<(), Failure>>;
}

/// Large calls: [`ECHO_BYTES`](crate::peers::ECHO_BYTES) there and back.
pub trait Echo: Ends {
    /// One call. Gives how many bytes came back.
    fn echo(&mut self) -> impl Future<Output = Result<usize, Failure>>;
}

#[cfg(test)]
mod tests {
    use tokio::{
        runtime::{Builder, LocalOptions},
        task::spawn_local,
    };

    use super::*;
    use crate::{boundary::load::add, peers::ECHO_BYTES};

    async fn connect<P: Ends>(peer: Peer) -> P {
        let (here, there) = UnixStream::pair().expect("the system has sockets");
        spawn_local(async move { peer.serve(there).await.is_ok() });
        P::connect(here).await.expect("the other end speaks the same protocol")
    }

    async fn adds<P: Add>(peer: Peer) {
        let mut near: P = connect(peer).await;
        for number in 0..3 {
            add(&mut near, number).await.expect("the sum is right");
        }
        near.settle().await.expect("nothing has failed");
    }

    async fn echoes<P: Echo>(peer: Peer) {
        let mut near: P = connect(peer).await;
        for _ in 0..2 {
            assert_eq!(near.echo().await.expect("the value comes back"), ECHO_BYTES);
        }
    }

    #[test]
    fn every_peer_answers() {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.expect("a runtime can be built").block_on(async {
            adds::<raw::Raw>(Peer::Raw).await;
            adds::<mux::Mux>(Peer::Mux).await;
            adds::<tarpc::Tarpc>(Peer::Tarpc).await;
            adds::<hyper::Hyper>(Peer::Hyper).await;
            adds::<rpc::Ready>(Peer::Rpc).await;
            adds::<rpc::Suspended>(Peer::Rpc).await;
            adds::<rpc::Deadline>(Peer::Rpc).await;
            adds::<rpc::Beside>(Peer::Rpc).await;
            echoes::<raw::Raw>(Peer::Raw).await;
            echoes::<hyper::Hyper>(Peer::Hyper).await;
            echoes::<tarpc::EchoVec>(Peer::Tarpc).await;
            echoes::<tarpc::EchoBytes>(Peer::Tarpc).await;
            echoes::<rpc::EchoSlice>(Peer::Rpc).await;
            echoes::<rpc::EchoVec>(Peer::Rpc).await;
            echoes::<rpc::EchoBytes>(Peer::Rpc).await;
        });
    }
}
