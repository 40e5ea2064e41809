#[rpc_runtime::message]
struct User {
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mail: Option<String>,
}

fn main() {}
