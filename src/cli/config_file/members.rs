//! The members of a server in the file, one kind of value each. An error names the member and never
//! its value.

use std::fmt;
use std::time::Duration;

use mcp_bridge::Eras;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Tools;
use super::expand::Expander;

/// The longest wait in seconds, some thirty years.
const SECONDS: f64 = 1e9;
/// The largest number of processes accepted: more than a system has.
const PROCESSES: u64 = 1_000_000;

/// A member of a server.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) server: &'a str,
    pub(super) member: &'a str,
    pub(super) part: Part<'a>,
    pub(super) expander: &'a Expander<'a>,
}

/// The part of a member that is meant.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    All,
    /// One element of a list.
    Element,
    /// One variable.
    Variable(&'a str),
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::All => {}
            Part::Element => f.write_str("each element of ")?,
            Part::Variable(name) => write!(f, "the value of {name:?} in ")?,
        }
        write!(f, "the member {:?} of the server {:?}", self.member, self.server)
    }
}

impl Member<'_> {
    /// A text that can be an argument or a variable, with its variables replaced.
    fn text<E: Error>(self, text: &str) -> Result<String, E> {
        if text.contains('\0') {
            return Err(E::custom(format!("{self} has a NUL")));
        }
        let text = self.expander.expand(text);
        text.map_err(|reason| E::custom(format!("{self}: {reason}")))
    }
}

pub(super) struct Text<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be a string", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.text(text)
    }
}

pub(super) struct Named<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Eras;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Eras, D::Error> {
        let name = json.deserialize_str(Text(self.0))?;
        name.parse().map_err(|reason| D::Error::custom(format!("{}: {reason}", self.0)))
    }
}

pub(super) struct Texts<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<String>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be a list of strings", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        let element = Member { part: Part::Element, ..self.0 };
        while let Some(text) = seq.next_element_seed(Text(element))? {
            texts.push(text);
        }
        Ok(texts)
    }
}

pub(super) struct Pairs<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be an object of strings", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(A::Error::custom(format!("{} has a bad name: {name:?}", self.0)));
            }
            let variable = Member { part: Part::Variable(&name), ..self.0 };
            let value = map.next_value_seed(Text(variable))?;
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}

pub(super) struct Flag<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Flag<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_bool(self)
    }
}

impl Visitor<'_> for Flag<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be true or false", self.0)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        Ok(flag)
    }
}

/// Seconds, of which 0 is no limit.
pub(super) struct Seconds<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Seconds<'_> {
    type Value = Duration;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Duration, D::Error> {
        json.deserialize_f64(self)
    }
}

impl Visitor<'_> for Seconds<'_> {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be a number of seconds from 0 to {SECONDS}", self.0)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        match (0.0..=SECONDS).contains(&seconds) {
            true => Ok(Duration::from_secs_f64(seconds)),
            false => Err(E::custom(format!("{} must be from 0 to {SECONDS}", self.0))),
        }
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        self.visit_f64(seconds as f64)
    }
}

/// A number of processes.
pub(super) struct Number<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Number<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_u64(self)
    }
}

impl Visitor<'_> for Number<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be a number from 1 to {PROCESSES}", self.0)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<usize, E> {
        let number = usize::try_from(number).ok().filter(|_| (1..=PROCESSES).contains(&number));
        number.ok_or_else(|| E::custom(format!("{} must be from 1 to {PROCESSES}", self.0)))
    }
}

/// Names of tools: a list of those to allow, or an object with the lists `allow` and `deny`.
pub(super) struct Chosen<'a>(pub(super) Member<'a>);

impl<'de> DeserializeSeed<'de> for Chosen<'_> {
    type Value = Tools;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Tools, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Chosen<'_> {
    type Value = Tools;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be an object with the lists \"allow\" and \"deny\"", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Tools, A::Error> {
        Ok(Tools { allow: Some(Texts(self.0).visit_seq(seq)?), deny: Vec::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tools, A::Error> {
        let mut tools = Tools::default();
        while let Some(name) = map.next_key::<String>()? {
            match &*name {
                "allow" => tools.allow = Some(map.next_value_seed(Texts(self.0))?),
                "deny" => tools.deny = map.next_value_seed(Texts(self.0))?,
                _ => {
                    return Err(A::Error::custom(format!(
                        "{} has the members \"allow\" and \"deny\" only, not {name:?}",
                        self.0
                    )));
                }
            }
        }
        Ok(tools)
    }
}
