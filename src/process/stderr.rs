//! A child's standard error: bytes in, lines for the log out.
//!
//! A line is cut at a limit and its rest dropped; the lines of a child that writes too much are
//! suppressed for a while, and their number is logged afterwards. The pipe is always read: a child
//! must never block on its log. All children together have a limit as well. The tail is kept for
//! the notice of the child's exit.

use std::cell::Cell;
use std::time::Duration;

use mcp_bridge::Instant;

use crate::logging;

/// The longest line that is logged whole.
const LINE: usize = 8 * 1024;
/// Bytes of the tail that are kept.
const TAIL: usize = 1024;
/// The window of the limits below. Bytes are counted as the log writes them.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_LINES: usize = 100;
const WINDOW_BYTES: usize = 64 * 1024;
/// Lines of all children together in one window: those of four children that flood. More would fill
/// disks and inform no one.
const TOTAL_LINES: usize = 400;
const TOTAL_BYTES: usize = 256 * 1024;
/// The last quarter of the total is for children with no more lines than this in their window and
/// in the one before, so that a flood does not hide the lines of a quiet child.
const FEW_LINES: usize = 10;

/// Lines and bytes of all children in the current window.
#[derive(Debug, Default)]
pub(crate) struct Total {
    window: Cell<Instant>,
    lines: Cell<usize>,
    bytes: Cell<usize>,
}

impl Total {
    /// Counts a line of a child that wrote `of_late` lines recently. Returns whether it may be
    /// logged.
    fn allows(&self, bytes: usize, of_late: usize, now: Instant) -> bool {
        if now.since(self.window.get()) >= WINDOW {
            self.window.set(now);
            self.lines.set(0);
            self.bytes.set(0);
        }
        let (lines, bytes) = (self.lines.get() + 1, self.bytes.get() + bytes);
        let reserve = if of_late <= FEW_LINES { 0 } else { 4 };
        let limit = |all: usize| all - all.checked_div(reserve).unwrap_or(0);
        if lines > limit(TOTAL_LINES) || bytes > limit(TOTAL_BYTES) {
            return false;
        }
        self.lines.set(lines);
        self.bytes.set(bytes);
        true
    }
}

/// The time and the limit under which lines are logged now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) now: Instant,
    pub(crate) total: &'a Total,
}

#[derive(Debug, Default)]
pub(crate) struct Stderr {
    /// The unfinished line, up to its limit.
    line: Vec<u8>,
    /// Bytes of the unfinished line that were dropped.
    cut: usize,
    tail: Vec<u8>,
    window: Instant,
    lines: usize,
    bytes: usize,
    /// Lines of the previous window.
    before: usize,
    suppressed: usize,
}

impl Stderr {
    /// Adds bytes, and calls `log` with each line that is complete now.
    pub(crate) fn feed(&mut self, bytes: &[u8], terms: Terms<'_>, log: &mut impl FnMut(&str)) {
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
                self.finish_line(terms, log);
            }
        }
    }

    /// Handles the end of the output: logs the rest.
    pub(crate) fn end(&mut self, terms: Terms<'_>, log: &mut impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.finish_line(terms, log);
        }
        self.log_suppressed(log);
    }

    /// The tail of the output.
    pub(crate) fn tail(&self) -> &[u8] {
        let start = self.tail.len().saturating_sub(TAIL);
        self.tail[start..].trim_ascii()
    }

    fn finish_line(&mut self, terms: Terms<'_>, log: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.cut);
        if terms.now.since(self.window) >= WINDOW {
            self.log_suppressed(log);
            (self.window, self.before) = (terms.now, self.lines);
            (self.lines, self.bytes) = (0, 0);
        }
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        if text.is_empty() && cut == 0 {
            return;
        }
        if !self.may_log(&text, terms) {
            self.suppressed += 1;
        } else if cut > 0 {
            log(&format!("{text} ... ({cut} bytes more)"));
        } else {
            log(&text);
        }
    }

    fn may_log(&mut self, text: &str, Terms { now, total }: Terms<'_>) -> bool {
        self.lines += 1;
        if self.lines > WINDOW_LINES || self.bytes > WINDOW_BYTES {
            return false;
        }
        let bytes = logging::width(text);
        self.bytes += bytes;
        self.bytes <= WINDOW_BYTES && total.allows(bytes, self.lines.max(self.before), now)
    }

    fn log_suppressed(&mut self, log: &mut impl FnMut(&str)) {
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
