//! What a Worker can know of the invocation it is in.

use rpc_runtime::{Ctx, Error, Result, View, message, service};
use tokio::{sync::oneshot, task::yield_now};

use crate::tally::Tally;

/// From where a Worker looks.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Handler,
    AfterAwait,
    /// With a context that was taken before the first await.
    Kept,
    /// From a task that the invocation has spawned.
    Child,
    /// From work that outlives the invocation.
    Background,
}

/// What it sees.
#[message]
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub worker: Option<String>,
    pub depth: u32,
    pub has_deadline: bool,
    /// Of the metadata `tenant` and `request`.
    pub tenant: Option<String>,
    pub request: Option<String>,
}

/// Looks at its invocation.
#[service]
pub trait Inside {
    async fn look(&self, from: Place) -> Result<Seen>;

    /// What a Worker sees of `key` and of `other`.
    async fn words(&self, key: &str, other: &str) -> Result<(Option<String>, Option<String>)>;

    /// Spawns work that panics, and tells what it is told of that.
    async fn child_panics(&self) -> Result<String>;

    /// Waits for spawned work that waits for ever. Counted under `name` when the work is dropped.
    async fn waits_for_child(&self, name: &str) -> Result<()>;
}

pub(crate) struct Insider {
    tally: Tally,
}

impl Insider {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally }
    }
}

impl Inside for Insider {
    async fn look(&self, from: Place) -> Result<Seen> {
        let ctx = Ctx::current();
        match from {
            Place::Handler => Ok(Ctx::with(Seen::of)),
            Place::AfterAwait => {
                yield_now().await;
                Ok(Ctx::with(Seen::of))
            }
            Place::Kept => {
                yield_now().await;
                let seen = Ctx::with(Seen::of);
                Ok(Seen {
                    worker: ctx.worker().map(str::to_owned),
                    depth: seen.depth,
                    has_deadline: ctx.deadline().is_some(),
                    tenant: ctx.metadata("tenant").map(str::to_owned),
                    request: ctx.metadata("request").map(str::to_owned),
                })
            }
            Place::Child => ctx.spawn(async { Ctx::with(Seen::of) })?.await,
            Place::Background => {
                let (tell, told) = oneshot::channel();
                ctx.wait_until(async {
                    yield_now().await;
                    // Whoever waits for it has ended then.
                    let _ = tell.send(Ctx::with(Seen::of));
                })?;
                told.await.map_err(Error::application)
            }
        }
    }

    async fn words(&self, key: &str, other: &str) -> Result<(Option<String>, Option<String>)> {
        let word = |key: &str| Ctx::with(|ctx| ctx.metadata(key).map(str::to_owned));
        Ok((word(key), word(other)))
    }

    async fn child_panics(&self) -> Result<String> {
        let child = Ctx::current().spawn(async { panic!("in the child") })?;
        let error = child.await.err().ok_or_else(|| Error::not_found("the panic"))?;
        if error.is_panic() { Ok(error.to_string()) } else { Err(error) }
    }

    async fn waits_for_child(&self, name: &str) -> Result<()> {
        let counted = self.tally.at_drop(format!("{name}.dropped"));
        self.tally.add(format!("{name}.entered"));
        let child = Ctx::current().spawn(async move {
            let _counted = counted;
            std::future::pending::<()>().await;
        })?;
        child.await
    }
}

impl Seen {
    fn of(ctx: View<'_>) -> Self {
        Self {
            worker: ctx.worker().map(str::to_owned),
            depth: ctx.depth(),
            has_deadline: ctx.deadline().is_some(),
            tenant: ctx.metadata("tenant").map(str::to_owned),
            request: ctx.metadata("request").map(str::to_owned),
        }
    }
}
