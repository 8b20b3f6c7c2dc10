//! Every sequence of eight bytes, one of each class, from every place where the decoder can stand,
//! beside a reader that goes down the grammar. And every cut of them: a state that does not hang on
//! where the last piece began hangs on no cut.

use super::{Chunked, EXTENSIONS, Refusal, TRAILERS, is_text, is_token};

const CLASSES: &[u8] = b"02; \r\nx:\0";
const LIMIT: usize = 3;

/// What came of all bytes so far: a refusal, or the decoder, the content and what is after it.
type Stand = Result<(Chunked, Vec<u8>, bool), u16>;

/// A decoder that is not done, the content, and what is after it.
type Seen<'a> = (Option<&'a Chunked>, &'a [u8], &'a [u8]);

/// Why the plain reader stops.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Cut,
    Refused(u16),
}

#[derive(Default)]
struct Plain<'a> {
    rest: &'a [u8],
    content: Vec<u8>,
    extensions: usize,
    trailers: usize,
}

impl Plain<'_> {
    fn next(&mut self) -> Result<u8, Stop> {
        let (first, rest) = self.rest.split_first().ok_or(Stop::Cut)?;
        self.rest = rest;
        Ok(*first)
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), Stop> {
        text.iter().try_for_each(|byte| self.next().and_then(|next| must(next == *byte)))
    }

    fn content(&mut self) -> Result<(), Stop> {
        loop {
            let size = self.size()?;
            if size == 0 {
                return self.trailer();
            }
            for _ in 0..size {
                let byte = self.next()?;
                self.content.push(byte);
            }
            self.expect(b"\r\n")?;
        }
    }

    fn size(&mut self) -> Result<usize, Stop> {
        let (mut size, mut digits, mut byte) = (0, 0, self.next()?);
        while let Some(digit) = char::from(byte).to_digit(16) {
            digits += 1;
            must(digits <= 16)?;
            size = size * 16 + digit as usize;
            bound(size + self.content.len(), LIMIT, 413)?;
            byte = self.next()?;
        }
        must(digits > 0)?;
        let tight = byte != b' ';
        while byte == b' ' {
            byte = self.extend()?;
        }
        must(tight || byte == b';')?;
        if byte == b';' {
            byte = self.next()?;
            while byte != b'\r' {
                must(is_text(byte))?;
                byte = self.extend()?;
            }
        }
        must(byte == b'\r')?;
        self.expect(b"\n")?;
        Ok(size)
    }

    fn extend(&mut self) -> Result<u8, Stop> {
        self.extensions += 1;
        bound(self.extensions, EXTENSIONS, 400)?;
        self.next()
    }

    fn trailer(&mut self) -> Result<(), Stop> {
        loop {
            let mut byte = self.next()?;
            if byte == b'\r' {
                return self.expect(b"\n");
            }
            must(is_token(byte))?;
            while byte != b':' {
                must(is_token(byte))?;
                byte = self.trail()?;
            }
            byte = self.trail()?;
            while byte != b'\r' {
                must(is_text(byte))?;
                byte = self.trail()?;
            }
            self.expect(b"\n")?;
        }
    }

    fn trail(&mut self) -> Result<u8, Stop> {
        self.trailers += 1;
        bound(self.trailers, TRAILERS, 431)?;
        self.next()
    }
}

/// The last bytes, for a report.
fn end(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(20)..]).escape_debug().to_string()
}

fn must(holds: bool) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Refused(400)) }
}

fn bound(count: usize, most: usize, status: u16) -> Result<(), Stop> {
    if count <= most { Ok(()) } else { Err(Stop::Refused(status)) }
}

fn go_on(stand: &Stand, piece: &[u8]) -> Stand {
    let (mut chunked, mut buffer, _) = stand.clone()?;
    buffer.extend_from_slice(piece);
    let done = chunked.decode(&mut buffer).map_err(|refusal: Refusal| refusal.status)?;
    Ok((chunked, buffer, done))
}

/// Compares with the plain reader. Returns whether more bytes may follow.
fn compare(bytes: &[u8], stand: &Stand) -> bool {
    let mut plain = Plain { rest: bytes, ..Plain::default() };
    match (plain.content(), stand) {
        (Ok(()), Ok((chunked, buffer, true))) => {
            let (content, rest) = (&buffer[..chunked.decoded()], &buffer[chunked.consumed()..]);
            assert_eq!((content, rest), (&*plain.content, plain.rest), "{}", end(bytes));
            rest.is_empty()
        }
        (Err(Stop::Cut), Ok((chunked, buffer, false))) => {
            assert_eq!(*buffer, plain.content, "{}", end(bytes));
            assert_eq!(chunked.has_begun(), !bytes.is_empty(), "{}", end(bytes));
            true
        }
        (Err(Stop::Refused(status)), Err(refused)) => {
            assert_eq!(status, *refused, "{}", end(bytes));
            false
        }
        (plain, stand) => panic!("{}: {plain:?}, {stand:?}", end(bytes)),
    }
}

/// Tries each class of byte next, so many times. `stands` has one entry for each place at which
/// the last piece may have begun. Returns how many sequences were tried.
fn walk(bytes: &mut Vec<u8>, stands: &mut Vec<Stand>, begin: usize, depth: usize) -> u64 {
    let mut tried = 0;
    for class in CLASSES.iter().filter(|_| depth > 0) {
        bytes.push(*class);
        let stand = go_on(&stands[0], &bytes[begin..]);
        let whole = |stand: &Stand| stand.as_ref().is_ok_and(|(.., done)| *done);
        for (at, earlier) in stands.iter().enumerate().filter(|(_, stand)| !whole(stand)) {
            let cut = go_on(earlier, &bytes[begin + at..]);
            assert_eq!(seen(&cut), seen(&stand), "{} from {at}", end(bytes));
        }
        tried += 1;
        if compare(bytes, &stand) {
            stands.push(stand);
            tried += walk(bytes, stands, begin, depth - 1);
            stands.pop();
        }
        bytes.pop();
    }
    tried
}

/// What may not hang on a cut. Of a decoder that is done, where it stands in its buffer does.
fn seen(stand: &Stand) -> Result<Seen<'_>, u16> {
    let (chunked, buffer, done) = stand.as_ref().map_err(|status| *status)?;
    let open = Some(chunked).filter(|_| !done);
    Ok((open, &buffer[..chunked.decoded()], &buffer[chunked.consumed()..]))
}

#[test]
fn all_sequences_of_eight_bytes_are_read_as_the_grammar_says_however_they_are_cut() {
    let extended = ["1;", &"x".repeat(EXTENSIONS - 2)].concat();
    let trailed = ["0\r\n", &"x".repeat(TRAILERS - 2)].concat();
    let openings = [
        ("", 8),
        ("2\r\n", 8),
        ("2\r\nab\r\n", 8),
        ("0\r\n", 8),
        ("0\r\nx:\r\n", 5),
        ("000000000000000", 4),
        (&extended, 4),
        (&trailed, 4),
    ];
    let mut tried = 0;
    for (opening, depth) in openings {
        let mut bytes = opening.as_bytes().to_vec();
        let start = go_on(&Ok((Chunked::new(0, LIMIT), Vec::new(), false)), &bytes);
        assert!(compare(&bytes, &start));
        let begin = bytes.len();
        tried += walk(&mut bytes, &mut vec![start], begin, depth);
    }
    assert!(tried > 500_000, "{tried}");
}
