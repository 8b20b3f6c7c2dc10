//! A JSON object that can be changed member by member; what is not touched keeps its spelling.
//!
//! For translations only: where nothing has to change, bytes pass as they are.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use serde::Serialize;

use crate::codec::json::{self, Scanner};

/// The members of an object in their order, each name and value as it is spelled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object<'a> {
    members: Vec<Member<'a>>,
}

/// A member's name and value.
type Member<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl<'a> Object<'a> {
    /// Reads an object. `None` if the text is none.
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        let mut members = Vec::new();
        scanner.enter(b'{').ok()?;
        while scanner.next(b'}', members.is_empty()).ok()? {
            let key = scanner.key().ok()?;
            let value = scanner.value().ok()?;
            members.push((Cow::Borrowed(key), Cow::Borrowed(&text[value])));
        }
        scanner.end().ok()?;
        Some(Self { members })
    }

    /// The value of a member; of several, the last.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.members
            .iter()
            .rev()
            .find(|(key, _)| json::spells(key, name))
            .map(|(_, value)| &**value)
    }

    /// The value of a member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'_>> {
        Object::read(self.get(name)?)
    }

    /// The value of a member that is a string.
    pub(crate) fn string(&self, name: &str) -> Option<Cow<'_, str>> {
        string(self.get(name)?)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members, each name decoded.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        self.members.iter().filter_map(|(key, value)| Some((json::decoded(key)?, &**value)))
    }

    /// Takes a member away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.members.retain(|(key, _)| !json::spells(key, name));
    }

    /// Gives a member a value, in its place if it has one, else at the end.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Cow<'a, [u8]>>) {
        let value = value.into();
        match self.members.iter_mut().rev().find(|(key, _)| json::spells(key, name)) {
            Some(member) => member.1 = value,
            None => self.members.push((Cow::Owned(quoted(name)), value)),
        }
    }

    /// The object on one line.
    pub(crate) fn text(&self) -> Vec<u8> {
        let size: usize = self.members.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        let mut text = Vec::with_capacity(size + 2);
        text.push(b'{');
        for (place, (key, value)) in self.members.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            text.extend_from_slice(key);
            text.push(b':');
            text.extend_from_slice(value);
        }
        text.push(b'}');
        for byte in text.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')) {
            *byte = b' ';
        }
        text
    }
}

/// What a text says that is a JSON string.
pub(crate) fn string(text: &[u8]) -> Option<Cow<'_, str>> {
    if text.first() == Some(&b'"') { json::decoded(text) } else { None }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    encode(text).unwrap_or_else(|| b"\"\"".to_vec())
}

/// What a value is in JSON.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(value).ok()
}

/// A text between two others; what is given away is made longer and not copied.
pub(crate) fn around(before: &[u8], middle: Cow<'_, [u8]>, after: &[u8]) -> Vec<u8> {
    match middle {
        Cow::Borrowed(middle) => [before, middle, after].concat(),
        Cow::Owned(mut text) => {
            text.reserve_exact(before.len() + after.len());
            text.splice(..0, before.iter().copied());
            text.extend_from_slice(after);
            text
        }
    }
}

/// An array of the given texts.
pub(crate) fn array(texts: &[Vec<u8>]) -> Vec<u8> {
    [b"[", &texts.join(&b',')[..], b"]"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_between_two_others() {
        for middle in [Cow::Borrowed(&b"b"[..]), Cow::Owned(b"b".to_vec())] {
            assert_eq!(around(b"aa", middle, b"c"), b"aabc");
        }
        assert_eq!(around(b"", Cow::Owned(Vec::new()), b""), b"");
    }

    #[test]
    fn what_is_not_touched_keeps_its_spelling() {
        let mut object = Object::read(br#" { "a" : 1.10 , "\u0062":[ 1 ], "c":"x" } "#).unwrap();
        object.remove("a");
        object.set("b", b"2".to_vec());
        object.set("d", quoted("e\n"));
        assert_eq!(object.text(), br#"{"\u0062":2,"c":"x","d":"e\n"}"#);
        assert_eq!(string(object.get("c").unwrap()).as_deref(), Some("x"));
        assert_eq!(string(object.get("b").unwrap()), None);
        assert!(Object::read(b"[]").is_none() && Object::read(b"{}x").is_none());
    }
}
