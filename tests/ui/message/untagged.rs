#[rpc_runtime::message]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

fn main() {}
