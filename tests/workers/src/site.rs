//! A Worker that takes requests.

pub mod flows;

use rpc_runtime::{
    Body, Ctx, Entrypoint, Error, Fetch, Request, Response, Result, Worker,
    http::{self, StatusCode},
    service,
};

use crate::tally::Tally;

/// What stands beside the requests.
#[service]
pub trait Site {
    async fn name(&self) -> Result<String>;
}

/// What no Worker declares, though one could.
#[service]
pub trait Absent {
    async fn reach(&self) -> Result<()>;
}

pub(crate) struct Pages {
    tally: Tally,
}

impl Pages {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally }
    }
}

impl Worker for Pages {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self::new(Tally::default()))
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<SiteClient>().fetch()
    }
}

impl Site for Pages {
    async fn name(&self) -> Result<String> {
        Ok("pages".to_owned())
    }
}

impl Absent for Pages {
    async fn reach(&self) -> Result<()> {
        Ok(())
    }
}

/// Tells what has come; `/denied`, `/panic`, `/moved`, `/empty` and `/wait` do what they say.
impl Fetch for Pages {
    async fn fetch(&self, request: Request) -> Result<Response> {
        if request.uri().path().starts_with("/far") {
            return flows::far(&self.tally, request).await;
        }
        if request.uri().path().starts_with("/flow") {
            return flows::flow(&self.tally, request).await;
        }
        let (head, body) = request.into_parts();
        match head.uri.path() {
            "/denied" => return Err(Error::denied("no entry")),
            "/panic" => panic!("on the page"),
            "/moved" => {
                let moved = http::Response::builder().status(StatusCode::FOUND).header("location", "/new");
                return Ok(moved.body(Body::none())?);
            }
            "/empty" => return Ok(http::Response::builder().status(204).body(Body::none())?),
            "/wait" => {
                let _counted = self.tally.at_drop("page.dropped");
                self.tally.add("page.entered");
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        let is_none = body.is_none();
        let body = body.bytes_up_to(64 << 20).await?;
        let tenant = Ctx::with(|ctx| ctx.metadata("tenant").unwrap_or("nobody").to_owned());
        let response = http::Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header("x-method", head.method.as_str())
            .header("x-uri", head.uri.to_string())
            .header("x-length", if is_none { "none".to_owned() } else { body.len().to_string() })
            .header("x-tenant", tenant);
        let echoed = head.headers.get_all("x-word").iter();
        let response = echoed.fold(response, |response, value| response.header("x-word", value));
        Ok(response.body(Body::from(body))?)
    }
}
