//! Names and values of header fields.

use alloc::string::ToString;

use crate::http::fault::Fault;

/// Header fields as they came: only the values that are read have to be text.
pub(crate) type Fields<'a> = [(&'a str, &'a [u8])];

/// A value that is text. Most values are only compared: as bytes, they are not decoded for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(super) &'a [u8]);

impl<'a> Text<'a> {
    pub(crate) const fn of(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    pub(crate) const fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn decoded(self) -> &'a str {
        str::from_utf8(self.0).unwrap_or_default()
    }

    pub(crate) fn is(self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }
}

/// The value of a field that is read.
pub(super) fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, Fault> {
    str::from_utf8(value).map_err(|_| Fault::NotText(name.to_string()))
}

/// Whether the values of the fields of this name are text.
pub(super) fn are_text(fields: &Fields<'_>, name: &str) -> Result<(), Fault> {
    let mut named = fields.iter().filter(|(known, _)| is(known, name));
    named.try_for_each(|(_, value)| text(name, value).map(drop))
}

/// The values of the fields of this name that are text.
pub(crate) fn values<'a>(fields: &Fields<'a>, name: &str) -> impl Iterator<Item = &'a str> + Clone {
    let named = fields.iter().filter(move |(known, _)| is(known, name));
    named.filter_map(|(_, value)| str::from_utf8(value).ok())
}

/// Whether two names are the same; most are spelled as ours.
#[inline(always)]
pub(crate) fn is(name: &str, ours: &str) -> bool {
    name == ours || is_in_other_letters(name, ours)
}

#[cold]
fn is_in_other_letters(name: &str, ours: &str) -> bool {
    name.eq_ignore_ascii_case(ours)
}
