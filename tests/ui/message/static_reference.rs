#[rpc_runtime::message]
struct User {
    name: Option<&'static str>,
}

fn main() {}
