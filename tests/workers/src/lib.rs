//! The Workers that behaviour tests call over every path: in the process of the test, or in one of their own.
//!
//! They tell what happened to them through a [`Tally`], which is served beside them: so a test that knows nothing of
//! the path it calls over can still ask whether a handler was dropped.

mod failing;
mod guarded;
mod inside;
mod ledger;
mod site;
mod tally;
mod values;
mod walk;
mod work;

use std::path::Path;

use rpc_runtime::{CallOptions, Client, Session, SessionOptions, transport::Address};

pub use self::{
    failing::{Brittle, Failing, FailingClient, Made, Moment, Refusal},
    guarded::{Guarded, GuardedClient},
    inside::{Inside, InsideClient, Place as LookFrom, Seen},
    ledger::{Ledger, LedgerClient},
    site::{Absent, AbsentClient, Site, SiteClient, flows},
    tally::{Tallied, TalliedClient, Tally},
    values::{Numbers, Query, Tree, Values, ValuesClient},
    walk::{End, Stop, Walk, WalkClient, Way},
    work::{Work, WorkClient},
};

/// Clients of one set of Workers, all over the same path.
#[derive(Clone, Debug)]
pub struct Place {
    pub values: ValuesClient,
    pub failing: FailingClient,
    pub work: WorkClient,
    pub walk: WalkClient,
    pub ledger: LedgerClient,
    pub guarded: GuardedClient,
    pub inside: InsideClient,
    pub tally: TalliedClient,
    pub site: SiteClient,
    /// Of a service that nobody offers.
    pub absent: AbsentClient,
}

impl Place {
    /// New Workers, in this process. `record` is the file that [`Ledger::write`] writes to; there must be a tokio
    /// runtime, for the sessions that [`Way::Far`] leads over.
    #[must_use]
    pub fn new(record: Option<&Path>) -> Self {
        let tally = Tally::default();
        Self {
            values: ValuesClient::new(values::Echo),
            failing: FailingClient::new(failing::Fails::new(tally.clone())),
            work: WorkClient::new(work::Works::new(tally.clone())),
            walk: walk::walker(&tally),
            ledger: LedgerClient::new(ledger::Book::new(tally.clone(), record)),
            guarded: GuardedClient::new(guarded::Behind)
                .with(CallOptions::new().interceptor(guarded::Guard::new(tally.clone()))),
            inside: InsideClient::new(inside::Insider::new(tally.clone())),
            site: SiteClient::from_worker(site::Pages::new(tally.clone())),
            absent: AbsentClient::from_worker(site::Pages::new(tally.clone())),
            tally: TalliedClient::new(tally),
        }
    }

    /// The Workers at the other end of a session that serves what [`options`](Self::options) says.
    #[must_use]
    pub fn over(session: &Session) -> Self {
        Self {
            values: session.client(),
            failing: session.client(),
            work: session.client(),
            walk: session.client(),
            ledger: session.client(),
            guarded: session.client(),
            inside: session.client(),
            tally: session.client(),
            site: session.client(),
            absent: session.client(),
        }
    }

    /// The Workers of a process that listens there.
    #[must_use]
    pub fn at(address: &Address) -> Self {
        Self {
            values: ValuesClient::at(address.clone()),
            failing: FailingClient::at(address.clone()),
            work: WorkClient::at(address.clone()),
            walk: WalkClient::at(address.clone()),
            ledger: LedgerClient::at(address.clone()),
            guarded: GuardedClient::at(address.clone()),
            inside: InsideClient::at(address.clone()),
            tally: TalliedClient::at(address.clone()),
            site: SiteClient::at(address.clone()),
            absent: AbsentClient::at(address.clone()),
        }
    }

    /// A session that serves all of them.
    #[must_use]
    pub fn options(&self) -> SessionOptions {
        SessionOptions::new()
            .serve(self.values.clone())
            .serve(self.failing.clone())
            .serve(self.work.clone())
            .serve(self.walk.clone())
            .serve(self.ledger.clone())
            .serve(self.guarded.clone())
            .serve(self.inside.clone())
            .serve(self.tally.clone())
            // The last of them answers requests.
            .serve(self.site.clone())
    }
}
