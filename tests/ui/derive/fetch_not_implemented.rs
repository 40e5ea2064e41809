use rpc_runtime::{Entrypoint, Result, Worker};

struct Gateway;

impl Worker for Gateway {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

fn main() {}
