//! The files that the program is made of, and whether they have changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

/// Which files and folders are looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// What the program was built from, as the compiler has written beside it, and the manifests.
    sources: BTreeSet<PathBuf>,
    /// Folders of sources, where new ones may appear.
    folders: BTreeSet<PathBuf>,
    /// What it reads when it starts, and the programs that it starts.
    configs: BTreeSet<PathBuf>,
    exe: PathBuf,
}

/// What there was at one time. A file that is not there has no stamp.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    sources: BTreeMap<PathBuf, Option<Stamp>>,
    /// The other files in the folders of sources.
    around: BTreeMap<PathBuf, Option<Stamp>>,
    configs: BTreeMap<PathBuf, Option<Stamp>>,
    exe: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    bytes: u64,
    inode: u64,
    /// A file of secrets may have been closed to others.
    mode: u32,
}

impl Files {
    /// `more` is what the user wants to be looked at too.
    pub(super) fn of(exe: &Path, more: &[PathBuf], configs: BTreeSet<PathBuf>) -> Self {
        // What build scripts generate lies where the program does.
        let built = exe.parent().unwrap_or(exe);
        let built = if built.ends_with("examples") { built.parent().unwrap_or(built) } else { built };
        let text = fs::read_to_string(exe.with_extension("d")).unwrap_or_default();
        let listed = dependencies(&text).map(|path| absolute(&path)).filter(|path| !path.starts_with(built));
        let mut files = Self { configs, exe: exe.to_owned(), ..Self::default() };
        for path in listed {
            files.add_package_of(&path);
            files.sources.insert(path);
        }
        for path in more.iter().map(|path| absolute(path)) {
            if path.is_dir() {
                files.folders.insert(path.clone());
                list(&path, &mut |file| {
                    files.sources.insert(file);
                });
            }
            files.sources.insert(path);
        }
        files
    }

    /// The manifests that say how this source is built, and the folder of its package that it lies in.
    fn add_package_of(&mut self, source: &Path) {
        let Some(package) = source.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").exists())
        else {
            return;
        };
        self.sources.insert(package.join("Cargo.toml"));
        let mut below = source.strip_prefix(package).into_iter().flat_map(Path::components);
        if let (Some(Component::Normal(first)), Some(_)) = (below.next(), below.next()) {
            self.folders.insert(package.join(first));
        }
        if let Some(workspace) = package.ancestors().find(|folder| folder.join("Cargo.lock").exists()) {
            self.sources.extend(OF_WORKSPACE.map(|file| workspace.join(file)));
        }
    }

    pub(super) fn source_count(&self) -> usize {
        self.sources.iter().filter(|path| path.exists()).count()
    }

    /// The folders where something happens when one of the files changes, and whether it may happen below them too.
    pub(super) fn folders(&self) -> BTreeMap<PathBuf, bool> {
        let files = self.sources.iter().chain(&self.configs).chain([&self.exe]);
        // A file is replaced as often as it is written to, so it is its folder that tells.
        let mut folders: BTreeMap<_, _> =
            files.filter_map(|file| Some((file.parent()?.to_owned(), false))).collect();
        folders.extend(self.folders.iter().map(|folder| (folder.clone(), true)));
        folders.retain(|folder, _| folder.is_dir());
        folders
    }

    pub(super) fn look(&self) -> Seen {
        let stamps = |paths: &BTreeSet<PathBuf>| {
            paths.iter().map(|path| (path.clone(), Stamp::of(path))).collect::<BTreeMap<_, _>>()
        };
        let mut seen = Seen {
            sources: stamps(&self.sources),
            configs: stamps(&self.configs),
            exe: Stamp::of(&self.exe),
            ..Seen::default()
        };
        for folder in &self.folders {
            list(folder, &mut |file| {
                if !seen.sources.contains_key(&file) {
                    let stamp = Stamp::of(&file);
                    seen.around.insert(file, stamp);
                }
            });
        }
        seen
    }
}

impl Seen {
    /// A source that is no longer as it was; with `around` also any other file that lies among them, which may be the
    /// one that the build has missed.
    pub(super) fn changed_source(&self, before: &Self, around: bool) -> Option<&Path> {
        let is_code = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
        let around = self.around.iter().filter(|(path, _)| around || is_code(path));
        self.sources.iter().chain(around).find_map(|(path, stamp)| {
            let earlier = before.sources.get(path).or_else(|| before.around.get(path)).copied().flatten();
            (*stamp != earlier).then_some(&**path)
        })
    }

    pub(super) fn changed_config(&self, before: &Self) -> Option<&Path> {
        let changed = self.configs.iter().find(|(path, stamp)| before.configs.get(*path) != Some(*stamp));
        changed.map(|(path, _)| &**path)
    }

    /// Whether there is another program than before.
    pub(super) fn has_other_program(&self, before: &Self) -> bool {
        self.exe.is_some() && self.exe != before.exe
    }

    /// What it was built from, as it was before the build, which has told of some of it only now.
    pub(super) fn with_sources_of(self, before: Self) -> Self {
        let known: BTreeMap<_, _> = before.around.into_iter().chain(before.sources).collect();
        let earlier = |(path, now): (PathBuf, Option<Stamp>)| {
            let stamp = known.get(&path).copied().unwrap_or(now);
            (path, stamp)
        };
        let sources = self.sources.into_iter().map(earlier).collect();
        Self { sources, ..self }
    }

    pub(super) fn set_sources(&mut self, now: &Self) {
        self.sources.clone_from(&now.sources);
        self.around.clone_from(&now.around);
    }

    pub(super) fn set_others(&mut self, now: &Self) {
        self.configs.clone_from(&now.configs);
        self.exe = now.exe;
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { modified, bytes: metadata.len(), inode: metadata.ino(), mode: metadata.mode() })
    }
}

/// The files of a rule of make: `target: one other\ one`. What follows are rules without a recipe, for the same files.
fn dependencies(text: &str) -> impl Iterator<Item = PathBuf> {
    let rule = text.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, rule)| rule);
    let mut path = String::new();
    let mut paths = Vec::new();
    let mut letters = rule.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.as_str().starts_with(' ') => path.extend(letters.next()),
            ' ' => paths.push(std::mem::take(&mut path)),
            letter => path.push(letter),
        }
    }
    paths.push(path);
    paths.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from)
}

pub(super) fn absolute(path: &Path) -> PathBuf {
    // It is one already where the folder of the process is not known.
    env::current_dir().map_or_else(|_| path.to_owned(), |folder| folder.join(path))
}

/// Each file in a folder and below, but for what editors and version control keep for themselves.
fn list(folder: &Path, each: &mut impl FnMut(PathBuf)) {
    // One that cannot be read has nothing to build.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(['.', '#']) || name.ends_with('~') || NOT_LOOKED_AT.contains(&&*name) {
            continue;
        }
        match entry.file_type() {
            // A link to a folder could lead round in a circle.
            Ok(kind) if kind.is_dir() => list(&entry.path(), each),
            Ok(_) => each(entry.path()),
            Err(_) => {}
        }
    }
}

/// `4913` is what vim makes to see whether it may.
const NOT_LOOKED_AT: [&str; 3] = ["4913", "node_modules", "target"];

/// What a workspace says about the build of its packages.
const OF_WORKSPACE: [&str; 4] = ["Cargo.lock", "Cargo.toml", ".cargo/config.toml", "rust-toolchain.toml"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_compiler_lists_is_read_with_spaces_in_names() {
        let paths = |text| dependencies(text).map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            paths("/t/debug/app: /src/my\\ app/src/main.rs /src/lib.rs\n\n/src/lib.rs:\n"),
            ["/src/my app/src/main.rs", "/src/lib.rs"]
        );
        assert_eq!(paths("/t/debug/my\\ app: src/main.rs\n"), ["src/main.rs"]);
        assert!(paths("").is_empty() && paths("app:").is_empty() && paths("app: \n").is_empty());
    }
}
