//! A JSON text with its members in one order and no white space, so that objects of the same
//! members are the same bytes. For small texts: what is not small is not sorted.

use alloc::vec::Vec;

use super::{NotJson, Scanner};

/// Members of one object.
const MEMBERS: usize = 32;
/// Brackets within each other.
const DEPTH: usize = 16;

/// The text, sorted. An error if it has an object of more members, or more depth, than is sorted,
/// or a name with escapes, which may be another's.
pub(crate) fn text(text: &[u8]) -> Result<Vec<u8>, NotJson> {
    let mut out = Vec::with_capacity(text.len());
    let mut scanner = Scanner::new(text);
    value(&mut scanner, 0, &mut out)?;
    scanner.end()?;
    Ok(out)
}

fn value(scanner: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), NotJson> {
    match scanner.peek() {
        b'{' | b'[' if depth >= DEPTH => Err("the text is too deep to be sorted"),
        b'{' => object(scanner, depth, out),
        b'[' => {
            out.push(b'[');
            scanner.elements(|scanner| {
                separate(out);
                value(scanner, depth + 1, out)
            })?;
            out.push(b']');
            Ok(())
        }
        _ => {
            let span = scanner.value()?;
            out.extend_from_slice(scanner.text_at(span));
            Ok(())
        }
    }
}

fn object(scanner: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), NotJson> {
    let start = out.len();
    // Where each member begins in what is written, and how long its name is.
    let mut members: Vec<(usize, usize)> = Vec::new();
    scanner.members(|scanner, name| {
        if name.with_escapes().is_some() || members.len() == MEMBERS {
            return Err("the object is not to be sorted");
        }
        members.push((out.len(), name.len() + 2));
        out.push(b'"');
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        value(scanner, depth + 1, out)?;
        out.push(b',');
        Ok(())
    })?;
    let name = |(at, length): &(usize, usize)| &out[*at..at + length];
    if !members.is_sorted_by_key(name) {
        let end = |at: usize| {
            let next = members.iter().map(|(next, _)| *next).find(|next| *next > at);
            next.unwrap_or(out.len())
        };
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(members.len());
        for member in &members {
            // One that is there twice stays before the other, which counts.
            let place = order.partition_point(|before| name(before) <= name(member));
            order.insert(place, *member);
        }
        let sorted: Vec<u8> =
            order.iter().flat_map(|(at, _)| &out[*at..end(*at)]).copied().collect();
        out[start..].copy_from_slice(&sorted);
    }
    out.insert(start, b'{');
    if members.is_empty() {
        out.push(b'}');
    } else if let Some(last) = out.last_mut() {
        *last = b'}';
    }
    Ok(())
}

/// No value ends with an opening bracket.
fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn members_are_sorted_and_nothing_else_is_changed() {
        let sorted =
            |text: &str| super::text(text.as_bytes()).map(|t| String::from_utf8(t).unwrap());
        for (text, wanted) in [
            (
                r#" { "b" : 1.0 , "a" : [ { "d" : "x y" , "c" : {} } , [ ] ] } "#,
                r#"{"a":[{"c":{},"d":"x y"},[]],"b":1.0}"#,
            ),
            (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#),
            (r#"{"b":0,"a":2,"a":1}"#, r#"{"a":2,"a":1,"b":0}"#),
            ("[]", "[]"),
            ("{}", "{}"),
            (r#"{"ab":1,"a":2}"#, r#"{"a":2,"ab":1}"#),
        ] {
            assert_eq!(sorted(text).as_deref(), Ok(wanted));
        }
        let many = (0..40).map(|n| alloc::format!("\"n{n}\":0")).collect::<Vec<_>>().join(",");
        let deep = "[".repeat(20) + &"]".repeat(20);
        let objects = "{\"a\":".repeat(20) + "1" + &"}".repeat(20);
        let many = alloc::format!("{{{many}}}");
        for text in [&*many, &deep, &objects, r#"{"\u0061":1}"#, "{", "1 1"] {
            assert!(sorted(text).is_err(), "{text}");
        }
    }
}
