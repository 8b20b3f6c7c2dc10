//! Variables in the texts of a file: `${NAME}`, `${NAME:-default}` and `${env:NAME}`, as MCP
//! clients write them, become the values of the proxy's environment. `$${` stands for `${` itself.

use std::cell::Cell;
use std::ffi::OsString;

/// Bytes that all values of variables in a file may have together: more than a system passes to
/// its processes.
const VALUES: usize = 4 * 1024 * 1024;
/// Bytes of a name that an error repeats.
const SHOWN: usize = 64;

/// Names that editors replace themselves.
const OF_EDITORS: [&str; 12] = [
    "workspaceFolder",
    "workspaceFolderBasename",
    "workspaceRoot",
    "userHome",
    "pathSeparator",
    "cwd",
    "file",
    "fileDirname",
    "fileBasename",
    "relativeFile",
    "execPath",
    "selectedText",
];

/// Forms `${kind:...}` of editors, what they are, and what to write here.
const FORMS: [(&str, &str, &str); 4] = [
    ("input", "a prompt of an editor", "set a variable of the environment and write ${env:NAME}"),
    ("command", "a command of an editor", "write its result"),
    ("config", "a setting of an editor", "write its value"),
    ("workspaceFolder", "a folder of an editor", "write its path"),
];

/// Looks up a variable.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Replaces the variables in the texts of one file.
pub(super) struct Expander<'a> {
    variables: Variables<'a>,
    /// Bytes of values that may follow.
    left: Cell<usize>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(variables: Variables<'a>) -> Self {
        Self { variables, left: Cell::new(VALUES) }
    }

    /// The text with its variables replaced. An error holds no value.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        let mut done = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, form) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                done += before;
                done += "${";
                rest = &form[2..];
                continue;
            }
            done += before;
            let (inner, after) = form[2..].split_once('}').ok_or_else(|| {
                String::from("a ${ has no }: close it, or write $${ for the text itself")
            })?;
            done += &self.value(inner)?;
            rest = after;
        }
        Ok(done + rest)
    }

    /// What stands for `${inner}`.
    fn value(&self, inner: &str) -> Result<String, String> {
        let named = inner.strip_prefix("env:").unwrap_or(inner);
        let (name, default) = match named.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (named, None),
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || !name.bytes().all(is_name) || name.as_bytes()[0].is_ascii_digit() {
            return Err(foreign(inner));
        }
        let value = (self.variables)(name).map(OsString::into_string).transpose();
        let shown = &name[..name.len().min(SHOWN)];
        let value = value.map_err(|_| format!("the variable {shown} is not UTF-8"))?;
        let value = match (value, default) {
            // As in a shell, an empty one gets the default too.
            (Some(value), Some(default)) if value.is_empty() => default.to_owned(),
            (Some(value), _) => value,
            (None, Some(default)) => default.to_owned(),
            (None, None) if OF_EDITORS.contains(&name) && named == inner => {
                return Err(format!(
                    "${{{name}}} is a variable of an editor, which is not known here: write its \
                     value, or set {name} in the proxy's environment"
                ));
            }
            (None, None) => {
                return Err(format!(
                    "the variable {shown} is not set: set it in the proxy's environment, or write \
                     ${{{shown}:-default}}"
                ));
            }
        };
        let left = self.left.get().checked_sub(value.len());
        self.left.set(left.ok_or_else(|| {
            format!("the values of variables are longer than {VALUES} bytes together")
        })?);
        Ok(value)
    }
}

/// What is said of a form that is no variable's.
fn foreign(inner: &str) -> String {
    let kind = inner.split(':').next().unwrap_or_default();
    match FORMS.iter().find(|(form, ..)| *form == kind && kind.len() < inner.len()) {
        Some((form, what, instead)) => {
            format!("${{{form}:...}} is {what}, which is not known here: {instead}")
        }
        None => String::from(
            "a ${...} is not ${NAME}, ${NAME:-default} or ${env:NAME}: write $${ for the text ${",
        ),
    }
}
