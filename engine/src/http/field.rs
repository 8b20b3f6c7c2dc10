//! Names and values of header fields.

use alloc::string::ToString;

use crate::http::fault::Fault;

/// Header fields as they came: only the values that are read have to be text.
pub(crate) type Fields<'a> = [(&'a str, &'a [u8])];

/// The value of a field that is read.
pub(crate) fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, Fault> {
    str::from_utf8(value).map_err(|_| Fault::NotText(name.to_string()))
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
