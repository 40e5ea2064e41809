//! Lints that the user's own signature raises are raised once, there, and allowed there. What is generated
//! raises none of its own: the crate `rpc-tests-contract` denies them all.

/// Services and methods that are deprecated, and types that are, where the user allows them.
#[deny(deprecated)]
mod deprecation {
    use rpc_runtime::{Result, service};

    #[deprecated]
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub(super) struct Old;

    #[service]
    #[deprecated = "use another"]
    pub(super) trait Gone {
        async fn run(&self) -> Result<()>;
    }

    #[service]
    pub(super) trait Half {
        #[deprecated]
        async fn old(&self) -> Result<()>;
        #[cfg_attr(true, deprecated)]
        async fn older(&self) -> Result<()>;
        #[allow(deprecated, reason = "the argument is what is tested")]
        async fn takes(&self, old: Old) -> Result<()>;
        #[expect(deprecated, reason = "the argument is what is tested")]
        async fn lends(&self, old: &Old) -> Result<()>;
    }
}

#[deny(nonstandard_style, clippy::too_many_arguments)]
mod allowed {
    use rpc_runtime::{Result, service};

    #[service]
    pub(super) trait Allowed {
        #[expect(non_snake_case, reason = "the name is what is tested")]
        async fn Run(&self, userId: u64) -> Result<()>;
        #[expect(clippy::too_many_arguments, reason = "their number is what is tested")]
        async fn many(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) -> Result<()>;
    }
}

/// Alternatives under a `cfg`, one of them naming a type that does not exist.
#[deny(warnings)]
mod conditions {
    use rpc_runtime::{Result, service};

    #[service]
    trait Alternatives {
        #[cfg(false)]
        async fn run(&self, missing: Missing) -> Result<()>;
        #[cfg(true)]
        async fn run(&self) -> Result<()>;
        #[cfg_attr(true, cfg(false))]
        async fn absent(&self, missing: Missing) -> Result<()>;
    }
}
