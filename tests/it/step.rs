//! A service whose Workers are made of closures.

use rpc_runtime::{Result, service};

#[service]
pub(crate) trait Step {
    async fn run(&self, input: u32) -> Result<u32>;
}

/// A Worker that does what a closure says.
struct Acting<F>(F);

impl<F, T> Step for Acting<F>
where
    F: Fn(u32) -> T + Send + Sync,
    T: Future<Output = Result<u32>> + Send,
{
    async fn run(&self, input: u32) -> Result<u32> {
        (self.0)(input).await
    }
}

/// A client of a Worker that does this.
pub(crate) fn step<F, T>(act: F) -> StepClient
where
    F: Fn(u32) -> T + Send + Sync + 'static,
    T: Future<Output = Result<u32>> + Send + 'static,
{
    StepClient::new(Acting(act))
}

/// A client of a Worker that calls another, and adds one.
pub(crate) fn relay(next: StepClient) -> StepClient {
    step(move |input| {
        let next = next.clone();
        async move { Ok(next.run(input).await? + 1) }
    })
}

/// A chain of as many Workers before the last one.
pub(crate) fn chain(length: u32, last: StepClient) -> StepClient {
    (0..length).fold(last, |next, _| relay(next))
}
