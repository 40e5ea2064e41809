//! Every kind of argument and of result.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rpc_runtime::{Result, message, service};
use tokio::task::yield_now;

/// A number of each kind, and what is like one.
#[message]
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    pub small: (u8, i8, u16, i16),
    pub large: (u32, i32, u64, i64),
    pub huge: (u128, i128),
    pub floats: (f32, f64),
    pub others: (bool, char, Duration),
}

/// A value that holds values of its own type.
#[message]
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Leaf,
    Named { name: String, weight: i32 },
    Pair(Box<Self>, Box<Self>),
    Many(Vec<Self>),
    ByName(BTreeMap<String, Option<Self>>),
    Raw(Vec<u8>),
    Number(u64),
}

/// A value that borrows.
#[message]
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub prefix: &'a str,
    pub limit: u32,
}

/// Gives back what it is given.
#[service]
pub trait Values {
    async fn nothing(&self) -> Result<()>;
    async fn numbers(&self, numbers: Numbers) -> Result<Numbers>;
    async fn tree(&self, tree: Tree) -> Result<Tree>;
    async fn lent(&self, tree: &Tree) -> Result<Tree>;
    async fn lent_slice(&self, trees: &[Tree]) -> Result<Vec<Tree>>;
    async fn text(&self, text: &str) -> Result<String>;
    async fn optional(&self, text: Option<&str>) -> Result<Option<String>>;
    async fn query(&self, query: Query<'_>) -> Result<String>;
    async fn run(&self, run: &[u8]) -> Result<Bytes>;
    async fn vector(&self, run: Vec<u8>) -> Result<Vec<u8>>;
    async fn bytes(&self, run: Bytes) -> Result<Bytes>;
    async fn array(&self, array: [u8; 4]) -> Result<[u8; 4]>;
    async fn mixed(&self, a: u8, b: &str, c: &[u8], d: &Tree, e: (u16, i64)) -> Result<String>;
    async fn length(&self, run: &[u8]) -> Result<u64>;
    async fn zeros(&self, length: u64) -> Result<Vec<u8>>;
    #[rpc(spawn)]
    async fn spawned(&self, text: &str) -> Result<String>;
    #[rpc(idempotent)]
    async fn again(&self, text: &str) -> Result<String>;
}

/// Handlers that borrow give way once, so that what they borrow must live on.
pub(crate) struct Echo;

impl Values for Echo {
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }

    async fn numbers(&self, numbers: Numbers) -> Result<Numbers> {
        Ok(numbers)
    }

    async fn tree(&self, tree: Tree) -> Result<Tree> {
        Ok(tree)
    }

    async fn lent(&self, tree: &Tree) -> Result<Tree> {
        yield_now().await;
        Ok(tree.clone())
    }

    async fn lent_slice(&self, trees: &[Tree]) -> Result<Vec<Tree>> {
        yield_now().await;
        Ok(trees.to_vec())
    }

    async fn text(&self, text: &str) -> Result<String> {
        yield_now().await;
        Ok(text.to_owned())
    }

    async fn optional(&self, text: Option<&str>) -> Result<Option<String>> {
        yield_now().await;
        Ok(text.map(str::to_owned))
    }

    async fn query(&self, query: Query<'_>) -> Result<String> {
        yield_now().await;
        Ok(format!("{}:{}", query.prefix, query.limit))
    }

    async fn run(&self, run: &[u8]) -> Result<Bytes> {
        yield_now().await;
        Ok(Bytes::copy_from_slice(run))
    }

    async fn vector(&self, run: Vec<u8>) -> Result<Vec<u8>> {
        Ok(run)
    }

    async fn bytes(&self, run: Bytes) -> Result<Bytes> {
        Ok(run)
    }

    async fn array(&self, array: [u8; 4]) -> Result<[u8; 4]> {
        Ok(array)
    }

    async fn mixed(&self, a: u8, b: &str, c: &[u8], d: &Tree, e: (u16, i64)) -> Result<String> {
        yield_now().await;
        Ok(format!("{a} {b} {c:?} {d:?} {e:?}"))
    }

    async fn length(&self, run: &[u8]) -> Result<u64> {
        Ok(run.len() as u64)
    }

    async fn zeros(&self, length: u64) -> Result<Vec<u8>> {
        Ok(vec![0; usize::try_from(length).map_err(rpc_runtime::Error::application)?])
    }

    async fn spawned(&self, text: &str) -> Result<String> {
        yield_now().await;
        Ok(text.to_owned())
    }

    async fn again(&self, text: &str) -> Result<String> {
        yield_now().await;
        Ok(text.to_owned())
    }
}
