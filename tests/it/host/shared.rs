//! Values that the instances of all threads share.

use super::{starting::told, *};

/// Shared, as a whole.
#[derive(Default)]
struct Hits(AtomicUsize);

/// Shared behind a trait.
trait Greets: Send + Sync {
    fn greeting(&self) -> &str;
}

impl Greets for String {
    fn greeting(&self) -> &str {
        self
    }
}

struct Counts {
    env: CountsEnv,
    own: AtomicUsize,
}

#[derive(Env)]
struct CountsEnv {
    hits: Arc<Hits>,
    greets: Option<Arc<dyn Greets>>,
}

impl Worker for Counts {
    type Env = CountsEnv;

    async fn new(env: CountsEnv) -> Result<Self> {
        Ok(Self { env, own: AtomicUsize::new(0) })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Counts {
    async fn fetch(&self, _: Request) -> Result<Response> {
        let all = self.env.hits.0.fetch_add(1, Ordering::SeqCst) + 1;
        let own = self.own.fetch_add(1, Ordering::SeqCst) + 1;
        let greeting = self.env.greets.as_ref().map_or("nobody", |greets| greets.greeting());
        Ok(Response::new(format!("{all} {own} {greeting}").into()))
    }
}

const COUNTS: &str = "name = 'a'\nmain = 'counts'";

fn host() -> Host {
    Host::new().threads(4).worker::<Counts>("counts")
}

#[test]
fn a_shared_value_is_one_for_all_threads() {
    let hits = Arc::new(Hits::default());
    let running = on_a_free_port(host().shared(Arc::clone(&hits)), &[COUNTS]).unwrap();
    // Kept open, so that each goes to another thread.
    let mut connections: Vec<_> = (0..4).map(|_| Connection::open(running.address())).collect();
    let answers: Vec<_> = connections.iter_mut().map(|connection| connection.get("/").body).collect();
    assert_eq!(answers, ["1 1 nobody", "2 1 nobody", "3 1 nobody", "4 1 nobody"]);
    drop(connections);
    running.stop();
    assert_eq!(count(&hits.0), 4);
    assert_eq!(Arc::strong_count(&hits), 1, "the Workers have gone");
}

#[test]
fn a_shared_value_may_be_known_by_its_trait() {
    let greets: Arc<dyn Greets> = Arc::new("hello".to_owned());
    let host = host().shared(Arc::new(Hits::default())).shared(greets);
    assert_eq!(get(on_a_free_port(host, &[COUNTS]).unwrap().address(), "/").body, "1 1 hello");
}

#[test]
fn a_value_that_is_not_shared_is_a_fault_that_names_the_worker_and_the_type() {
    let refused = |host: Host| told(&on_a_free_port(host, &[COUNTS]).unwrap_err());
    let name = std::any::type_name::<Hits>();
    let help = "the field `HITS` in the `Env` of `a` takes it: share one where the host is made";
    let received =
        |received: &str| [format!("0.toml:2:8 main: a value that is not shared | {received} | {help}")];
    assert_eq!(refused(host()), received("no shared values"));
    assert_eq!(refused(host().shared(Arc::new(7_u8))), received("shared values of the types u8"));
    let faults = on_a_free_port(host(), &[COUNTS]).unwrap_err();
    let expected = faults.iter().next().unwrap().expected().unwrap();
    assert_eq!(expected, format!("`Host::shared` with an `Arc<{name}>`"));

    let twice = refused(host().shared(Arc::new(Hits::default())).shared(Arc::new(Hits::default())));
    let [twice] = &twice[..] else { panic!("{twice:?}") };
    assert!(twice.contains("two shared values of one type") && twice.contains(name), "{twice}");
}
