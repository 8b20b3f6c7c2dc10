//! What the lines of a transcript may name by a word, so that they stay readable.

/// What content may name by a word: the metadata of a 2026-07-28 request, of a client that can be
/// asked nothing and of one that can be asked everything.
const WORDS: [(&str, &str); 3] = [
    (
        "@meta",
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#,
    ),
    (
        "@caps",
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"sampling":{}}"#,
    ),
    ("@server", r#""io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}"#),
];

/// The line with what its words stand for.
pub(super) fn spelled(line: &str) -> String {
    long(&WORDS.iter().fold(line.to_string(), |line, (word, text)| line.replace(word, text)))
}

/// Text in which `@x70` stands for 70 times the letter; twice at most, for a fuzzer writes such
/// lines too.
fn long(text: &str) -> String {
    let mut pieces = text.splitn(3, "@x");
    let mut long = String::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take(5).take_while(u8::is_ascii_digit).count();
        let (count, rest) = piece.split_at(digits);
        long += &"x".repeat(count.parse().unwrap_or(0));
        long += rest;
    }
    long
}
