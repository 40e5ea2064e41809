//! Every way to fail.

use std::fmt;

use rpc_runtime::{Error, Result, Shape, message, service, shape::Node};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::task::yield_now;

use crate::tally::Tally;

/// The own error of a service.
#[message]
#[derive(Debug, PartialEq)]
pub enum Refusal {
    Denied { who: String, code: u32 },
    Busy(u8),
    Rpc(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Rpc(error)
    }
}

/// When a handler panics.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    BeforeAwait,
    AfterAwait,
    /// With a payload that is no text.
    WithoutText,
    DropOfFinished,
    DropOfCancelled,
}

/// Errors that a Worker makes itself.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Made {
    Denied,
    NotFound,
    Application,
    Overloaded,
}

/// A value that may panic while it is written or read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brittle {
    Sound,
    Unwritable,
    Unreadable,
}

/// Fails.
#[service]
pub trait Failing {
    async fn own(&self, code: u32) -> Result<u32, Refusal>;
    /// An error of the runtime's inside of its own.
    async fn up(&self) -> Result<(), Refusal>;
    async fn denied(&self) -> Result<()>;
    async fn made(&self, error: Made) -> Result<()>;
    /// With two messages below its own.
    async fn with_sources(&self) -> Result<()>;
    async fn panics(&self, moment: Moment) -> Result<u32>;
    #[rpc(spawn)]
    async fn panics_spawned(&self, moment: Moment) -> Result<u32>;
    async fn give(&self, brittle: u8) -> Result<Brittle>;
    async fn take(&self, brittle: Brittle) -> Result<()>;
}

pub(crate) struct Fails {
    tally: Tally,
}

impl Fails {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally }
    }

    async fn panic_at(&self, moment: Moment) -> Result<u32> {
        self.tally.add("panics");
        let bomb = Bomb;
        match moment {
            Moment::BeforeAwait => {
                std::mem::forget(bomb);
                panic!("before");
            }
            Moment::AfterAwait => {
                std::mem::forget(bomb);
                yield_now().await;
                panic!("after")
            }
            Moment::WithoutText => {
                std::mem::forget(bomb);
                yield_now().await;
                std::panic::panic_any(7)
            }
            Moment::DropOfFinished => {
                yield_now().await;
                Ok(1)
            }
            Moment::DropOfCancelled => {
                let _counted = self.tally.at_drop("panics.dropped");
                std::future::pending().await
            }
        }
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl Failing for Fails {
    async fn own(&self, code: u32) -> Result<u32, Refusal> {
        match code {
            0 => Ok(0),
            1 => Err(Refusal::Busy(255)),
            code => Err(Refusal::Denied { who: "eve".to_owned(), code }),
        }
    }

    async fn up(&self) -> Result<(), Refusal> {
        self.tally.add("up");
        Err(Error::not_found("the key `k`"))?
    }

    async fn denied(&self) -> Result<()> {
        yield_now().await;
        Err(Error::denied("not on Sundays"))
    }

    async fn made(&self, error: Made) -> Result<()> {
        Err(match error {
            Made::Denied => Error::denied("no"),
            Made::NotFound => Error::not_found("it"),
            Made::Application => Error::application("broken"),
            Made::Overloaded => Error::overloaded("later"),
        })
    }

    async fn with_sources(&self) -> Result<()> {
        Err(Error::application(Layer(
            "top",
            Some(Box::new(Layer("middle", Some(Box::new(Layer("bottom", None)))))),
        )))
    }

    async fn panics(&self, moment: Moment) -> Result<u32> {
        self.panic_at(moment).await
    }

    async fn panics_spawned(&self, moment: Moment) -> Result<u32> {
        self.panic_at(moment).await
    }

    async fn give(&self, brittle: u8) -> Result<Brittle> {
        self.tally.add("give");
        Ok(match brittle {
            0 => Brittle::Sound,
            1 => Brittle::Unwritable,
            _ => Brittle::Unreadable,
        })
    }

    async fn take(&self, _: Brittle) -> Result<()> {
        self.tally.add("take");
        Ok(())
    }
}

#[derive(Debug)]
struct Layer(&'static str, Option<Box<Self>>);

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Layer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|below| below as &(dyn std::error::Error + 'static))
    }
}

impl Serialize for Brittle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sound => 0_u8.serialize(serializer),
            Self::Unwritable => panic!("not to be written"),
            Self::Unreadable => 1_u8.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Brittle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Sound),
            _ => panic!("not to be read"),
        }
    }
}

impl Shape for Brittle {
    const NODE: Node = u8::NODE;
}
