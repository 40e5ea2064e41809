//! An axum `Router`, called without a network (`oneshot` as its testing guide has it), with the same
//! handler as every `fetch` row.

use std::{hint::black_box, rc::Rc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::post,
};
use http::StatusCode;
use tower::ServiceExt;

use super::http::{handle, number, request};
use crate::{
    calls,
    harness::{Executor, Run},
};

fn router() -> Router {
    let next =
        async |request: Request| handle::<Body, Body>(request).await.map_err(|_| StatusCode::BAD_REQUEST);
    Router::new().route("/next", post(next))
}

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

fn fetch_from(executor: &Rc<Executor>, router: Router) -> Run {
    calls!(executor, {
        let response = router.clone().oneshot(request::<Body>(black_box(1))?).await?;
        number(response.into_body()).await?
    })
}

/// The handler called directly, with axum's body type: what the rows below are made of.
pub fn handler(executor: &Rc<Executor>) -> Run {
    calls!(executor, {
        let response = handle::<Body, Body>(request(black_box(1))?).await?;
        number(response.into_body()).await?
    })
}

/// One route, no layer.
pub fn fetch(executor: &Rc<Executor>) -> Run {
    fetch_from(executor, router())
}

/// With one middleware function that passes the request on: the usual way to add a check to all routes.
pub fn fetch_layered(executor: &Rc<Executor>) -> Run {
    fetch_from(executor, router().layer(from_fn(pass)))
}
