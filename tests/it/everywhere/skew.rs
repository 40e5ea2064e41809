//! Two releases of a contract, each with the other's server, in two processes: a method that both mean alike works, and
//! any other is refused with a sentence that says where they differ (K2).

use rpc_runtime::{Error, Result};
use rpc_tests_skew_new as new;
use rpc_tests_skew_old as old;

use super::child::Serving;

/// The first call of a client goes out with the opening of the service and is refused by the other end; the second is
/// refused here. Both say the same.
async fn refused<T: std::fmt::Debug>(call: impl AsyncFn() -> Result<T>, what: &str) {
    for known in [false, true] {
        let error = call().await.unwrap_err();
        assert!(error.is_contract() && !error.is_retryable(), "{error}, known: {known}");
        assert!(error.to_string().starts_with("the contracts differ: "), "{error}");
        assert!(error.to_string().contains(what), "{error}, expected {what}, known: {known}");
    }
}

async fn missing(call: impl AsyncFn() -> Result<u64>, method: &str) {
    for known in [false, true] {
        let error: Error = call().await.unwrap_err();
        assert!(error.is_not_found() && !error.is_retryable(), "{error}, known: {known}");
        assert!(error.to_string().contains(&format!("Shop/{method}")), "{error}, known: {known}");
    }
}

#[tokio::test]
async fn an_older_client_and_a_newer_server() {
    use old::{Line, Shop as _, ShopClient};
    let serving = Serving::start_shop("new");
    let shop = || ShopClient::at(serving.address());
    // Each with a session that nothing was said on.
    assert_eq!(shop().count().await.unwrap(), 2);
    assert_eq!(shop().price(3).await.unwrap(), 33);
    assert_eq!(shop().weight(3).await.unwrap(), 63);
    let one = shop();
    refused(async || one.item(1).await, "`Shop/item`: result: field `Item.price`: nothing here").await;
    let one = shop();
    refused(async || one.order(Line { item: 1, count: 2 }).await, "`Shop/order`: argument `line`").await;
    let one = shop();
    refused(async || one.state(1).await, "`Shop/state`: result").await;
    let one = shop();
    refused(async || one.find("a").await, "`Shop/find`: argument `limit`: nothing here").await;
    let one = shop();
    refused(async || one.stock(1).await, "`Shop/stock`: argument `id`: u32 here, u64 there").await;
    let one = shop();
    missing(async || one.gone().await, "gone").await;
    // What is alike works beside what is not.
    for _ in 0..2 {
        assert_eq!(one.count().await.unwrap(), 2);
        assert_eq!(one.price(3).await.unwrap(), 33);
    }
}

#[tokio::test]
async fn a_newer_client_and_an_older_server() {
    use new::{Line, Shop as _, ShopClient};
    let serving = Serving::start_shop("old");
    let shop = || ShopClient::at(serving.address());
    assert_eq!(shop().count().await.unwrap(), 1);
    assert_eq!(shop().price_of(3).await.unwrap(), 30);
    assert_eq!(shop().weight(3).await.unwrap(), 60);
    let one = shop();
    refused(async || one.item(1).await, "`Shop/item`: result: field `Item.price`").await;
    let one = shop();
    refused(async || one.order(Line { item: 1, count: 2 }).await, "`Shop/order`: argument `line`").await;
    let one = shop();
    refused(async || one.state(1).await, "`Shop/state`: result").await;
    let one = shop();
    refused(async || one.find("a", None).await, "`Shop/find`: argument `limit`").await;
    let one = shop();
    refused(async || one.stock(1).await, "`Shop/stock`: argument `id`: u64 here, u32 there").await;
    let one = shop();
    missing(async || one.added().await, "added").await;
    for _ in 0..2 {
        assert_eq!(one.count().await.unwrap(), 1);
        assert_eq!(one.price_of(3).await.unwrap(), 30);
    }
}

#[tokio::test]
async fn each_release_has_its_own_server() {
    let (older, newer) = (Serving::start_shop("old"), Serving::start_shop("new"));
    let (one, other) = (old::ShopClient::at(older.address()), new::ShopClient::at(newer.address()));
    assert_eq!(old::Shop::gone(&one).await.unwrap(), 3);
    assert_eq!(old::Shop::state(&one, 1).await.unwrap(), old::State::Sold);
    assert_eq!(new::Shop::added(&other).await.unwrap(), 4);
    assert_eq!(new::Shop::find(&other, "a", Some(1)).await.unwrap(), [2]);
    assert_eq!(new::Shop::state(&other, 1).await.unwrap(), new::State::Reserved);
    assert_eq!(new::Shop::item(&other, 1).await.unwrap().price, None);
}
