//! Handlers that hold their threads, and who says so.

use rpc_runtime::{Ctx, edge::EdgeOptions};
use tracing::Level;

use super::*;
use crate::recorder::{Fields, Recorder};

#[service]
trait Press {
    async fn squeeze(&self, ms: u64) -> Result<()>;
}

/// Blocks its thread, or has another Worker do it.
struct Heavy {
    env: HeavyEnv,
}

#[derive(Env)]
struct HeavyEnv {
    press: Option<PressClient>,
}

impl Worker for Heavy {
    type Env = HeavyEnv;

    async fn new(env: HeavyEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch().service::<PressClient>()
    }
}

impl Press for Heavy {
    async fn squeeze(&self, ms: u64) -> Result<()> {
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(ms));
        Ok(())
    }
}

impl Fetch for Heavy {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let hold = Duration::from_millis(500);
        match request.uri().path() {
            "/here" => std::thread::sleep(hold),
            "/below" => self.env.press.as_ref().unwrap().squeeze(500).await?,
            "/after" => Ctx::current().wait_until(async move { std::thread::sleep(hold) })?,
            "/awaits" => tokio::time::sleep(hold).await,
            "/stuck" => std::thread::sleep(Duration::from_secs(5)),
            _ => {}
        }
        Ok(Response::new("done".into()))
    }
}

const HEAVY: [&str; 2] = [
    "name = 'front'\nmain = 'heavy'\nservices = [{ binding = 'PRESS', service = 'press' }]",
    "name = 'press'\nmain = 'heavy'",
];

fn start(watchdog: Duration) -> Running {
    let mut options = EdgeOptions::default();
    options.drain = Duration::from_millis(100);
    let host = Host::new().threads(1).edge(options).watchdog(watchdog).worker::<Heavy>("heavy");
    on_a_free_port(host, &HEAVY).unwrap()
}

/// What was said of holds: who, where, and whether it is over.
fn told(recorder: &Recorder) -> Vec<(String, bool, u64)> {
    let heard = recorder.heard();
    let of_holds =
        heard.events.iter().filter(|(level, fields)| *level == Level::WARN && fields.contains_key("held_ms"));
    let told = |fields: &Fields| {
        assert_eq!(fields["thread"], "rpc-0");
        let who = format!("{} {}", fields["worker"], fields["method"]);
        (who, fields["message"].contains("let go"), fields["held_ms"].parse().unwrap())
    };
    of_holds.map(|(_, fields)| told(fields)).collect()
}

#[test]
fn a_handler_that_holds_its_thread_is_named_once_and_again_when_it_lets_go() {
    for (path, who) in
        [("/here", "front fetch"), ("/below", "press Press/squeeze"), ("/after", "front fetch")]
    {
        let (recorder, _listening) = Recorder::listen();
        let running = start(Duration::from_millis(100));
        assert_eq!(get(running.address(), path).body, "done");
        wait_until("the end of the hold is told", || told(&recorder).len() == 2);
        running.stop();
        let [(first, false, seen), (second, true, whole)] = &told(&recorder)[..] else {
            panic!("{path}: {:?}", told(&recorder))
        };
        assert_eq!((&**first, &**second), (who, who), "{path}");
        assert!(*seen >= 100 && *seen < 500, "{path}: {seen}");
        // As far as the supervisor saw it.
        assert!(*whole >= 400, "{path}: {whole}");
    }
}

#[test]
fn a_handler_that_awaits_holds_nothing_and_a_host_may_do_without() {
    for (path, watchdog) in [("/awaits", 100), ("/here", 0), ("/here", 60_000)] {
        let (recorder, _listening) = Recorder::listen();
        let running = start(Duration::from_millis(watchdog));
        assert_eq!(get(running.address(), path).body, "done");
        std::thread::sleep(Duration::from_millis(100));
        running.stop();
        assert_eq!(told(&recorder), [], "{path} {watchdog}");
    }
}

#[test]
fn a_thread_that_is_held_does_not_keep_the_host_from_its_end() {
    let (recorder, _listening) = Recorder::listen();
    let running = start(Duration::ZERO);
    let mut connection = Connection::open(running.address());
    connection.send("/stuck");
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    running.stop();
    let took = start.elapsed();
    // 100 ms for what runs, and 1 s more.
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(2), "{took:?}");
    let heard = recorder.heard();
    let left: Vec<_> = heard.events.iter().filter(|(level, _)| *level == Level::ERROR).collect();
    let [(_, left)] = &left[..] else { panic!("{left:?}") };
    assert_eq!(["worker", "method", "thread"].map(|field| &*left[field]), ["front", "fetch", "rpc-0"]);
}
