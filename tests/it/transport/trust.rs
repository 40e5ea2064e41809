//! Unix sockets among other users: what leads to one, and who connects (O1, O2).

use std::{
    fs,
    os::unix::{
        fs::{chown, symlink},
        net as std_net,
    },
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{
    folder::{mode, set_mode},
    unix::Peer,
    *,
};

/// Nobody in particular.
const FOREIGN: u32 = 61_234;

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What only root can set up.
fn is_root(what: &str) -> bool {
    let is_root = us() == 0;
    if !is_root {
        eprintln!("skipped: {what} takes root, to act as another user");
    }
    is_root
}

/// Neither side uses the socket, and both say the same.
async fn assert_denied(path: &Path, expected: &str) {
    let address = Address::unix(path).unwrap();
    for (what, error) in [
        ("listen at", Listener::bind(&address).await.unwrap_err()),
        ("connect to", connect(&address).await.unwrap_err()),
    ] {
        assert!(error.is_denied(), "{error}");
        assert_eq!(error.to_string(), format!("cannot {what} {address}: {expected}"));
    }
}

#[tokio::test]
async fn a_folder_that_others_may_enter_is_refused() {
    let folder = Folder::new();
    for (open, what) in [
        (0o777, "replace"),
        (0o770, "replace"),
        (0o755, "look for"),
        (0o710, "look for"),
        (0o701, "look for"),
        (0o720, "replace"),
    ] {
        let path = folder.join("open");
        fs::create_dir(&path).unwrap();
        set_mode(&path, open);
        let expected = format!(
            "the folder {0} has mode {open:04o}, expected 0700: others could {what} the socket; say `chmod 700 {0}`",
            path.display()
        );
        assert_denied(&path.join("a.sock"), &expected).await;
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        assert_eq!(mode(&path), open, "it is left as it is");
        fs::remove_dir(&path).unwrap();
    }
}

/// Closing it to them would break the machine.
#[tokio::test]
async fn nobody_is_told_to_close_a_folder_that_others_need() {
    let folder = Folder::new();
    let for_all = folder.join("for-all");
    fs::create_dir(&for_all).unwrap();
    set_mode(&for_all, 0o1777);
    let expected = format!(
        "the folder {0} has mode 1777, expected 0700: others could replace the socket; give the socket a folder of its \
         own, as in `unix:{0}/auth/auth.sock`",
        for_all.display()
    );
    assert_denied(&for_all.join("auth.sock"), &expected).await;

    // Of the system: this user's own if it is root, else another's.
    for of_system in ["/", "/usr", "/usr/bin"] {
        let path = Path::new(of_system).join("auth.sock");
        let advice = format!(
            "; give the socket a folder of its own, as in `unix:{}`",
            Path::new(of_system).join("auth/auth.sock").display()
        );
        let error = connect(&Address::unix(&path).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains(&advice) && !error.to_string().contains("chmod"), "{error}");
    }
}

#[tokio::test]
async fn a_caller_of_a_shared_socket_learns_how_its_address_is_made() {
    let folder = Folder::new();
    let path = folder.join("shared/auth.sock");
    let shared = Address::unix_shared(&path, [FOREIGN]).unwrap();
    let _listener = Listener::bind(&shared).await.unwrap();
    let expected = format!(
        "the folder {0} has mode 0755, expected 0700: others could look for the socket; say `chmod 700 {0}`; or, if its \
         host shares the socket with other users, make the address by `Address::unix_shared`",
        folder.join("shared").display()
    );
    assert_denied(&path, &expected).await;
    connect(&shared).await.unwrap();
}

#[tokio::test]
async fn a_link_in_the_place_of_the_folder_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.join("real")).unwrap();
    set_mode(&folder.join("real"), 0o700);
    symlink(folder.join("real"), folder.join("link")).unwrap();
    symlink(folder.join("nothing"), folder.join("dangling")).unwrap();
    folder.write("file", "", 0o600);
    let _listener = Listener::bind(&Address::unix(folder.join("real/a.sock")).unwrap()).await.unwrap();
    for name in ["link", "dangling", "file"] {
        let expected = format!(
            "{} is not a folder, and links are not followed: write where it leads to",
            folder.join(name).display()
        );
        // `/./` and `//` would follow a link that ends in `/`.
        for socket in ["a.sock", "./a.sock", "/a.sock"] {
            let path = format!("{}/{socket}", folder.join(name).display());
            assert_denied(path.as_ref(), &expected).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_socket_is_refused_and_stays() {
    let folder = Folder::new();
    let socket = folder.join("real.sock");
    let _listener = Listener::bind(&Address::unix(&socket).unwrap()).await.unwrap();
    symlink(&socket, folder.join("link.sock")).unwrap();
    folder.write("file.sock", "precious", 0o600);
    fs::create_dir(folder.join("folder.sock")).unwrap();
    for (name, what) in [
        ("link.sock", "is a link, and links are not followed"),
        ("file.sock", "is not a socket"),
        ("folder.sock", "is not a socket"),
    ] {
        assert_denied(&folder.join(name), &format!("{} {what}", folder.join(name).display())).await;
    }
    assert_eq!(fs::read_to_string(folder.join("file.sock")).unwrap(), "precious");
}

#[tokio::test]
async fn a_folder_of_another_user_is_refused() {
    if !is_root("a folder of another user") {
        return;
    }
    let folder = Folder::new();
    chown(folder.path(), Some(FOREIGN), None).unwrap();
    let path = folder.join("a.sock");
    let expected = format!(
        "the folder {0} belongs to user {FOREIGN}, expected user {1}; give the socket a folder of its own, as in \
         `unix:{0}/a/a.sock`; or, to call a host of that user, make the address by `Address::unix_shared(path, \
         [{FOREIGN}])`",
        folder.path().display(),
        us()
    );
    assert_denied(&path, &expected).await;

    // Trusted as somebody to connect to, it is still no place to listen at.
    let shared = Address::unix_shared(&path, [FOREIGN]).unwrap();
    assert!(connect(&shared).await.unwrap_err().is_not_there());
    let error = Listener::bind(&shared).await.unwrap_err();
    assert!(error.is_denied(), "{error}");
}

#[tokio::test]
async fn a_socket_of_another_user_is_neither_used_nor_replaced() {
    if !is_root("a socket of another user") {
        return;
    }
    let folder = Folder::new();
    let path = folder.join("a.sock");
    drop(std_net::UnixListener::bind(&path).unwrap());
    chown(&path, Some(FOREIGN), None).unwrap();
    let expected = format!("{} belongs to user {FOREIGN}, expected user {}", path.display(), us());
    assert_denied(&path, &expected).await;

    let shared = Address::unix_shared(&path, [FOREIGN]).unwrap();
    let error = Listener::bind(&shared).await.unwrap_err();
    assert!(error.is_denied(), "stale, but not ours: {error}");
    assert!(path.exists());
}

#[tokio::test]
async fn a_shared_folder_that_others_may_write_to_is_refused() {
    let folder = Folder::new();
    let address = Address::unix_shared(folder.join("a.sock"), [FOREIGN]).unwrap();
    for (mode, allowed) in [(0o755, true), (0o711, true), (0o775, false), (0o757, false)] {
        set_mode(folder.path(), mode);
        match Listener::bind(&address).await {
            Ok(_) => assert!(allowed, "{mode:o}"),
            Err(error) => assert!(!allowed && error.is_denied(), "{mode:o}: {error}"),
        }
    }
}

/// The other side as another user, who may not see where it was built.
fn as_foreign(folder: &Folder) -> Command {
    let program = folder.join("peer");
    fs::copy(env!("CARGO_BIN_EXE_rpc-tests-peer"), &program).unwrap();
    set_mode(&program, 0o755);
    set_mode(folder.path(), 0o755);
    let id = FOREIGN.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
    command
}

#[tokio::test]
async fn a_peer_of_another_user_is_let_go_before_a_byte_is_read() {
    if !is_root("a peer of another user") {
        return;
    }
    let programs = Folder::new();
    let folder = Folder::new();
    let path = folder.join("a.sock");
    // Shared with somebody else, so that the socket can be reached at all.
    let mut listener = Listener::bind(&Address::unix_shared(&path, [FOREIGN + 1]).unwrap()).await.unwrap();
    set_mode(folder.path(), 0o755);
    let mut foreign = as_foreign(&programs);
    let opened = tokio::task::spawn_blocking(move || foreign.arg("open").arg(path).output().unwrap());
    let opened = tokio::select! {
        opened = opened => opened.unwrap(),
        accepted = listener.accept() => panic!("{accepted:?} was let in"),
    };
    let said = String::from_utf8(opened.stdout).unwrap();
    // What it sends may be sent before or after it is let go.
    let ends = ["read \"\"", "Connection reset by peer (os error 104)", "Broken pipe (os error 32)"];
    assert!(ends.contains(&said.trim_end()), "{said}");

    // Ours comes after it, and is served.
    let address = Address::unix_shared(folder.join("a.sock"), []).unwrap();
    set_mode(folder.path(), 0o700);
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_eq!(accepted.peer.uid, Some(us()));
    assert_carries(stream, accepted.stream).await;
}

#[tokio::test]
async fn a_user_the_socket_is_shared_with_is_let_in() {
    if !is_root("a peer of another user") {
        return;
    }
    let programs = Folder::new();
    let folder = Folder::new();
    let path = folder.join("a.sock");
    set_mode(folder.path(), 0o755);
    let mut listener = Listener::bind(&Address::unix_shared(&path, [FOREIGN]).unwrap()).await.unwrap();
    let mut foreign = as_foreign(&programs);
    let opened = tokio::task::spawn_blocking(move || foreign.arg("open").arg(path).output().unwrap());
    let mut accepted = listener.accept().await;
    assert_eq!(accepted.peer.uid, Some(FOREIGN));
    accepted.stream.write_all(b"welcome").await.unwrap();
    accepted.stream.read_exact(&mut [0]).await.unwrap();
    drop(accepted);
    assert_eq!(String::from_utf8(opened.await.unwrap().stdout).unwrap(), "read \"welcome\"\n");
}

#[tokio::test]
async fn a_listener_of_another_user_is_not_spoken_to() {
    if !is_root("a listener of another user") {
        return;
    }
    let programs = Folder::new();
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let address = Address::unix(&path).unwrap();
    chown(folder.path(), Some(FOREIGN), None).unwrap();
    let _foreign = Peer::start(as_foreign(&programs).args(["listen", &address.to_string()]));
    // All that can be looked at beforehand is made to look right.
    chown(folder.path(), Some(us()), None).unwrap();
    chown(&path, Some(us()), None).unwrap();
    let error = connect(&address).await.unwrap_err();
    assert!(error.is_denied());
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to {address}: user {FOREIGN} listens there, and only user {} may: see who runs it",
            us()
        )
    );
}

/// Whatever the moment of the swap, a listener that was made listens where it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_swapped_meanwhile_is_noticed() {
    let folder = Folder::new();
    let (real, evil, link) = (folder.join("real"), folder.join("evil"), folder.join("link"));
    for path in [&real, &evil] {
        fs::create_dir(path).unwrap();
        set_mode(path, 0o700);
    }
    symlink(&evil, &link).unwrap();
    let swap = || renameat_with(CWD, &real, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    let ended = AtomicBool::new(false);
    let listeners = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                swap();
                swap();
            }
        });
        let listeners: Vec<_> = tokio::task::block_in_place(|| {
            let runtime = tokio::runtime::Handle::current();
            (0..400)
                .filter_map(|number| {
                    let name = format!("{number}.sock");
                    let address = Address::unix(real.join(&name)).unwrap();
                    Some((name, runtime.block_on(Listener::bind(&address)).ok()?))
                })
                .collect()
        });
        ended.store(true, Ordering::Relaxed);
        listeners
    });
    for (name, _listener) in &listeners {
        assert!(real.join(name).exists(), "{name} was made elsewhere");
    }
}
