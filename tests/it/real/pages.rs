//! The pages for operators: metrics, health, liveness, and who may read them.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::{Conn, Reply};
use crate::support::mcp::{BOTH, JSON, Session, script};
use crate::support::proxy::{CHILD, Proxy, program};

fn get(proxy: &Proxy, path: &str) -> Reply {
    proxy.exchange(&format!("GET {path}"), &[], "")
}

/// The line of the page that begins so, without the value.
fn value(page: &str, line: &str) -> f64 {
    let found = page.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {line} in\n{page}")).parse().unwrap()
}

#[test]
fn every_counter_is_there_before_anything_happens() {
    let proxy = Proxy::start(&["--metrics", "/metrics"], &[CHILD]);
    let page = get(&proxy, "/metrics").body;
    for line in [
        r#"mcp_proxy_sessions{server="/mcp"}"#,
        r#"mcp_proxy_calls_total{server="/mcp",outcome="timed_out"}"#,
        r#"mcp_proxy_ends_total{server="/mcp",cause="exited"}"#,
        r#"mcp_proxy_refused_total{status="503",reason="sessions"}"#,
        r#"mcp_proxy_call_seconds_bucket{server="/mcp",le="+Inf"}"#,
        "mcp_proxy_dropped_total",
    ] {
        assert_eq!(value(&page, line), 0.0, "{line}");
    }
    assert_eq!(value(&page, "mcp_proxy_max_sessions"), 64.0);
    assert_eq!(value(&page, "mcp_proxy_connections"), 1.0);
    let version = format!(r#"mcp_proxy_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&page, &version), 1.0);
}

#[test]
fn calls_are_counted_with_their_durations() {
    let proxy = Proxy::start(&["--metrics", "/metrics"], &[CHILD]);
    let session = Session::open(&proxy);
    session.script("1", json!([{"sleep": 30}, {"answer": "x"}]));
    let error = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32007,"message":"no"}}"#;
    session.ask(&script("2", "", &json!([{"write": format!("{error}\n")}])));
    assert!(session.delete().status() < 300);
    assert_eq!(proxy.exchange("POST /mcp", &[BOTH, JSON], "{").status(), 400);
    let page = get(&proxy, "/metrics").body;
    for (line, wanted) in [
        (r#"mcp_proxy_calls_total{server="/mcp",outcome="error"}"#, 1.0),
        (r#"mcp_proxy_sessions_opened_total{server="/mcp"}"#, 1.0),
        (r#"mcp_proxy_ends_total{server="/mcp",cause="deleted"}"#, 1.0),
        (r#"mcp_proxy_refused_total{status="400",reason="message"}"#, 1.0),
        (r#"mcp_proxy_start_seconds_count{server="/mcp"}"#, 1.0),
    ] {
        assert_eq!(value(&page, line), wanted, "{line}");
    }
    let all = value(&page, r#"mcp_proxy_call_seconds_count{server="/mcp"}"#);
    let quick = value(&page, r#"mcp_proxy_call_seconds_bucket{server="/mcp",le="0.025"}"#);
    let results = value(&page, r#"mcp_proxy_calls_total{server="/mcp",outcome="result"}"#);
    assert!(all == results + 1.0 && quick < all, "{page}");
    assert!(value(&page, r#"mcp_proxy_call_seconds_sum{server="/mcp"}"#) >= 0.03, "{page}");
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let proxy = Proxy::start(&["--metrics-listen", "127.0.0.1:0"], &[CHILD]);
    let line = proxy.logged(&["metrics at http://"]);
    let side: SocketAddr = line
        .split("http://")
        .nth(1)
        .and_then(|url| url.split('/').next())
        .and_then(|address| address.parse().ok())
        .unwrap();
    let at_side = |path: &str| {
        let mut conn = Conn::open(side);
        conn.request(&format!("GET {path}"), &[], b"");
        conn.reply()
    };
    assert!(at_side("/metrics").body.contains("mcp_proxy_build_info"));
    for (path, status) in [("/healthz", 200), ("/livez", 200), ("/readyz", 200), ("/mcp", 404)] {
        assert_eq!(at_side(path).status(), status, "{path}");
    }
    let mut conn = Conn::open(side);
    conn.send(b"GET /metrics HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    assert_eq!(conn.reply().status(), 404, "a page of another name may not read them");
    let mut conn = Conn::open(side);
    conn.request("POST /mcp", &[BOTH, JSON], b"{}");
    assert_eq!(conn.reply().status(), 404, "no client is served here");
    assert_eq!(get(&proxy, "/metrics").status(), 404);
    assert_eq!(get(&proxy, "/healthz").status(), 200);
}

#[test]
fn a_proxy_that_drains_lives_and_is_not_ready() {
    let mut proxy = Proxy::child(&[]);
    assert_eq!((get(&proxy, "/livez").status(), get(&proxy, "/readyz").status()), (200, 200));
    let session = Session::open(&proxy);
    let body = script("1", "", &json!([{"sleep": 3000}, {"answer": "x"}]));
    let call = session.in_flight(&body);
    proxy.signal(rustix::process::Signal::TERM);
    proxy.logged(&["draining"]);
    assert_eq!((get(&proxy, "/livez").status(), get(&proxy, "/readyz").status()), (200, 503));
    drop(call);
    assert!(proxy.ended(Duration::from_secs(10)).success());
}

#[test]
fn the_program_probes_itself() {
    let proxy = Proxy::child(&[]);
    let probe = |url: &str| program(&["--probe", url]).output().unwrap();
    let good = probe(&format!("http://{}/healthz", proxy.addr));
    assert!(good.status.success(), "{good:?}");
    for (url, told) in [
        (format!("http://{}/nowhere", proxy.addr), "404"),
        (String::from("http://127.0.0.1:1/healthz"), "refused"),
        (String::from("https://127.0.0.1/"), "--probe takes a URL"),
    ] {
        let bad = probe(&url);
        let text = String::from_utf8_lossy(&bad.stderr).into_owned();
        assert!(bad.status.code() == Some(1) && text.contains(told), "{url}: {text}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let bad = probe(&format!("http://{}/", silent.local_addr().unwrap()));
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// The names of metrics in a text, without the suffixes of histograms.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words = words.filter(|word| word.starts_with("mcp_proxy_"));
    let base = |word: &str| {
        let suffix = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        suffix.unwrap_or(word).to_owned()
    };
    words.map(base).collect()
}

#[test]
fn what_the_dashboard_and_the_rules_name_is_there() {
    let proxy = Proxy::start(&["--metrics", "/metrics"], &[CHILD]);
    let there = names(&get(&proxy, "/metrics").body);
    let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    for file in ["contrib/grafana/dashboard.json", "contrib/prometheus/alerts.yml"] {
        let named = names(&read(file).unwrap());
        assert!(!named.is_empty() && named.is_subset(&there), "{file}: {:?}", &named - &there);
    }
    assert_eq!(names(&read("docs/metrics.md").unwrap()), there, "docs/metrics.md");
    let dashboard = read("contrib/grafana/dashboard.json").unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}
