//! Configuration files: what a Worker is called, what it may reach, and its variables.
//!
//! A file is written in TOML, or in JSON, as its name says: `.toml`, `.json` or `.jsonc`. JSON may have comments, and
//! commas after the last element. The names and shapes are those of wrangler where it has them.
//!
//! A file is read once, and everything that is wrong with it is said at once, each fault with its
//! place in the file. Values keep their place, so that a later check (a service that does not
//! exist, a variable of the wrong type) points at the line as well:
//!
//! ```
//! use rpc_runtime::config::Config;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::parse(
//!     "gateway/worker.toml",
//!     r#"
//!     name = "gateway"
//!     main = "gateway"
//!     services = [ { binding = "AUTH", service = "auth" } ]
//!     vars = { GREETING = "hello", WORKERS = 300 }
//!     "#,
//! )?;
//! assert_eq!(*config.service("AUTH")?.service, "auth");
//! assert_eq!(config.vars.read::<String>("GREETING")?, "hello");
//!
//! let fault = config.vars.read::<u8>("WORKERS").unwrap_err();
//! assert_eq!(fault.place().to_string(), "gateway/worker.toml:5:44");
//! assert_eq!(fault.place().field(), "vars.WORKERS");
//! assert_eq!(fault.expected(), Some("an integer from 0 to 255"));
//! assert_eq!(fault.received(), Some("the integer 300"));
//! # Ok(())
//! # }
//! ```
//!
//! # Keys
//!
//! `[]` is an entry of an array, and `*` a name of one's own.
//!
#![doc = include_str!("config/keys.md")]

mod fault;
mod keys;
mod place;
mod props;
mod reader;
mod sandbox;
mod schema;
mod secrets;
mod section;
mod syntax;
mod value;
mod vars;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::fault::{Fault, Faults};
pub use self::place::{Located, Place};
pub use self::props::Props;
pub use self::sandbox::Sandbox;
pub use self::schema::schema;
pub use self::vars::{Variable, Vars};

use self::place::Source;
pub(crate) use self::place::nearest;
use self::secrets::Secrets;
use self::syntax::Language;
use crate::limits::Limits;
use crate::transport::Address;

/// The configuration of one Worker, as its `worker.toml` has it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// What the Worker is called; other Workers bind to it by this name.
    ///
    /// Lower case letters, digits, `-` and `_`, at most 63: it must fit a label of a host name.
    pub name: Located<String>,
    /// What runs: the name of an entrypoint that is linked into the program, or the path of another program, which has
    /// a `/` in it.
    pub main: Located<String>,
    /// Whether it has a process of its own.
    pub isolation: Isolation,
    /// What that process may do, if it is kept from all else.
    pub sandbox: Option<Sandbox>,
    /// The bindings to other Workers, in the order of the file.
    pub services: Vec<ServiceBinding>,
    /// Where the Worker is served to Workers of other processes: to those whose binding has this `address`.
    ///
    /// Without one, and unless it is the Worker of the first configuration, it can be reached by its own host alone.
    pub listen: Vec<Located<Address>>,
    /// The variables.
    pub vars: Vars,
    /// How far the pipelines may go that begin with a request or a call to this Worker.
    pub limits: Limits,
    /// How the command `dev` serves the Worker.
    pub dev: Dev,
    /// The environment that was chosen, if one was.
    pub environment: Option<Located<String>>,
    executable: Option<PathBuf>,
    secrets: Secrets,
    not_inherited: Vec<String>,
    /// Of the key `services`, or of the file where it is not there.
    services_place: Place,
    extent: Extent,
    place: Place,
}

/// What stands between a Worker and the others of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Nothing: a call is a plain call.
    #[default]
    Thread,
    /// A process of its own, which the commands `dev` and `serve` start and watch.
    Process,
}

/// How the command `dev` serves a Worker over HTTP, if it is that of the first configuration.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Dev {
    /// The port; 0 takes a free one. 8787 where absent; `--port` goes before it.
    pub port: Option<Located<u16>>,
    /// The address of a network interface. 127.0.0.1 where absent; `--address` goes before it.
    pub address: Option<Located<IpAddr>>,
}

/// One entry of `services`: a name under which a Worker reaches another one.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServiceBinding {
    /// The name of the binding, such as `AUTH`; unique among bindings and variables.
    pub binding: Located<String>,
    /// The name of the Worker it leads to.
    pub service: Located<String>,
    /// Which of that Worker's named entrypoints; its default one where absent.
    pub entrypoint: Option<Located<String>>,
    /// Which of that Worker's environments; see [`target`](Self::target).
    pub environment: Option<Located<String>>,
    /// What that Worker learns of the calls through this binding.
    pub props: Arc<Props>,
    target: String,
    /// Where that Worker is served, as its own `listen` says. Absent, it is one of the same host, or under the command
    /// `dev` of another one.
    ///
    /// The path of a Unix socket begins with `/` or in the folder of the file.
    pub address: Option<Located<Address>>,
}

impl Config {
    /// Longest file that is read, in bytes: 128 KiB.
    ///
    /// A longer one is refused unread. Content that is nothing but mistakes costs the parser
    /// 0.3 s per MiB: this bounds what the worst file costs at 40 ms.
    pub const FILE_BYTES_MAX: usize = 128 << 10;

    /// Reads a file.
    ///
    /// ```no_run
    /// use rpc_runtime::config::Config;
    ///
    /// match Config::load("gateway/worker.toml") {
    ///     Ok(config) => println!("{} is configured", *config.name),
    ///     Err(faults) => faults.eprint(),
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file; also that it cannot be read, is longer than
    /// [`FILE_BYTES_MAX`](Self::FILE_BYTES_MAX) or is not UTF-8.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Faults> {
        Self::load_any(path.as_ref(), None)
    }

    /// Reads a file, and in it the environment of that name.
    ///
    /// An environment inherits `main`, `isolation`, `sandbox` and `limits` from the top level, and nothing else: not the
    /// bindings, which are what makes it another environment. [`not_inherited`](Self::not_inherited) says what it lacks by
    /// that. Without a `name` of its own it is called by that of the Worker, `-` and its own: `gateway-staging`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), and that the file has no such environment.
    pub fn load_environment(path: impl AsRef<Path>, environment: &str) -> Result<Self, Faults> {
        Self::load_any(path.as_ref(), Some(environment))
    }

    /// The other files that a file names, each of which it is read or run with: the one of secrets, and the program that
    /// is its `main`. Also where something is wrong with it or with them.
    #[cfg(feature = "watch")]
    pub(crate) fn files_named_in(path: &Path, environment: Option<&str>) -> Vec<PathBuf> {
        let text = read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = text else { return Vec::new() };
        let origin = Origin { folder: Some(folder_of(path)), environment };
        let (config, _) = Self::read_text(path.display().to_string(), text, origin);
        let files = config.map(|config| [config.secrets.file().map(Path::to_owned), config.executable]);
        files.into_iter().flatten().flatten().collect()
    }

    fn load_any(path: &Path, environment: Option<&str>) -> Result<Self, Faults> {
        Self::whole(Self::read(path, environment))
    }

    /// All or nothing.
    fn whole((config, faults): (Option<Self>, Faults)) -> Result<Self, Faults> {
        match config {
            Some(config) => faults.result(config),
            None => Err(faults.sorted()),
        }
    }

    /// Reads as much of a file as can be read, and what is wrong with the rest.
    pub(crate) fn read(path: &Path, environment: Option<&str>) -> (Option<Self>, Faults) {
        let file = path.display().to_string();
        match read(path) {
            Ok(bytes) => {
                let origin = Origin { folder: Some(folder_of(path)), environment };
                let (config, faults) = Self::read_bytes(file, bytes, origin);
                (config.filter(|config| config.extent != Extent::Broken), faults)
            }
            Err(error) => {
                let place = Place::whole(&Arc::new(Source::new(file, String::new())));
                let fault = place.fault(UNREADABLE).with_expected("a readable file");
                (None, fault.with_received(error).into())
            }
        }
    }

    /// Reads a file's content.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn from_bytes(file: String, bytes: Vec<u8>, origin: Origin<'_>) -> Result<Self, Faults> {
        Self::whole(Self::read_bytes(file, bytes, origin))
    }

    fn read_bytes(file: String, bytes: Vec<u8>, origin: Origin<'_>) -> (Option<Self>, Faults) {
        // Cut off after the limit, what was text may no longer be.
        if bytes.len() > Self::FILE_BYTES_MAX {
            return (None, too_long(file));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::read_text(file, text, origin),
            Err(error) => (None, not_utf8(file, &error)),
        }
    }

    /// Reads text that came from somewhere else; `file` is what faults call it, and the paths of Unix sockets begin
    /// with `/`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the text, as [`load`](Self::load).
    pub fn parse(file: impl Into<String>, text: impl Into<String>) -> Result<Self, Faults> {
        Self::whole(Self::read_text(file.into(), text.into(), Origin::default()))
    }

    /// Reads text, and in it the environment of that name: [`load_environment`](Self::load_environment) for text that
    /// came from somewhere else.
    ///
    /// ```
    /// use rpc_runtime::config::Config;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = r#"
    ///     name = "gateway"
    ///     main = "gateway"
    ///     vars = { GREETING = "hello", COLOUR = "red" }
    ///     [env.staging]
    ///     vars = { GREETING = "hello from staging" }
    /// "#;
    /// let staging = Config::parse_environment("worker.toml", text, "staging")?;
    /// assert_eq!(*staging.name, "gateway-staging");
    /// assert_eq!(staging.vars.read::<&str>("GREETING")?, "hello from staging");
    /// assert_eq!(staging.not_inherited(), ["vars.COLOUR"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`load_environment`](Self::load_environment).
    pub fn parse_environment(
        file: impl Into<String>,
        text: impl Into<String>,
        environment: &str,
    ) -> Result<Self, Faults> {
        let origin = Origin { folder: None, environment: Some(environment) };
        Self::whole(Self::read_text(file.into(), text.into(), origin))
    }

    /// What there is of it, and what is wrong with it.
    fn read_text(file: String, text: String, origin: Origin<'_>) -> (Option<Self>, Faults) {
        if text.len() > Self::FILE_BYTES_MAX {
            return (None, too_long(file));
        }
        if Language::of(&file).is_none() {
            return (None, other_language(file));
        }
        let source = Arc::new(Source::new(file, text));
        let mut faults = Faults::new();
        let (root, complete) = syntax::parse(&source, &mut faults);
        // On a line that is not TOML the parser has filled in what was not there.
        let broken: BTreeSet<_> =
            (faults.iter().filter(|_| !complete).map(|fault| fault.place().line())).collect();
        let mut more = Faults::new();
        let config = section::read(&source, &root, complete, origin, &mut more);
        faults.extend_if(more, |fault| !broken.contains(&fault.place().line()));
        let extent = match (complete, faults.is_empty()) {
            (false, _) => Extent::Broken,
            (true, false) => Extent::Part,
            (true, true) => Extent::Whole,
        };
        (config.map(|config| Self { extent, ..config }), faults)
    }

    /// The binding of that name.
    ///
    /// # Errors
    ///
    /// A fault that names the bindings there are and the nearest of them.
    pub fn service(&self, binding: &str) -> Result<&ServiceBinding, Fault> {
        if let Some(found) = self.services.iter().find(|service| *service.binding == binding) {
            return Ok(found);
        }
        let fault = self
            .services_place
            .fault(format_args!("missing binding `{binding}`"))
            .with_expected(format_args!("`{}` in `services`", self.place.language().binding(binding)))
            .with_received("no such binding");
        let known = self.services.iter().map(|service| service.binding.as_str());
        Err(match nearest(binding, known) {
            Some(near) => fault.with_help(format_args!("there is a binding `{near}`")),
            None => fault,
        })
    }

    /// What the top level has and the environment that was chosen has not, because it inherits no bindings: such as
    /// `services.AUTH`, `vars.GREETING` or `listen`.
    #[must_use]
    pub fn not_inherited(&self) -> &[String] {
        &self.not_inherited
    }

    /// Whether it runs in a process of its own.
    pub(crate) fn is_apart(&self) -> bool {
        self.isolation == Isolation::Process || self.executable.is_some()
    }

    /// The program that runs it, if it is another one.
    pub(crate) fn executable(&self) -> Option<&Path> {
        self.executable.as_deref()
    }

    /// The same in the process that it has for its own, as the Worker that is linked there under this name.
    pub(crate) fn in_its_process(self, main: &str) -> Self {
        let main = Located::new(main.to_owned(), self.main.place().clone());
        Self { main, isolation: Isolation::Thread, executable: None, sandbox: None, ..self }
    }

    /// Whether nothing is wrong with its file, so that what is not here is not there.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self.extent, Extent::Whole)
    }

    /// Whether its own name could not be read, so that it goes by that of its file.
    pub(crate) fn is_nameless(&self) -> bool {
        !self.is_whole() && *self.name == self.place.file()
    }

    /// The secrets of the file that `secrets.file` names.
    pub(crate) const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The place of the whole file, for a fault that has no line of its own.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

impl ServiceBinding {
    /// The name of the Worker it leads to: `service`, or with an `environment` the two with `-` between them, which is
    /// what that environment of the Worker is called.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Where a configuration comes from, and what is wanted of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Origin<'a> {
    /// Where relative paths begin, if there is such a place.
    pub(crate) folder: Option<&'a Path>,
    pub(crate) environment: Option<&'a str>,
}

/// How much of a file could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// All but what is wrong with it.
    Part,
    /// What the grammar left of it, in which values may be others than were meant.
    Broken,
}

/// The problem of a file that cannot be read.
pub(crate) const UNREADABLE: &str = "the file cannot be read";

/// A file's content, or the beginning of one that is too long: one byte more than allowed, whatever its metadata say.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(Config::FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file. Of a pipe nobody knows when somebody will write to it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("no regular file")) }
}

/// The folder of a file: `.` for one that is named alone.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn other_language(file: String) -> Faults {
    Place::whole(&Arc::new(Source::new(file, String::new())))
        .fault("a file of another kind")
        .with_expected("a name that ends in `.toml`, `.json` or `.jsonc`")
        .with_received("another ending")
        .into()
}

fn too_long(file: String) -> Faults {
    Place::whole(&Arc::new(Source::new(file, String::new())))
        .fault("the file is too long")
        .with_expected(format_args!("at most {} bytes", Config::FILE_BYTES_MAX))
        .with_received("more")
        .with_help("keep large data in a file of its own and its path in a variable")
        .into()
}

fn not_utf8(file: String, error: &std::string::FromUtf8Error) -> Faults {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    // Everything before the first bad byte is as it was, so the offset is right in the new text.
    let place = Place::whole(&Arc::new(Source::new(file, text)));
    place
        .at(at..at + 1)
        .fault("the file is not text")
        .with_expected("UTF-8")
        .with_received(format_args!("the byte 0x{:02x}", error.as_bytes()[at]))
        .into()
}
