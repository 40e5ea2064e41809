//! One service of 100 methods, each implemented and called once, written for each peer.

use super::{Project, build::workspace};

const METHODS: usize = 100;

/// The method whose body is edited.
const EDITED: usize = 50;

/// The same service for every peer.
pub fn projects() -> Vec<Project> {
    let project = |name, dependencies: &str, source| Project {
        name,
        yardstick: Some("service_async_trait"),
        dependencies: dependencies.to_owned(),
        file: "main.rs",
        source,
        prints: Some(sum),
        items: METHODS,
    };
    let async_trait = project("service_async_trait", "async-trait = \"0.1\"", async_trait);
    vec![
        Project { yardstick: None, ..async_trait },
        project("service_plain", "", plain),
        project("service_tarpc", TARPC, tarpc),
        project("service_rpc", &runtime(), rpc),
        project("service_rpc_without_host", &runtime_without_host(), rpc),
        project("service_rpc_local", &runtime_without_host(), rpc_local),
    ]
}

/// With serde, as for any use over a network.
const TARPC: &str = r#"futures-util = { version = "0.3", default-features = false }
tarpc = { version = "0.38", features = ["serde1", "tokio1"] }
tokio = { version = "1", features = ["rt", "time"] }"#;

fn plain(edit: u64) -> String {
    let signatures = signatures("&self, ", "Result<u64, Error>");
    let bodies = bodies("&self, ", "Result<u64, Error>", |value| format!("Ok({value})"), edit);
    let calls = calls("&Worker", "calc", "");
    format!(
        "{ERROR}
        #[allow(async_fn_in_trait, reason = \"used in this crate alone\")]
        pub trait Calc {{ {signatures} }}
        pub struct Worker;
        impl Calc for Worker {{ {bodies} }}
        {calls}
        {SPIN}
        fn main() {{ println!(\"{{}}\", spin(all(&Worker)).unwrap()); }}"
    )
}

fn async_trait(edit: u64) -> String {
    let signatures = signatures("&self, ", "Result<u64, Error>");
    let bodies = bodies("&self, ", "Result<u64, Error>", |value| format!("Ok({value})"), edit);
    let calls = calls("&std::sync::Arc<dyn Calc>", "calc", "");
    format!(
        "{ERROR}
        #[async_trait::async_trait]
        pub trait Calc: Send + Sync {{ {signatures} }}
        pub struct Worker;
        #[async_trait::async_trait]
        impl Calc for Worker {{ {bodies} }}
        {calls}
        {SPIN}
        fn main() {{
            let calc: std::sync::Arc<dyn Calc> = std::sync::Arc::new(Worker);
            println!(\"{{}}\", spin(all(&calc)).unwrap());
        }}"
    )
}

fn tarpc(edit: u64) -> String {
    let signatures = signatures("", "u64");
    let bodies = bodies("self, _: tarpc::context::Context, ", "u64", |value| value, edit);
    let calls = calls("&CalcClient", "calc", "tarpc::context::current(), ");
    format!(
        "type Error = tarpc::client::RpcError;
        #[tarpc::service]
        pub trait Calc {{ {signatures} }}
        #[derive(Clone)]
        pub struct Worker;
        impl Calc for Worker {{ {bodies} }}
        {calls}
        async fn connect_and_call() -> Result<u64, Error> {{
            use futures_util::StreamExt;
            use tarpc::server::Channel;
            let (near, far) = tarpc::transport::channel::unbounded();
            let requests = tarpc::server::BaseChannel::with_defaults(far).execute(Worker.serve());
            tokio::spawn(requests.for_each(|response| async {{ tokio::spawn(response); }}));
            all(&CalcClient::new(tarpc::client::Config::default(), near).spawn()).await
        }}
        fn main() {{
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            println!(\"{{}}\", runtime.block_on(connect_and_call()).unwrap());
        }}"
    )
}

fn rpc(edit: u64) -> String {
    rpc_with("#[rpc_runtime::service]", edit)
}

/// Without what a boundary needs.
fn rpc_local(edit: u64) -> String {
    rpc_with("#[rpc_runtime::service(local)]", edit)
}

fn rpc_with(attribute: &str, edit: u64) -> String {
    let signatures = signatures("&self, ", "rpc_runtime::Result<u64>");
    let bodies = bodies("&self, ", "rpc_runtime::Result<u64>", |value| format!("Ok({value})"), edit);
    let calls = calls("&CalcClient", "calc", "");
    format!(
        "type Error = rpc_runtime::Error;
        {attribute}
        pub trait Calc {{ {signatures} }}
        pub struct Worker;
        impl Calc for Worker {{ {bodies} }}
        {calls}
        {SPIN}
        fn main() {{ println!(\"{{}}\", spin(all(&CalcClient::new(Worker))).unwrap()); }}"
    )
}

/// The runtime of this workspace, as a dependency.
pub(super) fn runtime() -> String {
    format!("rpc-runtime = {{ path = {:?} }}", workspace().join("rpc-runtime"))
}

/// The same, as a crate needs it that is no host: less to link.
fn runtime_without_host() -> String {
    format!("rpc-runtime = {{ path = {:?}, default-features = false }}", workspace().join("rpc-runtime"))
}

fn each(text: impl Fn(usize) -> String) -> String {
    (0..METHODS).map(text).collect()
}

fn signatures(receiver: &str, output: &str) -> String {
    each(|i| format!("async fn method_{i}({receiver}id: u64, name: String, items: Vec<u32>) -> {output};\n"))
}

fn bodies(receiver: &str, output: &str, result: fn(String) -> String, edit: u64) -> String {
    each(|i| {
        let number = if i == EDITED { edit } else { 0 };
        let value = result(format!("id + name.len() as u64 + items.len() as u64 + {number}"));
        format!(
            "async fn method_{i}({receiver}id: u64, name: String, items: Vec<u32>) -> {output} {{ {value} }}\n"
        )
    })
}

/// Ten functions with ten calls each, and one that awaits them all.
fn calls(client: &str, calc: &str, context: &str) -> String {
    let call = |i: usize| {
        format!(
            "sum += {calc}.method_{i}({context}{i}, String::from(\"name\"), Vec::from([1, 2, 3])).await?;\n"
        )
    };
    let ten = |tens: usize| {
        let calls: String = (10 * tens..10 * tens + 10).map(call).collect();
        format!(
            "async fn calls_{tens}({calc}: {client}) -> Result<u64, Error> {{ let mut sum = 0; {calls} Ok(sum) }}\n"
        )
    };
    let functions: String = (0..METHODS / 10).map(ten).collect();
    let awaits: String =
        (0..METHODS / 10).map(|tens| format!("sum += calls_{tens}({calc}).await?;\n")).collect();
    format!(
        "{functions} async fn all({calc}: {client}) -> Result<u64, Error> {{ let mut sum = 0; {awaits} Ok(sum) }}"
    )
}

/// What `all` gives.
fn sum(edit: u64) -> String {
    let methods = METHODS as u64;
    let ids = methods * (methods - 1) / 2;
    let lengths = ("name".len() + [1, 2, 3].len()) as u64;
    (ids + methods * lengths + edit).to_string()
}

const ERROR: &str = "#[derive(Debug)] pub struct Error;";

/// An executor for futures that are ready.
const SPIN: &str = "fn spin<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) { return output; }
    }
}";
