//! The HTTP exchange of the `fetch` rows, generic over the body so that every peer runs the same code.

use std::{fmt::Display, hint::black_box, rc::Rc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};

use super::Error;
use crate::{
    calls,
    harness::{Executor, Run},
};

/// A header either way.
pub const TENANT: &str = "x-tenant";

/// `POST http://auth/next` with one header and 8 bytes.
///
/// # Errors
///
/// Never with these constants; `http` cannot know.
pub fn request<B: From<Bytes>>(number: u64) -> Result<Request<B>, http::Error> {
    let body = Bytes::copy_from_slice(&number.to_le_bytes());
    Request::post("http://auth/next").header(TENANT, "a1").body(body.into())
}

/// Answers with the header of the request and the number that follows.
///
/// # Errors
///
/// If the body fails or is not 8 bytes long.
pub async fn handle<B, R>(request: Request<B>) -> Result<Response<R>, Error>
where
    B: Body<Error: Display>,
    R: From<Bytes>,
{
    let tenant = tenant(request.headers());
    let number = number(request.into_body()).await?.wrapping_add(1);
    let mut response = Response::new(Bytes::copy_from_slice(&number.to_le_bytes()).into());
    response.headers_mut().insert(TENANT, tenant);
    Ok(response)
}

/// The 8 bytes of a body.
///
/// # Errors
///
/// If the body fails or is not 8 bytes long.
pub async fn number(body: impl Body<Error: Display>) -> Result<u64, Error> {
    let body = body.collect().await.map_err(|error| Error::application(error.to_string()))?.to_bytes();
    let bytes = body.as_ref().try_into().map_err(|_| Error::application("expected a body of 8 bytes"))?;
    Ok(u64::from_le_bytes(bytes))
}

fn tenant(headers: &HeaderMap) -> HeaderValue {
    headers.get(TENANT).cloned().unwrap_or_else(|| HeaderValue::from_static("none"))
}

/// Makes the request and nothing else: what all `fetch` rows have in common.
pub fn request_alone(executor: &Rc<Executor>) -> Run {
    calls!(executor, request::<Full<Bytes>>(black_box(1))?)
}

/// Makes the request and calls the handler: nothing in between, and bodies without a box.
pub fn fetch(executor: &Rc<Executor>) -> Run {
    calls!(executor, {
        let request = request::<Full<Bytes>>(black_box(1))?;
        let response = handle::<_, Full<Bytes>>(request).await?;
        number(response.into_body()).await?
    })
}
