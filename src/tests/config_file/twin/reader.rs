//! The file of `--config` as its page says, read from a tree: what it defines, if it is good.

use std::collections::BTreeSet;
use std::time::Duration;

use super::tree::Tree;
use crate::cli::config_file::{Definition, Definitions, Tools, Variables};

pub(super) fn read(text: &[u8], variables: Variables<'_>) -> Option<Definitions> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let file: Tree = serde_json::from_slice(&tidied(&uncommented(text)?)).ok()?;
    let top = file.members()?;
    let is_text = |value: Option<&Tree>| value.is_some_and(|value| value.text().is_some());
    let is_map = |value: &Tree| {
        value.members().is_some() && !is_text(value.get("command")) && !is_text(value.get("url"))
    };
    let wrapper = match (file.get("mcpServers"), file.get("servers").filter(|it| is_map(it))) {
        (Some(_), Some(_)) => return None,
        (Some(_), None) => Some("mcpServers"),
        (None, Some(_)) => Some("servers"),
        (None, None) => None,
    };
    let mut servers = top;
    if let Some(wrapper) = wrapper {
        distinct(top.iter().filter(|(name, _)| name == wrapper))?;
        servers = file.get(wrapper)?.members()?;
    }
    distinct(servers.iter())?;
    let mut found = Definitions::default();
    for (name, server) in servers {
        let signs = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let is_name = !name.is_empty() && name.len() <= 64 && name.chars().all(signs);
        (is_name && name != "." && name != "..").then_some(())?;
        let has_address =
            ["url", "serverUrl", "httpUrl"].iter().any(|name| server.get(name).is_some());
        if matches!(server.get("disabled"), Some(Tree::Flag(true))) {
        } else if has_address && server.get("command").is_none() {
            found.remote.push(name.clone());
        } else {
            found.servers.push(definition(name, server.members()?, variables)?);
        }
    }
    (!found.servers.is_empty() && servers.len() <= 256).then_some(found)
}

fn distinct<'a>(mut members: impl Iterator<Item = &'a (String, Tree)>) -> Option<()> {
    let mut names = BTreeSet::new();
    members.all(|(name, _)| names.insert(name)).then_some(())
}

fn definition(
    name: &str,
    members: &[(String, Tree)],
    variables: Variables<'_>,
) -> Option<Definition> {
    distinct(members.iter())?;
    let text = |value: &Tree| expanded(value.text()?, variables);
    let texts = |value: &Tree| match value {
        Tree::List(list) => list.iter().map(text).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let mut server = Definition { name: name.to_owned(), ..Definition::default() };
    for (member, value) in members {
        match &**member {
            "command" => server.command = text(value)?,
            "args" => server.args = texts(value)?,
            "env" => {
                for (name, value) in value.members()? {
                    (!name.is_empty() && !name.contains(['=', '\0'])).then_some(())?;
                    server.env.push((name.clone(), text(value)?));
                }
            }
            "envFile" => server.env_file = Some(text(value)?),
            "cwd" => server.cwd = Some(text(value)?),
            "eras" => server.eras = Some(text(value)?.parse().ok()?),
            "sessionKeepAlive" => server.limits.idle = Some(seconds(value)?),
            "sleep" => server.sleep = Some(seconds(value)?),
            "requestTimeout" => server.limits.request = Some(seconds(value)?),
            "maxSessions" => {
                let Tree::Number(_, Some(count)) = value else { return None };
                let count = usize::try_from(*count).ok()?;
                server.limits.sessions = Some(count).filter(|it| (1..=1_000_000).contains(it));
                server.limits.sessions?;
            }
            "share" | "disabled" => {
                let Tree::Flag(flag) = value else { return None };
                server.share = if member == "share" { Some(*flag) } else { server.share };
            }
            "tools" => server.tools = tools(value, texts)?,
            "type" => {}
            _ => server.unknown.push(member.clone()),
        }
    }
    (!server.command.is_empty()).then_some(server)
}

fn tools(value: &Tree, texts: impl Fn(&Tree) -> Option<Vec<String>>) -> Option<Tools> {
    let Some(members) = value.members() else {
        return Some(Tools { allow: Some(texts(value)?), deny: Vec::new() });
    };
    let mut tools = Tools::default();
    for (name, value) in members {
        match &**name {
            "allow" => tools.allow = Some(texts(value)?),
            "deny" => tools.deny = texts(value)?,
            _ => return None,
        }
    }
    Some(tools)
}

fn seconds(value: &Tree) -> Option<Duration> {
    let Tree::Number(seconds, _) = value else { return None };
    (0.0..=1e9).contains(seconds).then(|| Duration::from_secs_f64(*seconds))
}

/// The text with its variables, one byte after the other.
fn expanded(text: &str, variables: Variables<'_>) -> Option<String> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("$${") {
            done += "${";
            rest = after;
        } else if let Some(form) = rest.strip_prefix("${") {
            let end = form.find('}')?;
            done += &value(&form[..end], variables)?;
            rest = &form[end + 1..];
        } else {
            done.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    (!text.contains('\0')).then_some(done)
}

fn value(form: &str, variables: Variables<'_>) -> Option<String> {
    let form = form.strip_prefix("env:").unwrap_or(form);
    let end = form.find(":-");
    let name = &form[..end.unwrap_or(form.len())];
    let default = end.map(|end| form[end + 2..].to_owned());
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(())?;
    let value = variables(name).map(|value| value.into_string().expect("UTF-8"));
    match value {
        Some(value) if !value.is_empty() || default.is_none() => Some(value),
        _ => default,
    }
}

/// The text without comments: a space for each, and all line breaks. None if one has no end.
fn uncommented(text: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, mut rest) = (Vec::new(), text);
    while let [first, ..] = rest {
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            4 + rest[2..].windows(2).position(|pair| pair == b"*/")?
        } else {
            let length = if *first == b'"' { quoted(rest) } else { 1 };
            plain.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
            continue;
        };
        plain.push(b' ');
        plain.extend(rest[..length].iter().filter(|byte| **byte == b'\n'));
        rest = &rest[length..];
    }
    Some(plain)
}

/// The length of a string at the start of the text.
fn quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The text without a comma behind the last element or member.
fn tidied(text: &[u8]) -> Vec<u8> {
    let mut plain = text.to_vec();
    let mut at = 0;
    // The last two bytes that count, and where the last one is.
    let (mut before, mut last) = (None, None);
    while at < text.len() {
        let byte = text[at];
        if b"}]".contains(&byte)
            && let Some((comma, b',')) = last
            && before.is_some_and(|byte| !b"{[,".contains(&byte))
        {
            plain[comma] = b' ';
        }
        if !byte.is_ascii_whitespace() {
            before = last.map(|(_, byte)| byte);
            last = Some((at, byte));
        }
        at += if byte == b'"' { quoted(&text[at..]) } else { 1 };
    }
    plain
}
