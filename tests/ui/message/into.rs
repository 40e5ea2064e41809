#[rpc_runtime::message]
#[serde(from = "String", into = "String")]
#[derive(Clone)]
struct Name(String);

impl From<String> for Name {
    fn from(name: String) -> Self {
        Name(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

fn main() {}
