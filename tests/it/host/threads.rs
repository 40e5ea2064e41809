//! Every thread has Workers of its own, and each connection goes to the thread that has the fewest.

use super::*;

/// Tells where it runs, or keeps its thread busy.
struct Where {
    instance: Instance,
}

#[derive(Env)]
struct WhereEnv {
    probe: Instance,
}

impl Worker for Where {
    type Env = WhereEnv;

    async fn new(env: WhereEnv) -> Result<Self> {
        Ok(Self { instance: env.probe.made() })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Where {
    async fn fetch(&self, request: Request) -> Result<Response> {
        if request.uri().path() == "/busy" {
            let start = Instant::now();
            wait_until("others are served", || {
                count(&self.instance.probe.finished) == 1 || start.elapsed() > PATIENCE / 2
            });
        }
        let thread = std::thread::current();
        let told = format!("{} {}", thread.name().unwrap_or_default(), self.instance.number);
        Ok(Response::new(told.into()))
    }
}

fn start(probe: &str, threads: usize) -> Running {
    let config = format!("name = 'where'\nmain = 'where'\nvars = {{ PROBE = '{probe}' }}");
    on_a_free_port(Host::new().threads(threads).worker::<Where>("where"), &[&config]).unwrap()
}

#[test]
fn each_thread_has_an_instance_and_half_of_the_connections() {
    let running = start("threads", 2);
    let mut connections: Vec<_> = (0..8).map(|_| Connection::open(running.address())).collect();
    let mut served = BTreeMap::<String, usize>::new();
    for connection in &mut connections {
        let place = connection.get("/").body;
        assert_eq!(connection.get("/").body, place, "a connection stays where it is");
        *served.entry(place).or_default() += 1;
    }
    let instances: Vec<_> = served.keys().map(|place| place.split_once(' ').unwrap()).collect();
    assert_eq!(served.values().copied().collect::<Vec<_>>(), [4, 4], "{served:?}");
    assert_ne!(instances[0].1, instances[1].1);
    assert_eq!((instances[0].0, instances[1].0), ("rpc-0", "rpc-1"));
    assert_eq!(count(&probe("threads").made), 2);
}

#[test]
fn a_new_connection_goes_where_connections_have_ended() {
    let running = start("ended", 2);
    let mut connections: Vec<_> = (0..6).map(|_| Connection::open(running.address())).collect();
    let mut places: Vec<_> = connections.iter_mut().map(|connection| connection.get("/").body).collect();
    let emptied = places[0].clone();
    let mut kept = Vec::new();
    for (connection, place) in connections.into_iter().zip(places.drain(..)) {
        if place != emptied {
            kept.push(connection);
        }
    }
    // Until the thread has seen that they are closed.
    std::thread::sleep(Duration::from_millis(100));
    let mut newer: Vec<_> = (0..3).map(|_| Connection::open(running.address())).collect();
    for connection in &mut newer {
        assert_eq!(connection.get("/").body, emptied);
    }
}

#[test]
fn a_thread_that_is_kept_busy_gets_one_connection_and_then_no_more() {
    let probe = probe("busy");
    let running = start("busy", 2);
    let mut busy = Connection::open(running.address());
    let place = busy.get("/").body;
    busy.send("/busy");
    std::thread::sleep(Duration::from_millis(50));

    let mut others: Vec<_> = (0..6)
        .map(|_| {
            let mut other = Connection::open(running.address());
            other.send("/");
            std::thread::sleep(Duration::from_millis(50));
            other
        })
        .collect();
    let mut waiting = 0;
    for other in &mut others {
        other.0.set_nonblocking(true).unwrap();
        match other.0.peek(&mut [0; 16]) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => waiting += 1,
            Err(error) => panic!("{error}"),
        }
        other.0.set_nonblocking(false).unwrap();
    }
    assert_eq!(waiting, 1);
    probe.finished.fetch_add(1, Ordering::SeqCst);
    assert_eq!(busy.answer().body, place);
    for other in &mut others {
        assert_eq!(other.answer().status, 200);
    }
}

#[test]
fn there_are_at_least_two_threads_unless_one_is_asked_for() {
    let config = "name = 'where'\nmain = 'where'\nvars = { PROBE = 'default' }";
    let running = on_a_free_port(Host::new().worker::<Where>("where"), &[config]).unwrap();
    assert!(count(&probe("default").made) >= 2);
    drop(running);
    drop(start("alone", 1));
    assert_eq!(count(&probe("alone").made), 1);
}
