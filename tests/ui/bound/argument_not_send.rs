use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, token: std::rc::Rc<str>) -> rpc_runtime::Result<()>;
}

fn main() {}
