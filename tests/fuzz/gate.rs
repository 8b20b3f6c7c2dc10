//! `gate`: every cut of the bytes gives the same requests, and what is let in is well-formed.

#[path = "../../src/bin/hyper-mcp-proxy/gate/mod.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod program;

use program::{Gate, Step};

const HEAD: usize = 512;
const CONTENT: usize = 300;
/// Steps between two pieces. Each request takes four, and each takes some bytes.
const STEPS: usize = 10_000;

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Request {
        line: String,
        fields: Vec<(String, String)>,
        content: Vec<u8>,
        alive: bool,
    },
    /// With this status. Which of two faults is told may hang on the cut.
    Refused(u16),
}

/// The first byte is the size of the pieces; the rest is what a connection carries.
pub(crate) fn run(data: &[u8]) {
    let [size, stream @ ..] = data else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(whole, read(stream, 1), "in single bytes");
    assert_eq!(whole, read(stream, usize::from(*size).max(1)), "in pieces of {size}");
}

fn read(stream: &[u8], size: usize) -> (Vec<Seen>, Result<(), u16>) {
    let mut gate = Gate::new(HEAD);
    let mut seen = Vec::new();
    for piece in stream.chunks(size) {
        gate.feed(piece);
        if !go(&mut gate, &mut seen) {
            return (seen, Ok(()));
        }
        assert!(gate.held() <= HEAD + CONTENT + 8192 + piece.len());
    }
    (seen, gate.end().map_err(|refusal| refusal.status))
}

/// Goes as far as the bytes allow; whether the connection goes on.
fn go(gate: &mut Gate, seen: &mut Vec<Seen>) -> bool {
    for _ in 0..STEPS {
        let step = match gate.poll() {
            Ok(Step::Head) => gate.admit(CONTENT).map(|()| Step::Head),
            step => step,
        };
        match step {
            Ok(Step::More(_)) => return true,
            Ok(Step::Head | Step::Continue) => {}
            Ok(Step::Whole) => {
                let alive = gate.keeps_alive();
                seen.push(request(gate, alive));
                gate.release();
                if !alive {
                    return false;
                }
            }
            Err(refusal) => {
                assert!(matches!(refusal.status, 400 | 411 | 413 | 414 | 417 | 431 | 501 | 505));
                assert_eq!(gate.poll(), Err(refusal), "a refusal is final");
                seen.push(Seen::Refused(refusal.status));
                return false;
            }
        }
    }
    panic!("{STEPS} steps without new bytes");
}

fn request(gate: &Gate, alive: bool) -> Seen {
    let visible = |text: &str| text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
    let token = |text: &str| {
        let sign = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte) || byte.is_ascii_alphanumeric();
        !text.is_empty() && text.bytes().all(sign)
    };
    assert!(token(gate.method()), "the method {:?}", gate.method());
    assert!(gate.path().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    assert!(gate.content().len() <= CONTENT);
    assert!(gate.declared().is_none_or(|length| length == gate.content().len() as u64));
    let fields: Vec<(String, String)> =
        gate.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in &fields {
        assert!(token(name) && visible(value), "{name}: {value}");
        assert_eq!(value.trim_matches([' ', '\t']), value, "{name} has white space around it");
    }
    let line = format!("{} {} {}", gate.method(), gate.path(), gate.is_old());
    Seen::Request { line, fields, content: gate.content().to_vec(), alive }
}
