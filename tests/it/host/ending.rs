//! How a host ends: what runs comes to its end, and Workers are dropped.

use rpc_runtime::Ctx;
use rpc_runtime::edge::EdgeOptions;

use super::*;

/// Is slow, and leaves work behind.
struct Slow {
    env: SlowEnv,
}

#[derive(Env)]
struct SlowEnv {
    auth: AuthClient,
    probe: Instance,
}

impl Worker for Slow {
    type Env = SlowEnv;

    async fn new(mut env: SlowEnv) -> Result<Self> {
        env.probe = env.probe.made();
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Slow {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let (auth, probe) = (self.env.auth.clone(), Arc::clone(&self.env.probe.probe));
        let time = Duration::from_millis(300);
        match request.uri().path() {
            "/slow" => tokio::time::sleep(time).await,
            "/background" => Ctx::current().wait_until(async move {
                tokio::time::sleep(time).await;
                assert_eq!(auth.verify("late").await.unwrap(), "late is known to 0");
                probe.finished.fetch_add(1, Ordering::SeqCst);
            })?,
            "/endless" => Ctx::current().wait_until(std::future::pending())?,
            "/hang" => std::future::pending().await,
            _ => {}
        }
        Ok(Response::new("done".into()))
    }
}

const SLOW: [&str; 2] = [
    "name = 'slow'\nmain = 'slow'\nservices = [{ binding = 'AUTH', service = 'auth' }]\nvars = { PROBE = 'full' }",
    "name = 'auth'\nmain = 'auth'\nvars = { PROBE = 'full-auth' }",
];

fn start(probe: &str, drain: Duration) -> Running {
    let mut options = EdgeOptions::default();
    options.drain = drain;
    let host = Host::new().threads(1).edge(options).worker::<Slow>("slow").worker::<AuthWorker>("auth");
    let slow = format!(
        "name = 'slow'\nmain = 'slow'\nservices = [{{ binding = 'AUTH', service = 'auth' }}]\n\
         vars = {{ PROBE = '{probe}' }}"
    );
    on_a_free_port(host, &[&slow, &format!("{AUTH}vars = {{ PROBE = '{probe}-auth' }}")]).unwrap()
}

#[test]
fn a_request_that_runs_is_answered_before_the_host_ends() {
    let running = start("drains", PATIENCE);
    let address = running.address().unwrap();
    let mut connection = Connection::open(address);
    connection.send("/slow");
    std::thread::sleep(Duration::from_millis(50));
    running.stop();
    let answer = connection.answer();
    assert_eq!(answer.body, "done");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert!(TcpStream::connect(address).is_err(), "the socket is closed");
}

#[test]
fn background_work_comes_to_its_end_before_the_workers_are_dropped() {
    let probe = probe("leaves");
    let running = start("leaves", PATIENCE);
    assert_eq!(get(running.address(), "/background").body, "done");
    assert_eq!(count(&probe.finished), 0);
    running.stop();
    assert_eq!(count(&probe.finished), 1);
}

#[test]
fn what_does_not_end_is_cut_when_the_time_is_over() {
    for path in ["/hang", "/endless"] {
        let running = start("cut", Duration::from_millis(200));
        let mut connection = Connection::open(running.address());
        connection.send(path);
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        running.stop();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(190) && took < PATIENCE / 2, "{path}: {took:?}");
    }
}

#[test]
fn a_thread_that_has_no_room_drains_what_it_has() {
    let mut options = EdgeOptions::default();
    options.connections_max = 1;
    options.drain = PATIENCE;
    let host = Host::new().threads(1).edge(options).worker::<Slow>("slow").worker::<AuthWorker>("auth");
    let running = on_a_free_port(host, &SLOW).unwrap();
    let mut idle = Connection::open(running.address());
    assert_eq!(idle.get("/").body, "done");
    // There is no room for it before the other one has ended.
    let mut waiting = Connection::open(running.address());
    waiting.send("/");
    let start = Instant::now();
    running.stop();
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    assert_eq!(waiting.answer().body, "done");
}

#[test]
fn a_time_to_drain_may_be_as_long_as_can_be_said() {
    let running = start("longest", Duration::MAX);
    assert_eq!(get(running.address(), "/").body, "done");
    running.stop();
}

#[test]
fn every_worker_is_dropped_once_when_the_host_ends() {
    for stop in [Running::stop, drop] {
        let (slow, auth) = (probe("dropped"), probe("dropped-auth"));
        let before = [count(&slow.dropped), count(&auth.dropped)];
        let running = start("dropped", PATIENCE);
        assert_eq!(get(running.address(), "/").body, "done");
        assert_eq!([count(&slow.dropped), count(&auth.dropped)], before);
        stop(running);
        assert_eq!([count(&slow.dropped), count(&auth.dropped)], before.map(|count| count + 1));
        assert_eq!(count(&slow.made), count(&slow.dropped));
    }
}

/// Is bound to itself or to its like.
struct Circle {
    _env: CircleEnv,
}

#[derive(Env)]
struct CircleEnv {
    #[expect(dead_code, reason = "it is there to be held")]
    next: CircleCallClient,
    probe: Instance,
}

#[service]
trait CircleCall {}

impl CircleCall for Circle {}

impl Worker for Circle {
    type Env = CircleEnv;

    async fn new(mut env: CircleEnv) -> Result<Self> {
        env.probe = env.probe.made();
        Ok(Self { _env: env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<CircleCallClient>().fetch()
    }
}

impl Fetch for Circle {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(Response::default())
    }
}

/// As `Host` says; a way to drop them would be welcome here.
#[test]
fn workers_of_a_circle_are_left_and_those_bound_to_it_are_dropped() {
    let config = |name: &str, next: &str| {
        format!(
            "name = '{name}'\nmain = 'circle'\nservices = [{{ binding = 'NEXT', service = '{next}' }}]\n\
             vars = {{ PROBE = 'circle-{name}' }}"
        )
    };
    let host = Host::new().threads(1).worker::<Circle>("circle");
    on_a_free_port(host, &[&config("outside", "one"), &config("one", "two"), &config("two", "one")])
        .unwrap()
        .stop();
    let dropped = ["outside", "one", "two"].map(|name| count(&probe(&format!("circle-{name}")).dropped));
    assert_eq!(dropped, [1, 0, 0]);
}

#[test]
fn a_client_that_was_carried_off_keeps_its_worker() {
    static CARRIED: Mutex<Option<AuthClient>> = Mutex::new(None);

    struct Thief;

    #[derive(Env)]
    struct ThiefEnv {
        auth: AuthClient,
    }

    impl Worker for Thief {
        type Env = ThiefEnv;
        async fn new(env: ThiefEnv) -> Result<Self> {
            *CARRIED.lock().unwrap() = Some(env.auth);
            Ok(Self)
        }
        fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
            entrypoint.fetch()
        }
    }

    impl Fetch for Thief {
        async fn fetch(&self, _: Request) -> Result<Response> {
            Ok(Response::default())
        }
    }

    let probe = probe("carried");
    let host = Host::new().threads(1).worker::<Thief>("thief").worker::<AuthWorker>("auth");
    let thief = "name = 'thief'\nmain = 'thief'\nservices = [{ binding = 'AUTH', service = 'auth' }]";
    on_a_free_port(host, &[thief, &format!("{AUTH}vars = {{ PROBE = 'carried' }}")]).unwrap().stop();
    let auth = CARRIED.lock().unwrap().take().unwrap();
    assert_eq!(count(&probe.dropped), 0);
    assert_eq!(crate::block_on(auth.verify("t")).unwrap(), "t is known to 0");
    drop(auth);
    assert_eq!(count(&probe.dropped), 1);
}
