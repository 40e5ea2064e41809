use rpc_runtime::message;

#[message]
#[derive(Debug, serde::Serialize)]
struct User {
    id: u64,
}

fn main() {
    println!("{:?}", User { id: 1 });
}
