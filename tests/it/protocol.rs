//! The conversation in the document of the wire format, held with each end of this library: so that who writes
//! another end by the document can talk with it.

use rpc_runtime::{
    Body, Client as _, Entrypoint, Error, Fetch, Request, Response, Result, SessionOptions, Worker, http,
    service,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

#[service]
trait Auth {
    async fn verify(&self, token: &str) -> Result<u64>;
}

struct Guard;

impl Worker for Guard {
    type Env = ();
    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AuthClient>().fetch()
    }
}

impl Auth for Guard {
    async fn verify(&self, token: &str) -> Result<u64> {
        if token == "t0ken" { Ok(7) } else { Err(Error::denied("not yours")) }
    }
}

impl Fetch for Guard {
    async fn fetch(&self, request: Request) -> Result<Response> {
        assert_eq!(request.uri(), "http://auth/about");
        let mut response = Response::new(Body::from("hi"));
        response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        Ok(response)
    }
}

mod other {
    use super::*;

    /// The same service as another build states it.
    #[service]
    pub(super) trait Auth {
        async fn verify(&self, token: u32) -> Result<u64>;
    }
}

/// What the two ends of a session say: the client begins, and they take turns.
struct Said {
    turns: std::vec::IntoIter<Vec<String>>,
}

impl Said {
    /// The examples below a heading of the document.
    fn under(heading: &str) -> Self {
        let document = include_str!("../../rpc-runtime/src/proto/protocol.md");
        let (_, section) = document.split_once(&format!("\n{heading}\n")).unwrap();
        let section = section.split("\n#").next().unwrap();
        let examples = section.split("```text\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
        let turns: Vec<_> = examples.map(frames_of).collect();
        assert!(turns.len() >= 2, "{heading}");
        Self { turns: turns.into_iter() }
    }

    /// Holds one half of the conversation with `stream`, where the other half is.
    async fn hold(mut self, stream: &mut DuplexStream, as_client: bool) {
        let mut speaks = as_client;
        for turn in &mut self.turns {
            for frame in turn {
                if speaks {
                    stream.write_all(&bytes_of(&frame)).await.unwrap();
                } else {
                    assert_eq!(read_frame(stream).await, frame);
                }
            }
            speaks = !speaks;
        }
    }
}

/// The frames of an example, remarks left out.
fn frames_of(example: &str) -> Vec<String> {
    let bytes: Vec<_> = example.lines().map(|line| line.split("  ").next().unwrap().trim()).collect();
    let bytes = bytes_of(&bytes.join(" "));
    let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
    while let [a, b, c, ..] = rest {
        let length = 4 + usize::from(*a) + (usize::from(*b) << 8) + (usize::from(*c) << 16);
        let (frame, after) = rest.split_at(length);
        frames.push(hex(frame));
        rest = after;
    }
    assert!(rest.is_empty(), "frames are whole");
    frames
}

async fn read_frame(stream: &mut DuplexStream) -> String {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    let length = usize::from(frame[0]) + (usize::from(frame[1]) << 8) + (usize::from(frame[2]) << 16);
    frame.resize(4 + length, 0);
    stream.read_exact(&mut frame[4..]).await.unwrap();
    hex(&frame)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

const HELLO: &str = "## Hello";

const CALLS: &str = "## Calls";

const DIFFERENT: &str = "## Contracts that differ";

#[tokio::test]
async fn a_client_says_what_the_document_says() {
    let (here, mut there) = duplex(64 << 10);
    let by_hand = async {
        Said::under(HELLO).hold(&mut there, false).await;
        Said::under(CALLS).hold(&mut there, false).await;
    };
    let calls = async {
        let auth = AuthClient::connect(here).await.unwrap();
        assert_eq!(auth.verify("t0ken").await.unwrap(), 7);
        let error = auth.verify("").await.unwrap_err();
        assert!(error.is_denied() && error.is_remote(), "{error}");
        assert_eq!(error.to_string(), "denied: not yours (Guard Auth/verify)");
        let request = http::Request::get("http://auth/about").header("accept", "*/*").body(Body::none());
        let response = auth.fetch(request.unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.into_body().text().await.unwrap(), "hi");
    };
    tokio::join!(by_hand, calls);
}

#[tokio::test]
async fn a_server_answers_what_the_document_says() {
    let (mut here, there) = duplex(64 << 10);
    let _serving = SessionOptions::new().serve(Guard).start(there).unwrap();
    Said::under(HELLO).hold(&mut here, true).await;
    Said::under(CALLS).hold(&mut here, true).await;
}

#[tokio::test]
async fn a_client_of_another_contract_asks_for_the_difference_as_the_document_says() {
    use other::Auth as _;
    let (here, mut there) = duplex(64 << 10);
    let by_hand = async {
        Said::under(HELLO).hold(&mut there, false).await;
        Said::under(DIFFERENT).hold(&mut there, false).await;
    };
    let calls = async {
        let auth = other::AuthClient::connect(here).await.unwrap();
        let error = auth.verify(1).await.unwrap_err();
        assert!(error.is_contract(), "{error}");
        assert!(error.to_string().contains("argument `token`: u32 here, string there"), "{error}");
    };
    tokio::join!(by_hand, calls);
}

#[tokio::test]
async fn a_server_tells_a_client_of_another_contract_what_the_document_says() {
    let (mut here, there) = duplex(64 << 10);
    let _serving = SessionOptions::new().serve(Guard).start(there).unwrap();
    Said::under(HELLO).hold(&mut here, true).await;
    Said::under(DIFFERENT).hold(&mut here, true).await;
}
