//! `gate`: every cut of the bytes gives the same requests, what is let in is well-formed, and
//! httparse reads the same from it: the gate may be stricter, never laxer.

use hyper_mcp_gate::{Gate, Step};

/// Above all other limits of a head, so that each is reached.
const HEAD: usize = 8192;
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
    compare(stream, &whole.0);
    assert_eq!(whole, read(stream, 1), "in single bytes");
    assert_eq!(whole, read(stream, usize::from(*size).max(1)), "in pieces of {size}");
}

fn read(stream: &[u8], size: usize) -> (Vec<Seen>, Result<(), u16>) {
    let mut gate = Gate::new(HEAD).keeping(&[String::from("x-user")].into());
    let mut seen = Vec::new();
    for piece in stream.chunks(size) {
        // Content may be read in place.
        match gate.content_room().filter(|_| size == 1) {
            Some((buffer, _)) => buffer.extend_from_slice(piece),
            None => assert!(gate.feed(piece)),
        }
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
            Ok(Step::Head) => {
                judged(gate, seen);
                gate.admit(CONTENT).map(|()| Step::Head)
            }
            step => step,
        };
        match step {
            Ok(Step::More(_)) => return true,
            Ok(Step::Head) => {}
            Ok(Step::Continue) => assert!(gate.expects_continue()),
            Ok(Step::Whole) => {
                assert_eq!((gate.admit(0), gate.end()), (Ok(()), Ok(())), "it is whole");
                let alive = gate.keeps_alive();
                seen.push(request(gate, alive));
                gate.release();
                if !alive {
                    return false;
                }
            }
            Err(refusal) => {
                let known = [400, 413, 414, 415, 417, 431, 501, 505];
                assert!(known.contains(&refusal.status), "{refusal:?}");
                assert_eq!(gate.poll(), Err(refusal), "a refusal is final");
                seen.push(Seen::Refused(refusal.status));
                return false;
            }
        }
    }
    panic!("{STEPS} steps without new bytes");
}

/// A head that waits for its judgement goes on waiting. One that repeats the last one differs from
/// it in its length alone.
fn judged(gate: &mut Gate, seen: &[Seen]) {
    gate.release();
    assert_eq!(gate.poll(), Ok(Step::Head), "nobody has let it in");
    assert_eq!(gate.is_for_head(), gate.method() == "HEAD");
    if gate.repeats() {
        let Some(Seen::Request { line, fields, .. }) = seen.last() else { panic!("the first") };
        assert_eq!(told(gate), *line);
        let same = gate.fields().zip(fields).all(|(new, old)| new == (&*old.0, &*old.1));
        assert!(same && gate.fields().count() == fields.len(), "{fields:?}");
    }
}

/// What the first line of a request says.
fn told(gate: &Gate) -> String {
    format!("{} {} {}", gate.method(), gate.path(), gate.is_old())
}

fn request(gate: &Gate, alive: bool) -> Seen {
    let visible = |text: &str| text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
    let token = |text: &str| {
        let sign = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte) || byte.is_ascii_alphanumeric();
        !text.is_empty() && text.bytes().all(sign)
    };
    assert!(token(gate.method()), "the method {:?}", gate.method());
    assert!(gate.path().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    let query = gate.target().strip_prefix(gate.path());
    assert!(query.is_some_and(|query| query.is_empty() || query.starts_with('?')));
    assert!(gate.content().len() <= CONTENT);
    assert!(gate.declared().is_none_or(|length| length == gate.content().len() as u64));
    let fields: Vec<(String, String)> =
        gate.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in &fields {
        assert!(token(name) && visible(value), "{name}: {value}");
        assert_eq!(value.trim_matches([' ', '\t']), value, "{name} has white space around it");
    }
    Seen::Request { line: told(gate), fields, content: gate.content().to_vec(), alive }
}

/// Reads the accepted requests once more with httparse, one behind the other: the same method,
/// path, fields and content, and no byte between them that is part of neither.
fn compare(stream: &[u8], seen: &[Seen]) {
    let mut rest = stream;
    for one in seen {
        let Seen::Request { line, fields, content, alive } = one else { return };
        let mut slots = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut slots);
        let length = match request.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            other => panic!("httparse does not read it: {other:?}"),
        };
        let target = request.path.unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let path = match path.split_once("://") {
            Some((_, rest)) if !path.starts_with('/') => {
                rest.find('/').map_or("/", |at| &rest[at..])
            }
            _ => path,
        };
        let is_old = request.version == Some(0);
        assert_eq!(*line, format!("{} {path} {is_old}", request.method.unwrap_or_default()));
        rest = &rest[length..];
        let text = |value: &[u8]| String::from_utf8_lossy(value.trim_ascii()).into_owned();
        let all: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|field| (field.name.to_owned(), text(field.value)))
            .collect();
        // The gate keeps some of the fields: those, in their order, and all of each name.
        let kept = |name: &str| fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let same: Vec<_> = all.iter().filter(|(name, _)| kept(name)).cloned().collect();
        assert_eq!(same, *fields);
        let named = |wanted: &str| -> Vec<&str> {
            let same = all.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            same.map(|(_, value)| value.as_str()).collect()
        };
        let (read, after) = match (&*named("transfer-encoding"), &*named("content-length")) {
            ([], []) => (Vec::new(), rest),
            ([], [length]) => {
                let (content, after) = rest.split_at(length.parse().expect("digits"));
                (content.to_vec(), after)
            }
            ([coding], []) if coding.eq_ignore_ascii_case("chunked") => chunks(rest),
            other => panic!("framed in two ways: {other:?}"),
        };
        assert_eq!(read, *content);
        rest = after;
        let closes = named("connection")
            .iter()
            .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("close")));
        assert_eq!(*alive, !closes && !is_old);
    }
}

/// Content in the chunked coding, and what comes after its trailer.
fn chunks(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut content = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else {
            panic!("httparse sees no chunk: {rest:?}");
        };
        rest = &rest[start..];
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at(usize::try_from(size).expect("a small chunk"));
        content.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").expect("the end of a chunk");
    }
    let mut slots = vec![httparse::EMPTY_HEADER; 2048];
    match httparse::parse_headers(rest, &mut slots) {
        Ok(httparse::Status::Complete((length, _))) => (content, &rest[length..]),
        other => panic!("httparse sees no trailer: {other:?}"),
    }
}
