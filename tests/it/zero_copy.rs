//! In one process nothing is copied: what a callee sees lies where its caller put it.

use rpc_runtime::{Body, Client, Entrypoint, Fetch, Request, Response, Result, Worker, service};

use crate::drive::{block_on, pause};

#[derive(serde::Serialize, serde::Deserialize)]
struct Large {
    numbers: [u64; 32],
}

/// Each answers with the address of what it was given.
#[service]
trait Addresses {
    async fn moved(&self, bytes: Vec<u8>) -> Result<(usize, Vec<u8>)>;
    async fn text(&self, text: &str) -> Result<usize>;
    async fn bytes(&self, bytes: &[u8]) -> Result<usize>;
    async fn value(&self, value: &Large) -> Result<usize>;
    async fn values(&self, values: &[Large]) -> Result<usize>;
}

/// Asks the other, if there is one.
struct Hop(Option<AddressesClient>);

impl Addresses for Hop {
    async fn moved(&self, bytes: Vec<u8>) -> Result<(usize, Vec<u8>)> {
        pause().await;
        match &self.0 {
            Some(next) => next.moved(bytes).await,
            None => Ok((bytes.as_ptr().addr(), bytes)),
        }
    }

    async fn text(&self, text: &str) -> Result<usize> {
        pause().await;
        match &self.0 {
            Some(next) => next.text(text).await,
            None => Ok(text.as_ptr().addr()),
        }
    }

    async fn bytes(&self, bytes: &[u8]) -> Result<usize> {
        match &self.0 {
            Some(next) => next.bytes(bytes).await,
            None => Ok(bytes.as_ptr().addr()),
        }
    }

    async fn value(&self, value: &Large) -> Result<usize> {
        pause().await;
        match &self.0 {
            Some(next) => next.value(value).await,
            None => Ok(std::ptr::from_ref(value).addr()),
        }
    }

    async fn values(&self, values: &[Large]) -> Result<usize> {
        match &self.0 {
            Some(next) => next.values(values).await,
            None => Ok(values.as_ptr().addr()),
        }
    }
}

/// A client three Workers away from who answers.
fn far() -> AddressesClient {
    let near = AddressesClient::new(Hop(None));
    AddressesClient::new(Hop(Some(AddressesClient::new(Hop(Some(near))))))
}

#[test]
fn what_is_lent_lies_where_the_caller_has_it() {
    let (client, text, bytes) = (far(), "text".to_owned(), vec![1_u8; 100]);
    assert_eq!(block_on(client.text(&text)).unwrap(), text.as_ptr().addr());
    assert_eq!(block_on(client.bytes(&bytes)).unwrap(), bytes.as_ptr().addr());
    let values = [Large { numbers: [7; 32] }, Large { numbers: [8; 32] }];
    assert_eq!(values.iter().map(|value| value.numbers[0]).sum::<u64>(), 15);
    assert_eq!(block_on(client.value(&values[1])).unwrap(), std::ptr::from_ref(&values[1]).addr());
    assert_eq!(block_on(client.values(&values)).unwrap(), values.as_ptr().addr());
}

#[test]
fn what_is_moved_keeps_its_address_there_and_back() {
    let bytes = b"moved".to_vec();
    let here = bytes.as_ptr().addr();
    let (there, back) = block_on(far().moved(bytes)).unwrap();
    assert_eq!((there, back.as_ptr().addr()), (here, here));
}

#[test]
fn a_hundred_mebibytes_are_moved() {
    let mut bytes = vec![0; 100 << 20];
    bytes[99 << 20] = 9;
    let here = bytes.as_ptr().addr();
    let (there, back) = block_on(far().moved(bytes)).unwrap();
    assert_eq!((there, back.as_ptr().addr(), back[99 << 20]), (here, here, 9));
}

#[test]
fn the_body_of_a_request_is_moved() {
    struct Echo;

    impl Worker for Echo {
        type Env = ();

        async fn new((): ()) -> Result<Self> {
            Ok(Self)
        }

        fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
            entrypoint.service::<AddressesClient>().fetch()
        }
    }

    impl Addresses for Echo {
        async fn moved(&self, bytes: Vec<u8>) -> Result<(usize, Vec<u8>)> {
            Ok((0, bytes))
        }

        async fn text(&self, _: &str) -> Result<usize> {
            Ok(0)
        }

        async fn bytes(&self, _: &[u8]) -> Result<usize> {
            Ok(0)
        }

        async fn value(&self, _: &Large) -> Result<usize> {
            Ok(0)
        }

        async fn values(&self, _: &[Large]) -> Result<usize> {
            Ok(0)
        }
    }

    impl Fetch for Echo {
        async fn fetch(&self, request: Request) -> Result<Response> {
            Ok(Response::new(request.into_body()))
        }
    }

    let bytes = vec![5; 4096];
    let here = bytes.as_ptr().addr();
    let request = http::Request::post("http://echo/").body(Body::from(bytes)).unwrap();
    let response = block_on(AddressesClient::from_worker(Echo).fetch(request)).unwrap();
    let back = block_on(response.into_body().bytes()).unwrap();
    assert_eq!((back.as_ptr().addr(), back.len()), (here, 4096));
}
