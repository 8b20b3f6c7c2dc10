//! The table of raw requests, good and bad, written from RFC 9110 and 9112, and what each must come
//! to: one piece of text for each request that is let in, then how it stands.

/// Bytes of one connection, and what becomes of them.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: String,
}

struct Table(Vec<Vector>);

impl Table {
    fn expect(&mut self, bytes: impl AsRef<[u8]>, expected: &str) {
        self.0.push(Vector { bytes: bytes.as_ref().to_vec(), expected: expected.to_owned() });
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Vector> {
    let mut table = Table(Vec::new());
    for fill in [request_lines, line_breaks, fields, hosts, lengths, chunks, one_after_another] {
        fill(&mut table);
    }
    table.0
}

/// A request with this first line.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: h\r\n\r\n")
}

/// A POST with these lines after `Host`, and what follows the head.
fn post(fields: &str, rest: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{rest}")
}

pub(super) fn chunked(rest: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", rest)
}

fn request_lines(table: &mut Table) {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        table.expect(
            line(&format!("{method} /mcp HTTP/1.1")),
            &format!("{method} /mcp Host=h []; end"),
        );
    }
    for (bytes, expected) in [
        ("GET /a?b=c HTTP/1.1", "GET /a Host=h []; end"),
        ("GET /? HTTP/1.1", "GET / Host=h []; end"),
        (
            "GET /%6dcp/../x;y,z@:!$&'()*+=~ HTTP/1.1",
            "GET /%6dcp/../x;y,z@:!$&'()*+=~ Host=h []; end",
        ),
        ("GET //mcp HTTP/1.1", "GET //mcp Host=h []; end"),
        ("GET /mcp HTTP/1.0", "GET /mcp Host=h []; close"),
        ("GET http://h/x?y HTTP/1.1", "GET /x Host=h []; end"),
        ("GET HTTP://H HTTP/1.1", "GET / Host=h []; end"),
        ("GET https://h?q HTTP/1.1", "GET / Host=h []; end"),
        ("GET http://other/x HTTP/1.1", "400"),
        ("GET http://u@h/x HTTP/1.1", "400"),
        ("GET http:///x HTTP/1.1", "400"),
        ("GET ftp://h/x HTTP/1.1", "400"),
        ("OPTIONS * HTTP/1.1", "400"),
        ("CONNECT h:80 HTTP/1.1", "400"),
        ("GET mcp HTTP/1.1", "400"),
        ("GET  /mcp HTTP/1.1", "400"),
        ("GET /mcp  HTTP/1.1", "400"),
        ("GET /mcp HTTP/1.1 ", "400"),
        (" GET /mcp HTTP/1.1", "400"),
        ("GET\t/mcp HTTP/1.1", "400"),
        ("GET /a b HTTP/1.1", "400"),
        ("GET /mcp", "400"),
        ("GET", "400"),
        ("GET /a#b HTTP/1.1", "400"),
        ("GET /a\\b HTTP/1.1", "400"),
        ("GET /a\"b HTTP/1.1", "400"),
        ("GET /\u{e9} HTTP/1.1", "400"),
        ("GET /\u{1} HTTP/1.1", "400"),
        ("GET /\u{7f} HTTP/1.1", "400"),
        ("GET /mcp http/1.1", "400"),
        ("GET /mcp HTTP/1.", "400"),
        ("GET /mcp HTTP/11", "400"),
        ("GET /mcp HTTP/1.10", "400"),
        ("GET /mcp HTTPS/1.1", "400"),
        ("GET /mcp HTTP/0.9", "505"),
        ("GET /mcp HTTP/1.2", "505"),
        ("GET /mcp HTTP/2.0", "505"),
        ("GET /mcp HTTP/3.0", "505"),
        ("get /mcp HTTP/1.1", "501"),
        ("FOO /mcp HTTP/1.1", "501"),
        ("GE(T /mcp HTTP/1.1", "400"),
        ("{} /mcp HTTP/1.1", "400"),
    ] {
        table.expect(line(bytes), expected);
    }
    table.expect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505");
    table.expect(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "400");
    table.expect(b"\x00", "400");
    table.expect(
        line(&format!("GET /{} HTTP/1.1", "a".repeat(2047))),
        &format!("GET /{} Host=h []; end", "a".repeat(2047)),
    );
    table.expect(line(&format!("GET /{} HTTP/1.1", "a".repeat(2048))), "414");
    table.expect(format!("GET /{}", "a".repeat(20_000)), "414");
}

fn line_breaks(table: &mut Table) {
    for (bytes, expected) in [
        ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / Host=h []; end"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("GET / HTTP/1.1\nHost: h\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "400"),
        ("GET / HTTP/1.1\rX\r\nHost: h\r\n\r\n", "400"),
        // A bare CR is no line break, whatever follows it.
        ("GET / HTTP/1.1\rXHost: h\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r Host: h\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\rHost: h\r\n\r\n", "400"),
        ("GET /\rX HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("GET\r/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("\r\n", "end"),
        ("", "end"),
        ("\r", "400 at the end"),
        ("G", "400 at the end"),
        ("GET / HTTP/1.1\r\nHost: h\r\n", "400 at the end"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r", "400 at the end"),
    ] {
        table.expect(bytes, expected);
    }
}

fn fields(table: &mut Table) {
    for (lines, expected) in [
        ("", "POST / Host=h []; end"),
        ("X:y\r\n", "POST / Host=h []; end"),
        ("accept:  */* \t\r\n", "POST / Host=h accept=*/* []; end"),
        ("ACCEPT: a\r\nAccept: b\r\n", "POST / Host=h ACCEPT=a Accept=b []; end"),
        ("Accept:\r\n", "POST / Host=h Accept= []; end"),
        ("Mcp-Session-Id: 0f\r\n", "POST / Host=h Mcp-Session-Id=0f []; end"),
        ("mcp-param-x: y\r\n", "POST / Host=h mcp-param-x=y []; end"),
        ("Authorization: secret\r\nCookie: c\r\n", "POST / Host=h []; end"),
        ("Origin: http://o\r\n", "POST / Host=h Origin=http://o []; end"),
        // What nobody here reads may hold what RFC 9110 lets it hold.
        ("X: \u{e9}\r\n", "POST / Host=h []; end"),
        ("X: a\tb\r\n", "POST / Host=h []; end"),
        ("Origin: \u{e9}\r\n", "400"),
        ("Origin: a\r\nOrigin: a\r\n", "400"),
        ("Mcp-Session-Id: a\r\nMCP-Session-ID: b\r\n", "400"),
        ("Mcp-Name: a\r\nMCP-Name: b\r\n", "POST / Host=h Mcp-Name=a MCP-Name=b []; end"),
        ("Baggage: a\r\nbaggage: b\r\n", "POST / Host=h Baggage=a baggage=b []; end"),
        ("Traceparent: \u{e9}\r\n", "POST / Host=h []; end"),
        // A half of a list is not kept.
        (
            "Tracestate: a\r\nTraceparent: b\r\ntracestate: \u{e9}\r\nTracestate: c\r\n",
            "POST / Host=h Traceparent=b []; end",
        ),
        ("Content-Type: a\r\nContent-Type: b\r\n", "400"),
        ("X : y\r\n", "400"),
        (" X: y\r\n", "400"),
        ("\tX: y\r\n", "400"),
        ("X: y\r\n folded\r\n", "400"),
        ("Accept: y\r\n\tfolded\r\n", "400"),
        (": y\r\n", "400"),
        ("X\r\n", "400"),
        ("X y: z\r\n", "400"),
        ("X(: y\r\n", "400"),
        ("X\u{e9}: y\r\n", "400"),
        ("X: \u{0}\r\n", "400"),
        ("X: \u{1b}[1m\r\n", "400"),
        ("X: \u{7f}\r\n", "400"),
        ("X\u{0}: y\r\n", "400"),
        (
            "Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\nConnection: Upgrade\r\n",
            "POST / Host=h []; end",
        ),
        ("Connection: close\r\n", "POST / Host=h []; close"),
        ("Connection: keep-alive, Close\r\n", "POST / Host=h []; close"),
        ("Connection: a\r\nConnection: close\r\n", "POST / Host=h []; close"),
        ("Connection: closed\r\n", "POST / Host=h []; end"),
        ("Expect: 100-continue\r\n", "POST / Host=h []; end"),
        ("Expect: 100-Continue\r\n", "POST / Host=h []; end"),
        ("Expect: 200-ok\r\n", "417"),
        ("Expect: 100-continue, x\r\n", "417"),
        ("Content-Encoding: gzip\r\n", "415"),
        ("CONTENT-ENCODING: identity, br\r\n", "415"),
        ("Content-Encoding: identity\r\nContent-Encoding: \u{e9}\r\n", "415"),
        ("Content-Encoding: Identity\r\nContent-Encoding: \r\n", "POST / Host=h []; end"),
    ] {
        table.expect(post(lines, ""), expected);
    }
    table.expect(b"GET / HTTP/1.1\r\nHost: h\r\nX: \xff\xfe\r\n\r\n", "GET / Host=h []; end");
    table.expect(b"GET / HTTP/1.1\r\nHost: h\r\nAccept: \xff\r\n\r\n", "400");
    table.expect(post(&"X: y\r\n".repeat(63), ""), "POST / Host=h []; end");
    table.expect(post(&"X: y\r\n".repeat(64), ""), "431");
}

fn hosts(table: &mut Table) {
    for (host, expected) in [
        ("localhost", "ok"),
        ("127.0.0.1:8080", "ok"),
        ("a-b.c_d.example:1", "ok"),
        ("[::1]", "ok"),
        ("[::1]:65535", "ok"),
        ("[::ffff:127.0.0.1]:80", "ok"),
        ("", "400"),
        (":80", "400"),
        ("h:", "ok"),
        ("h:65536", "400"),
        ("h:123456", "400"),
        ("h:8x", "400"),
        ("h:-1", "400"),
        ("h:1:2", "400"),
        ("a@h", "400"),
        ("h/../evil", "400"),
        ("h?x", "400"),
        ("h#x", "400"),
        ("a, b", "400"),
        ("a b", "400"),
        ("h%2e", "400"),
        ("\u{e9}", "400"),
        ("[::1", "400"),
        ("[]", "400"),
        ("[::1]x", "400"),
        ("[::1%25eth0]", "400"),
        ("::1", "400"),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let good = format!("GET / Host={host} []; end");
        table.expect(bytes, if expected == "ok" { &good } else { expected });
    }
    table.expect("GET / HTTP/1.1\r\n\r\n", "400");
    table.expect("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "400");
    table.expect("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "400");
    table.expect("GET / HTTP/1.0\r\n\r\n", "GET / []; close");
    table.expect("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400");
    table.expect("GET http://h/ HTTP/1.0\r\n\r\n", "400");
}

fn lengths(table: &mut Table) {
    for (lines, rest, expected) in [
        ("Content-Length: 0\r\n", "", "POST / Host=h []; end"),
        ("Content-Length: 3\r\n", "abc", "POST / Host=h [abc]; end"),
        ("content-length:\t3\t\r\n", "abc", "POST / Host=h [abc]; end"),
        ("Content-Length: 003\r\n", "abc", "POST / Host=h [abc]; end"),
        ("Content-Length: 3\r\n", "ab", "400 at the end"),
        ("Content-Length: 3\r\n", "abcd", "POST / Host=h [abc]; 400 at the end"),
        ("Content-Length: 1000\r\n", "x", "400 at the end"),
        ("Content-Length: 1001\r\n", "", "413"),
        ("Content-Length: 100000000000000\r\n", "", "413"),
        ("Content-Length: 18446744073709551615\r\n", "", "413"),
        ("Content-Length: 99999999999999999999999\r\n", "", "413"),
        ("Content-Length: \r\n", "", "400"),
        ("Content-Length: +3\r\n", "abc", "400"),
        ("Content-Length: -3\r\n", "abc", "400"),
        ("Content-Length: 3 \u{b}\r\n", "abc", "400"),
        ("Content-Length: 0x3\r\n", "abc", "400"),
        ("Content-Length: 3.0\r\n", "abc", "400"),
        ("Content-Length: 3 3\r\n", "abc", "400"),
        ("Content-Length: 3, 3\r\n", "abc", "400"),
        ("Content-Length: 3,4\r\n", "abc", "400"),
        ("Content-Length: \u{ff13}\r\n", "abc", "400"),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", "abc", "400"),
        ("Content-Length: 3\r\nContent-Length: 0\r\n", "abc", "400"),
        ("Content-Length: 0\r\nContent-Length: 40\r\n", "GET / HTTP/1.1\r\n", "400"),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n", "POST / Host=h []; end"),
        ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", "501"),
        ("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n", "501"),
        ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n", "501"),
        ("Transfer-Encoding: identity\r\n", "0\r\n\r\n", "501"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", "501"),
        ("Transfer-Encoding: chunked;x\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding:\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n", "400"),
        ("Transfer-Encoding\r\n : chunked\r\n", "0\r\n\r\n", "400"),
    ] {
        table.expect(post(lines, rest), expected);
    }
    table.expect("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
    table.expect("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab", "POST / [ab]; close");
    table.expect(
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
        "GET / Host=h [ab]; end",
    );
}

fn chunks(table: &mut Table) {
    for (rest, expected) in [
        ("0\r\n\r\n", "[]; end"),
        ("3\r\nabc\r\n0\r\n\r\n", "[abc]; end"),
        ("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", "[abc]; end"),
        ("A\r\n0123456789\r\n000\r\n\r\n", "[0123456789]; end"),
        ("a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", "[\r\n\r\n\r\n\r\n\r\n]; end"),
        ("0000000000000001\r\na\r\n0\r\n\r\n", "[a]; end"),
        ("00000000000000001\r\na\r\n0\r\n\r\n", "400"),
        ("1;x\r\na\r\n0;y=z\r\n\r\n", "[a]; end"),
        ("1 ; x=\"y z\"\r\na\r\n0\r\n\r\n", "[a]; end"),
        ("1 \r\na\r\n0\r\n\r\n", "400"),
        (" 1\r\na\r\n0\r\n\r\n", "400"),
        ("1;x\u{1}\r\na\r\n0\r\n\r\n", "400"),
        ("1;x\na\r\n0\r\n\r\n", "400"),
        ("1;x\ry\r\na\r\n0\r\n\r\n", "400"),
        ("1\na\r\n0\r\n\r\n", "400"),
        ("1\r\na\n0\r\n\r\n", "400"),
        ("1\r\nab\r\n0\r\n\r\n", "400"),
        ("2\r\na\r\n0\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
        ("x\r\n", "400"),
        ("+1\r\na\r\n", "400"),
        ("-1\r\na\r\n", "400"),
        ("0x1\r\na\r\n", "400"),
        ("1,1\r\na\r\n", "400"),
        ("3e8\r\n", "400 at the end"),
        ("3e9\r\n", "413"),
        ("fffffffffffffff\r\n", "413"),
        ("ffffffffffffffff\r\n", "413"),
        ("3e8\r\nx", "400 at the end"),
        ("0\r\n", "400 at the end"),
        ("0\r\n\r", "400 at the end"),
        ("0\r\n\rx", "400"),
        ("0\r\n\n", "400"),
        ("0\n\r\n", "400"),
        ("0\r\nX: y\r\n\r\n", "[]; end"),
        ("0\r\nX:\r\nContent-Length: 9\r\n\r\n", "[]; end"),
        ("0\r\nX: \u{e9}\r\n\r\n", "[]; end"),
        ("0\r\nX\r\n\r\n", "400"),
        ("0\r\n: y\r\n\r\n", "400"),
        ("0\r\n X: y\r\n\r\n", "400"),
        ("0\r\nX : y\r\n\r\n", "400"),
        ("0\r\nX: y\r\n z\r\n\r\n", "400"),
        ("0\r\nX: y\n\r\n", "400"),
        ("0\r\nX: y\rz\r\n\r\n", "400"),
        ("0\r\nX: \u{0}\r\n\r\n", "400"),
    ] {
        let expected = match expected.strip_prefix('[') {
            Some(rest) => format!("POST / Host=h [{rest}"),
            None => expected.to_owned(),
        };
        table.expect(chunked(rest), &expected);
    }
    table.expect(chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(2000))), "400");
    table.expect(chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(5000))), "431");
    // Together over the limit, though no chunk is.
    table.expect(chunked(&format!("1f4\r\n{}\r\n", "x".repeat(500)).repeat(3)), "413");
}

fn one_after_another(table: &mut Table) {
    let get = "GET /?1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let sized = "POST /?2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET ";
    let coded = "POST /?3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nab\r\n0\r\nX: y\r\n\r\n";
    let said = ["GET / Host=h []", "POST / Host=h [GET ]", "POST / Host=h [ab]"];
    table.expect([get, get].concat(), &format!("{0}; {0}; end", said[0]));
    table.expect(
        [get, sized, coded, get].concat(),
        &format!("{}; {}; {}; {}; end", said[0], said[1], said[2], said[0]),
    );
    table.expect([coded, "\r\n", coded].concat(), &format!("{0}; {0}; end", said[2]));
    table.expect([coded, sized, sized].concat(), &format!("{}; {1}; {1}; end", said[2], said[1]));
    // After a refusal, nothing is a request any more.
    table.expect([get, "BAD\r\n\r\n", get].concat(), &format!("{}; 400", said[0]));
    let ambiguous = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 30\r\n\r\n";
    table.expect([ambiguous, get].concat(), "400");
    let closing = "GET /?4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    table.expect([closing, get].concat(), "GET / Host=h []; close");
}
