//! The arguments, in the form that argh takes: the flags of the command line, and those that the
//! environment has beside them. argh itself neither splits `--name=value` and `-nVALUE` nor knows
//! where a server's command begins.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::cli::exit::Exit;
use crate::cli::flags::{Flag, PREFIX, flags};

/// Flags of which only one side can be used. What the command line has of such a set outranks what
/// the environment has of it.
const RIVALS: [&[&str]; 3] = [&["unix", "host"], &["unix", "port"], &["config", "demo"]];

/// One flag as it is given.
#[derive(Debug)]
struct Argument {
    /// As it is written, `--port` or `-p`.
    name: String,
    value: Option<String>,
    flag: Option<&'static Flag>,
    /// The variable that it comes from, if not from the command line.
    variable: Option<String>,
}

/// The arguments without the program's own name, and the environment's.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    all: Vec<Argument>,
    /// The server's command.
    pub(crate) command: Vec<OsString>,
    /// Variables that look like the program's own, and are not.
    pub(crate) strange: Vec<String>,
}

impl Arguments {
    /// Separates the flags from the command, which follows `--`, or begins with the first argument
    /// that is not a flag.
    pub(crate) fn read(args: Vec<OsString>) -> Result<Self, Exit> {
        let mut read = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                break;
            }
            if !arg.as_encoded_bytes().starts_with(b"-") {
                read.command.push(arg);
                break;
            }
            let arg = utf8(arg)?;
            let (name, mut value) = parts(&arg);
            let flag = flags().find(|flag| flag.is_called(name));
            if flag.is_some_and(|flag| flag.value.is_some()) && value.is_none() {
                value = args.next().map(utf8).transpose()?;
            }
            read.all.push(Argument { name: name.to_owned(), value, flag, variable: None });
        }
        read.command.extend(args);
        Ok(read)
    }

    /// Adds what the environment has for flags that are not given. A command outranks every other
    /// way to name the server.
    pub(crate) fn add_environment(
        &mut self,
        environment: impl Iterator<Item = (OsString, OsString)>,
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
        found.retain(|long, _| !self.is_outranked(long));
        for (flag, variable, value) in found.into_values() {
            let value = value.into_string();
            let value = value.map_err(|_| Exit::usage(format!("{variable} is not UTF-8")))?;
            let values = match (flag.value, flag.list) {
                (None, _) if is_on(&variable, &value)? => vec![None],
                (None, _) => continue,
                (Some(_), None) => vec![Some(value)],
                (Some(_), Some(separator)) => {
                    let values = value.split(separator).map(str::trim);
                    let values = values.filter(|value| !value.is_empty());
                    values.map(|value| Some(value.to_owned())).collect()
                }
            };
            self.all.extend(values.into_iter().map(|value| Argument {
                name: format!("--{}", flag.long),
                value,
                flag: Some(flag),
                variable: Some(variable.clone()),
            }));
        }
        Ok(())
    }

    /// Whether the command line has this flag, or what excludes it.
    fn is_outranked(&self, long: &str) -> bool {
        let rivals = RIVALS.iter().filter(|set| set.contains(&long)).copied().flatten();
        self.has(long)
            || rivals.into_iter().any(|rival| self.has(rival))
            || !self.command.is_empty() && ["config", "demo"].contains(&long)
    }

    /// Whether a flag is given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.all.iter().any(|one| one.flag.is_some_and(|flag| flag.long == long))
    }

    /// The value of a flag.
    pub(crate) fn value_of(&self, long: &str) -> Option<&str> {
        let given = self.all.iter().find(|one| one.flag.is_some_and(|flag| flag.long == long));
        given?.value.as_deref()
    }

    /// What argh parses: what the environment has first.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let variables = self.all.iter().filter(|one| one.variable.is_some());
        let all = variables.chain(self.all.iter().filter(|one| one.variable.is_none()));
        all.flat_map(|one| [Some(&*one.name), one.value.as_deref()].into_iter().flatten()).collect()
    }

    /// Adds to an error the variables that the flags it names come from.
    pub(crate) fn with_variables(&self, exit: Exit) -> Exit {
        let words = |reason: &str, name: &str| {
            let mut words = reason.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            words.any(|word| word == name)
        };
        exit.map(|reason| {
            let from = self.all.iter().filter(|one| words(&reason, &one.name));
            let mut from: Vec<_> = from.filter_map(|one| one.variable.as_deref()).collect();
            from.dedup();
            match from.is_empty() {
                true => reason,
                false => format!("{reason} (from {})", from.join(", ")),
            }
        })
    }
}

/// An argument's name, and the value that is written in the same word.
fn parts(arg: &str) -> (&str, Option<String>) {
    let takes_value = |name: &str| flags().any(|flag| flag.value.is_some() && flag.is_called(name));
    if let Some((name, value)) = arg.split_once('=').filter(|(name, _)| takes_value(name)) {
        return (name, Some(value.to_owned()));
    }
    match arg.split_at_checked(2) {
        Some((name, value)) if !value.is_empty() && name != "--" && takes_value(name) => {
            (name, Some(value.to_owned()))
        }
        _ => (arg, None),
    }
}

fn utf8(arg: OsString) -> Result<String, Exit> {
    let bad = |arg: OsString| format!("an option is not UTF-8: {}", arg.to_string_lossy());
    arg.into_string().map_err(|arg| Exit::usage(bad(arg)))
}

/// Whether a variable turns a switch on.
fn is_on(variable: &str, value: &str) -> Result<bool, Exit> {
    match &*value.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Exit::usage(format!("{variable} takes 1 or 0, not {value:?}"))),
    }
}
