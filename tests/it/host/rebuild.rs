//! Workers that are made again when a handler of theirs has panicked.

use rpc_runtime::OnPanic;
use tracing::Level;

use super::*;

#[service]
trait Till {
    async fn add(&self, coins: u32) -> Result<u32>;
}

/// Counts under a mutex, which a panic poisons. Says how its instances are to be treated by its type.
struct Counting<const REBUILD: bool> {
    coins: Mutex<u32>,
    instance: Instance,
}

#[derive(Env)]
struct CountingEnv {
    probe: Instance,
}

impl<const REBUILD: bool> Worker for Counting<REBUILD> {
    type Env = CountingEnv;
    const ON_PANIC: OnPanic = if REBUILD { OnPanic::Rebuild } else { OnPanic::Keep };

    async fn new(env: CountingEnv) -> Result<Self> {
        Ok(Self { coins: Mutex::new(0), instance: env.probe.made() })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<TillClient>().fetch()
    }
}

impl<const REBUILD: bool> Till for Counting<REBUILD> {
    async fn add(&self, added: u32) -> Result<u32> {
        if added == 7 {
            // It goes on where it began.
            tokio::time::sleep(Duration::from_millis(500)).await;
            return Ok(u32::try_from(self.instance.number).unwrap());
        }
        let mut coins = self.coins.lock().map_err(|_| Error::application("poisoned"))?;
        assert!(added < 100, "no such coins");
        *coins += added;
        Ok(*coins)
    }
}

impl<const REBUILD: bool> Fetch for Counting<REBUILD> {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let added = request.uri().path()[1..].parse().map_err(Error::application)?;
        Ok(Response::new(self.add(added).await?.to_string().into()))
    }
}

/// Hands the number on, and tells what came of it.
struct Front {
    env: FrontEnv,
}

#[derive(Env)]
struct FrontEnv {
    till: TillClient,
}

impl Worker for Front {
    type Env = FrontEnv;

    async fn new(env: FrontEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Front {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let added = request.uri().path()[1..].parse().map_err(Error::application)?;
        let told = self.env.till.add(added).await;
        Ok(Response::new(told.map_or_else(|error| error.to_string(), |coins| coins.to_string()).into()))
    }
}

fn start(probe: &str, main: &str) -> Running {
    let host = Host::new().threads(1);
    let host =
        host.worker::<Front>("front").worker::<Counting<true>>("again").worker::<Counting<false>>("kept");
    let front = "name = 'front'\nmain = 'front'\nservices = [{ binding = 'TILL', service = 'till' }]";
    let till = format!("name = 'till'\nmain = '{main}'\nvars = {{ PROBE = '{probe}' }}");
    on_a_free_port(host, &[front, &till]).unwrap()
}

#[test]
fn an_instance_goes_on_after_a_panic_unless_its_worker_says_otherwise() {
    let running = start("kept", "kept");
    let add = |coins: u32| get(running.address(), &format!("/{coins}")).body;
    assert_eq!(add(5), "5");
    assert!(add(100).contains("no such coins"));
    std::thread::sleep(Duration::from_millis(200));
    assert!(add(5).starts_with("poisoned"));
    assert_eq!(count(&probe("kept").made), 1);
}

#[test]
fn a_worker_that_is_rebuilt_begins_anew_after_a_panic() {
    let (recorder, _listening) = crate::recorder::Recorder::listen();
    let running = start("again", "again");
    let probe = probe("again");
    let add = |coins: u32| get(running.address(), &format!("/{coins}")).body;
    assert_eq!(add(5), "5");
    let mut slow = Connection::open(running.address());
    slow.send("/7");
    std::thread::sleep(Duration::from_millis(100));
    assert!(add(100).contains("no such coins"));
    wait_until("it is made again", || count(&probe.made) == 2);
    wait_until("calls go to the new one", || add(0) == "0");
    assert_eq!((add(5), add(5)), ("5".to_owned(), "10".to_owned()));
    assert_eq!(slow.answer().body, "0", "a call that was made before ends where it began");

    // Not at once: a Worker that always panics is not made all the time.
    assert!(add(100).contains("no such coins"));
    assert!(add(5).starts_with("poisoned"));
    wait_until("it is made once more", || count(&probe.made) == 3);
    wait_until("calls go to the newest", || add(0) == "0");
    assert_eq!(count(&probe.dropped), 0, "a call may still borrow from it");
    running.stop();
    assert_eq!(count(&probe.dropped), 3);
    // The threads of the host have no subscriber of this test's.
    assert_eq!(recorder.messages(Level::ERROR), [""; 0]);
}

#[test]
fn requests_and_callers_elsewhere_have_it_made_again_too() {
    let host = || Host::new().threads(1).worker::<Counting<true>>("again").worker::<Front>("front");
    let till = |probe: &str| format!("name = 'till'\nmain = 'again'\nvars = {{ PROBE = '{probe}' }}");
    let running = on_a_free_port(host(), &[&till("requested")]).unwrap();
    assert_eq!(get(running.address(), "/100").status, 500);
    wait_until("it is made again", || count(&probe("requested").made) == 2);
    wait_until("requests go to the new one", || get(running.address(), "/5").status == 200);

    let listening = format!("{}\nlisten = ['tcp:127.0.0.1:0']", till("far"));
    let far = host().start_listening(parsed(&[&listening])).unwrap();
    let front = format!(
        "name = 'front'\nmain = 'front'\n\
         services = [{{ binding = 'TILL', service = 'till', address = '{}' }}]",
        far.listening()[0]
    );
    let front = on_a_free_port(host(), &[&front]).unwrap();
    assert!(get(front.address(), "/100").body.contains("no such coins"));
    wait_until("it is made again", || count(&probe("far").made) == 2);
    wait_until("calls go to the new one", || get(front.address(), "/0").body == "0");
}
