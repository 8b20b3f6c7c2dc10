//! `head`: a naive twin agrees on which requests are let in and with which status others are
//! refused; what is refused starts nothing; and nothing reaches a 2026-07-28 child whose head and
//! body disagree.

use mcp_bridge::message::Message;
use mcp_bridge::{Admitted, Body, Bridge, Config, Head, Input, Instant, Output};

use super::sim::json;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META: &str = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
                    \"io.modelcontextprotocol/clientCapabilities\":{}";
const KNOWN: [&str; 8] = [
    "host",
    "origin",
    "content-type",
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
    "mcp-method",
    "mcp-name",
];

/// Those of them that repeat what the body says.
const REPEATING: [&str; 3] = ["mcp-protocol-version", "mcp-method", "mcp-name"];

/// The first byte is the configuration, the first line a method and a path; then come fields, an
/// empty line, and the content. A field without a name is the target's authority.
pub(crate) fn run(data: &[u8]) {
    let Some((bits, text)) = data.split_first() else { return };
    let (head, content) = split(text, b"\n\n").unwrap_or((text, b""));
    let mut lines = head.split(|byte| *byte == b'\n');
    let Ok(line) = core::str::from_utf8(lines.next().unwrap_or_default()) else { return };
    let (method, path) = line.trim_end().split_once(' ').unwrap_or((line, "/mcp"));
    let mut authority = None;
    let mut fields: Vec<(&str, &[u8])> = Vec::new();
    for line in lines {
        let Some((name, value)) = split(line, b":") else { continue };
        let Ok(name) = core::str::from_utf8(name) else { continue };
        match (name, core::str::from_utf8(value.trim_ascii())) {
            ("", Ok(value)) => authority = Some(value),
            _ => fields.push((name, value.trim_ascii())),
        }
    }
    let head = Head { method, path, authority, fields: &fields };
    let config = config(*bits);
    judge(&config, &head, content);
    if bits & 32 != 0 {
        agree(config, &head, content);
    }
}

/// What stands before and after the first of these marks.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn config(bits: u8) -> Config {
    let list = |bit: u8, text: &str| -> Vec<String> {
        if bits & bit != 0 { vec![text.to_owned()] } else { Vec::new() }
    };
    Config {
        loopback: bits & 1 == 0,
        allow_hosts: list(2, "mcp.test:80"),
        allow_origins: list(4, "https://app.test"),
        sse_endpoint: Some("/sse".to_owned()),
        metrics: (bits & 8 != 0).then(|| "/metrics".to_owned()),
        header_env: if bits & 16 != 0 { vec![("X-User".into(), "WHO".into())] } else { vec![] },
        ..Config::default()
    }
}

/// All outputs of one input; what a response says must be fit for a head.
fn outputs(bridge: &mut Bridge, input: Input<'_>) -> Vec<Output> {
    bridge.handle(input, Instant::default());
    let mut all = Vec::new();
    while let Some(output) = bridge.poll_output() {
        if let Output::Respond { response, .. } = &output {
            for (name, value) in response.fields.iter() {
                assert!(value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{name}: {value}");
            }
        }
        all.push(output);
    }
    all
}

/// A request that is always let in.
fn health(bridge: &mut Bridge) -> Admitted {
    let head = Head { method: "GET", path: "/healthz", authority: None, fields: &[] };
    bridge.admit(&head).expect("the health check is for everybody")
}

fn judge(config: &Config, head: &Head<'_>, content: &[u8]) {
    let mut bridge = Bridge::new(config.clone()).expect("a good configuration");
    let admitted = bridge.admit(head);
    if let Some(expected) = naive(config, head) {
        let limit = admitted.as_ref().map(Admitted::limit);
        let told = limit.map_err(|refusal| refusal.response.status);
        assert_eq!(told, expected, "{head:?}");
    }
    // A driver that shows another head than was let in gains nothing by it.
    let (admitted, refused) = match admitted {
        Ok(admitted) => (admitted, None),
        Err(refusal) => (health(&mut bridge), Some(refusal.response)),
    };
    let input = Input::Request { admitted, head, body: content, random: [7; 16] };
    let all = outputs(&mut bridge, input);
    let responses = all.iter().filter_map(|output| match output {
        Output::Respond { response, .. } => Some(response),
        _ => None,
    });
    let responses: Vec<_> = responses.collect();
    let opened = all.iter().any(|output| matches!(output, Output::Open { .. }));
    if let Some(refusal) = refused {
        assert!(!opened, "a refused request starts something");
        assert_eq!(responses, [&refusal]);
    }
    for response in responses {
        if let (400.., Body::Whole(body)) = (response.status, &response.body) {
            // The health and the metrics say what they say; all else is a JSON-RPC error.
            let said = !is_endpoint(config, head.path) && response.status == 503;
            assert!(said || Message::parse(body).is_ok() || is_error(body));
        }
    }
    let posts = head.method == "POST" && is_endpoint(config, head.path);
    assert!(posts || !opened, "{head:?} starts something");
}

/// Whether this is the path of the endpoint or that of HTTP+SSE, be it with a slash at its end.
fn is_endpoint(config: &Config, path: &str) -> bool {
    is_at(path, &config.endpoint) || is_at(path, "/sse")
}

fn is_at(path: &str, endpoint: &str) -> bool {
    let path = alone(path);
    let bare = path.strip_suffix('/').filter(|bare| !bare.ends_with('/'));
    path == endpoint || bare == Some(endpoint)
}

/// A path without its query.
fn alone(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// Whether a query names a session.
fn names_session(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let first = query.split('&').find(|pair| pair.starts_with("sessionId="));
    first.is_some_and(|pair| pair != "sessionId=")
}

/// An error that answers no request: it has no id.
fn is_error(body: &[u8]) -> bool {
    json::members(body).is_some_and(|members| {
        members.iter().all(|(name, _)| name != "id")
            && members.iter().any(|(name, _)| name == "error")
    })
}

/// The rules one after the other: the limit of the content or the status. None where two readings
/// are possible.
fn naive(config: &Config, head: &Head<'_>) -> Option<Result<usize, u16>> {
    let lower = |name: &str, wanted: &str| name.to_ascii_lowercase() == wanted;
    let all = |wanted: &str| -> Vec<&str> {
        let named = head.fields.iter().filter(|(name, _)| lower(name, wanted));
        named.filter_map(|(_, value)| core::str::from_utf8(value).ok()).collect()
    };
    let variables: Vec<_> =
        config.header_env.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let read = KNOWN.into_iter().chain(["accept"]).chain(variables.iter().map(|name| &**name));
    let read: Vec<&str> = read.collect();
    let illegible = |(name, value): &(&str, &[u8])| {
        read.iter().any(|known| lower(name, known)) && core::str::from_utf8(value).is_err()
    };
    if head.fields.iter().any(illegible) {
        return Some(Err(400));
    }
    // Whether what repeats the body comes twice is told with the request's id.
    let single = KNOWN.iter().filter(|name| !REPEATING.contains(name));
    if single.into_iter().any(|name| all(name).len() > 1) {
        return Some(Err(400));
    }
    let one = |name: &str| all(name).first().copied();
    if let (Some(authority), Some(host)) = (head.authority, one("host"))
        && !authority.eq_ignore_ascii_case(host)
    {
        return Some(Err(400));
    }
    let accept = naive_accept(&all("accept"))?;
    let reads = matches!(head.method, "GET" | "HEAD");
    if Some(alone(head.path)) == config.health.as_deref() {
        return Some(if reads { Ok(0) } else { Err(405) });
    }
    if config.loopback || !config.allow_hosts.is_empty() {
        let Some(host) = head.authority.or_else(|| one("host")) else { return Some(Err(400)) };
        if host.matches(':').count() > 1 && !host.starts_with('[') {
            return None;
        }
        let (name, local) = naive_host(host);
        let host = host.to_ascii_lowercase();
        let listed = config.allow_hosts.iter().any(|allowed| host == *allowed || name == *allowed);
        if !(listed || local && config.loopback) {
            return Some(Err(403));
        }
    }
    if let Some(origin) = one("origin") {
        let listed = config.allow_origins.contains(&origin.to_ascii_lowercase());
        let site = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
        if !listed && !site.is_some_and(|site| naive_host(site).1) {
            return Some(Err(403));
        }
    }
    if Some(alone(head.path)) == config.metrics.as_deref() {
        return Some(if reads { Ok(0) } else { Err(405) });
    }
    if !is_endpoint(config, head.path) {
        return Some(Err(404));
    }
    let kind = one("content-type").unwrap_or_default().to_ascii_lowercase();
    let is_oldest = is_at(head.path, "/sse");
    Some(match head.method {
        "POST" if is_oldest && !names_session(head.path) => Err(405),
        "DELETE" if is_oldest => Err(405),
        "POST" if kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json") => {
            Ok(config.message)
        }
        "POST" => Err(415),
        "GET" if !accept.1 => Err(406),
        "GET" | "DELETE" | "OPTIONS" => Ok(0),
        _ => Err(405),
    })
}

/// The name of a host, in lower case, and whether it is this machine.
fn naive_host(host: &str) -> (String, bool) {
    let host = host.to_ascii_lowercase();
    let end = host.find(']').map_or_else(|| host.find(':'), |bracket| Some(bracket + 1));
    let (name, port) = host.split_at(end.unwrap_or(host.len()));
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(digits) {
        return (host, false);
    }
    let v4 = name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.octets()[0] == 127);
    let local = v4 || name == "localhost" || name == "[::1]";
    (name.to_owned(), local)
}

/// RFC 9110, "Accept": whether JSON is taken, and whether a stream is. None if a weight is no
/// weight.
fn naive_accept(values: &[&str]) -> Option<(bool, bool)> {
    if values.is_empty() {
        return Some((true, true));
    }
    let mut best = [(0, false), (0, false)];
    for range in values.iter().flat_map(|value| value.split(',')) {
        let mut parts = range.split(';');
        let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut zero = None;
        for part in parts {
            let Some((name, value)) = part.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("q") && zero.is_none() {
                zero = Some(value.trim().parse::<f32>().ok()? == 0.0);
                if value.trim().bytes().any(|byte| !matches!(byte, b'.' | b'0'..=b'9')) {
                    return None;
                }
            }
        }
        let names = [["application/json", "application/*"], ["text/event-stream", "text/*"]];
        for (form, [exact, any]) in best.iter_mut().zip(names) {
            let mut ranks = [("*/*", 1), (any, 2), (exact, 3)].into_iter();
            let rank = ranks.find(|(name, _)| *name == kind).map(|(_, rank)| rank);
            if let Some(rank) = rank.filter(|rank| *rank >= form.0) {
                *form = (rank, zero != Some(true));
            }
        }
    }
    Some((best[0].1, best[1].1))
}

/// The same request where a modern child has told of a tool with an argument for the head: what
/// reaches the child has a head that agrees.
fn agree(config: Config, head: &Head<'_>, content: &[u8]) {
    let mut bridge =
        Bridge::new(Config { loopback: false, ..config }).expect("a good configuration");
    let fields: [(&str, &[u8]); 4] = [
        ("Host", b"mcp.test:80"),
        ("Content-Type", b"application/json"),
        ("MCP-Protocol-Version", b"2026-07-28"),
        ("Mcp-Method", b"tools/list"),
    ];
    let first = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{META}}}}}}}"#
    );
    let admitted = bridge.admit(&first).expect("a good head");
    let input = Input::Request { admitted, head: &first, body: body.as_bytes(), random: [1; 16] };
    let opened = outputs(&mut bridge, input);
    let child = opened.iter().find_map(|output| match output {
        Output::Open { child, .. } => Some(*child),
        _ => None,
    });
    let child = child.expect("the first request starts a child");
    outputs(&mut bridge, Input::Opened { child, pid: Some(1) });
    let discovered = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete",
        "supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let listed = r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"t","inputSchema":{
        "properties":{"a":{"type":"string","x-mcp-header":"A"}}}}]}}"#;
    for line in [discovered, listed] {
        let line = line.replace('\n', " ") + "\n";
        outputs(&mut bridge, Input::Stdout { child, bytes: line.as_bytes() });
    }
    let admitted = health(&mut bridge);
    let all =
        outputs(&mut bridge, Input::Request { admitted, head, body: content, random: [2; 16] });
    let written = all.iter().any(|output| matches!(output, Output::Write { .. }));
    if written && head.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("mcp-method")) {
        assert!(agrees(head, content), "{head:?} {}", String::from_utf8_lossy(content));
    }
}

/// Whether the head repeats what the body says, in the plainest way to look.
fn agrees(head: &Head<'_>, content: &[u8]) -> bool {
    let count = |wanted: &&str| {
        head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).count()
    };
    if REPEATING.iter().any(|name| count(name) > 1) {
        return false;
    }
    let deep = |path: &[&str]| {
        path.iter().try_fold(content, |text, name| {
            let members = json::members(text)?;
            members.into_iter().rfind(|(other, _)| other == name).map(|(_, raw)| raw)
        })
    };
    let text = |path: &[&str]| deep(path).and_then(json::unquote);
    let field = |wanted: &str| -> Option<String> {
        let mut values = head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        values.next().and_then(|(_, value)| decoded(core::str::from_utf8(value).ok()?))
    };
    let Some(version) = text(&["params", "_meta", VERSION]) else {
        // Of the session era, whose heads say nothing of the kind.
        return field("mcp-protocol-version").as_deref() != Some("2026-07-28")
            || text(&["method"]).as_deref() == Some("initialize");
    };
    let method = text(&["method"]).unwrap_or_default();
    let subject = match &*method {
        "tools/call" | "prompts/get" => text(&["params", "name"]),
        "resources/read" => text(&["params", "uri"]),
        "tasks/get" | "tasks/update" | "tasks/cancel" => text(&["params", "taskId"]),
        _ => field("mcp-name"),
    };
    let argument = text(&["params", "arguments", "a"]);
    let repeats = method != "tools/call"
        || subject.as_deref() != Some("t")
        || deep(&["params", "arguments", "a"]).is_some_and(|raw| raw[0] != b'"')
        || field("mcp-param-a") == argument;
    field("mcp-protocol-version") == Some(version)
        && field("mcp-method") == Some(method)
        && field("mcp-name") == subject
        && repeats
}

/// A field's value, out of Base64 if it says that it is in it.
fn decoded(value: &str) -> Option<String> {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(inner) = inner else { return Some(value.to_owned()) };
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for letter in inner.trim_end_matches('=').bytes() {
        let value = alphabet.iter().position(|known| *known == letter)?;
        word = word << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}
