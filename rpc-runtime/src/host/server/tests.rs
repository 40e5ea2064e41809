//! What cannot be brought about from outside.

use crate::{
    error::{Error, Kind},
    host::server::{failure, refuse_abort},
};

#[test]
fn overload_is_503_and_everything_else_500() {
    let status = |kind| failure(&Error::new(kind), false).status().as_u16();
    assert_eq!(status(Kind::Overloaded("the queue is full".into())), 503);
    assert_eq!(status(Kind::Unavailable("not started".into())), 503);
    assert_eq!(status(Kind::Denied("no".into())), 500);
    assert_eq!(status(Kind::NoFetch), 500);
    assert_eq!(status(Kind::Deadline(None)), 500);
}

#[tokio::test]
async fn who_develops_is_told_who_is_not_there() {
    let told = |is_development| async move {
        let absent = Error::new(Kind::Unavailable("start it: app dev -c auth.toml".into()));
        failure(&absent, is_development).into_body().text().await.unwrap()
    };
    assert!(told(true).await.starts_with("start it: app dev -c auth.toml"), "{}", told(true).await);
    assert!(!told(false).await.contains("auth.toml"), "{}", told(false).await);
}

#[tokio::test]
async fn the_answer_to_overload_says_nothing_of_the_reason() {
    let response = failure(&Error::new(Kind::Overloaded("s3cret".into())), false);
    let reference = response.headers()["x-error-reference"].to_str().unwrap().to_owned();
    assert_eq!(
        response.into_body().text().await.unwrap(),
        format!(
            "the service is overloaded or not ready, try again later; the log has the reason under the \
             reference {reference}\n"
        )
    );
}

#[test]
fn a_build_that_aborts_on_panic_is_refused() {
    assert!(refuse_abort(false).is_ok());
    let fault = refuse_abort(true).unwrap_err();
    assert_eq!(fault.expected(), Some("`panic = \"unwind\"` in the profile it is built with"));
    assert_eq!(fault.place().file(), "Cargo.toml");
}
