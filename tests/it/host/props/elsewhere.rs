//! Props over a boundary: they arrive from a process of the same user, and from nobody else.
//!
//! `command/apart.rs` and `command/registry.rs` have them between processes; here both hosts are in this one.

use super::{
    super::{remote::Folder, starting},
    *,
};

/// A host that serves the Keeper at an address.
fn keeper_at(address: &str) -> Running {
    let config = format!("{KEEPER}\nlisten = ['{address}']");
    Host::new().threads(1).worker::<Keeper>("keeper").start_listening(parsed(&[&config])).unwrap()
}

#[test]
fn bindings_to_one_address_say_each_its_own() {
    let folder = Folder::new("props");
    let address = folder.socket();
    let _keeper = keeper_at(&address);
    let asker =
        ASKER.replace("service = \"keeper\"", &format!("service = \"keeper\", address = '{address}'"));
    let running = on_a_free_port(Host::new().threads(1).worker::<Asker>("asker"), &[&asker]).unwrap();
    let get = |path| get(running.address(), path).body;
    for _ in 0..2 {
        assert_eq!(get("/one/owner"), "a1 7");
        assert_eq!(get("/two/owner"), "b2 0");
    }
    assert_eq!(get("/one/fetch"), "a1 7");
    assert_eq!(get("/two/lent"), "b2");
    assert_eq!(get("/one/borrowed"), "quota+tenant");
    assert_eq!(get("/one/later"), "a1");
    assert_eq!(get("/one/self"), "itself");
    assert_eq!(get("/one/forged"), "a1 7", "nothing that a caller says is a prop");
    assert_eq!(get("/none/lenient"), "None");
    assert_eq!(get("/none/nothing"), "true");
}

#[test]
fn props_do_not_go_over_a_network() {
    let text = "name = 'a'\nmain = 'a'\n\
                services = [ { binding = 'B', service = 'b', props = {}, address = 'tcp:127.0.0.1:1' } ]";
    let faults = Config::parse("w.toml", text).unwrap_err();
    assert_eq!(
        starting::told(&faults),
        [
            "w.toml:3:54 services[0].props: props over a network | `tcp:127.0.0.1:1`, where whoever connects could say \
          anything | leave `props` out, or let the Worker listen at a Unix socket: who serves a Worker says what its \
          callers are, and never a caller"
        ]
    );
    let unix = text.replace("tcp:127.0.0.1:1", "unix:/run/a/b.sock");
    assert_eq!(Config::parse("w.toml", unix).unwrap().services.len(), 1);
}

/// What a stranger writes who says that it is bound with these props, and calls some method of a service.
fn stranger(service: &str, props: &str) -> Vec<u8> {
    let run = |bytes: &[u8]| {
        let length = bytes.len();
        let mut run =
            if length < 128 { vec![length as u8] } else { vec![length as u8 | 128, (length >> 7) as u8] };
        run.extend_from_slice(bytes);
        run
    };
    let frame = |kind: u8, body: &[u8]| {
        let [a, b, c, ..] = body.len().to_le_bytes();
        [&[a, b, c, kind], body].concat()
    };
    let hello = [b"RPC\0\x01\x01".as_slice(), &[0x80, 0x40], &[0x80, 0x80, 0x80, 0x02].repeat(2)].concat();
    let hello = [&hello[..], &[0x80, 0x80, 0x80, 0x10, 0x80, 0x08], &[0; 9]].concat();
    let value = [run(b"FORGED"), props.as_bytes().to_vec()].concat();
    let list = [vec![16], run(&value)].concat();
    let open = [vec![0], vec![7; 16], run(service.as_bytes()), run(b""), run(&list)].concat();
    let call = [&[0, 0, 0][..], &[1; 8], &[0, 0, 31, 100, 100, 0]].concat();
    [frame(1, &hello), frame(2, &open), frame(4, &call)].concat()
}

/// What the host answers, up to the end of the call.
fn answer_to(mut stream: impl std::io::Read + std::io::Write, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        let [a, b, c, kind] = head;
        let mut body = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
        stream.read_exact(&mut body).unwrap();
        if kind == 5 {
            return String::from_utf8_lossy(&body).into_owned();
        }
    }
}

#[test]
fn nobody_can_forge_them_over_a_network() {
    let keeper = keeper_at("tcp:127.0.0.1:0");
    let address = keeper.listening()[0].to_string();
    let stream = || TcpStream::connect(address.strip_prefix("tcp:").unwrap()).unwrap();
    for service in ["Notes", ""] {
        let told = answer_to(stream(), &stranger(service, r#"{"tenant":"a1"}"#));
        assert!(
            told.contains(
                "the binding `FORGED` has props, which this Worker takes from processes of its own user alone, over a \
                 Unix socket"
            ),
            "{told}"
        );
    }
}

#[test]
fn what_a_process_of_the_same_user_says_is_read_with_limits() {
    let folder = Folder::new("props-limits");
    let address = folder.socket();
    let _keeper = keeper_at(&address);
    let told = |props: &str| {
        let path = address.strip_prefix("unix:").unwrap();
        answer_to(std::os::unix::net::UnixStream::connect(path).unwrap(), &stranger("Notes", props))
    };
    // It is believed: what is wrong is the method.
    let taken = told(r#"{"tenant":"a1"}"#);
    assert!(taken.contains("the service `Notes` has no method 0101010101010101 here"), "{taken}");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    for (props, why) in [
        ("", "no configuration, expected `{`"),
        ("5", "no configuration, expected `{`"),
        ("{\"a\":}", "not JSON"),
        ("{\"a\":1,\"a\":2}", "duplicate key"),
        (&*deep, "nested too deeply"),
    ] {
        let told = told(props);
        assert!(told.contains("the props of the binding `FORGED`: props"), "{props}: {told}");
        assert!(told.contains(why), "{props}: {told}");
    }
}
