//! A naive reader of `text/event-stream` (WHATWG HTML, "Interpreting an event stream"), kept
//! apart from the library's decoder so that each can be wrong alone. It tells blocks, also those
//! that a browser would not dispatch: the judge wants to see a priming event. Comments are skipped.

use core::fmt;

/// What stands between two blank lines.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) event: Option<Vec<u8>>,
    /// The `data` lines joined by LF; `None` if there was none.
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) retry: Option<u64>,
    /// Lines that are no field of the standard.
    pub(crate) odd: usize,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Option<Vec<u8>>| {
            bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let (id, data) = (text(&self.id), text(&self.data));
        write!(f, "id {id:?} data {data:?} retry {:?}, {} odd lines", self.retry, self.odd)
    }
}

/// What is not yet a whole block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    block: Block,
    open: bool,
}

impl Reader {
    /// The blocks that these bytes complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Block> {
        let mut blocks = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let mut line = core::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.is_empty() {
                if self.open {
                    blocks.push(core::mem::take(&mut self.block));
                }
                self.open = false;
            } else {
                self.field(&line);
            }
        }
        blocks
    }

    /// Whether all that was fed was whole blocks.
    pub(crate) fn is_whole(&self) -> bool {
        self.line.is_empty() && !self.open
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = &line[..colon];
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.open |= !name.is_empty();
        match name {
            // A CR inside of a line ends it for a browser, so what follows would be injected.
            _ if line.contains(&b'\r') => self.block.odd += 1,
            b"" => {}
            b"id" => self.block.id = Some(value.to_vec()),
            b"event" => self.block.event = Some(value.to_vec()),
            b"data" => {
                if let Some(data) = &mut self.block.data {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                } else {
                    self.block.data = Some(value.to_vec());
                }
            }
            b"retry" => {
                self.block.retry = core::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                self.block.odd += usize::from(self.block.retry.is_none());
            }
            _ => self.block.odd += 1,
        }
    }
}
