//! A contract and its Worker, as an older release has them.

use rpc_runtime::{Result, message, service};

#[message]
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: u64,
    pub name: String,
}

#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub item: u64,
    pub count: u64,
}

#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Here,
    Sold,
}

/// What stands above a method is what the newer release has done to it.
#[service]
pub trait Shop {
    /// Nothing.
    async fn count(&self) -> Result<u64>;
    /// `Item` has one more field.
    async fn item(&self, id: u64) -> Result<Item>;
    /// `Line` has its fields in another order.
    async fn order(&self, line: Line) -> Result<u64>;
    /// `State` has one more variant.
    async fn state(&self, id: u64) -> Result<State>;
    /// One more argument, which may be left out.
    async fn find(&self, name: &str) -> Result<Vec<u64>>;
    /// The method is called `price_of`, and on the wire as before.
    async fn price(&self, id: u64) -> Result<u64>;
    /// The argument is called `item`, and in the contract as before.
    async fn weight(&self, id: u64) -> Result<u64>;
    /// The argument is a `u64`.
    async fn stock(&self, id: u32) -> Result<u64>;
    /// It is gone.
    async fn gone(&self) -> Result<u64>;
}

#[derive(Debug)]
pub struct Shelf;

impl Shop for Shelf {
    async fn count(&self) -> Result<u64> {
        Ok(1)
    }
    async fn item(&self, id: u64) -> Result<Item> {
        Ok(Item { id, name: "lamp".to_owned() })
    }
    async fn order(&self, line: Line) -> Result<u64> {
        Ok(line.item * 100 + line.count)
    }
    async fn state(&self, _: u64) -> Result<State> {
        Ok(State::Sold)
    }
    async fn find(&self, _: &str) -> Result<Vec<u64>> {
        Ok(vec![1])
    }
    async fn price(&self, id: u64) -> Result<u64> {
        Ok(id * 10)
    }
    async fn weight(&self, id: u64) -> Result<u64> {
        Ok(id * 20)
    }
    async fn stock(&self, id: u32) -> Result<u64> {
        Ok(id.into())
    }
    async fn gone(&self) -> Result<u64> {
        Ok(3)
    }
}
