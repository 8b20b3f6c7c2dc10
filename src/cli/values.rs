//! The values of the flags: from the command line, or else from the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use lexopt::{Arg, Parser};

use crate::cli::exit::Exit;
use crate::cli::flags::{Flag, PREFIX, flags};

/// Flags of which only one side can be used. What the command line has of such a set outranks what
/// the environment has of it.
const RIVALS: [&[&str]; 3] = [&["unix", "host"], &["unix", "port"], &["config", "demo"]];

/// What was given for one flag.
#[derive(Debug, Default)]
struct Given {
    texts: Vec<String>,
    /// The variable that it comes from, if it was not given on the command line.
    variable: Option<String>,
}

/// The values of the flags.
#[derive(Debug, Default)]
pub(crate) struct Values {
    given: BTreeMap<&'static str, Given>,
    /// Variables that look like the program's own, and are not.
    pub(crate) strange: Vec<String>,
}

impl Values {
    /// Reads the arguments, which end where the server's command begins: after `--`, or at the
    /// first that is not an option. Gives the command too.
    pub(crate) fn read(args: Vec<OsString>) -> Result<(Self, Vec<OsString>), Exit> {
        let mut values = Self::default();
        let mut parser = Parser::from_args(args);
        let bad = |error: lexopt::Error| Exit::usage(format!("{error} (see --help)"));
        while let Some(arg) = parser.next().map_err(bad)? {
            let is_this = |flag: &&Flag| match &arg {
                Arg::Long(name) => flag.long == *name,
                Arg::Short(name) => flag.short == Some(*name),
                Arg::Value(_) => false,
            };
            let Some(flag) = flags().find(is_this) else {
                let Arg::Value(command) = arg else { return Err(bad(arg.unexpected())) };
                let rest = parser.raw_args().map_err(bad)?;
                return Ok((values, std::iter::once(command).chain(rest).collect()));
            };
            let text = match flag.value {
                Some(_) => utf8(flag, parser.value().map_err(bad)?)?,
                None => String::from("1"),
            };
            let given = values.given.entry(flag.long).or_default();
            given.texts.push(text);
            if given.texts.len() > 1 && flag.list.is_none() && flag.value.is_some() {
                return Err(Exit::usage(format!("--{} is given twice", flag.long)));
            }
        }
        Ok((values, Vec::new()))
    }

    /// Adds what the environment has for flags that were not given. A command on the command line
    /// outranks every other way to name the server.
    pub(crate) fn add_environment(
        &mut self,
        environment: impl Iterator<Item = (OsString, OsString)>,
        has_command: bool,
    ) -> Result<(), Exit> {
        let mut found = BTreeMap::new();
        for (name, value) in environment {
            let name = name.to_str().filter(|name| name.starts_with(PREFIX) && !value.is_empty());
            let Some(name) = name else { continue };
            match flags().find(|flag| flag.variable().as_deref() == Some(name)) {
                Some(flag) => drop(found.insert(flag.long, (flag, name.to_owned(), value))),
                None => self.strange.push(name.to_owned()),
            }
        }
        found.retain(|long, _| !self.is_outranked(long, has_command));
        for (long, (flag, variable, value)) in found {
            let value = value.into_string();
            let value = value.map_err(|_| Exit::usage(format!("{variable} is not UTF-8")))?;
            let texts = match (flag.value, flag.list) {
                (None, _) if is_on(&variable, &value)? => vec![value],
                (None, _) => continue,
                (Some(_), None) => vec![value],
                (Some(_), Some(separator)) => {
                    let texts = value.split(separator).map(str::trim);
                    texts.filter(|text| !text.is_empty()).map(String::from).collect()
                }
            };
            self.given.insert(long, Given { texts, variable: Some(variable) });
        }
        Ok(())
    }

    /// Whether the command line has this flag, or one that excludes it.
    fn is_outranked(&self, long: &str, has_command: bool) -> bool {
        let rivals = RIVALS.iter().filter(|set| set.contains(&long)).copied().flatten();
        self.given.contains_key(long)
            || rivals.into_iter().any(|rival| self.given.contains_key(rival))
            || has_command && ["config", "demo"].contains(&long)
    }

    /// Whether a flag or a switch was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.given.contains_key(known(long))
    }

    /// The value of a flag.
    pub(crate) fn text(&self, long: &str) -> Option<String> {
        self.all(long).pop()
    }

    /// All values of a flag.
    pub(crate) fn all(&self, long: &str) -> Vec<String> {
        self.given.get(known(long)).map(|given| given.texts.clone()).unwrap_or_default()
    }

    /// The value of a flag, as its kind of value.
    pub(crate) fn one<T>(
        &self,
        long: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Exit> {
        let bad = |text: &str, reason| Exit::usage(format!("--{long} {reason}, not {text:?}"));
        let value = self.text(long).map(|text| parse(&text).map_err(|reason| bad(&text, reason)));
        value.transpose()
    }

    /// Adds to an error the variables that the flags it names come from.
    pub(crate) fn with_variables(&self, exit: Exit) -> Exit {
        let Exit::Fail { code, mut reason } = exit else { return exit };
        let words = |reason: &str, long: &str| {
            let name = format!("--{long}");
            let mut words = reason.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            words.any(|word| word == name)
        };
        let from = self.given.iter().filter(|(long, _)| words(&reason, long));
        let from: Vec<_> = from.filter_map(|(_, given)| given.variable.clone()).collect();
        if !from.is_empty() {
            reason = format!("{reason} (from {})", from.join(", "));
        }
        Exit::Fail { code, reason }
    }
}

/// The name of a flag that the table has.
fn known(long: &str) -> &str {
    debug_assert!(flags().any(|flag| flag.long == long), "{long} is not in the table");
    long
}

fn utf8(flag: &Flag, value: OsString) -> Result<String, Exit> {
    value.into_string().map_err(|value| {
        let value = value.to_string_lossy();
        Exit::usage(format!("the value of --{} is not UTF-8: {value}", flag.long))
    })
}

/// Whether a variable turns a switch on.
fn is_on(variable: &str, value: &str) -> Result<bool, Exit> {
    match &*value.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Exit::usage(format!("{variable} takes 1 or 0, not {value:?}"))),
    }
}
