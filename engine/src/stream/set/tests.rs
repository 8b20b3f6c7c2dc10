//! The replay buffer beside a plain one, over all short sequences of what can happen to the streams
//! of a session: messages, answers, lost exchanges, resumption and forgetting.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::time::Duration;

use super::*;
use crate::api::config::Config;
use crate::api::head::Head;
use crate::api::io::Output;
use crate::http::admission::{Arrival, Transport, admit};

mod plain;

use plain::Plain;

const DEPTH: usize = 8;
const KEEP_ENDED: Duration = Duration::from_secs(1);
const CHILD: ChildId = ChildId(1);
const FIELDS: [(&str, &[u8]); 2] = [("Host", b"localhost"), ("Accept", b"text/event-stream")];
const GET: Head<'_> = Head { method: "GET", path: "/mcp", authority: None, fields: &FIELDS };

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A message of the call, which has the first stream.
    Call,
    Answer,
    /// A message that belongs to no call.
    Loose,
    /// The client asks for a GET stream.
    Listen,
    /// The exchange that was opened last is lost.
    Lose,
    /// The client resumes after the event that it saw last, or first.
    Last,
    First,
    /// Streams that have ended are forgotten.
    Forget,
}

/// What a client saw: an event on an exchange, and its text; none primes.
type Seen = (u64, Option<String>);

/// The streams, with a driver that delivers at once and a client that keeps the ids.
struct Rig {
    cx: Context,
    streams: Streams,
    exchanges: u64,
    open: Vec<u64>,
    ids: Vec<EventId>,
    seen: Vec<Seen>,
}

impl Rig {
    /// A rig whose replay buffer has room for this many events of one byte.
    fn new(room: usize) -> Self {
        let replay = room * plain::SIZE;
        let config = Config { replay, listeners: 1, keep_ended: KEEP_ENDED, ..Config::default() };
        let cx = Context::new(config);
        let style = Style { ids: true, primed: true };
        let streams = Streams::new(CHILD, 7, style, &cx);
        let (open, ids, seen) = (Vec::new(), Vec::new(), Vec::new());
        Self { cx, streams, exchanges: 0, open, ids, seen }
    }

    fn reply(&mut self) -> Reply {
        self.exchanges += 1;
        self.open.push(self.exchanges);
        let admitted =
            admit(&GET, Some(Transport::Streamable), None, &self.cx.config).expect("it is let in");
        let (exchange, head) = (Exchange(self.exchanges), &admitted);
        Reply::new(Arrival { exchange, head, random: 0 }, &self.cx)
    }

    fn step(&mut self, step: Step, text: &str) {
        let (call, data) = (StreamId(1), text.as_bytes().to_vec());
        match step {
            Step::Call => self.streams.put(Some(call), data, &mut self.cx),
            Step::Answer => self.streams.answer(call, data, 200, &mut self.cx),
            Step::Loose => self.streams.put(None, data, &mut self.cx),
            Step::Listen => {
                let reply = self.reply();
                self.streams.listen(reply, &mut self.cx);
            }
            Step::Lose => {
                let exchange = self.open.pop().map(Exchange).expect("one is open");
                let (_, number) = self.cx.responses.carrier(exchange).expect("it is known");
                self.streams.lost(number, &mut self.cx);
            }
            Step::Last => self.resume(self.ids[self.ids.len() - 1]),
            Step::First => self.resume(self.ids[0]),
            Step::Forget => {
                self.cx.now = self.cx.now.after(KEEP_ENDED);
                if self.cx.timers.due(self.cx.now) == Some(Wait::Forget(CHILD)) {
                    self.streams.forget(&mut self.cx);
                }
            }
        }
        self.deliver();
    }

    fn resume(&mut self, id: EventId) {
        if self.streams.rest(id) == Rest::Stream {
            let reply = self.reply();
            self.streams.attach(StreamId(id.stream), reply, Some(id.place), &mut self.cx);
        }
    }

    fn deliver(&mut self) {
        while let Some(output) = self.cx.pop() {
            match output {
                Output::Send { exchange, bytes } => {
                    self.read(exchange, &String::from_utf8_lossy(&bytes));
                    if let Some((_, number)) = self.cx.responses.carrier(exchange) {
                        self.streams.taken(number, bytes.len(), &mut self.cx);
                    }
                }
                Output::Finish { exchange } | Output::Abort { exchange } => {
                    self.open.retain(|open| *open != exchange.0);
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, exchange: Exchange, event: &str) {
        let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        self.ids.extend(line("id: ").and_then(EventId::parse));
        let text = line("data: ").filter(|text| !text.is_empty()).map(String::from);
        self.seen.push((exchange.0, text));
    }
}

/// Plays these steps from the start in both.
fn play(steps: &[Step], first: Step, room: usize) {
    let (mut rig, mut plain) = (Rig::new(room), Plain::new(room));
    if first == Step::Call {
        let reply = rig.reply();
        rig.streams.open(reply, 1, false, &mut rig.cx);
        plain.open_call();
    }
    for (number, step) in [first].iter().chain(steps).enumerate() {
        let text = format!("{number}");
        rig.step(*step, &text);
        plain.step(*step, &text);
        let so_far = &steps[..number];
        assert_eq!(rig.seen, plain.seen, "{first:?} {so_far:?}");
        assert_eq!(rig.open, plain.open, "{first:?} {so_far:?}");
        assert_eq!(rig.streams.kept(), plain.kept() * plain::SIZE, "{first:?} {so_far:?}");
        assert_eq!(rig.streams.drops(), plain.dropped, "{first:?} {so_far:?}");
    }
    let mut ids = rig.ids.iter().map(|id| (id.stream, id.place));
    assert!(ids.all(|id| id.0 > 0 && id.1 > 0));
}

/// All sequences that can happen after the first step.
fn explore(first: Step, choices: &[Step], room: usize) -> usize {
    let mut plain = Plain::new(room);
    if first == Step::Call {
        plain.open_call();
    }
    plain.step(first, "0");
    let (mut played, mut steps) = (0, vec![]);
    extend(&plain, choices, &mut steps, &mut |steps| {
        play(steps, first, room);
        played += 1;
    });
    played
}

fn extend(plain: &Plain, choices: &[Step], steps: &mut Vec<Step>, visit: &mut impl FnMut(&[Step])) {
    if steps.len() == DEPTH {
        return visit(steps);
    }
    for step in choices.iter().filter(|step| plain.can(**step)) {
        let mut next = plain.clone();
        next.step(*step, "0");
        steps.push(*step);
        extend(&next, choices, steps, visit);
        steps.pop();
    }
}

#[test]
fn after_any_eight_steps_a_call_has_what_a_plain_buffer_has() {
    use Step::{Answer, Call, First, Forget, Last, Loose, Lose};
    let played = explore(Call, &[Call, Answer, Loose, Lose, Last, First, Forget], 2);
    assert!(played > 10_000, "{played}");
}

#[test]
fn after_any_eight_steps_a_get_stream_has_what_a_plain_buffer_has() {
    use Step::{First, Forget, Last, Listen, Loose, Lose};
    let played = explore(Listen, &[Loose, Listen, Lose, Last, First, Forget], 3);
    assert!(played > 10_000, "{played}");
}
