//! `record`: what a file of sessions may hold. Whatever the bytes, the engine is as before or has
//! one session more, which sleeps; that can be called, saved, ended and forgotten.

use std::time::Duration;

use mcp_bridge::{Bridge, ChildId, Config, Head, Input, Instant, Output};

/// The longest time that a record is old.
const AGE: u64 = 100_000;

pub(crate) fn run(data: &[u8]) {
    let (age, record) = match data.split_first_chunk() {
        Some((age, record)) => (u64::from(u32::from_le_bytes(*age)) % AGE, record),
        None => (0, data),
    };
    let config = Config { persist: true, ..Config::default() };
    let mut bridge = Bridge::new(config).expect("a good configuration");
    let (age, now) = (Duration::from_secs(age), Instant::new(Duration::from_secs(5)));
    let restored = bridge.restore(record, age, now);
    assert_eq!(bridge.stats().asleep, usize::from(restored.is_ok()));
    let Ok(session) = restored else {
        assert_eq!(bridge.buffered(), 0, "what is refused leaves something");
        assert!(bridge.poll_timeout().is_none() && bridge.poll_output().is_none());
        return;
    };
    assert!(record.len() <= Bridge::RECORD);
    assert!(bridge.restore(record, age, now).is_err(), "one session twice");
    assert_eq!(bridge.sessions().map(|one| one.number).collect::<Vec<_>>(), [session]);
    if let Some((id, is_open)) = id_of(record) {
        let (saved, starts) = wakes(&mut bridge, &id, now);
        assert!(starts || !is_open, "a call starts no process");
        if let Some(again) = saved {
            let mut other = Bridge::new(Config::default()).expect("a good configuration");
            assert!(
                other.restore(&again, Duration::ZERO, now).is_ok(),
                "what was saved is refused"
            );
        }
    }
    bridge.handle(Input::End { session }, now);
    let forgets = |output: &Output| *output == Output::Forget { session };
    assert!(std::iter::from_fn(|| bridge.poll_output()).any(|output| forgets(&output)));
    assert_eq!(bridge.sessions().count(), 0);
}

/// The id of a record that was good, and whether its session is for any client, if this reader
/// takes it as well: it allows less depth.
fn id_of(record: &[u8]) -> Option<(String, bool)> {
    let record: serde_json::Value = serde_json::from_slice(record).ok()?;
    let is_open = record["env"].as_array().is_some_and(Vec::is_empty);
    Some((record["id"].as_str()?.to_lowercase(), is_open))
}

/// Sends what the session has not sent, and a call: its record, if it is saved again, and whether a
/// process is started for it.
fn wakes(bridge: &mut Bridge, id: &str, now: Instant) -> (Option<Vec<u8>>, bool) {
    let fields: [(&str, &[u8]); 3] = [
        ("Host", b"localhost"),
        ("Content-Type", b"application/json"),
        ("Mcp-Session-Id", id.as_bytes()),
    ];
    let head = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
    let (mut saved, mut starts) = (None, false);
    for body in [
        &br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#[..],
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    ] {
        let admitted = bridge.admit(&head).expect("it is let in");
        bridge.handle(Input::Request { admitted, head: &head, body, random: [9; 16] }, now);
        while let Some(output) = bridge.poll_output() {
            match output {
                Output::Save { record, .. } => saved = Some(record),
                Output::Open { .. } => starts = true,
                Output::Write { child: pipe, bytes } => first_line(pipe, &bytes),
                _ => {}
            }
        }
    }
    (saved, starts)
}

/// A process is greeted by one line of JSON.
fn first_line(pipe: ChildId, bytes: &[u8]) {
    let line = bytes.strip_suffix(b"\n").expect("a whole line");
    assert!(!line.contains(&b'\n'), "{pipe} gets more than a greeting");
    let line = String::from_utf8_lossy(line);
    let greets = ["\"method\":\"initialize\"", "\"method\":\"server/discover\""];
    assert!(greets.iter().any(|method| line.contains(method)), "{line}");
}
