#[rpc_runtime::message]
#[serde(field_identifier)]
enum Field {
    Id,
}

fn main() {}
