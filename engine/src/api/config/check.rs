//! What a [`Config`] can't be: values with which the engine could not work, or would never rest.

use core::fmt;
use core::time::Duration;

use super::Config;

/// The shortest wait that repeats itself or ends what it waits for.
const SHORTEST: Duration = Duration::from_millis(1);
/// Processes that are started ahead, and starts that fail in a row before the rest is refused, at
/// most: each is an output of one input.
const AHEAD: usize = 1024;

/// Why a [`Config`] can't be: what [`Bridge::new`](crate::Bridge::new) refuses.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config};
///
/// let error = Bridge::new(Config { queue: 0, ..Config::default() }).unwrap_err();
/// assert_eq!(error.field, "queue");
/// assert_eq!(error.to_string(), "Config::queue is zero, so that nothing could pass");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the field.
    pub field: &'static str,
    /// What is wrong with it, as the end of a sentence about it.
    pub reason: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config::{} {}", self.field, self.reason)
    }
}

impl core::error::Error for ConfigError {}

/// An error about this field, if the condition does not hold.
const fn require(
    holds: bool,
    field: &'static str,
    reason: &'static str,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { field, reason }) }
}

impl Config {
    /// Whether an engine can work with it. [`Bridge::new`](crate::Bridge::new) makes the same
    /// check.
    ///
    /// # Errors
    ///
    /// The first field that can't be as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::Config;
    ///
    /// assert!(Config::default().check().is_ok());
    /// let split = Config { node: Some(String::from("a\r\nb")), ..Config::default() };
    /// assert_eq!(split.check().map_err(|error| error.field), Err("node"));
    /// ```
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_names()?;
        self.check_sizes()?;
        self.check_waits()?;
        self.check_starts()
    }

    /// Paths and names, which stand in response fields, environments and texts.
    fn check_names(&self) -> Result<(), ConfigError> {
        let is_path = |path: &str| path.starts_with('/') && is_visible(path);
        let sse = &self.sse_endpoint;
        let own = [("sse_endpoint", sse), ("health", &self.health), ("metrics", &self.metrics)];
        for (field, path) in own {
            let Some(path) = path else { continue };
            require(is_path(path), field, "is no path of visible ASCII that begins with a slash")?;
            require(*path != self.endpoint, field, "is the path of the endpoint")?;
        }
        for (field, page) in [("health", &self.health), ("metrics", &self.metrics)] {
            let is_free = page.is_none() || page != sse;
            require(is_free, field, "is the path of HTTP+SSE")?;
        }
        let metrics = self.metrics.is_none() || self.metrics != self.health;
        require(metrics, "metrics", "is the path of the health check")?;
        let reason = "is no path of visible ASCII that begins with a slash";
        require(is_path(&self.endpoint), "endpoint", reason)?;
        let node = self.node.as_deref().is_none_or(|node| !node.is_empty() && is_visible(node));
        require(node, "node", "is no word of visible ASCII, so it can't begin a session id")?;
        // The address for a client's messages has both in it.
        let bare = sse.as_deref().is_none_or(|path| !path.contains(['?', '#']));
        require(bare, "sse_endpoint", "has a query")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let plain = self.node.as_deref().is_none_or(|node| node.bytes().all(plain));
        require(plain || sse.is_none(), "node", "can't stand in a query, as sse_endpoint needs")?;
        let variable = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
        let variables = self.header_env.iter().all(|(_, name)| variable(name));
        require(variables, "header_env", "names a variable that is empty or has a = or a NUL")
    }

    fn check_sizes(&self) -> Result<(), ConfigError> {
        // A quarter of the budget is the most that one message may have.
        require(self.budget / 4 > 0, "budget", "has no room for a message")?;
        for (field, size) in [
            ("starting", self.starting),
            ("calls", self.calls),
            ("listeners", self.listeners),
            ("message", self.message),
            ("head", self.head),
            ("queue", self.queue),
        ] {
            require(size > 0, field, "is zero, so that nothing could pass")?;
        }
        Ok(())
    }

    fn check_waits(&self) -> Result<(), ConfigError> {
        let or_ever = |wait: Option<Duration>| wait.unwrap_or(Duration::MAX);
        for (field, wait) in [
            ("start", self.start),
            ("keep_alive", self.keep_alive),
            ("idle", or_ever(self.idle)),
            ("sleep", or_ever(self.sleep)),
            ("request", or_ever(self.request)),
            ("probe", self.probe),
            ("park", self.park),
            ("stall", self.stall),
        ] {
            require(wait >= SHORTEST, field, "is shorter than a millisecond")?;
        }
        Ok(())
    }

    /// A command that fails at once is started again and again, until the breaker ends that.
    fn check_starts(&self) -> Result<(), ConfigError> {
        require(self.breaker_starts > 0, "breaker_starts", "is zero, so that nothing could pass")?;
        if self.prewarm == 0 {
            return Ok(());
        }
        require(self.prewarm <= AHEAD, "prewarm", "is more than 1024")?;
        let few = usize::try_from(self.breaker_starts).is_ok_and(|starts| starts <= AHEAD);
        require(few, "breaker_starts", "is more than 1024 although processes are started ahead")?;
        let pause = self.breaker_wait >= SHORTEST;
        let reason = "is shorter than a millisecond although processes are started ahead";
        require(pause, "breaker_wait", reason)
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    fn wrong(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        config.check().err().map(|error| error.field)
    }

    #[test]
    fn names_can_stand_where_they_are_written() {
        assert_eq!(wrong(|config| config.endpoint = "mcp".into()), Some("endpoint"));
        assert_eq!(wrong(|config| config.endpoint = "/a b".into()), Some("endpoint"));
        let variable = |name: &str| Vec::from([(String::from("who"), String::from(name))]);
        for (name, good) in [("WHO", true), ("", false), ("A=B", false), ("A\0", false)] {
            let wrong = wrong(|config| config.header_env = variable(name));
            assert_eq!(wrong.is_none(), good, "{name:?}");
        }
        for (node, sse, good) in [
            ("a~1", true, true),
            ("a+1", true, false),
            ("a+1", false, true),
            ("a b", false, false),
            ("", false, false),
        ] {
            let wrong = wrong(|config| {
                config.node = Some(node.into());
                config.sse_endpoint = sse.then(|| "/sse".into());
            });
            assert_eq!(wrong, (!good).then_some("node"), "{node:?}");
        }
    }

    #[test]
    fn nothing_is_so_small_that_nothing_could_pass() {
        assert_eq!(wrong(|config| config.budget = 3), Some("budget"));
        assert_eq!(wrong(|config| config.budget = 4), None);
        assert_eq!(wrong(|config| config.calls = 0), Some("calls"));
        assert_eq!(wrong(|config| config.calls = 1), None);
        assert_eq!(wrong(|config| config.breaker_starts = 0), Some("breaker_starts"));
        assert_eq!(wrong(|config| config.stall = Duration::ZERO), Some("stall"));
        assert_eq!(wrong(|config| config.stall = SHORTEST), None);
        let error = Config { queue: 0, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "Config::queue is zero, so that nothing could pass");
    }

    /// Without such processes a breaker may count as far, and open for as short, as it likes.
    #[test]
    fn what_is_started_ahead_is_bounded() {
        let ahead = |prewarm, breaker_starts, breaker_wait| {
            wrong(|config| {
                *config = Config { prewarm, breaker_starts, breaker_wait, ..Config::default() };
            })
        };
        assert_eq!(ahead(0, 5000, Duration::ZERO), None);
        assert_eq!(ahead(1024, 1024, SHORTEST), None);
        assert_eq!(ahead(1025, 1024, SHORTEST), Some("prewarm"));
        assert_eq!(ahead(1, 1025, SHORTEST), Some("breaker_starts"));
        assert_eq!(ahead(1, 1024, Duration::ZERO), Some("breaker_wait"));
    }
}
