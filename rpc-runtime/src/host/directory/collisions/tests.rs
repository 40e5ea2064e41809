//! Two names of one hash, which no test can find: 64 bits are many.

use std::any::TypeId;

use super::faults;
use crate::{
    config::Config,
    service::{MethodInfo, NOT_CARRIED, ServiceInfo},
    worker::Offered,
};

const ONE: &MethodInfo = &MethodInfo::new("Auth", "verify", &[], NOT_CARRIED);
const OTHER: &MethodInfo = &MethodInfo { id: ONE.id, ..MethodInfo::new("Mail", "send", &[], NOT_CARRIED) };
const FREE: &MethodInfo = &MethodInfo::new("Mail", "read", &[], NOT_CARRIED);

fn offered<C: 'static>(info: &'static ServiceInfo) -> Offered {
    let client_name = std::any::type_name::<C>;
    Offered { info, client: TypeId::of::<C>(), client_name, is_on_wire: true }
}

fn config(name: &str) -> Config {
    Config::parse(format!("{name}.toml"), format!("name = '{name}'\nmain = '{name}'")).unwrap()
}

#[test]
fn methods_of_one_hash_are_told_with_both_names() {
    const AUTH: &ServiceInfo = &ServiceInfo::new("Auth", &[ONE]);
    const MAIL: &ServiceInfo = &ServiceInfo::new("Mail", &[FREE, OTHER]);
    let (auth, mail) = (config("auth"), config("mail"));
    let told = faults([(&auth, offered::<u8>(AUTH)), (&mail, offered::<u16>(MAIL))].into_iter());
    let [fault] = &told[..] else { panic!("{told:?}") };
    assert_eq!(fault.problem(), "two methods of one identity");
    assert_eq!(fault.place().to_string(), "mail.toml:2:8");
    assert_eq!(fault.received(), Some("`Auth/verify` of `auth` (`u8`) and `Mail/send` of `mail` (`u16`)"));

    const QUIET: &ServiceInfo = &ServiceInfo::new("Mail", &[FREE]);
    assert!(faults([(&auth, offered::<u8>(AUTH)), (&mail, offered::<u16>(QUIET))].into_iter()).is_empty());
}
