//! Placeholders for the strings of a recording without contents: an `x`, and lower-case letters or
//! digits, as long as what they stand for. A number is masked before it goes in, so it comes out as
//! it is.

/// Replaces what stands where `wanted` has a placeholder, if both have the same length.
pub(super) fn take_placeholders(done: &mut [u8], wanted: &[u8]) {
    if done.len() != wanted.len() {
        return;
    }
    let mut start = 0;
    for run in wanted.split_inclusive(|byte| !byte.is_ascii_alphanumeric()) {
        let end = start + run.len();
        let run = &run[..run.len() - usize::from(run.last().is_some_and(is_other))];
        if is_placeholder(run) {
            done[start..start + run.len()].copy_from_slice(run);
        }
        start = end;
    }
}

const fn is_other(byte: &u8) -> bool {
    !byte.is_ascii_alphanumeric()
}

fn is_placeholder(run: &[u8]) -> bool {
    run.starts_with(b"x")
        && run.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[test]
fn only_placeholders_stand_for_something_else() {
    let is = |wanted: &str, done: &str| {
        let mut bytes = done.as_bytes().to_vec();
        take_placeholders(&mut bytes, wanted.as_bytes());
        bytes == wanted.as_bytes()
    };
    assert!(is(r#"{"id":7,"result":"xx3"}"#, r#"{"id":7,"result":"no!"}"#));
    for other in [r#"{"id":8,"result":"xx3"}"#, r#"{"id":7,"result":"long"}"#, r#"{"id":7}"#] {
        assert!(!is(r#"{"id":7,"result":"xx3"}"#, other), "{other}");
    }
    assert!(!is(r#"{"id":1}"#, r#"{"id":8}"#));
    assert!(!is(r#"{"a":"kept"}"#, r#"{"a":"lost"}"#));
}
