use rpc_runtime::{Export, Result, service};

#[service]
trait Notes {
    async fn add(&self, note: &str) -> Result<()>;
}

async fn open(own: &Export<NotesClient>) -> Result<NotesClient> {
    Ok(own.clone())
}

fn main() {}
