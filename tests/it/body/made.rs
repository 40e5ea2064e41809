//! A body that streams is part of the invocation that made it, whoever reads it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use rpc_runtime::{CallOptions, Client as _, Ctx, Fetch, Fetcher, Limits, Response, Result};
use tokio::sync::mpsc;
use tokio::time::{advance, timeout};

use super::*;
use crate::step::{Step as _, step};

type Notes = Arc<Mutex<Vec<String>>>;

/// Answers with a body.
struct Answers<F>(F);

impl<F: Fn() -> Body + Send + Sync> Fetch for Answers<F> {
    async fn fetch(&self, _: rpc_runtime::Request) -> Result<Response> {
        Ok(Response::new((self.0)()))
    }
}

fn answers(make: impl Fn() -> Body + Send + Sync + 'static) -> Fetcher {
    Fetcher::new(Answers(make))
}

async fn body_of(fetcher: &Fetcher) -> Body {
    fetcher.fetch("http://a/").await.unwrap().into_body()
}

/// Which Worker this is, and on whose behalf.
fn here() -> String {
    Ctx::with(|ctx| {
        format!("{} for {}", ctx.worker().unwrap_or("nobody"), ctx.metadata("tenant").unwrap_or("nobody"))
    })
}

/// Says where it is dropped.
struct Says(Notes);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(format!("dropped in {}", here()));
    }
}

#[tokio::test]
async fn it_sees_the_context_of_its_maker_and_so_does_its_drop() {
    let notes = Notes::default();
    let out = Arc::clone(&notes);
    let maker = answers(move || {
        let says = Says(Arc::clone(&out));
        Body::from_stream(stream::iter(0..).map(move |_| {
            let _says = &says;
            Ok::<_, io::Error>(here())
        }))
    });
    let maker = maker.with(CallOptions::new().metadata("tenant", "a1"));
    // Read in another invocation, outside of any, and in another task.
    let seen = notes.clone();
    let reader = step(move |_| {
        let (maker, seen) = (maker.clone(), seen.clone());
        async move {
            let mut body = body_of(&maker).await;
            let first = body.chunk().await.unwrap().unwrap();
            seen.lock().unwrap().push(String::from_utf8(first.to_vec()).unwrap());
            assert!(here().starts_with("Acting"));
            drop(body);
            Ok(0)
        }
    });
    reader.run(0).await.unwrap();
    let notes = notes.lock().unwrap();
    // Without the name of the closure.
    let short = |note: &String| {
        format!("{}{}", note.split('<').next().unwrap(), &note[note.rfind('>').unwrap() + 1..])
    };
    assert_eq!(notes.iter().map(short).collect::<Vec<_>>(), ["Answers for a1", "dropped in Answers for a1"]);
}

#[tokio::test]
async fn made_outside_of_any_invocation_it_is_nobodys() {
    let mut body = Body::from_stream(stream::iter([0]).map(|_| Ok::<_, io::Error>(here())));
    assert_eq!(body.chunk().await.unwrap().unwrap(), "nobody for nobody");
}

#[tokio::test]
async fn a_body_that_a_caller_sends_is_the_callers_in_the_callee() {
    struct Reads;
    impl Fetch for Reads {
        async fn fetch(&self, request: rpc_runtime::Request) -> Result<Response> {
            Ok(Response::new(format!("{} | {}", request.into_body().text().await?, here()).into()))
        }
    }
    let reads = Fetcher::new(Reads).with(CallOptions::new().metadata("tenant", "b2"));
    let sends = step(move |_| {
        let reads = reads.clone();
        async move {
            let body = Body::from_stream(stream::iter([0]).map(|_| Ok::<_, io::Error>(here())));
            let answer = reads.fetch(Request::post("http://b/").body(body).unwrap()).await?;
            let text = answer.into_body().text().await?;
            assert!(text.starts_with("Acting<") && text.ends_with("> for a1 | Reads for b2"), "{text}");
            Ok(1)
        }
    });
    assert_eq!(sends.with(CallOptions::new().metadata("tenant", "a1")).run(0).await.unwrap(), 1);
}

#[tokio::test]
async fn its_calls_count_with_those_of_its_maker() {
    let leaf = step(|input| async move { Ok(input) });
    let maker = answers(move || {
        let leaf = leaf.clone();
        Body::from_stream(stream::iter(0..).then(move |at| {
            let leaf = leaf.clone();
            async move { leaf.run(at).await.map(|at| at.to_string()) }
        }))
    });
    let maker = maker.with(CallOptions::new().limits(Limits::new().invocations(4)));
    let mut body = body_of(&maker).await;
    for at in 0..3 {
        assert_eq!(body.chunk().await.unwrap().unwrap(), at.to_string());
    }
    let error = body.chunk().await.unwrap_err();
    let why = error.source().unwrap().downcast_ref::<rpc_runtime::Error>().unwrap();
    assert!(why.is_limit() && why.to_string().starts_with("the limit of 4 invocations is reached"), "{why}");
}

#[tokio::test]
async fn what_its_maker_has_spawned_goes_on_until_it_ends() {
    let maker = || {
        answers(|| {
            let (sender, receiver) = mpsc::channel::<io::Result<String>>(1);
            let child = Ctx::current().spawn(async move {
                for at in 0.. {
                    if sender.send(Ok(at.to_string())).await.is_err() {
                        return;
                    }
                }
            });
            drop(child.unwrap());
            Body::from_stream(stream::unfold(receiver, |mut body| async { Some((body.recv().await?, body)) }))
        })
    };
    let mut body = body_of(&maker()).await;
    for at in 0..100 {
        assert_eq!(body.chunk().await.unwrap().unwrap(), at.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_background_work_begins_when_it_has_ended() {
    for reads_to_the_end in [false, true] {
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        let (sender, receiver) = mpsc::channel::<io::Result<&'static str>>(1);
        let receiver = Mutex::new(Some(receiver));
        let maker = answers(move || {
            let kept = Arc::clone(&kept);
            let work = async move {
                let _kept = kept;
                std::future::pending::<()>().await;
            };
            Ctx::current().wait_until(work).unwrap();
            let receiver = receiver.lock().unwrap().take().unwrap();
            Body::from_stream(stream::unfold(receiver, |mut body| async { Some((body.recv().await?, body)) }))
        });
        let goes_on = async |seconds: u64| {
            advance(Duration::from_secs(seconds)).await;
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            Arc::strong_count(&held) == 3
        };
        let mut body = body_of(&maker).await;
        assert!(goes_on(60).await, "while the body streams");
        sender.send(Ok("piece")).await.unwrap();
        body.chunk().await.unwrap().unwrap();
        assert!(goes_on(60).await, "while the body streams");
        if reads_to_the_end {
            drop(sender);
            assert!(body.chunk().await.unwrap().is_none());
        } else {
            drop(body);
        }
        assert!(goes_on(0).await && goes_on(29).await, "for 30 s after it");
        assert!(!goes_on(2).await, "and no longer");
    }
}

#[tokio::test]
async fn its_panic_is_an_error_of_its_reader_and_ends_it() {
    let maker = answers(|| {
        Body::from_stream(stream::iter(0..3).map(|at| match at {
            0 => Ok::<_, io::Error>("piece"),
            _ => panic!("ouch"),
        }))
    });
    let mut body = body_of(&maker).await;
    body.chunk().await.unwrap();
    let error = body.chunk().await.unwrap_err();
    assert!(
        error.source().unwrap().to_string().starts_with("what makes the body panicked: ouch"),
        "{error:?}"
    );
    assert!(body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_panic_of_its_drop_goes_no_further() {
    struct Ouch;
    impl Drop for Ouch {
        fn drop(&mut self) {
            panic!("ouch");
        }
    }
    let maker = answers(|| {
        let ouch = Ouch;
        Body::from_stream(stream::iter(0..3).map(move |_| {
            let _ouch = &ouch;
            Ok::<_, io::Error>("piece")
        }))
    });
    drop(body_of(&maker).await);
    let mut body = body_of(&maker).await;
    assert_eq!(body.chunk().await.unwrap().unwrap(), "piece");
}

#[tokio::test]
async fn a_reader_holds_its_maker_back() {
    let (sender, mut made) = mpsc::unbounded_channel();
    let maker = answers(move || {
        let sender = sender.clone();
        Body::from_stream(stream::iter(0..1000).map(move |at| {
            sender.send(at).unwrap();
            Ok::<_, io::Error>("piece")
        }))
    });
    // Through a Worker in between, which forwards.
    let forwards = step(move |_| {
        let maker = maker.clone();
        async move {
            let mut body = body_of(&maker).await;
            body.chunk().await.unwrap();
            body.chunk().await.unwrap();
            Ok(2)
        }
    });
    assert_eq!(forwards.run(0).await.unwrap(), 2);
    assert_eq!((made.recv().await, made.recv().await), (Some(0), Some(1)));
    assert!(timeout(Duration::from_millis(20), made.recv()).await.is_err(), "no more than was asked for");
}
