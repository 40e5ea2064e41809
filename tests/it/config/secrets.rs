//! Files of secrets: who may be able to read them, and that nothing ever tells what is in them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

/// A folder with a configuration and a file of secrets. It goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is left in the target folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str, secrets: &str, content: &[u8], mode: u32) -> Self {
        let folder = format!("secrets-{}-{name}", std::process::id());
        let folder = Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder));
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join(secrets), content).unwrap();
        fs::set_permissions(folder.0.join(secrets), fs::Permissions::from_mode(mode)).unwrap();
        folder.configured(Path::new(secrets));
        folder
    }

    fn configured(&self, secrets: &Path) {
        let text = format!("name = 'a'\nmain = 'a'\nsecrets = {{ file = '{}' }}\n", secrets.display());
        fs::write(self.0.join("worker.toml"), text).unwrap();
    }

    fn load(&self) -> Result<Config, Faults> {
        Config::load(self.0.join("worker.toml"))
    }

    fn told(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

#[test]
fn a_file_that_its_owner_alone_can_read_is_read_in_either_language() {
    let toml = "# Of the gateway.\nAPI_KEY = \"hunter2\"\n";
    let json = "{ \"API_KEY\": \"hunter2\" }";
    for (at, (name, text, mode)) in
        [(".dev.vars", toml, 0o600), ("s.toml", toml, 0o400), ("s.json", json, 0o600)].into_iter().enumerate()
    {
        let folder = Folder::new(&format!("right-{at}"), name, text.as_bytes(), mode);
        let config = folder.load().unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_with_what_to_say() {
    for mode in [0o640, 0o604, 0o620, 0o601, 0o666] {
        let folder = Folder::new("mode", "s.toml", b"API_KEY = 'hunter2'", mode);
        let told = folder.told();
        let file = folder.0.canonicalize().unwrap().join("s.toml");
        assert!(told.contains("secrets.file: a file of secrets that others can read"), "{told}");
        assert!(told.contains("worker.toml:3:20"), "{told}");
        assert!(told.contains(&format!("which has mode {mode:04o}")), "{told}");
        assert!(told.contains(&format!("= help: say `chmod 600 {}`", file.display())), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    let folder = Folder::new("owner", "s.toml", b"API_KEY = 'hunter2'", 0o600);
    if rustix::process::geteuid().is_root() {
        let other = Some(rustix::fs::Uid::from_raw(12_345));
        rustix::fs::chown(folder.0.join("s.toml"), other, None).unwrap();
    } else {
        folder.configured(Path::new("/etc/passwd"));
    }
    let told = folder.told();
    assert!(told.contains("which belongs to user ") && told.contains(", and this is user "), "{told}");
    assert!(!told.contains("hunter2") && !told.contains("root:"), "{told}");
}

#[test]
fn what_is_wrong_with_the_content_is_told_by_its_line_and_nothing_of_it() {
    let cases: [(&[u8], &str); 5] = [
        (b"A = 'a'\nAPI_KEY = hunter2\n", "s.toml:2:"),
        (b"A = 'a'\nAPI_KEY = 'hunter2\n", "s.toml:2:"),
        (b"A = 'a'\n\nAPI_KEY = [ 'hunter2' ]\n", "s.toml:3:11"),
        (b"API_KEY = 27182818\n", "s.toml:1:11"),
        (b"API_KEY = 'hunter2 \xff'\n", "s.toml"),
    ];
    for (content, place) in cases {
        let told = Folder::new("content", "s.toml", content, 0o600).told();
        assert!(told.contains(place), "{place}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("27182818"), "{told}");
        // Also if somebody goes on with the place.
        let folder = Folder::new("content", "s.toml", content, 0o600);
        for fault in &folder.load().unwrap_err() {
            let again = fault.place().fault("look").with_expected("nothing").to_string();
            assert!(!again.contains("hunter2") && !again.contains("27182818"), "{again}");
        }
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = Folder::new("none", "s.toml", b"", 0o600);
    fs::remove_file(folder.0.join("s.toml")).unwrap();
    assert!(folder.told().contains("a file of secrets that cannot be read"));
    let pipe = folder.0.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    folder.configured(&pipe);
    assert!(folder.told().contains("no regular file"));
    fs::write(folder.0.join("long"), vec![b'#'; Config::FILE_BYTES_MAX + 1]).unwrap();
    folder.configured(Path::new("long"));
    assert!(folder.told().contains("longer than 131072 bytes"));
}

#[test]
fn the_key_has_rules_like_any_other() {
    let all_told = |more: &str| -> Vec<_> {
        let text = format!("name = 'a'\nmain = 'a'\n{more}");
        Config::parse("w.toml", text).unwrap_err().iter().map(told).collect()
    };
    assert_eq!(all_told("secrets = {}"), ["3:11 secrets.file: missing key | `file = \"..\"` | nothing"]);
    assert_eq!(
        all_told("secrets = 'hunter2'"),
        ["3:11 secrets: wrong type | a table | the string \"hunter2\""]
    );
    let relative = all_told("secrets.file = 's.toml'");
    assert_eq!(relative, ["3:16 secrets.file: a path that leads nowhere | a path | `s.toml`"]);
}
