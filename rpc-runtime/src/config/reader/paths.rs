//! Paths and addresses, which may begin in the folder of the file.

use std::path::{Component, Path, PathBuf};

use super::{Reader, wrong_type};
use crate::config::value::Value;
use crate::config::{Fault, Located, Place};
use crate::transport::Address;

impl Reader<'_> {
    /// A path, which begins in the folder of the file.
    pub(crate) fn path(&mut self, key: &str, folder: Option<&Path>) -> Option<Located<PathBuf>> {
        let path = self.string(key)?;
        match located(&path, path.place().clone(), folder) {
            Ok(whole) => Some(whole),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// An array of paths that may be absent; those that lead nowhere are left out.
    pub(crate) fn paths(&mut self, key: &str, folder: Option<&Path>) -> Vec<Located<PathBuf>> {
        self.list(key, "an array of paths", "[ \"data\" ]", |value, place| match value {
            Value::String(text) if text.is_empty() => {
                Err(place.fault("empty").with_expected("a path").with_received("the string \"\""))
            }
            Value::String(text) => located(text, place, folder),
            _ => Err(wrong_type(&place, "a path", value)),
        })
    }

    /// An address that may be there, as [`optional_string`](Self::optional_string).
    pub(crate) fn optional_address(
        &mut self,
        key: &str,
        folder: Option<&Path>,
    ) -> Option<Option<Located<Address>>> {
        let Some(entry) = self.table.get(key) else { return Some(None) };
        match address(&entry.node.value, self.value_place(entry), folder) {
            Ok(address) => Some(Some(address)),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// An array of addresses that may be absent; those that are none are left out.
    pub(crate) fn addresses(&mut self, key: &str, folder: Option<&Path>) -> Vec<Located<Address>> {
        let example = "[ \"unix:/run/auth/auth.sock\" ]";
        self.list(key, "an array of addresses", example, |value, place| address(value, place, folder))
    }
}

fn located(path: &str, place: Place, folder: Option<&Path>) -> Result<Located<PathBuf>, Fault> {
    match from_folder(path, folder) {
        Ok(whole) => Ok(Located::new(whole, place)),
        Err(why) => {
            let fault = place.fault("a path that leads nowhere").with_expected("a path");
            Err(fault.with_received(format_args!("`{path}`")).with_help(why))
        }
    }
}

fn address(value: &Value, place: Place, folder: Option<&Path>) -> Result<Located<Address>, Fault> {
    const EXPECTED: &str = "an address: `unix:/path/to.sock`, `unix:` and a path from the folder of this file, or \
                            `tcp:host:port`";
    let Value::String(text) = value else { return Err(wrong_type(&place, EXPECTED, value)) };
    let read = match text.strip_prefix("unix:") {
        Some(path) if is_relative(path) => {
            from_folder(path, folder).and_then(|path| Address::unix(path).map_err(|error| error.to_string()))
        }
        _ => text.parse::<Address>().map_err(|error| error.to_string()),
    };
    let wrong = |why: String| {
        place
            .fault("not a valid address")
            .with_expected(EXPECTED)
            .with_received(value.describe(place.language()))
            .with_help(why)
    };
    match read {
        Ok(address) if address.is_tls() => {
            Err(wrong("a file has no place yet for the certificates that `tls:` needs".to_owned()))
        }
        Ok(address) => Ok(Located::new(address, place)),
        Err(why) => Err(wrong(why)),
    }
}

/// Neither absolute nor a name of the abstract namespace, of which the address itself has to say something.
fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(['/', '@', '\0'])
}

/// A path that begins in the folder of the file, which is where whoever reads the file looks for it; where the program
/// was started would be another folder each time.
fn from_folder(path: &str, folder: Option<&Path>) -> Result<PathBuf, String> {
    if path.starts_with('/') {
        return Ok(PathBuf::from(path));
    }
    let Some(folder) = folder else {
        return Err("this text was not read from a file, so there is no folder for a path to begin in: write one that \
                    begins with `/`"
            .to_owned());
    };
    // No part of it is a link, so a `..` leads where it seems to.
    let mut whole = folder.canonicalize().map_err(|error| format!("the folder of this file: {error}"))?;
    let mut parts = Path::new(path).components().filter(|part| *part != Component::CurDir).peekable();
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        whole.pop();
    }
    whole.extend(parts);
    Ok(whole)
}
