//! The terms of one server in a story: `sessions=1`, `deny=add*`.

use std::time::Duration;

use mcp_bridge::{Endpoint, Limits, Tools};

#[derive(Default)]
pub(crate) struct Terms {
    limits: Limits,
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    fault: Option<String>,
}

impl Terms {
    pub(crate) fn read(texts: &[String]) -> Result<Self, String> {
        let mut terms = Self::default();
        for text in texts {
            let bad = || format!("no term of a server: {text}");
            let (name, value) = text.split_once('=').ok_or_else(bad)?;
            let number = || value.parse::<u64>().map_err(|_| bad());
            match name {
                "sessions" => terms.limits.sessions = Some(number()? as usize),
                "idle" => terms.limits.idle = Some(Duration::from_secs(number()?)),
                "request" => terms.limits.request = Some(Duration::from_secs(number()?)),
                "allow" => terms.allow.get_or_insert_default().push(value.into()),
                "deny" => terms.deny.push(value.into()),
                "fault" => terms.fault = Some(value.into()),
                _ => return Err(bad()),
            }
        }
        Ok(terms)
    }

    /// The endpoint with these terms.
    pub(crate) fn at<'a>(&'a self, endpoint: Endpoint<'a>) -> Endpoint<'a> {
        Endpoint {
            limits: self.limits,
            tools: Tools { allow: self.allow.as_deref(), deny: &self.deny },
            fault: self.fault.as_deref(),
            ..endpoint
        }
    }
}
