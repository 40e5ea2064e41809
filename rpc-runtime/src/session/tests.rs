//! What the sessions of a process share, which nothing outside of it can see.

use std::{future::pending, time::Duration};

use tokio::io::duplex;

use super::SessionOptions;
use crate::{Body, Client as _, Error, Fetch, Fetcher, Request, Response};

/// Holds what it was given.
struct Never;

impl Fetch for Never {
    async fn fetch(&self, _: Request) -> Result<Response, Error> {
        pending().await
    }
}

#[tokio::test]
async fn large_values_of_all_sessions_count_with_one_budget() {
    let bytes = 3 << 20;
    let other = SessionOptions::new();
    let before = other.config.host.granted();
    let (here, there) = duplex(64 * 1024);
    let _serving = SessionOptions::new().serve(Fetcher::new(Never)).start(there).unwrap();
    // A body is a value to who takes no streams.
    let fetcher: Fetcher = SessionOptions::new().without_streams().start(here).unwrap().client();
    let request = http::Request::post("http://site/").body(Body::from(vec![0; bytes])).unwrap();
    let call = tokio::spawn(async move { fetcher.fetch(request).await });
    // All of it but the first piece.
    let expected = before + bytes as u64 - (64 << 10);
    while other.config.host.granted() < expected {
        assert!(!call.is_finished());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    call.abort();
    while other.config.host.granted() > before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
