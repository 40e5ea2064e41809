//! What the log says of an answer whose body ends early.

use http::{Request, Response};
use rpc_runtime::Body;
use rpc_runtime::edge::{EdgeOptions, Handler, Peer};

use super::panics::Log;
use super::server::{Server, statuses};

/// Answers with what it gets, or with what breaks.
struct Mirror;

impl Handler for Mirror {
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        if request.uri().path() == "/breaks" {
            let pieces = futures_util::stream::unfold(0, |number| async move {
                if number == 0 {
                    return Some((Ok("piece"), 1));
                }
                // Until the piece before is on its way.
                super::server::pause().await;
                Some((Err(std::io::Error::other("the disk is gone")), 2))
            });
            return Response::new(Body::from_stream(pieces));
        }
        Response::new(request.into_body())
    }

    fn name(&self) -> Option<&str> {
        Some("mirror")
    }
}

#[tokio::test]
async fn an_answer_that_its_handler_breaks_is_told_with_who_it_was() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let server = Server::start(EdgeOptions::default(), Mirror).await;
    let answer = server.send("GET /breaks?token=1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&answer), [200]);
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    let lines: Vec<_> = log.lines().into_iter().filter(|line| line.starts_with("ERROR")).collect();
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    for told in ["worker=\"mirror\"", "method=GET", "path=\"/breaks\"", "peer=", "the disk is gone"] {
        assert!(line.contains(told), "{line}");
    }
    assert!(!line.contains("token"), "{line}");
}

#[tokio::test]
async fn what_its_client_is_the_reason_of_is_no_error() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let server = Server::start(EdgeOptions::default(), Mirror).await;
    let head = "POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    // Chunks that do not add up.
    let answer = server.send(format!("{head}zz\r\n")).await;
    assert!(answer.contains("abc") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    // One that goes.
    let mut client = server.connect().await;
    client.write(head).await;
    let mut answer = String::new();
    while !answer.contains("abc") {
        answer.push_str(&client.answer().await);
    }
    drop(client);
    let told = || log.lines().into_iter().filter(|line| line.contains("/mirror")).collect::<Vec<_>>();
    for _ in 0..100 {
        if told().len() == 2 {
            break;
        }
        super::server::pause().await;
    }
    assert_eq!(told().len(), 2, "{:#?}", log.lines());
    for line in log.lines() {
        assert!(line.starts_with("DEBUG"), "{line}");
    }
}
