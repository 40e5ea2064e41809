//! A connection that has left HTTP, connected to what a Worker speaks on it.

use std::{io, time::Duration};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy, split};
use tokio::time::timeout;

use super::stopping::Stopping;
use crate::Upgraded;

/// The two ends that are to be connected.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// The client's, as soon as it has been told.
    pub(super) client: OnUpgrade,
    pub(super) worker: Upgraded,
}

impl Tunnel {
    /// Passes bytes both ways until both have ended, or one breaks.
    ///
    /// When the server stops, the Worker sees the end of what the client says, and may still answer.
    pub(super) async fn run(self, stopping: &Stopping, patience: Duration) -> io::Result<()> {
        let client = self.client.await.map_err(io::Error::other)?;
        let (mut from_client, mut to_client) = split(TokioIo::new(client));
        let (mut from_worker, mut to_worker) = split(self.worker);
        let inbound = async {
            tokio::select! {
                biased;
                copied = copy(&mut from_client, &mut to_worker) => copied.map(|_| ())?,
                () = stopping.begun() => {}
            }
            to_worker.shutdown().await
        };
        let outbound = async {
            copy(&mut from_worker, &mut to_client).await?;
            to_client.shutdown().await
        };
        let mut inbound = std::pin::pin!(inbound);
        let mut outbound = std::pin::pin!(outbound);
        tokio::select! {
            ended = inbound.as_mut() => {
                ended?;
                outbound.await
            }
            ended = outbound.as_mut() => {
                ended?;
                // What the client still says may be heard, but nobody waits for its end for ever.
                timeout(patience, inbound).await.unwrap_or(Ok(()))
            }
        }
    }
}
