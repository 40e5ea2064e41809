//! What stands around a call.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rpc_runtime::{
    Body, CallOptions, Client, Ctx, Error, Fetch, Fetcher, Interceptor, Next, Outcome, Outgoing, Request,
    Response, Result, service,
};

use crate::calls::AuthError;
use crate::drive::{block_on, pause, poll_once};
use crate::step::{Step, StepClient, relay, step};

type Notes = Arc<Mutex<Vec<String>>>;

fn taken(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut *notes.lock().unwrap())
}

fn around(interceptor: impl Interceptor + 'static) -> CallOptions {
    CallOptions::new().interceptor(interceptor)
}

fn paused() -> StepClient {
    step(|input| async move {
        pause().await;
        Ok(input + 1)
    })
}

/// Notes the way in and the way out.
struct Observes(&'static str, Notes);

impl Interceptor for Observes {
    async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
        let named = format!("{} {}/{}", self.0, call.service(), call.method());
        self.1.lock().unwrap().push(format!("> {named}"));
        let outcome = next.run().await;
        let ended = (outcome.is_ok(), outcome.error().map(Error::is_denied));
        self.1.lock().unwrap().push(format!("< {named} {ended:?}"));
        outcome
    }
}

#[service]
trait Doors {
    #[rpc(idempotent)]
    async fn open(&self, how: &str) -> Result<u32, AuthError>;
}

struct House;

impl Doors for House {
    async fn open(&self, how: &str) -> Result<u32, AuthError> {
        pause().await;
        match how {
            "well" => Ok(1),
            "badly" => Err(AuthError::Refused),
            _ => Err(Error::denied("locked"))?,
        }
    }
}

#[test]
fn an_interceptor_sees_the_call_and_how_it_ended() {
    let notes = Notes::default();
    let client = DoorsClient::new(House).with(around(Observes("one", Arc::clone(&notes))));
    assert_eq!(block_on(client.open("well")), Ok(1));
    assert_eq!(taken(&notes), ["> one Doors/open", "< one Doors/open (true, None)"]);
    assert_eq!(block_on(client.open("badly")), Err(AuthError::Refused));
    assert_eq!(taken(&notes), ["> one Doors/open", "< one Doors/open (false, None)"]);
    assert!(matches!(block_on(client.open("")), Err(AuthError::Rpc(error)) if error.is_denied()));
    assert_eq!(taken(&notes), ["> one Doors/open", "< one Doors/open (false, Some(true))"]);
}

#[test]
fn a_call_that_fails_on_the_way_is_an_outcome_too() {
    let notes = Notes::default();
    let panics = step(|_| async { std::panic::resume_unwind(Box::new("boom")) });
    let client = panics.with(around(Observes("one", Arc::clone(&notes))));
    assert!(block_on(client.run(0)).unwrap_err().is_panic());
    assert_eq!(taken(&notes), ["> one Step/run", "< one Step/run (false, Some(false))"]);
}

#[test]
fn an_interceptor_knows_what_it_stands_around() {
    struct Knows;

    impl Interceptor for Knows {
        async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
            assert_eq!((call.worker(), call.service(), call.method()), ("House", "Doors", "open"));
            assert!(call.is_idempotent());
            assert_eq!(
                format!("{call:?}"),
                r#"Outgoing { worker: "House", service: "Doors", method: "open" }"#
            );
            next.run().await
        }
    }

    assert_eq!(block_on(DoorsClient::new(House).with(around(Knows)).open("well")), Ok(1));
}

#[test]
fn the_one_added_first_is_the_outermost() {
    let notes = Notes::default();
    let observes = |name| Observes(name, Arc::clone(&notes));
    let client = paused().with(around(observes("a")).interceptor(observes("b"))).with(around(observes("c")));
    assert_eq!(block_on(client.run(1)).unwrap(), 2);
    let order: Vec<_> = taken(&notes).iter().map(|note| note[..3].to_owned()).collect();
    assert_eq!(order, ["> a", "> b", "> c", "< c", "< b", "< a"]);
}

/// Refuses before the call, or after it.
struct Refuses {
    after: bool,
}

impl Interceptor for Refuses {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        if self.after {
            assert!(next.run().await.is_ok());
        }
        Outcome::refused(Error::denied("not you"))
    }
}

#[test]
fn an_interceptor_refuses_a_call() {
    let runs = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&runs);
    let client = step(move |input| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(input) }
    });
    for (after, ran) in [(false, 0), (true, 1)] {
        let error = block_on(client.with(around(Refuses { after })).run(1)).unwrap_err();
        assert!(error.is_denied());
        assert!(error.to_string().starts_with("denied: not you ("), "{error}");
        let [callee] = error.hops() else { panic!("{error}") };
        assert_eq!((callee.service(), callee.method()), ("Step", "run"));
        assert_eq!(runs.swap(0, Ordering::SeqCst), ran);
    }
    let notes = Notes::default();
    let both = client.with(around(Observes("one", Arc::clone(&notes))).interceptor(Refuses { after: false }));
    assert!(block_on(both.run(1)).unwrap_err().is_denied());
    assert_eq!(taken(&notes), ["> one Step/run", "< one Step/run (false, Some(true))"]);
}

struct Waits(u32);

impl Interceptor for Waits {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        for _ in 0..self.0 {
            pause().await;
        }
        let outcome = next.run().await;
        for _ in 0..self.0 {
            pause().await;
        }
        outcome
    }
}

#[test]
fn an_interceptor_may_wait_on_both_sides() {
    for pauses in 0..3 {
        let client = paused().with(around(Waits(pauses)).interceptor(Waits(1)));
        let mut call = Box::pin(client.run(1));
        let mut waited = 0;
        while poll_once(call.as_mut()).is_pending() {
            waited += 1;
        }
        assert_eq!(waited, 2 * pauses + 2 + 1);
    }
}

struct Adds(&'static str, &'static str);

impl Interceptor for Adds {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        next.metadata(self.0, self.1).run().await
    }
}

#[test]
fn what_an_interceptor_adds_is_for_the_callee_alone() {
    let told = step(|_| async {
        let read = |key| Ctx::with(|ctx| ctx.metadata(key).map_or(0, |value| value.parse::<u32>().unwrap()));
        pause().await;
        assert_eq!(Ctx::current().metadata("a").map_or(0, |value| value.parse::<u32>().unwrap()), read("a"));
        Ok(read("a") * 100 + read("b") * 10 + read("c"))
    });
    let run = |client: StepClient| block_on(client.run(0)).unwrap();
    assert_eq!(run(told.with(around(Adds("a", "1")).interceptor(Adds("b", "2")))), 120);
    assert_eq!(run(relay(told.clone()).with(around(Adds("a", "1")))), 1);
    // The later word counts: the inner interceptor's, and any interceptor's before the client's.
    assert_eq!(run(told.with(around(Adds("a", "1")).interceptor(Adds("a", "2")))), 200);
    assert_eq!(run(told.with(around(Adds("a", "1")).metadata("a", "3").metadata("c", "4"))), 104);
    assert_eq!(run(told.with(around(Adds("a", "1")).propagate("a", "3"))), 100);
}

#[test]
fn what_interceptors_add_counts_with_what_the_client_does() {
    const KIB_4: &str = match std::str::from_utf8(&[b'x'; 4096]) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    };
    let client = paused().with(around(Adds("a", KIB_4)));
    assert_eq!(block_on(client.run(1)).unwrap(), 2);
    for more in [around(Adds("b", KIB_4)), CallOptions::new().metadata("b", KIB_4)] {
        let error = block_on(client.with(more).run(1)).unwrap_err();
        assert!(
            error.to_string().starts_with("the limit of 8192 bytes of metadata is reached: it would be "),
            "{error}"
        );
    }
}

/// Lets the callee run for a while, and then wants it no more.
struct Impatient;

impl Interceptor for Impatient {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        tokio::select! {
            biased;
            outcome = next.run() => outcome,
            () = tokio::time::sleep(Duration::from_secs(1)) => Outcome::refused(Error::denied("too slow")),
        }
    }
}

struct OnDrop(Notes, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1.into());
    }
}

fn never(notes: &Notes) -> StepClient {
    let notes = Arc::clone(notes);
    step(move |_| {
        let guard = OnDrop(Arc::clone(&notes), "callee dropped");
        async move {
            let _guard = guard;
            pending().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn dropping_the_run_cancels_the_callee() {
    let notes = Notes::default();
    let client =
        relay(never(&notes)).with(around(Observes("one", Arc::clone(&notes))).interceptor(Impatient));
    assert!(client.run(0).await.unwrap_err().is_denied());
    let noted = taken(&notes);
    assert_eq!(noted.len(), 3);
    assert!(noted.contains(&"callee dropped".to_owned()));
    assert_eq!(noted[0], "> one Step/run");
}

/// Leaves the callee, and goes on for a while before it answers.
struct Leaves(Notes);

impl Interceptor for Leaves {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        {
            let mut run = Box::pin(next.run());
            assert!(crate::drive::poll_now(run.as_mut()).await.is_pending());
            pause().await;
        }
        self.0.lock().unwrap().push("left".into());
        pause().await;
        self.0.lock().unwrap().push("refuses".into());
        Outcome::refused(Error::denied("left"))
    }
}

#[test]
fn a_callee_that_was_left_is_cancelled_before_its_interceptor_goes_on() {
    let notes = Notes::default();
    let client = never(&notes).with(around(Leaves(Arc::clone(&notes))));
    assert!(block_on(client.run(0)).unwrap_err().is_denied());
    assert_eq!(taken(&notes), ["left", "callee dropped", "refuses"]);
}

#[test]
fn dropping_a_call_cancels_its_callee_and_then_its_interceptors() {
    struct Guards(Notes);

    impl Interceptor for Guards {
        async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
            let _guard = OnDrop(Arc::clone(&self.0), "interceptor dropped");
            next.run().await
        }
    }

    let notes = Notes::default();
    let client = never(&notes).with(around(Guards(Arc::clone(&notes))));
    let mut call = Box::pin(client.run(0));
    assert!(poll_once(call.as_mut()).is_pending());
    drop(call);
    assert_eq!(taken(&notes), ["callee dropped", "interceptor dropped"]);
}

/// Runs what is left of the call in a task of its own.
struct Spawns {
    abort: bool,
}

impl Interceptor for Spawns {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        let task = tokio::spawn(next.run());
        if self.abort {
            tokio::task::yield_now().await;
            task.abort();
        }
        task.await.unwrap_or_else(|_| Outcome::refused(Error::denied("aborted")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_call_may_be_run_in_another_task() {
    let slow = step(|input| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(input + 1)
    });
    let client = slow.with(around(Spawns { abort: false }).interceptor(Spawns { abort: false }));
    for input in 0..20 {
        let task = tokio::spawn({
            let client = client.clone();
            async move { client.run(input).await }
        });
        let answer = tokio::time::timeout(Duration::from_secs(20), task).await;
        assert_eq!(answer.expect("it ends").unwrap().unwrap(), input + 1);
    }
    let notes = Notes::default();
    let client = never(&notes).with(around(Spawns { abort: true }));
    let answer = tokio::time::timeout(Duration::from_secs(20), client.run(0)).await;
    assert!(answer.expect("it ends").unwrap_err().is_denied());
    assert!(taken(&notes).len() <= 1);
}

#[tokio::test]
async fn a_callee_whose_run_is_aborted_elsewhere_is_cancelled_at_once() {
    /// Aborts the run, and never returns.
    struct Hangs;

    impl Interceptor for Hangs {
        async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
            let task = tokio::spawn(next.run());
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                task.abort();
            });
            pending().await
        }
    }

    let notes = Notes::default();
    let client = never(&notes).with(around(Hangs));
    let call = tokio::spawn(async move { client.run(0).await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(taken(&notes), ["callee dropped"]);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

#[test]
fn an_interceptor_runs_in_the_callers_invocation() {
    struct Looks(Notes);

    impl Interceptor for Looks {
        async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
            let seen = |when| {
                let seen = Ctx::with(|ctx| format!("{when} {:?} {}", ctx.metadata("name"), ctx.depth()));
                self.0.lock().unwrap().push(seen);
            };
            seen("before");
            pause().await;
            seen("paused");
            let outcome = next.run().await;
            seen("after");
            outcome
        }
    }

    let notes = Notes::default();
    let callee = paused().with(around(Looks(Arc::clone(&notes))).metadata("name", "callee"));
    let client = relay(callee.clone()).with(CallOptions::new().metadata("name", "caller"));
    block_on(client.run(0)).unwrap();
    assert_eq!(
        taken(&notes),
        ["before Some(\"caller\") 1", "paused Some(\"caller\") 1", "after Some(\"caller\") 1"]
    );
    block_on(callee.run(0)).unwrap();
    assert_eq!(taken(&notes), ["before None 0", "paused None 0", "after None 0"]);
}

#[test]
fn an_interceptor_may_make_calls_of_its_own() {
    struct Asks(StepClient);

    impl Interceptor for Asks {
        async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
            match self.0.run(1).await {
                Ok(2) => next.run().await,
                Ok(_) => Outcome::refused(Error::denied("wrong answer")),
                Err(error) => Outcome::refused(error),
            }
        }
    }

    let guarded = paused().with(around(Asks(paused())));
    let twice = paused().with(around(Asks(guarded)));
    assert_eq!(block_on(relay(twice).run(5)).unwrap(), 7);
}

/// Calls through the client that it stands around, as one that renews a token might.
struct Recurs(Arc<OnceLock<StepClient>>);

impl Interceptor for Recurs {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        match self.0.get().unwrap().run(1).await {
            Ok(_) => next.run().await,
            Err(error) => Outcome::refused(error),
        }
    }
}

#[test]
fn an_interceptor_that_calls_through_its_own_client_comes_to_the_limit_of_the_depth() {
    let own = Arc::new(OnceLock::new());
    let client = paused().with(around(Recurs(Arc::clone(&own))));
    assert!(own.set(client.clone()).is_ok());
    for client in [client.clone(), relay(client)] {
        let error = block_on(client.run(5)).unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("32 Workers deep"), "{error}");
    }
}

#[test]
fn interceptors_around_each_call_of_a_deep_pipeline_are_not_too_many() {
    let notes = Notes::default();
    let mut client = paused();
    for _ in 1..32 {
        client = relay(client.with(around(Observes("deep", Arc::clone(&notes)))));
    }
    let client = client.with(around(Observes("first", Arc::clone(&notes))));
    assert_eq!(block_on(client.run(5)).unwrap(), 37);
    let error = block_on(relay(client).run(5)).unwrap_err();
    assert!(error.is_limit(), "{error}");
}

#[test]
fn an_answer_that_is_refused_and_panics_as_it_goes_harms_nobody() {
    #[derive(Clone)]
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("it goes off");
        }
    }

    struct Carries;

    impl Fetch for Carries {
        async fn fetch(&self, _: Request) -> Result<Response> {
            let mut response = Response::new(Body::none());
            response.extensions_mut().insert(Bomb);
            Ok(response)
        }
    }

    struct Refuses;

    impl Interceptor for Refuses {
        async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
            assert!(next.run().await.is_ok());
            Outcome::refused(Error::denied("not that"))
        }
    }

    let fetcher = Fetcher::new(Carries).with(around(Refuses));
    let error = block_on(fetcher.fetch("http://carries/")).unwrap_err();
    assert!(error.is_denied(), "{error}");
}

/// Keeps an outcome and returns it for the next call.
#[derive(Default)]
struct Forges(Mutex<Option<Outcome>>);

impl Interceptor for Forges {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        if let Some(outcome) = self.0.lock().unwrap().take() {
            return outcome;
        }
        let outcome = next.run().await;
        *self.0.lock().unwrap() = Some(outcome.clone());
        outcome
    }
}

#[test]
fn the_outcome_of_another_call_is_not_an_answer() {
    let client = paused().with(around(Forges::default()));
    assert_eq!(block_on(client.run(1)).unwrap(), 2);
    let error = block_on(client.run(1)).unwrap_err();
    assert!(
        error.to_string().starts_with(
            "an interceptor returned the outcome of another call: return that of `next.run()`, or refuse"
        ),
        "{error}"
    );
    assert_eq!(block_on(client.run(3)).unwrap(), 4);
}

#[test]
fn an_interceptor_stands_around_a_local_service() {
    #[service(local)]
    trait Near {
        async fn count(&self, each: Rc<Cell<u32>>) -> Result<Rc<Cell<u32>>>;
    }

    struct Here;

    impl Near for Here {
        async fn count(&self, each: Rc<Cell<u32>>) -> Result<Rc<Cell<u32>>> {
            pause().await;
            each.set(each.get() + 1);
            Ok(each)
        }
    }

    let notes = Notes::default();
    let client =
        NearClient::new(Here).with(around(Waits(1)).interceptor(Observes("near", Arc::clone(&notes))));
    let counted = Rc::new(Cell::new(1));
    let back = block_on(client.count(Rc::clone(&counted))).unwrap();
    assert!(Rc::ptr_eq(&back, &counted));
    assert_eq!(counted.get(), 2);
    assert_eq!(taken(&notes), ["> near Near/count", "< near Near/count (true, None)"]);
}

#[test]
fn an_interceptor_stands_around_fetch() {
    struct Echo;

    impl Fetch for Echo {
        async fn fetch(&self, request: Request) -> Result<Response> {
            pause().await;
            match request.uri().path() {
                "/denied" => Err(Error::denied("no")),
                _ => Ok(Response::new(request.into_body())),
            }
        }
    }

    let notes = Notes::default();
    let fetcher = Fetcher::new(Echo).with(around(Observes("web", Arc::clone(&notes))).interceptor(Waits(2)));
    let request =
        |path| http::Request::get(format!("http://echo{path}")).body(Body::from("content")).unwrap();
    let response = block_on(fetcher.fetch(request("/"))).unwrap();
    assert_eq!(block_on(response.into_body().text()).unwrap(), "content");
    assert!(block_on(fetcher.fetch(request("/denied"))).unwrap_err().is_denied());
    assert_eq!(
        taken(&notes),
        ["> web /fetch", "< web /fetch (true, None)", "> web /fetch", "< web /fetch (false, Some(true))"]
    );
}

#[test]
fn calls_with_interceptors_stand_beside_each_other() {
    let client = paused().with(around(Waits(1)).interceptor(Adds("key", "value")));
    let mut calls: Vec<_> = (0..40).map(|input| Box::pin(client.run(input))).collect();
    for _ in 0..3 {
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
    }
    for (call, input) in calls.iter_mut().zip(0..) {
        assert!(
            matches!(poll_once(call.as_mut()), std::task::Poll::Ready(Ok(answer)) if answer == input + 1)
        );
    }
}
