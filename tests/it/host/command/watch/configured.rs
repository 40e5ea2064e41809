//! Configurations that change.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_configuration_is_taken_over_without_a_build_and_a_faulty_one_is_told() {
    let folder = folder("watch-config", "", "");
    let secrets = folder.0.join(".dev.vars");
    fs::write(&secrets, "API_KEY = 'hunter2'").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let front = fs::read_to_string(folder.0.join("front.toml")).unwrap();
    fs::write(folder.0.join("front.toml"), format!("{front}secrets.file = '.dev.vars'\n")).unwrap();
    let mut watching = Watching::start(folder);
    assert_eq!(watching.get("/you").body, "hello, you");
    watching.write("greets.toml", &GREETS.replace("hello", "good day"));
    assert_eq!(line(&watching.lines), "greets.toml has changed");
    // The table has changed, so it is told again.
    watching.told("  GREETING  variable  \"good day\"  greets.toml:4");
    let process = watching.restarted();
    assert_eq!(watching.get("/you").body, "good day, you");

    watching.write("greets.toml", &GREETS.replace("vars", "vras"));
    let told = watching.told("it does not start");
    assert_eq!(told, format!("it does not start, exit status: 1; process {process} goes on serving"));
    assert_eq!(watching.get("/you").body, "good day, you");

    watching.write("greets.toml", &GREETS.replace("hello", "good day"));
    assert_eq!(line(&watching.lines), "greets.toml has changed");
    let process = line(&watching.lines);
    assert!(process.starts_with("restarted in "), "the table is the same as before: {process}");
    assert_eq!(watching.get("/key").body, "Secret(..) of 7 bytes");
    watching.write(".dev.vars", "API_KEY = 'longer'");
    watching.restarted();
    assert_eq!(watching.get("/key").body, "Secret(..) of 6 bytes");
    assert_eq!(watching.builds(), 0);

    watching.serving.signal("INT");
    let mut stderr = String::new();
    watching.serving.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert!(stderr.contains("error: vras: unknown key\n --> greets.toml:4:1"), "{stderr}");
}

#[test]
fn a_file_of_secrets_that_was_refused_is_looked_at_until_it_is_mended() {
    let folder = folder("watch-secrets", "", "");
    let secrets = folder.0.join(".dev.vars");
    let chmod = |mode| fs::set_permissions(&secrets, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(&secrets, "API_KEY = 'hunter2'").unwrap();
    chmod(0o600);
    let front = fs::read_to_string(folder.0.join("front.toml")).unwrap();
    fs::write(folder.0.join("front.toml"), format!("{front}secrets.file = '.dev.vars'\n")).unwrap();
    let watching = Watching::start(folder);
    chmod(0o644);
    assert_eq!(watching.told(".dev.vars"), ".dev.vars has changed");
    watching.told("it does not start");
    chmod(0o600);
    assert_eq!(watching.told(".dev.vars"), ".dev.vars has changed");
    watching.restarted();

    watching.write(".dev.vars", "API_KEY = 5");
    watching.told("it does not start");
    fs::remove_file(&secrets).unwrap();
    assert_eq!(watching.told(".dev.vars"), ".dev.vars has changed");
    watching.told("it does not start");
    let other = watching.folder.0.join("other");
    fs::write(&other, "API_KEY = 'longer'").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(other, &secrets).unwrap();
    watching.restarted();
    assert_eq!(watching.get("/key").body, "Secret(..) of 6 bytes");

    // One that the configuration names anew, while it is refused.
    let front = fs::read_to_string(watching.folder.0.join("front.toml")).unwrap();
    let another = watching.folder.0.join("another.toml");
    fs::write(&another, "API_KEY = 'key'").unwrap();
    fs::set_permissions(&another, fs::Permissions::from_mode(0o640)).unwrap();
    watching.write("front.toml", &front.replace(".dev.vars", "another.toml"));
    watching.told("it does not start");
    fs::set_permissions(&another, fs::Permissions::from_mode(0o600)).unwrap();
    watching.restarted();
    assert_eq!(watching.get("/key").body, "Secret(..) of 3 bytes");
}

#[test]
fn a_faulty_configuration_at_the_start_is_waited_for() {
    let folder = folder("watch-faulty", "", "");
    fs::write(folder.0.join("greets.toml"), GREETS.replace("vars", "vras")).unwrap();
    let arguments = [&["dev", "-c", "front.toml", "-c", "greets.toml", "-c", "page.toml"], WATCH].concat();
    let mut command = terminal(&folder, &arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    output.read_line(&mut said).unwrap();
    assert_eq!(said, "it does not start, exit status: 1; waiting for a change\n");
    fs::write(folder.0.join("greets.toml"), GREETS).unwrap();
    while !said.contains("is served on http://") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    drop(Serving { child, output, said, address: None });
}
