//! Secrets from a file that its owner alone can read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Source, nearest};
use super::syntax::{self, Language};
use super::value::{Entry, Value};
use super::{Config, Faults, Located, Place};

/// The secrets of a file, by name.
#[derive(Default)]
pub(crate) struct Secrets {
    file: Option<Located<PathBuf>>,
    /// Each name once.
    list: Vec<(String, String)>,
}

impl Secrets {
    /// Reads the file at `path`, as `place` names it. What is wrong with it is told without its content.
    pub(crate) fn load(path: &Path, place: &Place, faults: &mut Faults) -> Self {
        let file = Some(Located::new(path.to_owned(), place.clone()));
        let (bytes, mode) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                let fault =
                    place.fault("a file of secrets that cannot be read").with_expected("a readable file");
                faults.push(fault.with_received(format_args!("`{}`: {error}", path.display())));
                return Self { file, list: Vec::new() };
            }
        };
        if let Some(open) = open_to_others(mode) {
            faults.push(
                (place.fault("a file of secrets that others can read"))
                    .with_expected("a file of this user, open to nobody else: mode 0600")
                    .with_received(format_args!("`{}`, {open}", path.display()))
                    .with_help(format_args!("say `chmod 600 {}`", path.display())),
            );
            return Self { file, list: Vec::new() };
        }
        Self { file, list: list(path, bytes, faults) }
    }

    /// The secret of that name; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.list.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    /// The name in it that was probably meant by another one.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.list.iter().map(|(known, _)| &**known).filter(|known| *known != name))
    }

    /// Where the file is named, if there is one.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.file.as_ref().map(Located::place)
    }

    /// The file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.as_path())
    }
}

/// Names alone.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list.iter().map(|(name, _)| name)).finish()
    }
}

/// Who owns a file, and who may open it.
struct Mode {
    #[cfg(unix)]
    owner: u32,
    #[cfg(unix)]
    bits: u32,
}

#[cfg(unix)]
fn read(path: &Path) -> io::Result<(Vec<u8>, Mode)> {
    use std::os::unix::fs::MetadataExt as _;

    let file = super::open(path)?;
    // Of the file that was opened, not of what has its name by now.
    let metadata = file.metadata()?;
    Ok((content(file)?, Mode { owner: metadata.uid(), bits: metadata.mode() & 0o7777 }))
}

#[cfg(not(unix))]
fn read(path: &Path) -> io::Result<(Vec<u8>, Mode)> {
    Ok((content(super::open(path)?)?, Mode {}))
}

fn content(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(Config::FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > Config::FILE_BYTES_MAX {
        return Err(io::Error::other(format!("longer than {} bytes", Config::FILE_BYTES_MAX)));
    }
    Ok(bytes)
}

/// What is wrong with the permissions of a file, if something is.
#[cfg(unix)]
fn open_to_others(Mode { owner, bits }: Mode) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    if owner != user {
        return Some(format!("which belongs to user {owner}, and this is user {user}"));
    }
    (bits & 0o077 != 0).then(|| format!("which has mode {bits:04o}"))
}

#[cfg(not(unix))]
fn open_to_others(_: Mode) -> Option<String> {
    None
}

/// A table of strings, in TOML unless the name of the file says that it is JSON.
fn list(path: &Path, bytes: Vec<u8>, faults: &mut Faults) -> Vec<(String, String)> {
    let name = path.display().to_string();
    let Ok(text) = String::from_utf8(bytes) else {
        let place = Place::whole(&Arc::new(Source::new(name, String::new())));
        faults.push(place.fault("the file is not text").with_expected("UTF-8").with_received("other bytes"));
        return Vec::new();
    };
    // What faults keep of the file is where its lines end.
    let masked = text.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
    let place = Place::whole(&Arc::new(Source::new(name.clone(), masked)));
    let source = Arc::new(Source::new(name, text));
    let mut found = Faults::new();
    let (table, _) = syntax::parse(&source, &mut found);
    // In words that quote nothing.
    faults.extend(found.iter().map(|fault| {
        let fault = place.at(fault.place().span()).fault("not a file of secrets");
        fault.with_expected(expected(source.language())).confidential()
    }));
    table.entries.into_iter().filter_map(|entry| secret(&place, entry, faults)).collect()
}

fn secret(file: &Place, entry: Entry, faults: &mut Faults) -> Option<(String, String)> {
    let Value::String(value) = entry.node.value else {
        let fault = file.key(&entry.key).at(entry.node.span).fault("wrong type").with_expected("a string");
        faults.push(fault.with_received("something else").confidential());
        return None;
    };
    Some((entry.key, value))
}

fn expected(language: Language) -> String {
    format!("lines such as `{}`", language.entry("API_KEY", "\"..\""))
}
