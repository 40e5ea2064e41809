//! Limits that are only warned of.

use rpc_runtime::{LimitMode, serve};
use tokio::io::duplex;
use tracing::Level;

use super::*;
use crate::recorder::{Fields, Recorder};

fn only_warned(limits: Limits) -> CallOptions {
    CallOptions::new().limits(limits.mode(LimitMode::Warn))
}

/// The fields of each warning of a limit.
fn warnings(recorder: &Recorder) -> Vec<Fields> {
    let heard = recorder.heard();
    let warnings = heard.events.iter().filter(|(level, _)| *level == Level::WARN);
    warnings.map(|(_, fields)| fields.clone()).collect()
}

#[test]
fn a_pipeline_goes_on_beyond_its_limits() {
    let limits = Limits::new().depth(3).invocations(5);
    assert_eq!(block_on(itself().with(only_warned(limits)).run(100)).unwrap(), 101);
    assert_eq!(block_on(caller(leaf()).with(only_warned(limits)).run(5000)).unwrap(), 5000);
}

#[test]
fn the_log_warns_of_each_limit_once_for_each_pipeline() {
    let (recorder, _listening) = Recorder::listen();
    let inner = caller(chain(3, leaf()));
    let client = inner.with(only_warned(Limits::new().depth(3).invocations(5)));
    for pipelines in 1..=3 {
        assert_eq!(block_on(client.run(10)).unwrap(), 10);
        assert_eq!(warnings(&recorder).len(), 2 * pipelines);
    }
    let [depth, invocations, ..] = &warnings(&recorder)[..] else { panic!() };
    let name = |fields: &Fields| ["limit", "value", "used"].map(|field| fields[field].clone());
    assert_eq!(name(depth), ["Workers deep", "3", "4"]);
    assert_eq!(depth["chain"].matches(" Step/run").count(), 4, "{depth:?}");
    assert_eq!(name(invocations), ["invocations", "5", "6"]);
    assert_eq!(invocations["chain"].matches(" > ").count(), 1, "{invocations:?}");
    assert!(depth["message"].contains("`limits.mode` is `warn`"), "{depth:?}");
}

#[test]
fn a_depth_of_128_holds_all_the_same() {
    for depth in [1, 32, 127, 128] {
        let client = itself().with(only_warned(Limits::new().depth(depth)));
        assert_eq!(block_on(client.run(127)).unwrap(), 128);
        let error = block_on(client.run(128)).unwrap_err();
        assert!(error.is_limit());
        let text = error.to_string();
        assert!(
            text.starts_with("the limit of 128 Workers deep is reached: it would be 129 (Itself"),
            "{text}"
        );
    }
}

#[test]
fn a_pipeline_has_the_mode_of_its_first_call() {
    let strict = |inside: CallOptions| {
        let inner = caller(leaf()).with(inside);
        relay(inner).with(limits(Limits::new().invocations(4)))
    };
    let lower = Limits::new().invocations(2);
    // 1 + 1 + 1 of the lower limit, and the relay adds one.
    assert_eq!(block_on(strict(limits(lower)).run(9)).unwrap(), 2);
    assert_eq!(block_on(strict(only_warned(lower)).run(9)).unwrap(), 2, "who is inside cannot loosen it");
    let loose = relay(caller(leaf()).with(limits(lower))).with(only_warned(Limits::new().invocations(4)));
    assert_eq!(block_on(loose.run(9)).unwrap(), 10);
    let deeper = relay(relay(leaf()).with(limits(Limits::new().depth(1)))).with(only_warned(Limits::new()));
    assert_eq!(block_on(deeper.run(0)).unwrap(), 2);
}

#[tokio::test]
async fn tasks_of_a_pipeline_go_on_as_it_does() {
    let (recorder, _listening) = Recorder::listen();
    let inner = caller(chain(2, leaf()));
    let client = step(move |times| {
        let inner = inner.clone();
        async move { Ctx::current().spawn(async move { inner.run(times).await })?.await? }
    });
    let client = client.with(only_warned(Limits::new().depth(2).invocations(5)));
    assert_eq!(client.run(20).await.unwrap(), 20);
    let warned: Vec<_> = warnings(&recorder).iter().map(|fields| fields["limit"].clone()).collect();
    assert_eq!(warned, ["Workers deep", "invocations"]);
}

/// A client of what is served at the other end of a stream.
async fn elsewhere(served: StepClient) -> StepClient {
    let (here, there) = duplex(64 << 10);
    tokio::spawn(async move { serve(served, there).await });
    StepClient::connect(here).await.unwrap()
}

#[tokio::test]
async fn callees_elsewhere_have_what_a_caller_that_only_warns_could_give() {
    let counted = elsewhere(caller(leaf())).await;
    let client = relay(counted);
    assert_eq!(client.with(limits(Limits::new().invocations(5))).run(50).await.unwrap(), 4);
    assert_eq!(client.with(only_warned(Limits::new().invocations(5))).run(50).await.unwrap(), 51);
    // Its own limits hold there.
    assert_eq!(client.with(only_warned(Limits::new().invocations(5))).run(5000).await.unwrap(), 1000);

    let deep = elsewhere(itself()).await;
    let warned = deep.with(only_warned(Limits::new().depth(2)));
    assert_eq!(warned.run(31).await.unwrap(), 32 - 1 + 1);
    assert!(deep.with(limits(Limits::new().depth(2))).run(31).await.unwrap_err().is_limit());
}

#[tokio::test]
async fn what_was_used_elsewhere_beyond_a_limit_is_counted() {
    let far = elsewhere(caller(leaf())).await;
    let client = step(move |_| {
        let far = far.clone();
        async move {
            far.run(10).await?;
            far.run(10).await?;
            Ok(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations)
        }
    });
    // 1, 1 + 10, 1 + 10
    let left = client.with(limits(Limits::new().invocations(50))).run(0).await.unwrap();
    assert_eq!(left, 50 - 23);
    let left = client.with(only_warned(Limits::new().invocations(50))).run(0).await.unwrap();
    assert_eq!(left, 50 - 23);
}
