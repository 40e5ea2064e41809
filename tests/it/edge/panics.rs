//! What a handler does wrong ends its own request, and nothing of it leaves the host.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use rpc_runtime::Body;
use rpc_runtime::edge::EdgeOptions;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::server::{Server, echo_path, statuses};

/// Keeps every event as `name=value` pairs.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rpc_runtime")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Pairs(String);
        impl Visit for Pairs {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!(" {field}={value:?}"));
            }
        }
        let mut pairs = Pairs(event.metadata().level().to_string());
        event.record(&mut pairs);
        self.0.lock().unwrap().push(pairs.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct PanicsOnDrop(&'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

async fn panicking(request: Request<Body>) -> Response<Body> {
    match request.uri().path() {
        "/after_await" => {
            tokio::task::yield_now().await;
            panic!("s3cret after await")
        }
        "/in_drop" => {
            let _guard = PanicsOnDrop("s3cret in drop");
            Response::new(Body::from("never seen"))
        }
        "/before" => panic!("s3cret {}", "before await"),
        "/in_body" => {
            let pieces = futures_util::stream::unfold("piece", |piece| async move {
                if piece.is_empty() {
                    // Until the piece before is on its way.
                    super::server::pause().await;
                    panic!("s3cret in body");
                }
                Some((Ok::<_, std::io::Error>(piece), ""))
            });
            Response::new(Body::from_stream(pieces))
        }
        _ => echo_path(request).await,
    }
}

#[tokio::test]
async fn a_panic_is_500_with_a_reference_that_the_log_has_too() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let server = Server::start(EdgeOptions::default(), panicking).await;
    let mut references = Vec::new();
    for path in ["/before", "/after_await", "/in_drop"] {
        let mut client = server.connect().await;
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(statuses(&answer), [500], "{answer}");
        assert!(!answer.contains("s3cret"), "{answer}");
        let reference = answer.lines().find_map(|line| line.strip_prefix("x-error-reference: ")).unwrap();
        assert_eq!(reference.len(), 16);
        assert_eq!(answer.matches(reference).count(), 2, "in a header and in the text: {answer}");
        let lines = log.lines();
        let line = lines.iter().find(|line| line.contains(reference)).unwrap();
        assert!(line.starts_with("ERROR") && line.contains("s3cret") && line.contains(path), "{line}");
        references.push(reference.to_owned());

        // The connection goes on.
        client.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.answer().await.ends_with("/next 0"));
    }
    references.sort_unstable();
    references.dedup();
    assert_eq!(references.len(), 3);
}

#[tokio::test]
async fn a_panic_in_the_body_of_an_answer_cuts_that_answer() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let server = Server::start(EdgeOptions::default(), panicking).await;
    let answer = server.send("GET /in_body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.contains("5\r\npiece\r\n"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "it must not look complete: {answer}");
    assert!(log.lines().iter().any(|line| line.contains("s3cret in body")));
    server.assert_serves().await;
}

#[tokio::test]
async fn a_panic_of_a_cancelled_handler_is_logged_and_goes_no_further() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let server = Server::start(EdgeOptions::default(), |request: Request<Body>| async {
        if request.uri().path() == "/still" {
            return echo_path(request).await;
        }
        let _guard = PanicsOnDrop("s3cret at cancellation");
        std::future::pending().await
    })
    .await;
    let mut client = server.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    super::server::pause().await;
    drop(client);
    tokio::time::timeout(super::server::PATIENCE, async {
        while !log.lines().iter().any(|line| line.contains("s3cret at cancellation")) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    server.assert_serves().await;
}
