//! Which Host and which Origin a request may name.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::api::config::Config;
use crate::http::fault::Fault;
use crate::http::field::Text;

/// Whether a Host is an IP address. A page whose name was rebound to this host sends the name, so
/// it can't send this.
pub(super) fn is_address(host: Text<'_>) -> bool {
    let name = without_port(host.bytes());
    match name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")) {
        Some(name) => address::<Ipv6Addr>(name).is_some(),
        None => address::<Ipv4Addr>(name).is_some(),
    }
}

pub(super) fn host_allowed(host: Option<Text<'_>>, config: &Config) -> Result<(), Fault> {
    if !config.loopback && config.allow_hosts.is_empty() {
        return Ok(());
    }
    let Some(host) = host else { return Err(Fault::HostMissing) };
    let name = without_port(host.bytes());
    let listed = config.allow_hosts.iter().any(|allowed| {
        let is = |text: &[u8]| allowed.as_bytes().eq_ignore_ascii_case(text);
        allowed == "*" || is(host.bytes()) || is(name)
    });
    let allowed = listed || config.loopback && is_loopback(name);
    if allowed { Ok(()) } else { Err(Fault::HostForbidden(host.decoded().into())) }
}

pub(super) fn origin_allowed(origin: Option<&str>, config: &Config) -> Result<(), Fault> {
    let Some(origin) = origin else { return Ok(()) };
    let listed = config.allow_origins.iter().any(|a| a == "*" || a.eq_ignore_ascii_case(origin));
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let allowed =
        listed || authority.is_some_and(|name| is_loopback(without_port(name.as_bytes())));
    if allowed { Ok(()) } else { Err(Fault::OriginForbidden(origin.into())) }
}

/// `host[:port]` without its port; unchanged if what follows the last colon is no port.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| !byte.is_ascii_digit()) {
        Some(last) if host[last] == b':' => &host[..last],
        _ => host,
    }
}

/// The names and literals that a browser resolves to this host and nowhere else.
fn is_loopback(name: &[u8]) -> bool {
    matches!(name, b"127.0.0.1" | b"localhost" | b"[::1]")
        || name.eq_ignore_ascii_case(b"localhost")
        || address::<Ipv4Addr>(name).is_some_and(|address| address.is_loopback())
}

fn address<T: FromStr>(name: &[u8]) -> Option<T> {
    str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;

    #[test]
    fn addresses() {
        for good in ["192.0.2.2", "192.0.2.2:8085", "[2001:db8::1]", "[::1]:80", "0.0.0.0"] {
            assert!(is_address(Text::of(good)), "{good}");
        }
        for bad in
            ["", "1", "127.1", "192.0.2.2.evil.test", "::1", "[::1", "[a.test]", "0x7f.0.0.1"]
        {
            assert!(!is_address(Text::of(bad)), "{bad}");
        }
    }

    fn host(config: &Config, host: &str) -> bool {
        host_allowed(Some(Text::of(host)), config).is_ok()
    }

    fn origin(config: &Config, origin: &str) -> bool {
        origin_allowed(Some(origin), config).is_ok()
    }

    #[test]
    fn a_loopback_listener_knows_its_names() {
        let config = Config::default();
        for good in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.255.0.1", "[::1]:8080", "[::1]"]
        {
            assert!(host(&config, good), "{good}");
        }
        for bad in [
            "evil.test",
            "localhost.evil.test",
            "localhost:80.evil.test",
            "evil@localhost",
            "",
            "127.0.0.1.evil.test",
            "0.0.0.0",
            "::1",
            "[::2]",
            "localhost/",
            "2130706433",
            "127.1",
            "0177.0.0.1",
        ] {
            assert!(!host(&config, bad), "{bad}");
        }
        assert_eq!(host_allowed(None, &config), Err(Fault::HostMissing));
    }

    #[test]
    fn hosts_are_free_elsewhere_unless_listed() {
        let mut config = Config { loopback: false, ..Config::default() };
        assert!(host(&config, "any.test") && host_allowed(None, &config).is_ok());
        config.allow_hosts = vec![String::from("mcp.test:8443"), String::from("Other.test")];
        assert!(host(&config, "mcp.test:8443") && host(&config, "other.test:1"));
        assert!(!host(&config, "mcp.test") && !host(&config, "any.test"));
        assert!(!host(&config, "localhost"));
        config.allow_hosts = vec![String::from("*")];
        assert!(host(&config, "any.test"));
    }

    #[test]
    fn origins() {
        let mut config = Config::default();
        assert!(origin_allowed(None, &config).is_ok());
        for good in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:80"] {
            assert!(origin(&config, good), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://evil.test",
            "http://localhost@evil.test",
            "http://localhost.evil.test",
            "file://localhost",
            "http://evil.test:80/localhost",
        ] {
            assert!(!origin(&config, bad), "{bad}");
        }
        config.allow_origins = vec![String::from("https://app.test")];
        assert!(origin(&config, "https://app.test") && !origin(&config, "https://app.test:1"));
        config.allow_origins = vec![String::from("*")];
        assert!(origin(&config, "null"));
    }
}
