//! A Worker that somebody stands before.

use rpc_runtime::{Ctx, Error, Interceptor, Next, Outcome, Outgoing, Result, service};
use tokio::task::yield_now;

use crate::tally::Tally;

/// What the guard lets through, and what it does not.
#[service]
pub trait Guarded {
    /// The word that the guard has added.
    async fn open(&self) -> Result<Option<String>>;
    async fn closed(&self) -> Result<()>;
    async fn full(&self) -> Result<()>;
    async fn mined(&self) -> Result<()>;
    /// The guard waits before it lets the call pass, and after.
    async fn slow(&self) -> Result<()>;
}

pub(crate) struct Behind;

impl Guarded for Behind {
    async fn open(&self) -> Result<Option<String>> {
        Ok(Ctx::with(|ctx| ctx.metadata("guard").map(str::to_owned)))
    }

    async fn closed(&self) -> Result<()> {
        Ok(())
    }

    async fn full(&self) -> Result<()> {
        Ok(())
    }

    async fn mined(&self) -> Result<()> {
        Ok(())
    }

    async fn slow(&self) -> Result<()> {
        Ok(())
    }
}

pub(crate) struct Guard {
    tally: Tally,
}

impl Guard {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally }
    }
}

impl Interceptor for Guard {
    async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
        self.tally.add("guard");
        match call.method() {
            "closed" => Outcome::refused(Error::denied("closed for all")),
            "full" => Outcome::refused(Error::overloaded("9 jobs wait")),
            "mined" => panic!("stepped on"),
            "slow" => {
                yield_now().await;
                let outcome = next.run().await;
                yield_now().await;
                outcome
            }
            _ => next.metadata("guard", "was here").run().await,
        }
    }
}
