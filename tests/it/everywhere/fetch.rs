//! A request to a Worker, over every path.

use http::{HeaderValue, Method};
use rpc_runtime::{Body, CallOptions, Request};
use rpc_tests_workers::Site as _;

use super::{errors::hops, *};

everywhere! {
    a_request_arrives_as_it_was_made_and_so_does_its_response
    no_body_is_not_an_empty_one
    a_request_fails_as_a_call_does
    a_body_may_be_longer_than_a_value
    a_body_in_pieces_arrives_whole
    a_request_that_is_dropped_ends_its_handler
    the_deadline_of_a_client_holds_for_its_requests
    redirects_are_followed_to_where_the_url_went
    a_head_may_have_very_many_fields_of_one_name
}

fn request(method: Method, uri: &str, body: Body) -> Request {
    http::Request::builder().method(method).uri(uri).body(body).unwrap()
}

async fn a_request_arrives_as_it_was_made_and_so_does_its_response(there: &There) {
    let site = there.place.site.with(CallOptions::new().metadata("tenant", "a1"));
    let uri = "https://site.example:8443/a//b/%2e%2e/?q=1&q=%C3%BC";
    let mut request = request(Method::PATCH, uri, Body::from("hello"));
    let mut secret = HeaderValue::from_bytes(b"tw\xf6").unwrap();
    secret.set_sensitive(true);
    request.headers_mut().append("x-word", HeaderValue::from_static("one"));
    request.headers_mut().append("x-word", secret);
    let response = site.fetch(request).await.unwrap();
    assert_eq!(response.status(), 418);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(["x-method", "x-uri", "x-length", "x-tenant"].map(header), ["PATCH", uri, "5", "a1"]);
    let words: Vec<_> = response.headers().get_all("x-word").iter().collect();
    assert_eq!(words, [&b"one"[..], b"tw\xf6"]);
    assert!(!words[0].is_sensitive() && words[1].is_sensitive());
    assert_eq!(response.into_body().text().await.unwrap(), "hello");
    assert_eq!(site.name().await.unwrap(), "pages");
}

async fn no_body_is_not_an_empty_one(there: &There) {
    for (body, length) in [(Body::none(), "none"), (Body::from(""), "0")] {
        let response = there.place.site.fetch(request(Method::GET, "http://site/", body)).await.unwrap();
        assert_eq!(response.headers()["x-length"], length);
    }
    let response =
        there.place.site.fetch(request(Method::GET, "http://site/empty", Body::none())).await.unwrap();
    assert_eq!(response.status(), 204);
    assert!(response.into_body().is_none());
}

async fn a_request_fails_as_a_call_does(there: &There) {
    let get = |uri| there.place.site.fetch(request(Method::GET, uri, Body::none()));
    let error = get("http://site/denied").await.unwrap_err();
    assert!(error.is_denied() && !error.is_retryable(), "{error}");
    assert_eq!(hops(&error), ["/fetch"]);
    assert_eq!(error.is_remote(), there.is_remote());
    let error = get("http://site/panic").await.unwrap_err();
    assert!(error.is_panic(), "{error}");
    assert_eq!(hops(&error), ["/fetch"]);
}

async fn a_body_may_be_longer_than_a_value(there: &There) {
    let post = |length: usize| {
        there.place.site.fetch(request(Method::POST, "http://site/", Body::from(vec![1; length])))
    };
    let length = 5 << 20;
    let response = post(length).await.unwrap();
    assert_eq!(response.into_body().bytes().await.unwrap().len(), length);
    let length = (32 << 20) + 1;
    let response = post(length).await.unwrap();
    assert_eq!(response.into_body().bytes_up_to(64 << 20).await.unwrap().len(), length);
}

async fn a_body_in_pieces_arrives_whole(there: &There) {
    let pieces = (0..100_u8).map(|number| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![number; 1000])));
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let response = there.place.site.fetch(request(Method::POST, "http://site/", body)).await.unwrap();
    let bytes = response.into_body().bytes().await.unwrap();
    assert!(bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at / 1000));
    assert_eq!(bytes.len(), 100_000);
}

async fn a_request_that_is_dropped_ends_its_handler(there: &There) {
    let site = there.place.site.clone();
    let waiting = request(Method::GET, "http://site/wait", Body::none());
    let call = tokio::spawn(async move { site.fetch(waiting).await });
    there.until("page.entered", 1).await;
    call.abort();
    there.until("page.dropped", 1).await;
}

async fn the_deadline_of_a_client_holds_for_its_requests(there: &There) {
    let hasty = there.place.site.with(CallOptions::new().deadline(Duration::from_millis(300)));
    let error = hasty.fetch(request(Method::GET, "http://site/wait", Body::none())).await.unwrap_err();
    assert!(error.is_deadline() && !error.is_retryable(), "{error}");
    assert_eq!(hops(&error), ["/fetch"]);
    there.until("page.dropped", 1).await;
}

async fn redirects_are_followed_to_where_the_url_went(there: &There) {
    let response = there.place.site.fetch("http://site/moved").await.unwrap();
    assert_eq!(response.status().as_u16(), 418);
    assert_eq!(response.headers()["x-uri"], "http://site/new");
    let as_it_is =
        there.place.site.fetch(request(Method::GET, "http://site/moved", Body::none())).await.unwrap();
    assert_eq!(as_it_is.status(), 302);
}

async fn a_head_may_have_very_many_fields_of_one_name(there: &There) {
    let mut request = request(Method::GET, "http://site/", Body::none());
    for number in 0..25_000_u32 {
        request.headers_mut().append("x-word", number.into());
    }
    let response = there.place.site.fetch(request).await.unwrap();
    assert_eq!(response.headers().get_all("x-word").iter().count(), 25_000);
}
