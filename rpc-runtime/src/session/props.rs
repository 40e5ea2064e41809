//! What the other end says of its callers, in the name of the configuration that binds them.
//!
//! Whoever connects can say anything, so who is believed is decided by how it has connected: over a Unix socket a process
//! of this very user, which could do all that this one can. Nobody else is, by whatever certificate.

use std::sync::Arc;

use super::services::Served;
use crate::{error::Kind, proto::Props};

/// How much has been taken, in bytes.
#[derive(Default)]
pub(super) struct TakenProps(usize);

/// What is taken in a session, in bytes: one that opens a service for each of a hundred bindings takes some 10 KiB.
const TAKEN_BYTES_MAX: usize = 256 << 10;

impl TakenProps {
    /// What is served for calls through that binding, or why they are refused.
    pub(super) fn bind(
        &mut self,
        served: &Served,
        props: &Props,
        is_trusted: bool,
    ) -> Result<Arc<Served>, Kind> {
        let Props { binding, json } = props;
        if !is_trusted {
            let why = format!(
                "the binding `{binding}` has props, which this Worker takes from processes of its own user alone, over a \
                 Unix socket"
            );
            return Err(Kind::Denied(why.into()));
        }
        self.0 += json.len();
        if self.0 > TAKEN_BYTES_MAX {
            let exceeded = crate::error::Exceeded::new("bytes of props in a session", TAKEN_BYTES_MAX as u64);
            return Err(Kind::Limit(exceeded.by(self.0 as u64)));
        }
        read(served, props)
    }
}

#[cfg(feature = "host")]
fn read(served: &Served, props: &Props) -> Result<Arc<Served>, Kind> {
    let Props { binding, json } = props;
    let unreadable =
        |why: String| Kind::Decode(format!("the props of the binding `{binding}`: {why}").into());
    let props = crate::config::Props::read_json(binding, json).map_err(unreadable)?;
    let bound = served.with_props(Arc::new(props));
    bound.map(Arc::new).ok_or_else(|| Kind::NotFound("what is served here takes no props".into()))
}

#[cfg(not(feature = "host"))]
fn read(_: &Served, Props { binding, .. }: &Props) -> Result<Arc<Served>, Kind> {
    let why =
        format!("the binding `{binding}` has props, which a program without the feature `host` cannot read");
    Err(Kind::Denied(why.into()))
}
