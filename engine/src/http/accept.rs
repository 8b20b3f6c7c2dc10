//! The `Accept` fields of a request: which forms of answer its client takes.

use crate::http::field::{self, Fields};

/// Elements of a field's list that are read: far above what clients send.
pub(super) const ELEMENTS: usize = 128;

/// The forms of answer that a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accept {
    pub(crate) json: bool,
    pub(crate) sse: bool,
}

impl Accept {
    pub(crate) const ANY: Self = Self { json: true, sse: true };

    /// Reads all `Accept` fields (RFC 9110, "Accept"): the most specific range that matches a
    /// form decides, a weight of zero excludes it; no field at all allows every form.
    pub(super) fn of(fields: &Fields<'_>) -> Self {
        let ranges = field::values(fields, "accept");
        if ranges.clone().next().is_none() {
            return Self::ANY;
        }
        let (mut json, mut sse) = ((0, false), (0, false));
        for range in ranges.flat_map(|value| value.split(',')).take(ELEMENTS) {
            let mut parts = range.split(';').take(ELEMENTS).map(str::trim);
            let media_range = parts.next().unwrap_or_default();
            let wanted = parts.find_map(weight).is_none_or(|zero| !zero);
            for (form, (kind, subtype)) in
                [(&mut json, ("application", "json")), (&mut sse, ("text", "event-stream"))]
            {
                let rank = specificity(media_range, kind, subtype);
                if rank > 0 && rank >= form.0 {
                    *form = (rank, wanted);
                }
            }
        }
        Self { json: json.1, sse: sse.1 }
    }

    pub(crate) const fn nothing(self) -> bool {
        !self.json && !self.sse
    }
}

/// Whether a parameter is a weight, and then whether it is zero.
fn weight(parameter: &str) -> Option<bool> {
    let (name, value) = parameter.split_once('=')?;
    let zero = value.trim().bytes().all(|b| matches!(b, b'0' | b'.'));
    name.trim().eq_ignore_ascii_case("q").then_some(zero)
}

/// How exactly a media range names a media type; 0 if it does not.
fn specificity(range: &str, kind: &str, subtype: &str) -> u8 {
    let Some((range_kind, range_subtype)) = range.split_once('/') else {
        return 0;
    };
    match (range_kind, range_subtype) {
        ("*", "*") => 1,
        (k, "*") if k.eq_ignore_ascii_case(kind) => 2,
        (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn accept(values: &[&str]) -> (bool, bool) {
        let fields: Vec<_> = values.iter().map(|v| ("ACCEPT", v.as_bytes())).collect();
        let accept = Accept::of(&fields);
        (accept.json, accept.sse)
    }

    #[test]
    fn accept_by_the_most_specific_range() {
        for (values, wanted) in [
            (&[][..], (true, true)),
            (&["*/*"], (true, true)),
            (&["application/json, text/event-stream"], (true, true)),
            (&["application/json", "text/event-stream"], (true, true)),
            (&["application/json"], (true, false)),
            (&["text/event-stream"], (false, true)),
            (&["Application/JSON;q=0.5"], (true, false)),
            (&["application/*, text/html"], (true, false)),
            (&["text/*;q=0.1"], (false, true)),
            (&["*/*, text/event-stream;q=0"], (true, false)),
            (&["text/event-stream;q=0, */*"], (true, false)),
            (&["*/*;q=0.000"], (false, false)),
            (&["application/json;charset=utf-8;q=0"], (false, false)),
            (&["text/html"], (false, false)),
            (&[""], (false, false)),
        ] {
            assert_eq!(accept(values), wanted, "{values:?}");
        }
    }
}
