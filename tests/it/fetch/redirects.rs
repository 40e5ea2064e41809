//! Redirects on a binding: who follows them, and what the next request is made of.

use std::sync::Mutex;

use rpc_runtime::{Limits, Redirect};

use super::*;

/// What arrived, in words.
type Seen = Arc<Mutex<Vec<String>>>;

fn redirect(status: u16, location: &str) -> Response {
    http::Response::builder().status(status).header("location", location).body(Body::none()).unwrap()
}

/// Answers `/<status>/<rest>` with a redirect to the header `x-to`, and all else with its path.
fn site() -> (Fetcher, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let site = by(move |request| {
        let notes = Arc::clone(&notes);
        async move {
            let (head, body) = request.into_parts();
            let names: Vec<_> = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
            let none = if body.is_none() { " none" } else { "" };
            let body = body.text().await?;
            notes.lock().unwrap().push(format!("{} {} {names:?} {body:?}{none}", head.method, head.uri));
            let status = head.uri.path().split('/').nth(1).and_then(|word| word.parse().ok());
            match (status, head.headers.get("x-to")) {
                (Some(status), Some(to)) => Ok(redirect(status, to.to_str().unwrap())),
                (Some(status), None) => Ok(http::Response::builder().status(status).body(Body::none())?),
                _ => Ok(Response::new(head.uri.path().to_owned().into())),
            }
        }
    });
    (site, seen)
}

fn following(method: Method, uri: &str, to: &str, body: Body) -> Request {
    let builder = http::Request::builder().method(method).uri(uri).header("x-to", to);
    builder.extension(Redirect::Follow).body(body).unwrap()
}

fn seen(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn a_url_is_fetched_with_get_and_its_redirects_are_followed_to_the_same_binding() {
    let hops = by(async |request| match request.uri().to_string().as_str() {
        "http://auth/a" => Ok(redirect(302, "/b?q")),
        "http://auth/b?q" => Ok(redirect(301, "https://elsewhere.invalid/c")),
        "https://elsewhere.invalid/c" => Ok(redirect(307, "d#part")),
        url => Ok(Response::new(format!("{} {url}", request.method()).into())),
    });
    for answer in [
        block_on(hops.fetch("http://auth/a")),
        block_on(hops.fetch(String::from("http://auth/a"))),
        block_on(hops.fetch(http::Uri::from_static("http://auth/a"))),
    ] {
        assert_eq!(text(answer.unwrap()), "GET https://elsewhere.invalid/d");
    }
}

#[test]
fn a_url_that_is_relative_or_of_another_scheme_is_refused_with_what_to_write() {
    let (site, seen) = site();
    for url in ["/a", "auth/a", "1://auth/a", "", "mailto:a@b"] {
        let error = block_on(site.fetch(url)).unwrap_err();
        assert!(error.is_decode(), "{url:?}: {error:?}");
        let told = error.to_string();
        assert!(
            told.contains(&format!("the URL {url:?} cannot be fetched: write an absolute one")),
            "{told}"
        );
    }
    for (url, scheme) in [("ftp://auth/a", "ftp"), ("ws://auth/", "ws"), ("unix://run/auth.sock", "unix")] {
        let error = block_on(site.fetch(url)).unwrap_err();
        let told =
            format!("{url:?} cannot be fetched: its scheme is `{scheme}`, and there are `http` and `https`");
        assert!(error.is_decode() && error.to_string().contains(&told), "{error}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn a_url_that_is_none_is_refused_with_what_is_wrong_and_shortened() {
    let (site, seen) = site();
    let long = format!("http://auth/{}", "a".repeat(100_000));
    for (url, why) in [
        ("http://auth/ a", "it is no URL: invalid uri character"),
        ("http://", "it is no URL: "),
        ("http://a:99999/", "its host is missing, or its port is none"),
        (&long, "it is no URL: uri too long"),
    ] {
        let error = block_on(site.fetch(url)).unwrap_err();
        let told = error.to_string();
        assert!(error.is_decode() && told.contains(why) && told.len() < 500, "{told}");
        assert_eq!(error.hops().len(), 1, "{told}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn an_incoming_request_that_is_forwarded_as_it_is_returns_the_redirect() {
    let (site, _) = site();
    let forwards = by(move |request| {
        let site = site.clone();
        async move { site.fetch(request).await }
    });
    let manual = http::Request::get("http://a/302").header("x-to", "/b").body(Body::none()).unwrap();
    let answer = block_on(forwards.fetch(manual)).unwrap();
    assert_eq!((answer.status(), answer.headers()["location"].to_str().unwrap()), (StatusCode::FOUND, "/b"));
    assert_eq!(
        text(block_on(forwards.fetch(following(Method::GET, "http://a/302", "/b", Body::none()))).unwrap()),
        "/b"
    );
}

#[test]
fn whoever_forwards_does_not_follow_for_its_caller() {
    let (site, seen_there) = site();
    let forwards = by(move |request| {
        let site = site.clone();
        async move {
            let answer = site.fetch(request).await?;
            assert_eq!(answer.status(), 302, "what the one in between gets");
            Ok(answer)
        }
    });
    let request = following(Method::GET, "http://a/302", "/302/again", Body::none());
    let error = block_on(forwards.fetch(request)).unwrap_err();
    assert!(error.is_limit(), "{error}");
    assert_eq!(seen(&seen_there).len(), 21);
}

#[test]
fn a_request_may_refuse_redirects() {
    let (site, _) = site();
    let request = |path: &str| {
        let builder = http::Request::get(format!("http://a{path}")).header("x-to", "/b");
        builder.extension(Redirect::Error).body(Body::none()).unwrap()
    };
    assert_eq!(text(block_on(site.fetch(request("/a"))).unwrap()), "/a");
    let error = block_on(site.fetch(request("/303"))).unwrap_err();
    assert!(error.is_denied(), "{error:?}");
    assert!(error.to_string().contains("http://a/303 answers 303 See Other and points to \"/b\""), "{error}");
}

#[test]
fn twenty_redirects_are_followed_and_no_more() {
    let counted = |last: usize| {
        by(move |request| async move {
            let at: usize = request.uri().path()[1..].parse().unwrap();
            Ok(if at == last {
                Response::new("there".into())
            } else {
                redirect(302, &format!("/{}", at + 1))
            })
        })
    };
    assert_eq!(text(block_on(counted(20).fetch("http://a/0")).unwrap()), "there");
    let error = block_on(counted(21).fetch("http://a/0")).unwrap_err();
    assert!(error.is_limit(), "{error:?}");
    assert!(error.to_string().starts_with("the limit of 20 redirects is reached (By"), "{error}");
}

#[test]
fn each_redirect_counts_as_a_request() {
    let endless = by(async |_| Ok(redirect(302, "/")));
    let endless = endless.with(CallOptions::new().limits(Limits::new().invocations(5)));
    let within = by(move |_| {
        let endless = endless.clone();
        async move {
            let before = Ctx::with(|ctx| ctx.remaining()).unwrap().invocations;
            assert!(endless.fetch("http://a/").await.unwrap_err().is_limit());
            let after = Ctx::with(|ctx| ctx.remaining()).unwrap().invocations;
            Ok(Response::new((before - after).to_string().into()))
        }
    });
    assert_eq!(text(block_on(within.fetch(get("http://a/"))).unwrap()), "5");
}

#[test]
fn limits_hold_for_all_requests_together_outside_of_a_pipeline_too() {
    let (site, seen_there) = site();
    let endless = by(move |request| {
        let site = site.clone();
        async move {
            site.fetch(request).await?;
            Ok(redirect(302, "/"))
        }
    });
    let three = endless.with(CallOptions::new().limits(Limits::new().invocations(3)));
    let error = block_on(three.fetch("http://a/")).unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("3 invocations"), "{error}");
    assert_eq!(seen(&seen_there).len(), 3);
    let error = block_on(endless.fetch("http://a/")).unwrap_err();
    assert!(error.to_string().contains("20 redirects"), "{error}");
}

#[test]
fn what_becomes_a_get_leaves_its_body_behind() {
    let (site, seen_there) = site();
    for (method, status, becomes) in [
        (Method::POST, 301, "GET"),
        (Method::POST, 302, "GET"),
        (Method::POST, 303, "GET"),
        (Method::PUT, 303, "GET"),
        (Method::PUT, 302, "PUT"),
        (Method::POST, 307, "POST"),
        (Method::POST, 308, "POST"),
        (Method::HEAD, 303, "HEAD"),
        (Method::DELETE, 301, "DELETE"),
    ] {
        let mut request = following(method.clone(), &format!("http://a/{status}"), "/b", Body::from("body"));
        request.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
        request.headers_mut().insert("content-length", HeaderValue::from_static("4"));
        block_on(site.fetch(request)).unwrap();
        let second = seen(&seen_there).remove(1);
        let expected = if becomes == "GET" {
            "GET http://a/b [\"x-to\"] \"\" none".to_owned()
        } else {
            format!("{becomes} http://a/b [\"x-to\", \"content-type\", \"content-length\"] \"body\"")
        };
        assert_eq!(second, expected, "{method} {status}");
    }
}

#[test]
fn no_body_and_an_empty_one_stay_what_they_are() {
    let (site, seen_there) = site();
    for (body, end) in [(Body::none(), "\"\" none"), (Body::empty(), "\"\"")] {
        block_on(site.fetch(following(Method::POST, "http://a/308", "/b", body))).unwrap();
        assert!(seen(&seen_there)[1].ends_with(end));
    }
}

#[test]
fn a_body_that_streams_is_not_sent_twice_and_the_error_says_so() {
    let (site, seen_there) = site();
    let stream = || Body::from_stream(stream::iter([Ok::<_, BodyError>("body")]));
    let error = block_on(site.fetch(following(Method::POST, "http://a/307", "/b", stream()))).unwrap_err();
    assert!(error.to_string().contains("a body that streams is sent once: collect it before"), "{error}");
    assert_eq!(seen(&seen_there).len(), 1);
    // Where the body is left behind, it need not be sent again.
    assert_eq!(
        text(block_on(site.fetch(following(Method::POST, "http://a/303", "/b", stream()))).unwrap()),
        "/b"
    );
}

#[test]
fn what_is_meant_for_one_origin_goes_to_no_other() {
    let (site, seen_there) = site();
    let kept = "[\"x-to\", \"authorization\", \"cookie\", \"proxy-authorization\", \"host\"]";
    for (to, headers) in [
        ("/b", kept),
        ("http://A:80/b", kept),
        ("//a/b", kept),
        ("http://b/b", "[\"x-to\"]"),
        ("http://a:81/b", "[\"x-to\"]"),
        ("https://a/b", "[\"x-to\"]"),
        ("http://a.example/b", "[\"x-to\"]"),
    ] {
        let mut request = following(Method::GET, "http://a/302", to, Body::none());
        for name in ["authorization", "cookie", "proxy-authorization", "host"] {
            request.headers_mut().insert(name, HeaderValue::from_static("a"));
        }
        block_on(site.fetch(request)).unwrap();
        let second = seen(&seen_there).remove(1);
        assert!(second.contains(&format!("/b {headers} ")), "{to}: {second}");
    }
}

#[test]
fn a_location_is_resolved_as_rfc_3986_says() {
    let (site, seen_there) = site();
    for (from, to, next) in [
        ("http://a/302/b/c?q", "d", "http://a/302/b/d"),
        ("http://a/302/b/c?q", "../d", "http://a/302/d"),
        ("http://a/302/b/c?q", "../../../../d/./e", "http://a/d/e"),
        ("http://a/302/b/c?q", "?r", "http://a/302/b/c?r"),
        ("http://a:8080/302", "/d#fragment", "http://a:8080/d"),
        ("http://a/302", "HTTPS://b", "HTTPS://b/"),
        // A request that names its path alone, as one that came in over HTTP/1.
        ("/302/b", "c?q", "/302/c?q"),
        ("/302/b", "http://a/c", "http://a/c"),
    ] {
        let mut request = following(Method::GET, from, to, Body::none());
        *request.extensions_mut() = http::Extensions::new();
        request.extensions_mut().insert(Redirect::Follow);
        let _ = block_on(site.fetch(request));
        let second = seen(&seen_there).remove(1);
        assert!(
            second.to_lowercase().starts_with(&format!("get {} ", next.to_lowercase())),
            "{from} to {to}: {second}"
        );
    }
}

#[test]
fn a_location_that_is_no_http_url_is_an_error_and_none_is_an_answer() {
    let (site, _) = site();
    for to in ["ftp://a/b", "javascript:alert(1)", "http://a/ b", "http://", "http://a:99999/"] {
        let error =
            block_on(site.fetch(following(Method::GET, "http://a/302", to, Body::none()))).unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("which is no http URL"), "{to}: {error}");
    }
    assert_eq!(block_on(site.fetch("http://a/302")).unwrap().status(), 302);
    assert_eq!(block_on(site.fetch("http://a/304")).unwrap().status(), 304);
}

#[test]
fn an_answer_that_must_not_have_a_body_has_none() {
    for status in [204, 205, 304] {
        let answers = |body: fn() -> Body| {
            by(move |_| async move { Ok(http::Response::builder().status(status).body(body())?) })
        };
        for body in [Body::none, Body::empty] {
            assert_eq!(block_on(answers(body).fetch(get("http://a/"))).unwrap().status(), status);
        }
        let error = block_on(answers(|| Body::from("body")).fetch(get("http://a/"))).unwrap_err();
        assert!(error.to_string().contains("which has no body, and comes with one"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_one_of_all_requests_together() {
    let hops = by(async |request| {
        tokio::time::sleep(Duration::from_millis(200)).await;
        match request.uri().path() {
            "/0" => Ok(Response::new("there".into())),
            path => Ok(redirect(307, &(path[1..].parse::<u32>().unwrap() - 1).to_string())),
        }
    });
    let within = |ms| hops.with(CallOptions::new().deadline(Duration::from_millis(ms)));
    let start = tokio::time::Instant::now();
    assert_eq!(within(900).fetch("http://site/3").await.unwrap().into_body().text().await.unwrap(), "there");
    assert_eq!(start.elapsed(), Duration::from_millis(800));
    let start = tokio::time::Instant::now();
    let error = within(500).fetch("http://site/3").await.unwrap_err();
    assert!(error.is_deadline() && error.to_string().contains("500ms"), "{error}");
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
}
