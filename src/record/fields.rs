//! The values of header fields in a recording: secrets are replaced, in the fields and wherever
//! else they come.

use mcp_bridge::Config;

use super::masks::{Masks, Placeholders};
use super::names::Names;

/// Fields that hold secrets wherever they are listed.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// Fields that the engine reads, in which there is nothing of a message.
const PLAIN: [&str; 7] = [
    "accept",
    "content-type",
    "host",
    "mcp-method",
    "mcp-protocol-version",
    "origin",
    "traceparent",
];
/// The shortest secret that is looked for in messages: a shorter one is found by chance.
const SHORT: usize = 6;

pub(super) struct Fields {
    /// Fields whose values are secret, in lower case.
    secret: Vec<String>,
    secrets: Placeholders,
}

impl Fields {
    pub(super) fn new(config: &Config) -> Self {
        let listed = config.header_env.iter().map(|(header, _)| header).chain(&config.affinity);
        let secret = listed.map(|name| name.to_ascii_lowercase());
        let secret = secret.chain(SECRET.map(String::from)).collect();
        Self { secret, secrets: Placeholders::default() }
    }

    /// What stands for a secret.
    pub(super) fn secret(&mut self, value: &str) -> String {
        String::from_utf8_lossy(&self.secrets.of(value.as_bytes())).into_owned()
    }

    /// What stands for a session id in a head. One that this run has not drawn is a secret all the
    /// same: it may open a session of another node.
    pub(super) fn session_id(&mut self, id: &str, names: &Names) -> String {
        names.session_id(id).unwrap_or_else(|| self.secret(id))
    }

    /// The value of a field as it is recorded.
    pub(super) fn value(
        &mut self,
        name: &str,
        value: &[u8],
        names: &Names,
        masks: Option<&mut Masks>,
    ) -> String {
        let Ok(value) = str::from_utf8(value) else {
            return self.secret(&String::from_utf8_lossy(value));
        };
        let value = match (name, masks) {
            _ if self.secret.iter().any(|secret| secret == name) => self.secret(value),
            ("mcp-session-id", _) => self.session_id(value, names),
            ("last-event-id", _) => names.event_id(value),
            (name, _) if PLAIN.contains(&name) => value.to_owned(),
            // Lists with a form.
            ("tracestate" | "baggage", Some(_)) => {
                value.chars().map(|c| if c.is_ascii_alphanumeric() { 'x' } else { c }).collect()
            }
            (_, Some(masks)) => masks.value(value),
            (_, None) => value.to_owned(),
        };
        // What the transcripts would replace, or can't hold.
        let is_plain = value.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'@');
        if is_plain { value } else { self.secret(&value) }
    }

    /// The bytes without the secrets that were seen in fields.
    pub(super) fn replaced(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for (secret, placeholder) in self.secrets.iter().filter(|(s, _)| s.len() >= SHORT) {
            let mut from = 0;
            while let Some(at) = find(&bytes[from..], secret) {
                bytes[from + at..from + at + secret.len()].copy_from_slice(placeholder);
                from += at + secret.len();
            }
        }
        bytes
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
