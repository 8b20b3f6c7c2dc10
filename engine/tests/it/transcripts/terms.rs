//! The terms of one server in a story: `sessions=1`, `deny=add*`.

use std::time::Duration;

use mcp_bridge::{Endpoint, Limits, Tools};

use super::parts::percent;

#[derive(Default)]
pub(crate) struct Terms {
    limits: Limits,
    sleep: Option<Duration>,
    sse: Option<String>,
    share: bool,
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    fault: Option<String>,
    name: Option<String>,
}

impl Terms {
    pub(crate) fn read(texts: &[String]) -> Result<Self, String> {
        let mut terms = Self::default();
        for text in texts {
            let bad = || format!("no term of a server: {text}");
            let (name, value) = text.split_once('=').ok_or_else(bad)?;
            let number = || value.parse::<usize>().map_err(|_| bad());
            let seconds = || {
                let seconds = value.parse::<f64>().map_err(|_| bad())?;
                Duration::try_from_secs_f64(seconds).map_err(|_| bad())
            };
            let words = || {
                let text = percent(value).ok_or_else(bad)?;
                Ok::<_, String>(String::from_utf8_lossy(&text).into_owned())
            };
            match name {
                "sessions" => terms.limits.sessions = Some(number()?),
                "idle" => terms.limits.idle = Some(seconds()?),
                "sleep" => terms.sleep = Some(seconds()?),
                "share" => terms.share = value.parse().map_err(|_| bad())?,
                "request" => terms.limits.request = Some(seconds()?),
                "sse" => terms.sse = Some(words()?),
                "allow" => terms.allow.get_or_insert_default().push(value.into()),
                "deny" => terms.deny.push(value.into()),
                "name" => terms.name = Some(words()?),
                "fault" => terms.fault = Some(words()?),
                _ => return Err(bad()),
            }
        }
        Ok(terms)
    }

    /// The endpoint with these terms.
    pub(crate) fn at<'a>(&'a self, endpoint: Endpoint<'a>) -> Endpoint<'a> {
        Endpoint {
            limits: self.limits,
            sleep: self.sleep,
            sse: self.sse.as_deref(),
            share: self.share,
            tools: Tools { allow: self.allow.as_deref(), deny: &self.deny },
            fault: self.fault.as_deref(),
            name: self.name.as_deref(),
            ..endpoint
        }
    }
}
