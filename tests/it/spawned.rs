//! Every kind of future that an expansion makes is `Send` where it is used: given to a runtime of several
//! threads, by callers that know the client and by callers that know the trait alone.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use rpc_runtime::{Result, service};
use tokio::task::yield_now;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Query<'a> {
    #[serde(borrow)]
    text: &'a str,
}

#[service]
trait Kinds {
    async fn nothing(&self) -> Result<usize>;
    async fn text(&self, text: &str) -> Result<usize>;
    async fn bytes(&self, bytes: &[u8], more: Vec<u8>) -> Result<usize>;
    async fn lent(&self, pair: &(String, u64), rows: &[Vec<u16>]) -> Result<usize>;
    async fn maybe(&self, text: Option<&str>) -> Result<usize>;
    async fn borrows(&self, query: Query<'_>, text: &str) -> Result<usize>;
    async fn lent_borrows(&self, query: &Query<'_>) -> Result<usize>;
    async fn owned(&self, pair: (String, u64), bytes: [u8; 4]) -> Result<usize>;
}

/// Suspends once in every handler, so that each future is also moved in the middle of its life.
struct Worker;

impl Kinds for Worker {
    async fn nothing(&self) -> Result<usize> {
        yield_now().await;
        Ok(0)
    }

    async fn text(&self, text: &str) -> Result<usize> {
        yield_now().await;
        Ok(text.len())
    }

    async fn bytes(&self, bytes: &[u8], more: Vec<u8>) -> Result<usize> {
        yield_now().await;
        Ok(bytes.len() + more.len())
    }

    async fn lent(&self, pair: &(String, u64), rows: &[Vec<u16>]) -> Result<usize> {
        yield_now().await;
        Ok(pair.0.len() + rows.len())
    }

    async fn maybe(&self, text: Option<&str>) -> Result<usize> {
        yield_now().await;
        Ok(text.map_or(0, str::len))
    }

    async fn borrows(&self, query: Query<'_>, text: &str) -> Result<usize> {
        yield_now().await;
        Ok(query.text.len() + text.len())
    }

    async fn lent_borrows(&self, query: &Query<'_>) -> Result<usize> {
        yield_now().await;
        Ok(query.text.len())
    }

    async fn owned(&self, pair: (String, u64), bytes: [u8; 4]) -> Result<usize> {
        yield_now().await;
        Ok(pair.0.len() + bytes.len())
    }
}

/// Calls them all, knowing the trait alone, with arguments that live in this function.
async fn all<K: Kinds>(kinds: &K) -> Result<usize> {
    let (text, rows) = (String::from("four"), [vec![1], vec![2, 3]]);
    let mut sum = kinds.nothing().await?;
    sum += kinds.text(&text).await?;
    sum += kinds.bytes(&Bytes::from_static(b"123"), vec![4]).await?;
    sum += kinds.lent(&(text.clone(), 7), &rows).await?;
    sum += kinds.maybe(Some(&text[1..])).await?;
    sum += kinds.borrows(Query { text: &text }, "ab").await?;
    sum += kinds.lent_borrows(&Query { text: &text }).await?;
    sum += kinds.owned((text.clone(), 7), *b"abcd").await?;
    Ok(sum)
}

const SUM: usize = 4 + 4 + 6 + 3 + 6 + 4 + 8;

/// Implements the trait around another implementation of it.
struct Logged<K>(K);

impl<K: Kinds> Kinds for Logged<K> {
    async fn nothing(&self) -> Result<usize> {
        self.0.nothing().await
    }

    async fn text(&self, text: &str) -> Result<usize> {
        self.0.text(text).await
    }

    async fn bytes(&self, bytes: &[u8], more: Vec<u8>) -> Result<usize> {
        self.0.bytes(bytes, more).await
    }

    async fn lent(&self, pair: &(String, u64), rows: &[Vec<u16>]) -> Result<usize> {
        self.0.lent(pair, rows).await
    }

    async fn maybe(&self, text: Option<&str>) -> Result<usize> {
        self.0.maybe(text).await
    }

    async fn borrows(&self, query: Query<'_>, text: &str) -> Result<usize> {
        self.0.borrows(query, text).await
    }

    async fn lent_borrows(&self, query: &Query<'_>) -> Result<usize> {
        self.0.lent_borrows(query).await
    }

    async fn owned(&self, pair: (String, u64), bytes: [u8; 4]) -> Result<usize> {
        self.0.owned(pair, bytes).await
    }
}

fn spawned<K: Kinds + 'static>(kinds: K) -> tokio::task::JoinHandle<Result<usize>> {
    tokio::spawn(async move { all(&kinds).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_caller_that_knows_the_client() {
    let client = KindsClient::new(Worker);
    let task = tokio::spawn(async move {
        let (text, rows) = (String::from("four"), [vec![1]]);
        let calls = client.text(&text).await? + client.lent(&(text.clone(), 7), &rows).await?;
        Ok::<_, rpc_runtime::Error>(calls + client.borrows(Query { text: &text }, "ab").await?)
    });
    assert_eq!(task.await.unwrap().unwrap(), 4 + 5 + 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_caller_that_knows_the_trait() {
    assert_eq!(spawned(Worker).await.unwrap().unwrap(), SUM);
    assert_eq!(spawned(KindsClient::new(Worker)).await.unwrap().unwrap(), SUM);
    assert_eq!(spawned(KindsClient::shared(Arc::new(Worker))).await.unwrap().unwrap(), SUM);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_decorators_around_clients_around_decorators() {
    let decorated = Logged(KindsClient::new(Logged(Logged(KindsClient::new(Worker)))));
    assert_eq!(spawned(decorated).await.unwrap().unwrap(), SUM);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_client_in_a_static() {
    static KINDS: LazyLock<KindsClient> = LazyLock::new(|| KindsClient::new(Worker));

    let task = tokio::spawn(async { all(&*KINDS).await });
    assert_eq!(task.await.unwrap().unwrap(), SUM);
    assert_eq!(tokio::spawn(KINDS.text("static")).await.unwrap().unwrap(), 6);
}

/// Many calls at once, in the forms that rustc accepts for any `async fn` that borrows. The one it refuses is
/// `.map(|key| client.text(key)).buffered(n)`: there the closure would have to be general over the lifetime of
/// its argument; an `async` block in it, or a vector of futures, says the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let client = KindsClient::new(Worker);
    let task = tokio::spawn(async move {
        let keys = vec![String::from("a"), String::from("bc"), String::from("def")];
        let joined = join_all(keys.iter().map(|key| client.text(key))).await;
        let futures: Vec<_> = keys.iter().map(|key| client.text(key)).collect();
        let listed = stream::iter(futures).buffered(2).collect::<Vec<_>>().await;
        let client = &client;
        let blocks = stream::iter(keys.clone()).map(|key| async move { client.text(&key).await });
        let buffered = blocks.buffered(2).collect::<Vec<_>>().await;
        let then = stream::iter(&keys).then(|key| client.text(key)).collect::<Vec<_>>().await;
        stream::iter(&keys)
            .for_each_concurrent(2, |key| async { assert!(client.text(key).await.is_ok()) })
            .await;
        [joined, listed, buffered, then].map(|results| results.into_iter().sum::<Result<usize>>())
    });
    for sum in task.await.unwrap() {
        assert_eq!(sum.unwrap(), 6);
    }
}

/// A future is polled here once and finished elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_has_begun_may_be_given_away() {
    static KINDS: LazyLock<KindsClient> = LazyLock::new(|| KindsClient::new(Worker));

    let mut call = Box::pin(KINDS.text("begun"));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 5);
}
