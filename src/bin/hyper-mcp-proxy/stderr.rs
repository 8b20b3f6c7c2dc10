//! What a child writes to its standard error: bytes in, lines for the log out.
//!
//! A line is cut at a limit and the rest of it dropped; a child that writes too much is cut short
//! by time, and told so once it is over. It is read on in any case: a child must never block on
//! its complaints. The last of it is kept for the notice of its end.

use std::time::Duration;

use hyper_mcp_proxy::Instant;

/// The longest line that is logged whole.
const LINE: usize = 8 * 1024;
/// How much of the end is kept.
const TAIL: usize = 1024;
/// What may be logged in one window.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_LINES: usize = 100;
const WINDOW_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Stderr {
    /// The unfinished line, up to its limit.
    line: Vec<u8>,
    /// How much of the unfinished line was dropped.
    cut: usize,
    tail: Vec<u8>,
    window: Instant,
    lines: usize,
    bytes: usize,
    suppressed: usize,
}

impl Stderr {
    /// Takes bytes, and gives `log` each line that is whole now.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Instant, log: &mut impl FnMut(&str)) {
        self.keep_tail(bytes);
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(&text[..room]);
            self.cut += text.len() - room;
            if ends {
                self.finish_line(now, log);
            }
        }
    }

    /// The child writes no more: gives what is left.
    pub(crate) fn end(&mut self, now: Instant, log: &mut impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.finish_line(now, log);
        }
        self.tell_suppressed(log);
    }

    /// The last of what came.
    pub(crate) fn tail(&self) -> &[u8] {
        let start = self.tail.len().saturating_sub(TAIL);
        self.tail[start..].trim_ascii()
    }

    fn finish_line(&mut self, now: Instant, log: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.cut);
        if now.since(self.window) >= WINDOW {
            self.tell_suppressed(log);
            (self.window, self.lines, self.bytes) = (now, 0, 0);
        }
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        if text.is_empty() && cut == 0 {
            return;
        }
        self.lines += 1;
        self.bytes += text.len();
        if self.lines > WINDOW_LINES || self.bytes > WINDOW_BYTES {
            self.suppressed += 1;
        } else if cut > 0 {
            log(&format!("{text} ... ({cut} bytes more)"));
        } else {
            log(&text);
        }
    }

    fn tell_suppressed(&mut self, log: &mut impl FnMut(&str)) {
        let count = std::mem::take(&mut self.suppressed);
        if count > 0 {
            log(&format!("(too many lines at once: {count} not logged)"));
        }
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let start = bytes.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(&bytes[start..]);
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
    }
}
