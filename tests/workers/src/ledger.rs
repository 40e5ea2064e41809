//! Effects that can be counted afterwards.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use rpc_runtime::{Error, Result, service, transport::Address};

use crate::{
    failing::{Failing as _, FailingClient, Refusal},
    tally::Tally,
};

/// Has effects.
#[service]
pub trait Ledger {
    /// Counts under this name, and gives the count.
    async fn add(&self, name: &str) -> Result<u64>;

    /// The same, and may be called again.
    #[rpc(idempotent)]
    async fn add_again(&self, name: &str) -> Result<u64>;

    /// Counts, and then asks a Worker at an address where nobody listens.
    #[rpc(idempotent)]
    async fn add_and_ask(&self, name: &str) -> Result<(), Refusal>;

    /// The same, with the runtime's error alone.
    #[rpc(idempotent)]
    async fn add_and_pass_up(&self, name: &str) -> Result<()>;

    /// How often the methods above were called.
    async fn effects(&self) -> Result<u64>;

    /// Writes a number to the record before it answers.
    async fn write(&self, number: u64) -> Result<()>;
}

pub(crate) struct Book {
    tally: Tally,
    /// Nobody listens there.
    away: FailingClient,
    record: Option<File>,
}

impl Book {
    pub(crate) fn new(tally: Tally, record: Option<&Path>) -> Self {
        let nowhere = Address::unix("/nowhere/nobody.sock").expect("the path is short and absolute");
        let record = record.map(|path| {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.unwrap_or_else(|error| panic!("the record {} cannot be opened: {error}", path.display()))
        });
        Self { tally, away: FailingClient::at(nowhere), record }
    }

    fn effect(&self, name: &str) -> u64 {
        self.tally.add("ledger.effects");
        self.tally.add(name)
    }
}

impl Ledger for Book {
    async fn add(&self, name: &str) -> Result<u64> {
        Ok(self.effect(name))
    }

    async fn add_again(&self, name: &str) -> Result<u64> {
        Ok(self.effect(name))
    }

    async fn add_and_ask(&self, name: &str) -> Result<(), Refusal> {
        self.effect(name);
        self.away.up().await
    }

    async fn add_and_pass_up(&self, name: &str) -> Result<()> {
        self.effect(name);
        self.away.denied().await
    }

    async fn effects(&self) -> Result<u64> {
        Ok(self.tally.count("ledger.effects"))
    }

    async fn write(&self, number: u64) -> Result<()> {
        let Some(mut record) = self.record.as_ref() else { return Err(Error::not_found("a record")) };
        record.write_all(&number.to_le_bytes()).map_err(Error::application)
    }
}
