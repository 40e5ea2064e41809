//! The same with cargo, as a user does it: a package of its own, which depends on this library.

use super::*;

const MAIN: &str = r#"
mod words;

use std::process::ExitCode;

use rpc_runtime::{Entrypoint, Fetch, Host, Request, Response, Result, Worker};

struct Words;

impl Worker for Words {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Words {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(Response::new(words::WORDS.into()))
    }
}

fn main() -> ExitCode {
    Host::new().worker::<Words>("words").run()
}
"#;

fn words(words: &str) -> String {
    format!("pub const WORDS: &str = {words};\n")
}

/// The package, in the folder of the test.
fn package() -> Folder {
    let folder = Folder::new("watch-cargo", &[("worker.toml", "name = 'words'\nmain = 'words'\n")]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = 'rpc-tests-words'\nedition = '2024'\n[workspace]\n[dependencies]\n\
         rpc-runtime = {{ path = '{}' }}\n",
        root.join("rpc-runtime").display()
    );
    let path = |file| folder.0.join(file);
    fs::create_dir(path("src")).unwrap();
    fs::write(path("Cargo.toml"), manifest).unwrap();
    // The versions that are here.
    fs::copy(root.join("Cargo.lock"), path("Cargo.lock")).unwrap();
    fs::write(path("src/main.rs"), MAIN).unwrap();
    fs::write(path("src/words.rs"), words("\"one\"")).unwrap();
    folder
}

/// `cargo run -- dev --watch`, with what this build has built already.
fn run(folder: &Folder) -> Serving {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--offline", "--quiet", "--target-dir"]).arg(target);
    command.args(["--", "dev", "--watch", "--port", "0"]).current_dir(&folder.0);
    Serving::start(command.env("RPC_REGISTRY", &folder.1.0))
}

#[test]
fn a_package_is_built_by_cargo_when_its_sources_change() {
    let folder = package();
    let mut serving = run(&folder);
    let lines = serving.lines();
    let watched = line(&lines);
    assert!(watched.contains("built by `cargo build --manifest-path"), "{watched}");
    let watching = Watching { serving, lines, folder };
    assert_eq!(watching.get("/").body, "one");
    let stop = load(watching.address(), "/", "");
    for text in ["two", "three"] {
        watching.write("src/words.rs", &words(&format!("\"{text}\"")));
        watching.told("src/words.rs has changed");
        watching.told("rebuilt in ");
        watching.restarted();
        assert_eq!(watching.get("/").body, text);
    }
    let (count, others) = stop();
    println!("{count} requests while it was built and exchanged twice");
    assert_eq!(others, Vec::<String>::new());

    watching.write("src/words.rs", &words("5"));
    watching.told("the build has failed after ");
    assert_eq!(watching.get("/").body, "three");
    // The module is not there yet, and nobody could have listed it.
    watching.write("src/words.rs", "pub use crate::more::WORDS;\n");
    watching.told("the build has failed after ");
    watching.write("src/main.rs", &format!("mod more;\n{MAIN}"));
    watching.told("the build has failed after ");
    watching.write("src/more.rs", &words("\"four\""));
    watching.told("rebuilt in ");
    watching.restarted();
    assert_eq!(watching.get("/").body, "four");

    watching.serving.signal("INT");
    let (code, _, stderr) = watching.serving.end();
    assert_eq!(code, Some(0));
    for told in ["mismatched types", "unresolved import `crate::more`", "file not found for module `more`"] {
        assert!(stderr.contains(told), "{stderr}");
    }
}
