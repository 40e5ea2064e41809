//! The contract and its Worker, as a newer release has them.

use rpc_runtime::{Result, message, service};

#[message]
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: u64,
    pub name: String,
    pub price: Option<u64>,
}

#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub count: u64,
    pub item: u64,
}

#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Here,
    Reserved,
    Sold,
}

#[service]
pub trait Shop {
    async fn count(&self) -> Result<u64>;
    async fn item(&self, id: u64) -> Result<Item>;
    async fn order(&self, line: Line) -> Result<u64>;
    async fn state(&self, id: u64) -> Result<State>;
    async fn find(&self, name: &str, #[rpc(default)] limit: Option<u32>) -> Result<Vec<u64>>;
    #[rpc(rename = "price")]
    async fn price_of(&self, id: u64) -> Result<u64>;
    async fn weight(&self, #[rpc(rename = "id")] item: u64) -> Result<u64>;
    async fn stock(&self, id: u64) -> Result<u64>;
    async fn added(&self) -> Result<u64>;
}

#[derive(Debug)]
pub struct Shelf;

impl Shop for Shelf {
    async fn count(&self) -> Result<u64> {
        Ok(2)
    }
    async fn item(&self, id: u64) -> Result<Item> {
        Ok(Item { id, name: "lamp".to_owned(), price: None })
    }
    async fn order(&self, line: Line) -> Result<u64> {
        Ok(line.item * 100 + line.count)
    }
    async fn state(&self, _: u64) -> Result<State> {
        Ok(State::Reserved)
    }
    async fn find(&self, _: &str, _: Option<u32>) -> Result<Vec<u64>> {
        Ok(vec![2])
    }
    async fn price_of(&self, id: u64) -> Result<u64> {
        Ok(id * 11)
    }
    async fn weight(&self, item: u64) -> Result<u64> {
        Ok(item * 21)
    }
    async fn stock(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
    async fn added(&self) -> Result<u64> {
        Ok(4)
    }
}
