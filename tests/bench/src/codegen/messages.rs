//! A contract crate of 100 messages: structs of ten fields and enums of four variants.

use super::{Project, services::runtime};

const MESSAGES: usize = 100;

/// Serde's derives alone, and ours, which runs them.
pub fn projects() -> Vec<Project> {
    let project = |name, yardstick, dependencies, source| Project {
        name,
        yardstick,
        dependencies,
        file: "lib.rs",
        source,
        prints: None,
        items: MESSAGES,
    };
    let derives = "serde = { version = \"1\", features = [\"derive\"] }".to_owned();
    vec![
        project("messages_serde", None, derives, serde),
        project("messages_rpc", Some("messages_serde"), runtime(), rpc),
    ]
}

fn serde(edit: u64) -> String {
    messages("#[derive(serde::Serialize, serde::Deserialize)]", edit)
}

fn rpc(edit: u64) -> String {
    messages("#[rpc_runtime::message]", edit)
}

fn messages(attribute: &str, edit: u64) -> String {
    let messages: String = (0..MESSAGES).map(|i| format!("{attribute} {}\n", message(i))).collect();
    format!("{messages} pub fn edited() -> u64 {{ {edit} }}")
}

/// Every fifth message is an enum; each contains the one before.
fn message(i: usize) -> String {
    let before = i.checked_sub(1).map_or_else(|| "()".to_owned(), |before| format!("Message{before}"));
    if i % 5 == 4 {
        return format!(
            "pub enum Message{i} {{
                Empty,
                Number(u64),
                Pair(String, Option<u32>),
                Before {{ before: Box<{before}>, note: String }},
            }}"
        );
    }
    format!(
        "pub struct Message{i} {{
            pub id: u64,
            pub name: String,
            pub active: bool,
            pub score: f64,
            pub count: Option<u32>,
            pub tags: Vec<String>,
            pub place: (i32, i32),
            pub names: std::collections::BTreeMap<u64, String>,
            pub before: Vec<{before}>,
            pub note: Option<String>,
        }}"
    )
}
