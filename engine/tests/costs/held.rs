//! What the engine counts is what it holds. Each thing that peers make it keep is made twice, of
//! short texts and of long ones: by as much as the long ones take more memory, the budget must
//! count more. When the things are gone, neither memory nor count may show which they were.

use std::time::Duration;

use mcp_bridge::{Config, Exit, Input};

use crate::play::{self, World};
use crate::{COST, Cost, things};

/// How many letters a part of a text has, for each of its own number of letters.
const SHORT: usize = 1;
const LONG: usize = 400;

/// The fewest bytes that are counted of a hundred that are held: a buffer may have a little spare
/// room, which is not counted.
const LEAST: isize = 98;
/// The most: a short id stands in its table, and is counted as if it had bytes of its own.
const MOST: isize = 103;
/// Long texts are much longer than all that may be noise.
const ENOUGH: isize = 6 * LONG as isize;
/// What is left of that is known of servers, and has limits of its own: here the variables of one
/// process, of which it is known which era it speaks.
const LEFT: isize = 4 * LONG as isize;

/// Letters of what is left out of a text: more than any text is given room for.
const CUT: usize = 40_000;

/// A kind of things that is kept.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) config: fn() -> Config,
    /// Makes some, of texts whose lengths are multiples of a number.
    pub(crate) begin: fn(&mut World, usize),
}

/// Letters, of which a JSON text needs no more and no fewer bytes.
pub(crate) fn text(letters: usize) -> String {
    "x".repeat(letters)
}

impl World {
    /// The child begins a line.
    pub(crate) fn say_part(&mut self, bytes: &[u8]) {
        let child = self.child.expect("a child");
        self.feed(Input::Stdout { child, bytes });
    }

    /// Each child that there is ends.
    pub(crate) fn crash(&mut self) {
        for child in std::mem::take(&mut self.children) {
            let exit = Exit::Code(1);
            self.feed(Input::Exited { child, exit, stderr: b"" });
        }
    }

    /// All clients leave, all children end, and nobody comes back.
    fn end(&mut self) {
        for exchange in std::mem::take(&mut self.exchanges) {
            self.feed(Input::Lost { exchange });
        }
        self.crash();
        self.now += Duration::from_secs(30 * 24 * 60 * 60);
        self.feed(Input::Tick);
        self.given = Vec::new();
    }
}

/// Bytes that are counted, and those that are there. What the world keeps for itself goes first.
fn now(world: &mut World) -> (isize, isize) {
    (world.text, world.fields) = (Vec::new(), Vec::new());
    (world.offers, world.name) = (String::new(), String::new());
    (world.bridge.buffered() as isize, COST.get().held)
}

/// What is counted and what is held with the things, and after them.
fn made(kind: &Kind, scale: usize) -> [(isize, isize); 2] {
    COST.set(Cost { counts: true, ..Cost::NONE });
    let mut world = World::with((kind.config)(), play::direct);
    (kind.begin)(&mut world, scale);
    let with = now(&mut world);
    world.end();
    let after = now(&mut world);
    COST.set(Cost::NONE);
    [with, after]
}

/// By how much more is counted and held at the larger scale, with the things and after them.
fn growth(kind: &Kind, scales: [usize; 2]) -> [(isize, isize); 2] {
    let [less, more] = scales.map(|scale| made(kind, scale));
    [0, 1].map(|at| (more[at].0 - less[at].0, more[at].1 - less[at].1))
}

#[test]
fn what_is_counted_is_what_is_held() {
    let mut wrong = Vec::new();
    for kind in things::all() {
        let [(counted, with), (count_left, left)] = growth(&kind, [SHORT, LONG]);
        let held = with - left;
        let is_counted = held * LEAST <= counted * 100 && counted * 100 <= held * MOST;
        if held < ENOUGH || !is_counted {
            wrong.push(format!("{}: {held} bytes, of which {counted} are counted", kind.name));
        }
        if count_left != 0 || !(0..=LEFT).contains(&left) {
            wrong.push(format!("{}: leaves {left} bytes, counts {count_left}", kind.name));
        }
    }
    assert!(wrong.is_empty(), "not as counted:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_left_out_of_a_text_is_not_held() {
    let mut wrong = Vec::new();
    for kind in things::cut() {
        let [(counted, held), _] = growth(&kind, [SHORT, CUT]);
        if held - counted > CUT as isize / 10 {
            wrong.push(format!("{}: {held} bytes, of which {counted} are counted", kind.name));
        }
    }
    assert!(wrong.is_empty(), "held all the same:\n{}", wrong.join("\n"));
}

#[test]
fn many_short_names_are_counted_with_their_places() {
    let tasks = Kind { name: "tasks", config: Config::default, begin: things::short_tasks };
    let [(counted, held), _] = growth(&tasks, [10, 1000]);
    assert!(held * 100 <= counted * MOST, "{held} bytes, of which {counted} are counted");
}

#[test]
fn what_is_known_of_a_server_has_room_in_what_is_said_of_it() {
    let tools = Kind {
        name: "tools",
        config: Config::default,
        begin: |world, n| {
            if n > 0 {
                things::short_names(world)
            }
        },
    };
    let [_, (_, known)] = growth(&tools, [0, 1]);
    let config = Config::default();
    let most = (config.memory(1) - config.memory(0)) as isize;
    assert!((most / 4..=most).contains(&known), "{known} bytes are known, {most} are said");
}

#[test]
fn a_session_that_sleeps_counts_with_all_that_it_takes() {
    let sleepers = Kind {
        name: "sleepers",
        config: Config::default,
        begin: |world, n| {
            for _ in 0..n {
                world.open();
                world.crash();
            }
        },
    };
    let [(counted, held), _] = growth(&sleepers, [2, 60]);
    assert!(held <= counted, "{held} bytes, of which {counted} are counted");
}

#[test]
fn sleeping_sessions_are_counted_against_a_quarter_of_the_budget() {
    let part = 256 * 1024;
    let config = Config { budget: 4 * part, message: part / 4, ..things::fields() };
    let mut world = World::with(config, play::direct);
    let mut each = 0;
    for _ in 0..64 {
        world.session = String::new();
        things::asleep(&mut world, LONG);
        if each == 0 {
            each = world.bridge.buffered();
        }
        let held = world.bridge.buffered();
        assert_eq!(held, world.bridge.stats().asleep * each);
        assert!(held <= part, "{held} bytes of sleeping sessions");
    }
    assert!(world.bridge.buffered() + each > part, "one more would have had room");
}
