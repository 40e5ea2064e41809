//! Chains of calls, over several paths.

use std::sync::{Arc, OnceLock};

use rpc_runtime::{CallOptions, Client, Ctx, Error, Result, SessionOptions, View, message, service};
use tokio::io::duplex;

use crate::tally::{Tallied as _, Tally};

/// The path of one hop.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// In process.
    Near,
    /// Over a session.
    Far,
}

/// What the last Worker of a chain does.
#[message]
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Answer,
    /// Waits for ever, counted under this name when it is entered and when it is dropped.
    Wait(String),
    Panic,
    Deny,
}

/// What a Worker on the way saw of its invocation.
#[message]
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    pub depth: u32,
    pub micros_left: Option<u64>,
    /// Of the metadata `tenant` and `request`.
    pub tenant: Option<String>,
    pub request: Option<String>,
    pub invocations_left: u32,
}

/// Calls itself.
#[service]
pub trait Walk {
    /// Goes on over the first of `ways`, and tells what was seen on the way.
    async fn walk(&self, ways: &[Way], end: &End) -> Result<Vec<Stop>>;

    /// Goes so often over `way` and no further; tells how often that worked, and what was left here then.
    async fn fan(&self, times: u32, way: Way) -> Result<(u32, u32)>;

    /// The same, all at once.
    async fn fan_at_once(&self, times: u32, way: Way) -> Result<u32>;

    /// Begins so many walks over `ways` that wait for ever under this name, and answers when all of them do.
    async fn leave(&self, times: u32, ways: &[Way], name: &str) -> Result<()>;

    /// The same as `fan`, by a task of the invocation.
    async fn fan_in_child(&self, times: u32, way: Way) -> Result<(u32, u32)>;

    /// Goes on over `ways` with this deadline for the rest, in milliseconds.
    async fn hurry(&self, millis: u64, ways: &[Way], end: &End) -> Result<Vec<Stop>>;
}

struct Walker {
    tally: Tally,
    near: OnceLock<WalkClient>,
    far: OnceLock<WalkClient>,
}

pub(crate) fn walker(tally: &Tally) -> WalkClient {
    let walker = Arc::new(Walker { tally: tally.clone(), near: OnceLock::new(), far: OnceLock::new() });
    let near = WalkClient::shared(Arc::clone(&walker));
    // Nobody has set it before.
    let _ = walker.near.set(near.clone());
    near
}

impl Walker {
    fn next(&self, way: Way) -> &WalkClient {
        match way {
            Way::Near => self.near(),
            Way::Far => self.far.get_or_init(|| {
                let (here, there) = duplex(64 << 10);
                let started =
                    |options: SessionOptions, stream| options.start(stream).expect("there is a runtime");
                started(SessionOptions::new().serve(self.near().clone()), there);
                started(SessionOptions::new(), here).client()
            }),
        }
    }

    fn near(&self) -> &WalkClient {
        self.near.get().expect("it was set when the Worker was made")
    }

    async fn end(&self, end: &End) -> Result<Vec<Stop>> {
        match end {
            End::Answer => Ok(Vec::new()),
            End::Wait(name) => {
                let _counted = self.tally.at_drop(format!("{name}.dropped"));
                self.tally.add(format!("{name}.entered"));
                std::future::pending().await
            }
            End::Panic => panic!("at the end"),
            End::Deny => Err(Error::denied("no further")),
        }
    }
}

impl Walk for Walker {
    async fn walk(&self, ways: &[Way], end: &End) -> Result<Vec<Stop>> {
        let own = Ctx::with(Stop::of);
        let further = match ways {
            [] => self.end(end).await?,
            [way, further @ ..] => self.next(*way).walk(further, end).await?,
        };
        Ok(std::iter::once(own).chain(further).collect())
    }

    async fn fan(&self, times: u32, way: Way) -> Result<(u32, u32)> {
        let mut made = 0;
        for _ in 0..times {
            match self.next(way).walk(&[], &End::Answer).await {
                Ok(_) => made += 1,
                Err(error) if error.is_limit() => break,
                Err(error) => return Err(error),
            }
        }
        Ok((made, Ctx::with(|ctx| ctx.remaining().map_or(0, |left| left.invocations))))
    }

    async fn fan_at_once(&self, times: u32, way: Way) -> Result<u32> {
        let calls = (0..times).map(|_| self.next(way).walk(&[], &End::Answer));
        let mut calls: Vec<_> = calls.map(Box::pin).collect();
        let mut made = 0;
        std::future::poll_fn(|cx| {
            calls.retain_mut(|call| match call.as_mut().poll(cx) {
                std::task::Poll::Ready(ended) => {
                    made += u32::from(ended.is_ok());
                    false
                }
                std::task::Poll::Pending => true,
            });
            if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        Ok(made)
    }

    async fn leave(&self, times: u32, ways: &[Way], name: &str) -> Result<()> {
        let [way, further @ ..] = ways else { return Err(Error::not_found("a way")) };
        let end = End::Wait(name.to_owned());
        let calls = (0..times).map(|_| self.next(*way).walk(further, &end));
        let mut calls: Vec<_> = calls.map(Box::pin).collect();
        let entered = format!("{name}.entered");
        let mut begun = std::pin::pin!(self.tally.until(&entered, times.into()));
        std::future::poll_fn(|cx| {
            for call in &mut calls {
                assert!(call.as_mut().poll(cx).is_pending(), "it waits for ever");
            }
            begun.as_mut().poll(cx)
        })
        .await
    }

    async fn fan_in_child(&self, times: u32, way: Way) -> Result<(u32, u32)> {
        let near = self.near().clone();
        Ctx::current().spawn(async move { near.fan(times, way).await })?.await?
    }

    async fn hurry(&self, millis: u64, ways: &[Way], end: &End) -> Result<Vec<Stop>> {
        let [way, further @ ..] = ways else { return self.end(end).await };
        let options = CallOptions::new().deadline(std::time::Duration::from_millis(millis));
        self.next(*way).with(options).walk(further, end).await
    }
}

impl Stop {
    fn of(ctx: View<'_>) -> Self {
        Self {
            depth: ctx.depth(),
            micros_left: ctx.time_left().map(|left| u64::try_from(left.as_micros()).unwrap_or(u64::MAX)),
            tenant: ctx.metadata("tenant").map(str::to_owned),
            request: ctx.metadata("request").map(str::to_owned),
            invocations_left: ctx.remaining().map_or(0, |left| left.invocations),
        }
    }
}
