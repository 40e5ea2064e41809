//! Words that ride beside the arguments.

use std::sync::{Arc, Mutex};

use rpc_runtime::{CallOptions, Client, Ctx};

use crate::drive::{block_on, pause};
use crate::step::{Step, StepClient, relay, step};

/// What a Worker is told under a key, as a number; 0 if nothing.
fn told(key: &'static str) -> StepClient {
    step(move |_| async move {
        let read = || Ctx::with(|ctx| ctx.metadata(key).map_or(0, |value| value.parse().unwrap()));
        let before = read();
        pause().await;
        assert_eq!(
            (read(), Ctx::current().metadata(key).map(str::to_owned)),
            (before, (before > 0).then(|| before.to_string()))
        );
        Ok(before)
    })
}

fn only(key: &'static str, value: &'static str) -> CallOptions {
    CallOptions::new().metadata(key, value)
}

fn further(key: &'static str, value: &'static str) -> CallOptions {
    CallOptions::new().propagate(key, value)
}

fn run(client: &StepClient) -> u32 {
    block_on(client.run(0)).unwrap()
}

#[test]
fn metadata_is_for_the_callee_alone() {
    assert_eq!(run(&told("key").with(only("key", "7"))), 7);
    assert_eq!(run(&relay(told("key")).with(only("key", "7"))), 1);
    assert_eq!(run(&told("other").with(only("key", "7"))), 0);
    assert_eq!(run(&told("key")), 0);
}

#[test]
fn what_propagates_is_for_all_below() {
    let client = relay(relay(relay(told("key"))));
    assert_eq!(run(&client.with(further("key", "7"))), 7 + 3);
    assert_eq!(run(&client), 3);
}

#[test]
fn the_nearest_word_counts() {
    let near = told("key").with(further("key", "2"));
    assert_eq!(run(&relay(near.clone()).with(further("key", "1"))), 2 + 1);
    assert_eq!(run(&relay(relay(near).with(further("key", "3"))).with(further("key", "1"))), 2 + 2);
    let alone = told("key").with(only("key", "4"));
    assert_eq!(run(&relay(alone).with(further("key", "1"))), 4 + 1);
    // For the callee alone, so what lies below sees what came from further up.
    let between = relay(told("key")).with(only("key", "5"));
    assert_eq!(run(&relay(between).with(further("key", "1"))), 1 + 2);
}

#[test]
fn words_of_many_clients_on_the_way_all_arrive() {
    const KEYS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let last = step(|_| async {
        pause().await;
        Ok(KEYS
            .iter()
            .zip(1..)
            .map(|(key, at)| {
                let told: u32 = Ctx::with(|ctx| ctx.metadata(key).unwrap().parse().unwrap());
                assert_eq!(told, at);
                assert_eq!(Ctx::current().metadata(key).unwrap(), at.to_string());
                told
            })
            .sum())
    });
    let client = KEYS.iter().zip(1..).fold(last, |next, (key, at)| {
        relay(next).with(CallOptions::new().propagate(*key, at.to_string()).propagate("near", at.to_string()))
    });
    assert_eq!(run(&client), 45 + 9);
    // The nearest of all is the one added first.
    let client = (1..=9).fold(told("near"), |next, at| {
        relay(next.with(CallOptions::new().propagate("near", at.to_string())))
    });
    assert_eq!(run(&client), 1 + 9);
}

#[test]
fn a_key_that_is_set_again_has_its_last_value() {
    let told = told("key");
    assert_eq!(run(&told.with(only("key", "1").metadata("key", "2"))), 2);
    assert_eq!(run(&told.with(only("key", "1")).with(only("key", "2"))), 2);
    assert_eq!(run(&told.with(only("key", "1").propagate("key", "2"))), 2);
    assert_eq!(run(&told.with(further("key", "1").metadata("key", "2"))), 2);
    assert_eq!(run(&told.with(only("key", "1")).with(further("key", "2"))), 2);
    assert_eq!(run(&told.with(further("key", "1")).with(only("key", "2"))), 2);
    assert_eq!(run(&told.with(only("key", "1")).with(only("other", "2"))), 1);
}

#[test]
fn a_clients_words_are_its_own() {
    let client = told("key");
    let (one, two) = (client.with(only("key", "1")), client.with(only("key", "2")));
    assert_eq!((run(&one), run(&client), run(&two), run(&one.clone())), (1, 0, 2, 1));
    let asks = step(move |_| {
        let (one, two) = (one.clone(), two.clone());
        async move { Ok(one.run(0).await? * 10 + two.run(0).await?) }
    });
    assert_eq!(run(&asks), 12);
}

#[test]
fn a_client_carries_8_kib_and_no_more() {
    let client = told("key");
    let big = |bytes: usize| CallOptions::new().metadata("big", "x".repeat(bytes - 3));
    assert_eq!(run(&client.with(big(8192 - 4).propagate("key", "7"))), 7);
    for refused in [big(8193), big(8192).propagate("k", ""), big(1 << 20)] {
        let error = block_on(relay(client.with(refused)).run(0)).unwrap_err();
        assert!(error.is_limit());
        assert!(
            error.to_string().starts_with("the limit of 8192 bytes of metadata is reached: it would be "),
            "{error}"
        );
    }
    // Together with what it had.
    let error =
        block_on(client.with(big(5000)).with(CallOptions::new().metadata("more", "x".repeat(5000))).run(0));
    assert!(error.unwrap_err().is_limit());
    assert_eq!(run(&client.with(big(9000)).with(big(100)).with(only("key", "7"))), 7);
}

#[test]
fn metadata_is_there_to_the_last() {
    struct Reads(Arc<Mutex<Option<String>>>);

    impl Drop for Reads {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Ctx::with(|ctx| ctx.metadata("key").map(str::to_owned));
        }
    }

    let seen = Arc::<Mutex<Option<String>>>::default();
    let out = Arc::clone(&seen);
    let client = step(move |input| {
        let reads = Reads(Arc::clone(&out));
        async move {
            let _reads = reads;
            if input > 0 {
                pause().await;
            }
            Ok(0)
        }
    });
    for input in 0..2 {
        block_on(relay(client.clone()).with(further("key", "value")).run(input)).unwrap();
        assert_eq!(seen.lock().unwrap().take().as_deref(), Some("value"));
    }
}

#[tokio::test]
async fn tasks_of_an_invocation_have_its_metadata() {
    let below = told("all");
    let client = step(move |_| {
        let below = below.clone();
        async move {
            let work = async move {
                assert_eq!(Ctx::with(|ctx| ctx.metadata("own").map(str::to_owned)).as_deref(), Some("5"));
                below.run(0).await
            };
            Ctx::current().spawn(work)?.await?
        }
    });
    assert_eq!(client.with(only("own", "5").propagate("all", "6")).run(0).await.unwrap(), 6);
}

#[test]
fn keys_and_values_may_be_anything() {
    let client = step(|_| async {
        Ok(Ctx::with(|ctx| {
            assert_eq!(ctx.metadata(""), Some("empty"));
            assert_eq!(ctx.metadata("größe\n"), Some(""));
            assert_eq!(ctx.metadata("Key"), None);
            assert_eq!(ctx.metadata("key"), Some("\0"));
            1
        }))
    });
    let options = only("", "empty").metadata("größe\n", "").propagate("key", "\0");
    assert_eq!(run(&client.with(options)), 1);
}
