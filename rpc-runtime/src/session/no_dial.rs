//! Without sockets there are no addresses to call: what `dial` has, and nobody can have.

use std::{future::Future, pin::Pin};

use super::{
    outgoing::{Outgoing, Waiting},
    reply::{Failed, Reply},
};
use crate::service::ServiceInfo;

pub(crate) enum Dialer {}

#[expect(dead_code, reason = "nobody calls an address")]
pub(super) enum Dialed {
    Waiting(Waiting, Option<Box<Again>>),
    Slow(Slow),
}

pub(super) type Slow = Pin<Box<dyn Future<Output = Reply> + Send>>;

pub(super) enum Again {}

impl Dialer {
    pub(super) fn call(&self, _: &'static ServiceInfo, _: Outgoing, _: Option<&std::task::Waker>) -> Dialed {
        match *self {}
    }

    pub(super) async fn takes_streams(&self) -> Result<bool, Failed> {
        match *self {}
    }
}

impl Again {
    pub(super) fn recover(self, _: Reply) -> Slow {
        match self {}
    }
}
