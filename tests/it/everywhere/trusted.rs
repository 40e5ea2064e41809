//! A server that shows a certificate, and asks for one.

use std::future::pending;

use rpc_runtime::{Server, SessionOptions, transport::Address};
use tokio::task::JoinHandle;

use crate::transport::certificates::Authority;

/// Serves on a port of this machine, until it is dropped.
pub(super) struct Trusted {
    authority: Authority,
    address: Address,
    serving: JoinHandle<()>,
}

impl Trusted {
    pub(super) async fn serve(options: SessionOptions) -> Self {
        let authority = Authority::new();
        let address = Address::tls("127.0.0.1:0", authority.good_server().build().unwrap()).unwrap();
        let server = Server::with(options).listen(&address).await.unwrap();
        let address = server.addresses().next().unwrap().clone();
        Self { authority, address, serving: tokio::spawn(server.run_until(pending())) }
    }

    /// With a certificate that the server lets in.
    pub(super) fn address(&self) -> Address {
        self.address.clone().with_tls(self.authority.good_client().build().unwrap())
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
