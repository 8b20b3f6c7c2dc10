//! A JSON object copied into another text, some of its members changed on the way: one pass, no
//! list of members, and what is not touched keeps its spelling.
//!
//! What a change writes comes in the place of the member; of several members of one name each is
//! changed. White space between the members of what is copied goes, and so do line breaks.

use alloc::vec::Vec;

use crate::codec::json::{Name, NotJson, Scanner, Span};
use crate::codec::object;

/// Room that a text may have beside what it says. Beyond this it is given back: of a long text most
/// may have been left out, and what is kept counts with its length.
const ROOM: usize = 2 * 1024;

/// A text without much room.
pub(crate) fn fitted(mut text: Vec<u8>) -> Vec<u8> {
    text.shrink_to(text.len() + ROOM);
    text
}

/// Whether a change has stepped over the member's value; if not, the member stays as it is.
pub(crate) type Changed = Result<bool, NotJson>;

#[derive(Debug)]
pub(crate) struct Copy<'a> {
    text: &'a [u8],
    scanner: Scanner<'a>,
    out: Vec<u8>,
    /// What comes next as it stands in the text.
    run: Span,
    /// The name of the member that is being looked at, with its quotes.
    key: Span,
}

impl<'a> Copy<'a> {
    /// A copy that begins with `before`; `more` is how much it may grow beside that.
    pub(crate) fn new(text: &'a [u8], before: &[u8], more: usize) -> Self {
        let mut out = Vec::with_capacity(before.len() + text.len() + more);
        out.extend_from_slice(before);
        Self { text, scanner: Scanner::new(text), out, run: 0..0, key: 0..0 }
    }

    /// The copy, ended by `after`.
    pub(crate) fn end(mut self, after: &[u8]) -> Vec<u8> {
        self.flush();
        if self.scanner.multiline {
            for byte in self.out.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(after);
        fitted(self.out)
    }

    /// Copies an object. It can be added to until it is closed.
    pub(crate) fn members(
        &mut self,
        mut change: impl FnMut(&mut Self, &Name<'a>) -> Changed,
    ) -> Result<(), NotJson> {
        self.each_member(&mut change)
    }

    /// The same, there once for all changes.
    fn each_member(
        &mut self,
        change: &mut dyn FnMut(&mut Self, &Name<'a>) -> Changed,
    ) -> Result<(), NotJson> {
        self.scanner.enter(b'{')?;
        self.open(b'{');
        let mut first = true;
        while self.scanner.next(b'}', first)? {
            first = false;
            let start = self.scanner.position();
            let name = self.scanner.name()?;
            self.key = start..start + name.spelling().len() + 2;
            if !change(self, &name)? {
                let value = self.scanner.value()?;
                self.keep(value);
            }
        }
        Ok(())
    }

    /// Copies a whole object.
    pub(crate) fn object(
        &mut self,
        change: impl FnMut(&mut Self, &Name<'a>) -> Changed,
    ) -> Result<(), NotJson> {
        self.members(change)?;
        self.close(b'}');
        Ok(())
    }

    /// Copies an array; each element that is an object with changes.
    pub(crate) fn objects(
        &mut self,
        mut change: impl FnMut(&mut Self, &Name<'a>) -> Changed,
    ) -> Result<(), NotJson> {
        self.scanner.enter(b'[')?;
        self.open(b'[');
        let mut first = true;
        while self.scanner.next(b']', first)? {
            first = false;
            if self.peek() == b'{' {
                self.comma();
                self.object(&mut change)?;
            } else {
                let value = self.scanner.value()?;
                self.append(value);
            }
        }
        self.close(b']');
        Ok(())
    }

    /// The first byte of what comes next.
    pub(crate) fn peek(&mut self) -> u8 {
        self.scanner.peek()
    }

    /// Leaves the member out.
    pub(crate) fn drop(&mut self) -> Changed {
        self.scanner.value().map(|_| true)
    }

    /// Gives the member another value.
    pub(crate) fn set(&mut self, value: &[u8]) -> Changed {
        self.scanner.value()?;
        self.begin();
        self.out.extend_from_slice(value);
        Ok(true)
    }

    /// The same, unless that is null.
    pub(crate) fn set_unless_null(&mut self, value: &[u8]) -> Changed {
        let old = self.scanner.value()?;
        if &self.text[old.clone()] == b"null" {
            self.keep(old);
        } else {
            self.begin();
            self.out.extend_from_slice(value);
        }
        Ok(true)
    }

    /// Gives the member what its value turns into; one that turns into nothing is left out.
    pub(crate) fn turn<'t>(&mut self, into: impl FnOnce(&[u8]) -> Option<&'t [u8]>) -> Changed {
        let old = self.scanner.value()?;
        if let Some(new) = into(&self.text[old]) {
            self.begin();
            self.out.extend_from_slice(new);
        }
        Ok(true)
    }

    /// Puts the member's value between two texts.
    pub(crate) fn wrap(&mut self, before: &[u8], after: &[u8]) -> Changed {
        let value = self.scanner.value()?;
        self.begin();
        for piece in [before, &self.text[value], after] {
            self.out.extend_from_slice(piece);
        }
        Ok(true)
    }

    /// Writes the name of the member, whose value is to be copied. Gives what
    /// [`undo`](Self::undo) takes.
    pub(crate) fn begin(&mut self) -> usize {
        self.flush();
        let mark = self.out.len();
        self.comma();
        self.out.extend_from_slice(&self.text[self.key.clone()]);
        self.out.push(b':');
        mark
    }

    /// Takes back what was written since.
    pub(crate) fn undo(&mut self, mark: usize) {
        self.run = 0..0;
        self.out.truncate(mark);
    }

    /// Copies the member's value, an object; one of which nothing is left is left out.
    pub(crate) fn unless_empty(
        &mut self,
        change: impl FnMut(&mut Self, &Name<'a>) -> Changed,
    ) -> Changed {
        let mark = self.begin();
        self.object(change)?;
        if self.out.ends_with(b":{}") {
            self.undo(mark);
        }
        Ok(true)
    }

    /// Adds a member to the object that is open.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        self.flush();
        self.comma();
        self.out.extend_from_slice(&object::quoted(name));
        self.out.push(b':');
        self.out.extend_from_slice(value);
    }

    fn open(&mut self, bracket: u8) {
        self.flush();
        self.out.push(bracket);
    }

    pub(crate) fn close(&mut self, bracket: u8) {
        self.flush();
        self.out.push(bracket);
    }

    /// Steps over the member's value, an object, and gives its place.
    pub(crate) fn inspect(
        &mut self,
        take: impl FnMut(&mut Scanner<'a>, &Name<'a>) -> Result<(), NotJson>,
    ) -> Result<Span, NotJson> {
        self.scanner.peek();
        let start = self.scanner.position();
        self.scanner.members(take)?;
        Ok(start..self.scanner.position())
    }

    pub(crate) fn at(&self, span: Span) -> &'a [u8] {
        &self.text[span]
    }

    /// Keeps the member, whose value was stepped over.
    pub(crate) fn keep(&mut self, value: Span) {
        if value.start == self.key.end + 1 {
            self.append(self.key.start..value.end);
        } else {
            self.begin();
            self.out.extend_from_slice(&self.text[value]);
        }
    }

    /// Appends an element or a whole member as it stands.
    fn append(&mut self, part: Span) {
        if part.start == self.run.end + 1 && !self.run.is_empty() {
            self.run.end = part.end;
        } else {
            self.flush();
            self.comma();
            self.run = part;
        }
    }

    fn flush(&mut self) {
        let run = core::mem::replace(&mut self.run, 0..0);
        self.out.extend_from_slice(&self.text[run]);
    }

    /// No value ends with an opening bracket.
    fn comma(&mut self) {
        self.flush();
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }
}

#[cfg(test)]
mod tests;
