//! What a service manager may say of sockets.

use crate::os::systemd::count;

#[test]
fn sockets_are_counted_only_for_this_process() {
    let of = |pid: &str, fds: &str| {
        let given = |text: &str| Some(String::from(text)).filter(|text| text != "-");
        count(given(pid), given(fds), 42)
    };
    assert_eq!(of("42", "2"), Ok(2));
    assert_eq!(of("42", "0"), Ok(0));
    for (pid, fds) in [("-", "-"), ("-", "2"), ("41", "2"), ("", "2"), ("42 ", "2"), ("42", "-")] {
        assert_eq!(of(pid, fds), Ok(0), "{pid:?} {fds:?}");
    }
    for fds in ["", "x", "-1", "17", "99999999999"] {
        assert!(of("42", fds).is_err(), "{fds:?}");
    }
}
