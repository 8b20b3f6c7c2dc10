//! Messages as they are written, with holes where the engine may splice. What stands outside of a
//! hole must arrive byte for byte, so the world never needs to understand a message that it made.

use super::dice::Dice;
use super::json;

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(Vec<u8>),
    /// The request's or the response's id.
    Id,
    /// The progress token.
    Token,
    /// The id of the request that a `notifications/cancelled` names.
    Target,
}

/// A message with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    parts: Vec<Part>,
    /// It has line breaks between its tokens, which the engine must take out on the way; what else
    /// happens to white space is then not judged.
    loose: bool,
}

/// What stood in the holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holes {
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) target: Option<Vec<u8>>,
}

/// How the members of a message are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Compact,
    Spaced,
    Reversed,
    Tabs,
    /// Only where the message is not framed by lines.
    Pretty,
    PrettyCrLf,
}

pub(crate) const LINE_STYLES: [Style; 4] =
    [Style::Compact, Style::Spaced, Style::Reversed, Style::Tabs];
pub(crate) const BODY_STYLES: [Style; 6] =
    [Style::Compact, Style::Spaced, Style::Reversed, Style::Tabs, Style::Pretty, Style::PrettyCrLf];

/// Values that a bridge which reads too much would change.
const ODD: [&str; 14] = [
    "12345678901234567890",
    "1.10",
    "-0",
    "1E400",
    "0.1e-7",
    "\"\\u0000\\u00e9\\ud83d\\ude00\"",
    "\"\u{2028}\u{2029}\u{85}é\"",
    "{\"id\":1,\"id\":2,\"progressToken\":\"no\",\"requestId\":0}",
    "[]",
    "[null,true,false,{}]",
    "\"a\\nb\\\\\\\"\\/\"",
    "{\"_meta\":{\"progressToken\":77},\"method\":\"ping\",\"jsonrpc\":\"1.0\"}",
    "\"data: x\\r\\n\\r\\nevent: y\"",
    "{\"z\":1,\"a\":{\"result\":{},\"error\":null}}",
];

/// Ids and tokens: every spelling must come back as it was.
const NAMES: [&str; 16] = [
    "1",
    "2",
    "\"1\"",
    "0",
    "\"a\"",
    "-1",
    "9007199254740993",
    "18446744073709551616",
    "1.5",
    "\"\"",
    "\"\\u0061\"",
    "\"é\\n\"",
    "1e2",
    "\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
    "3",
    "4",
];

pub(crate) fn odd_value(dice: &mut Dice<'_>) -> &'static str {
    dice.pick(&ODD)
}

/// An id or a token: mostly from the first few, so that they collide.
pub(crate) fn name(dice: &mut Dice<'_>) -> Vec<u8> {
    let most = if dice.one_in(3) { NAMES.len() } else { 3 };
    NAMES[dice.below(most)].as_bytes().to_vec()
}

/// A number in another spelling, as languages write that have one kind of number, or none.
pub(crate) fn spelled(dice: &mut Dice<'_>, digits: &str) -> String {
    match dice.below(6) {
        0 => format!("\"{digits}\""),
        1 => format!("{digits}.0"),
        2 => format!("\"{digits}.0\""),
        3 => format!("{digits}e0"),
        4 => format!("{digits}0E-1"),
        _ => format!("0.{digits}e{}", digits.len()),
    }
}

/// Whether two spellings name the same: strings by what they say, numbers by their value. Of those
/// that clients choose, only one has another spelling.
pub(crate) fn same_name(one: Option<&[u8]>, other: &[u8]) -> bool {
    one.is_some_and(|one| {
        let text = json::unquote(one);
        one == other || text.is_some() && text == json::unquote(other)
    })
}

impl Text {
    /// An object of these members in this style.
    pub(crate) fn object(style: Style, mut members: Vec<(&str, Vec<Part>)>) -> Self {
        if style == Style::Reversed {
            members.reverse();
        }
        let (open, comma, colon, close) = match style {
            Style::Compact | Style::Reversed => ("{", ",", ":", "}"),
            Style::Spaced => ("{ ", " , ", " : ", " }"),
            Style::Tabs => ("{\t", ",\t", "\t:\t", "\t}"),
            Style::Pretty => ("{\n  ", ",\n  ", ": ", "\n}\n"),
            Style::PrettyCrLf => ("{\r\n", ",\r\n", ":\r\n", "\r\n}\r\n"),
        };
        let mut text =
            Self { parts: Vec::new(), loose: matches!(style, Style::Pretty | Style::PrettyCrLf) };
        for (number, (name, parts)) in members.into_iter().enumerate() {
            text.push(if number == 0 { open } else { comma });
            text.push(&format!("\"{name}\"{colon}"));
            for part in parts {
                match part {
                    Part::Text(bytes) => text.push_bytes(&bytes),
                    hole => text.parts.push(hole),
                }
            }
        }
        text.push(close);
        text
    }

    fn push(&mut self, str: &str) {
        self.push_bytes(str.as_bytes());
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            last.extend_from_slice(bytes);
        } else {
            self.parts.push(Part::Text(bytes.to_vec()));
        }
    }

    /// The message with its holes filled.
    pub(crate) fn fill(&self, holes: &Holes) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            let piece = match part {
                Part::Text(text) => text.as_slice(),
                Part::Id => holes.id.as_deref().unwrap_or_default(),
                Part::Token => holes.token.as_deref().unwrap_or_default(),
                Part::Target => holes.target.as_deref().unwrap_or_default(),
            };
            bytes.extend_from_slice(piece);
        }
        bytes
    }

    /// What stands in the holes of this line, if it is this message.
    pub(crate) fn read(&self, line: &[u8]) -> Option<Holes> {
        let flat;
        let line = if self.loose {
            flat = json::flat(line);
            flat.as_slice()
        } else {
            line.trim_ascii()
        };
        let mut holes = Holes::default();
        let mut at = 0;
        for (number, part) in self.parts.iter().enumerate() {
            if let Part::Text(text) = part {
                let ends = (number == 0, number + 1 == self.parts.len());
                let text = self.expected(text, ends);
                at = line[at..].starts_with(&text).then_some(at + text.len())?;
                continue;
            }
            let end = json::value_end(line, at)?;
            let raw = Some(line[at..end].to_vec());
            match part {
                Part::Id => holes.id = raw,
                Part::Token => holes.token = raw,
                Part::Target => holes.target = raw,
                Part::Text(_) => {}
            }
            at = end;
        }
        (at == line.len()).then_some(holes)
    }

    fn expected(&self, text: &[u8], (first, last): (bool, bool)) -> Vec<u8> {
        if self.loose {
            return json::flat(text);
        }
        let text = if first { text.trim_ascii_start() } else { text };
        let text = if last { text.trim_ascii_end() } else { text };
        text.to_vec()
    }
}

/// Text that is no hole.
pub(crate) fn plain(text: impl Into<String>) -> Vec<Part> {
    vec![Part::Text(text.into().into_bytes())]
}

/// The number after this mark in the first nonce of a message: `c` marks a client's, `s` a
/// server's.
pub(crate) fn nonce(bytes: &[u8], mark: u8) -> Option<usize> {
    let key = [b'@', mark];
    let start = bytes.windows(2).position(|pair| pair == key)? + 2;
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    core::str::from_utf8(&bytes[start..start + digits]).ok()?.parse().ok()
}

/// An object with a nonce, an odd value and so many bytes of padding.
pub(crate) fn payload(dice: &mut Dice<'_>, mark: char, nonce: usize, padding: usize) -> String {
    let odd = odd_value(dice);
    let pad = "x".repeat(padding);
    format!("{{\"nonce\":\"@{mark}{nonce}@\",\"v\":{odd},\"text\":\"{pad}\"}}")
}
