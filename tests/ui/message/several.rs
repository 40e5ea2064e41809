use rpc_runtime::message;

#[message]
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<String>,
    name: &'static str,
    #[serde(flatten)]
    address: Address,
}

#[message]
#[derive(Debug)]
#[serde(tag = "kind")]
enum Address {
    #[serde(skip)]
    Nowhere,
    Street(String),
    #[serde(other)]
    Elsewhere,
}

/// Uses of a refused type are not mistakes.
fn show(user: &User) {
    println!("{user:?} {}", user.mail.is_some());
}

fn main() {}
