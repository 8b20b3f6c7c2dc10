//! Names of header fields.

/// Whether two names are the same; most are spelled as ours.
#[inline(always)]
pub(crate) fn is(name: &str, ours: &str) -> bool {
    name == ours || is_in_other_letters(name, ours)
}

#[cold]
fn is_in_other_letters(name: &str, ours: &str) -> bool {
    name.eq_ignore_ascii_case(ours)
}
