//! The table `sandbox`: what the process of a Worker may do.

use std::path::{Path, PathBuf};

use super::reader::Reader;
use super::{Located, Place};

/// What the process of a Worker may do beyond running: nothing that is not said here.
///
/// What it may in any case, and what no key allows, is with [`Host`](crate::Host). A sandbox is there or not there: an
/// empty table is the strictest one. It takes the feature `sandbox`, and Linux.
///
/// ```
/// use rpc_runtime::config::Config;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::parse(
///     "thumbnails/worker.toml",
///     r#"
///     name = "thumbnails"
///     main = "thumbnails"
///     isolation = "process"
///     sandbox = { read = [ "/srv/pictures" ], ports = [ 5432 ] }
///     "#,
/// )?;
/// let sandbox = config.sandbox.ok_or("it has one")?;
/// assert_eq!(sandbox.read[0].to_str(), Some("/srv/pictures"));
/// assert_eq!(*sandbox.ports[0], 5432);
/// assert!(sandbox.write.is_empty() && !sandbox.network && !sandbox.run);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Sandbox {
    /// Files that it may read, and folders with all that is in them.
    pub read: Vec<Located<PathBuf>>,
    /// Files that it may read and write, and folders in which it may do so, make files and remove them.
    pub write: Vec<Located<PathBuf>>,
    /// Whether it may use the network as other processes do.
    pub network: bool,
    /// TCP ports that it may connect to, of any machine.
    pub ports: Vec<Located<u16>>,
    /// Whether it may start programs: those that it may read, in the same sandbox.
    pub run: bool,
    /// Whether it runs with what the kernel has where that lacks a part, and not at all otherwise.
    pub best_effort: bool,
    place: Place,
}

impl Sandbox {
    /// Where the table stands.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

pub(super) fn read(mut table: Reader<'_>, folder: Option<&Path>) -> Sandbox {
    let network = table.flag("network").unwrap_or_default();
    let ports = table.ports("ports");
    if let (true, Some(place)) = (network, table.place_of_value("ports")) {
        table.refuse(
            (place.fault("ports for a Worker that may use the whole network"))
                .with_expected("`ports` or `network = true`, not both")
                .with_received("both")
                .with_help("leave `network` out to allow these ports alone"),
        );
    }
    Sandbox {
        read: table.paths("read", folder),
        write: table.paths("write", folder),
        network,
        ports,
        run: table.flag("run").unwrap_or_default(),
        best_effort: table.flag("best_effort").unwrap_or_default(),
        place: table.place().clone(),
    }
}
