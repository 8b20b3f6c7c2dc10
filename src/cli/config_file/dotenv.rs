//! The file of `envFile`: a variable a line, `NAME=value`, as dotenv has it. Values are texts:
//! nothing in them is replaced.

/// Variables in a file.
const VARIABLES: usize = 1024;

/// The variables of a file in their order, or what is wrong with it and where. An error holds no
/// value.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |what: &str| format!("{what} at line {}", number + 1);
        let (name, value) = line.split_once('=').ok_or_else(|| at("NAME=value is expected"))?;
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(at("a variable has a bad name"));
        }
        let value = value_of(value.trim()).ok_or_else(|| at("a quote has no end"))?;
        if value.contains('\0') {
            return Err(at("a value has a NUL"));
        }
        if variables.len() == VARIABLES {
            return Err(format!("there are more than {VARIABLES} variables"));
        }
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// The value: as it stands between single quotes, with escapes between double quotes, else up to a
/// comment.
fn value_of(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return quoted.split_once('\'').map(|(value, _)| value.to_owned());
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(" #").unwrap_or(text.len());
        return Some(text[..end].trim_end().to_owned());
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some(value),
            '\\' => value.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            }),
            other => value.push(other),
        }
    }
}
