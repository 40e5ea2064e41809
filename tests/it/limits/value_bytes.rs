//! How long a value over a boundary may be.

use rpc_runtime::{Error, LimitMode, Result, serve, service};
use tokio::io::duplex;
use tracing::Level;

use super::*;
use crate::recorder::Recorder;

#[service]
trait Blob {
    async fn put(&self, bytes: &[u8]) -> Result<usize>;
}

struct Length;

impl Blob for Length {
    async fn put(&self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }
}

async fn far() -> BlobClient {
    let (here, there) = duplex(64 << 10);
    tokio::spawn(async move { serve(BlobClient::new(Length), there).await });
    BlobClient::connect(here).await.unwrap()
}

#[tokio::test]
async fn arguments_may_be_as_long_as_the_limit_and_no_longer() {
    let client = far().await.with(limits(Limits::new().value_bytes(1000)));
    // Two bytes say how long it is.
    assert_eq!(client.put(&[7; 998]).await.unwrap(), 998);
    let error: Error = client.put(&[7; 999]).await.unwrap_err();
    assert!(error.is_limit() && !error.is_remote());
    let text = error.to_string();
    assert!(
        text.starts_with("the limit of 1000 bytes in argument `bytes` of `Blob/put` is reached"),
        "{text}"
    );
    assert_eq!(client.put(&[7; 10]).await.unwrap(), 10, "the session goes on");
}

#[tokio::test]
async fn in_process_nothing_is_encoded_and_nothing_is_too_long() {
    let client = BlobClient::new(Length).with(limits(Limits::new().value_bytes(0)));
    assert_eq!(client.put(&[7; 5000]).await.unwrap(), 5000);
}

#[tokio::test]
async fn the_limit_is_never_raised_and_may_be_only_warned_of() {
    let far = far().await;
    let most = vec![7; (32 << 20) + 1];
    for mode in [LimitMode::Enforce, LimitMode::Warn] {
        let client = far.with(limits(Limits::new().value_bytes(u32::MAX).mode(mode)));
        let text = client.put(&most).await.unwrap_err().to_string();
        assert!(text.starts_with("the limit of 33554432 bytes in argument"), "{text}");
    }
    let (recorder, _listening) = Recorder::listen();
    let client = far.with(limits(Limits::new().value_bytes(1000).mode(LimitMode::Warn)));
    assert_eq!(client.put(&[7; 999]).await.unwrap(), 999);
    let heard = recorder.heard();
    let warned: Vec<_> = heard.events.iter().filter(|(level, _)| *level == Level::WARN).collect();
    let [(_, warned)] = &warned[..] else { panic!("{warned:?}") };
    assert_eq!(
        ["limit", "value", "used"].map(|field| &*warned[field]),
        ["bytes in the arguments of `Blob/put`", "1000", "1001"]
    );
    assert_eq!(warned["chain"], "the other end of a stream Blob/put");
}
