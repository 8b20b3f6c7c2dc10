//! The replay buffer once more: lists of texts, and what was seen of them.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{Seen, Step};
use crate::stream::event::EVENT;

/// What an event of one byte counts.
pub(super) const SIZE: usize = 1 + EVENT;

/// An event: its line, and how many of the line's texts are before what comes next.
type Id = (usize, usize);

/// A stream: all its texts ever, the first that is kept, and how many were sent.
#[derive(Clone, Debug, Default)]
struct Line {
    texts: Vec<String>,
    from: usize,
    sent: usize,
    open: Option<u64>,
    /// Whether it is that of the call, and unanswered.
    pending: bool,
    is_get: bool,
    forgotten: bool,
}

impl Line {
    fn kept(&self) -> usize {
        self.texts.len() - self.from
    }

    fn has_ended(&self) -> bool {
        self.open.is_none() && !self.pending
    }
}

/// The first line has no client: its texts wait for one.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    room: usize,
    lines: Vec<Line>,
    ids: Vec<Id>,
    exchanges: u64,
    pub(super) open: Vec<u64>,
    pub(super) seen: Vec<Seen>,
    pub(super) dropped: u64,
}

impl Plain {
    pub(super) fn new(room: usize) -> Self {
        let (lines, ids, open, seen) = (vec![Line::default()], vec![], vec![], vec![]);
        Self { room, lines, ids, exchanges: 0, open, seen, dropped: 0 }
    }

    pub(super) fn kept(&self) -> usize {
        self.lines.iter().map(Line::kept).sum()
    }

    /// Whether this can happen now, and is not the same as nothing.
    pub(super) fn can(&self, step: Step) -> bool {
        match step {
            Step::Call | Step::Answer => self.lines.get(1).is_some_and(|line| line.pending),
            Step::Loose | Step::Listen => true,
            Step::Lose => !self.open.is_empty(),
            Step::Last => !self.ids.is_empty(),
            Step::First => self.ids.first() != self.ids.last(),
            Step::Forget => self.lines[1..].iter().any(|line| line.has_ended() && !line.forgotten),
        }
    }

    pub(super) fn open_call(&mut self) {
        self.lines.push(Line { pending: true, ..Line::default() });
        self.connect(1);
    }

    pub(super) fn step(&mut self, step: Step, text: &str) {
        match step {
            Step::Call => {
                if self.lines[1].texts.is_empty() {
                    self.prime(1);
                }
                self.flush(1);
                self.put(1, text);
            }
            Step::Answer => {
                self.lines[1].pending = false;
                self.put(1, text);
                self.close(1);
            }
            Step::Loose => {
                let listens = |line: &Line| line.is_get && line.open.is_some();
                self.put(self.lines.iter().rposition(listens).unwrap_or(0), text);
            }
            Step::Listen => {
                self.close_listeners();
                self.lines.push(Line { is_get: true, ..Line::default() });
                let line = self.lines.len() - 1;
                self.connect(line);
                self.prime(line);
                self.flush(line);
            }
            Step::Lose => {
                let lost = self.open.pop();
                let line = self.lines.iter_mut().find(|line| line.open == lost);
                line.expect("it is open").open = None;
            }
            Step::Last => self.resume(self.ids[self.ids.len() - 1]),
            Step::First => self.resume(self.ids[0]),
            Step::Forget => {
                for line in 1..self.lines.len() {
                    if self.lines[line].has_ended() {
                        self.lines[line].forgotten = true;
                        while self.lines[line].kept() > 0 {
                            self.drop_oldest(line);
                        }
                    }
                }
            }
        }
    }

    fn resume(&mut self, (number, seen): Id) {
        let line = &self.lines[number];
        let more = line.pending || line.is_get || line.kept() > 0 && line.texts.len() > seen;
        if line.forgotten || !more {
            return;
        }
        let (is_get, first) = (line.is_get, seen.max(line.from));
        self.close(number);
        if is_get {
            self.close_listeners();
        }
        self.connect(number);
        self.send(number, first);
        match self.lines[number].pending || is_get {
            true => self.flush(number),
            false => self.close(number),
        }
    }

    /// The texts that wait go to a line that has a client, or keeps them for the one of its call.
    fn flush(&mut self, number: usize) {
        let texts = core::mem::take(&mut self.lines[0].texts);
        let waiting = texts.into_iter().skip(core::mem::take(&mut self.lines[0].from));
        waiting.for_each(|text| self.put(number, &text));
    }

    fn put(&mut self, number: usize, text: &str) {
        self.lines[number].texts.push(String::from(text));
        if self.lines[number].open.is_some() {
            self.send(number, self.lines[number].texts.len() - 1);
        }
        // Whoever grew makes room, if that is not the text itself; then those that wait, and then
        // the oldest.
        while self.kept() > self.room {
            let own = Some(number).filter(|_| self.lines[number].kept() > 1);
            let other =
                || (0..self.lines.len()).find(|one| *one != number && self.lines[*one].kept() > 0);
            self.drop_oldest(own.or_else(other).expect("one is kept"));
        }
    }

    fn drop_oldest(&mut self, number: usize) {
        let line = &mut self.lines[number];
        self.dropped += u64::from(line.from >= line.sent);
        line.from += 1;
    }

    /// Sends the texts from this one on.
    fn send(&mut self, number: usize, from: usize) {
        let line = &mut self.lines[number];
        let exchange = line.open.expect("it has a client");
        for (at, text) in line.texts.iter().enumerate().skip(from) {
            self.seen.push((exchange, Some(text.clone())));
            self.ids.push((number, at + 1));
        }
        line.sent = line.texts.len();
    }

    fn prime(&mut self, number: usize) {
        let exchange = self.lines[number].open.expect("it has a client");
        self.seen.push((exchange, None));
        self.ids.push((number, 0));
    }

    fn connect(&mut self, number: usize) {
        self.exchanges += 1;
        self.open.push(self.exchanges);
        self.lines[number].open = Some(self.exchanges);
    }

    fn close(&mut self, number: usize) {
        if let Some(exchange) = self.lines[number].open.take() {
            self.open.retain(|open| *open != exchange);
        }
    }

    /// A session here has one GET stream with a client.
    fn close_listeners(&mut self) {
        for line in 1..self.lines.len() {
            if self.lines[line].is_get {
                self.close(line);
            }
        }
    }
}
