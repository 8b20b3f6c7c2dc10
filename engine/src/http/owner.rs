//! The client of a request of the stateless era, as far as the header fields that the operator
//! named identify it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::api::config::Config;
use crate::api::io::env_size;
use crate::http::fault::Fault;
use crate::http::field::{self, Fields};

/// The most bytes of all values that identify the client of a request: an identifier or a token.
pub(crate) const AFFINITY: usize = 4096;

/// Who owns a shared process. Requests with equal values are of one client: the operator says so
/// by naming the fields. Requests without any may be of several clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Variables for the environment of the process.
    pub(crate) env: Vec<(String, String)>,
    /// The fields of `Config::affinity` that a request has, by their place there, in their order.
    pub(crate) affinity: Vec<(usize, String)>,
}

impl Owner {
    /// Reads the fields of a request.
    pub(crate) fn of(fields: &Fields<'_>, config: &Config) -> Result<Self, Fault> {
        let mut affinity = Vec::new();
        let mut size = 0;
        for (place, header) in config.affinity.iter().enumerate() {
            // A field that comes twice makes another owner than either of its values.
            for value in field::values(fields, header) {
                size += value.len();
                affinity.push((place, value.to_string()));
            }
        }
        if size > AFFINITY {
            return Err(Fault::Affinity(AFFINITY));
        }
        Ok(Self { env: env(fields, config), affinity })
    }

    /// The owner of a process that is one session's.
    pub(crate) fn of_session(fields: &Fields<'_>, config: &Config) -> Self {
        Self { env: env(fields, config), affinity: Vec::new() }
    }

    /// Bytes of all values.
    pub(crate) fn size(&self) -> usize {
        env_size(&self.env) + self.affinity.iter().map(|(_, value)| value.len()).sum::<usize>()
    }

    /// Whether all its requests are of one client.
    pub(crate) const fn is_known(&self) -> bool {
        !self.env.is_empty() || !self.affinity.is_empty()
    }
}

/// The variables that a request's fields give to the environment of its child.
pub(crate) fn env(fields: &Fields<'_>, config: &Config) -> Vec<(String, String)> {
    let value = |header: &str| {
        let mut named = field::values(fields, header);
        // Twice would be a choice for somebody to make: none is taken.
        named.next().filter(|_| named.next().is_none()).map(ToString::to_string)
    };
    let pairs = config.header_env.iter();
    pairs.filter_map(|(header, name)| Some((name.clone(), value(header)?))).collect()
}

/// Whether the values of the fields that identify the client are text. Without one of them the
/// request would seem to be of another client.
pub(super) fn is_legible(fields: &Fields<'_>, config: &Config) -> Result<(), Fault> {
    let variables = config.header_env.iter().map(|(header, _)| header);
    variables.chain(&config.affinity).try_for_each(|header| field::are_text(fields, header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_counts_with_all_its_values() {
        let config = Config {
            header_env: Vec::from([("who".into(), "WHO".into())]),
            affinity: Vec::from(["key".into()]),
            ..Config::default()
        };
        let fields: [(&str, &[u8]); 3] = [("who", b"ada"), ("key", b"12"), ("Key", b"3456")];
        let owner = Owner::of(&fields, &config).expect("it is short");
        assert_eq!(owner.size(), ("WHO".len() + "ada".len()) + ("12".len() + "3456".len()));
        let long = [b'k'; AFFINITY + 1];
        let is_read = |length| Owner::of(&[("key", &long[..length])], &config).is_ok();
        assert!(is_read(AFFINITY) && !is_read(AFFINITY + 1));
    }
}
