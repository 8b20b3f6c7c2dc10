//! Which eras the clients of a server may use.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::codec::version;

/// Which eras the clients of one server may use: the session era (2024-11-05 to 2025-11-25) and
/// 2026-07-28. It says what clients may speak; before a server of the other era the bridge
/// translates.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Config, Eras};
///
/// assert_eq!("both".parse(), Ok(Eras::Both));
/// assert_eq!(Config::default().eras.to_string(), "auto");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eras {
    /// Both, but 2026-07-28 only before a server that speaks it itself. Before any other a request
    /// of 2026-07-28 is refused, so that its client opens a session and gets a process of its own.
    #[default]
    Auto,
    /// The session era alone.
    Sessions,
    /// 2026-07-28 alone. Before a server of the session era its clients share processes.
    Modern,
    /// Both, whatever the server speaks. Before a server of the session era clients of 2026-07-28
    /// share processes, and so what the server keeps in them.
    Both,
}

impl Eras {
    const ALL: [Self; 4] = [Self::Auto, Self::Sessions, Self::Modern, Self::Both];

    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sessions => "sessions",
            Self::Modern => "modern",
            Self::Both => "both",
        }
    }

    /// Whether clients of 2026-07-28 share the processes of a server of the session era.
    ///
    /// ```
    /// use mcp_bridge::Eras;
    ///
    /// assert!(Eras::Both.shares() && !Eras::Auto.shares());
    /// ```
    pub const fn shares(self) -> bool {
        matches!(self, Self::Modern | Self::Both)
    }

    /// The revisions that clients may use, newest first, as a JSON array.
    pub(crate) fn supported(self) -> String {
        version::supported(self != Self::Modern)
    }
}

impl fmt::Display for Eras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Eras {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|eras| eras.name() == name);
        named.ok_or("it takes auto, sessions, modern or both")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_policy_is_read_as_it_is_shown() {
        for eras in Eras::ALL {
            assert_eq!(eras.to_string().parse(), Ok(eras));
        }
        assert!("Both".parse::<Eras>().is_err());
    }
}
