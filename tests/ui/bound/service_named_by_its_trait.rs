use rpc_runtime::service;

#[service]
trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

struct Worker;

fn entrypoint(entrypoint: rpc_runtime::Entrypoint<Worker>) {
    entrypoint.service::<Worker>();
}

fn main() {}
