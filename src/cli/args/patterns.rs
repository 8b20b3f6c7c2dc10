//! The values of --allow-host and --allow-origin, checked for whether they can match.

use crate::cli::exit::Exit;

/// A value that can match: one that can't would refuse all clients without a message.
pub(super) fn all(
    values: Vec<String>,
    good: fn(&str) -> bool,
    flag: &str,
    what: &str,
) -> Result<Vec<String>, Exit> {
    match values.iter().find(|value| *value != "*" && !good(value)) {
        Some(bad) => Err(Exit::usage(format!("{flag} takes {what}, not {bad:?}"))),
        None => Ok(values),
    }
}

/// Whether a Host header can have this value: a name or an address, with or without a port, or `*`.
pub(super) fn is_host_pattern(value: &str) -> bool {
    let (host, port) = match value.rsplit_once(':') {
        Some((host, port)) if !value.ends_with(']') => (host, Some(port)),
        _ => (value, None),
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let named = || {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    let good = match address {
        _ if value == "*" => return true,
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => named(),
    };
    good && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_host(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !b"/@?#".contains(&b))
}

pub(super) fn is_origin(value: &str) -> bool {
    value == "null"
        || value.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && is_host(host)
        })
}
