//! Knowledge of the eras that a command speaks: the original of what each child knows
//! (`child/known.rs`).
//!
//! It is learned from the answers of processes, separately for each set of values that
//! `Config::header_env` gave them: the answer of one client's process proves nothing about another
//! client's, except that a command which has spoken 2026-07-28 once knows it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::api::io::env_size;
use crate::api::limits::KNOWN_ERAS;
use crate::child::known::Known;
use crate::context::report::Lesson;

/// Overhead of a set of variables beside its text.
const OVERHEAD: usize = 128;

/// The environment variables of a process that hold its clients' header fields.
type Env = [(String, String)];

/// What is known of a command.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// Whether a process of it has spoken 2026-07-28.
    modern: bool,
    /// Knowledge by variables, the oldest first.
    known: Vec<(Vec<(String, String)>, Known)>,
}

impl Knowledge {
    pub(super) fn of(&self, env: &Env) -> Known {
        let known = self.known.iter().find(|(known, _)| known == env);
        let known = known.map(|(_, known)| *known).unwrap_or_default();
        Known { ever_modern: self.modern, ..known }
    }

    /// A process with these variables has shown this. Returns whether that is new.
    pub(super) fn learn(&mut self, env: &Env, lesson: Lesson) -> bool {
        let before = self.of(env);
        let mut known = before;
        known.learn(lesson);
        if known.ever_modern && !self.modern {
            // Earlier evidence against it was wrong and is discarded.
            self.modern = true;
            self.known.iter_mut().for_each(|(_, known)| known.modern = None);
        }
        if known != before {
            self.set(env, known);
        }
        known != before
    }

    fn set(&mut self, env: &Env, known: Known) {
        if let Some((_, old)) = self.known.iter_mut().find(|(known, _)| known == env) {
            *old = known;
            return;
        }
        if size(env) > KNOWN_ERAS {
            return;
        }
        let mut held: usize = self.known.iter().map(|(env, _)| size(env)).sum();
        while held + size(env) > KNOWN_ERAS {
            held -= size(&self.known.remove(0).0);
        }
        self.known.push((env.to_vec(), known));
    }
}

fn size(env: &Env) -> usize {
    OVERHEAD + env_size(env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::instant::Instant;
    use alloc::vec;

    fn env(value: &str) -> Vec<(String, String)> {
        vec![(String::from("T"), String::from(value))]
    }

    #[test]
    fn of_too_many_sets_of_variables_the_oldest_are_forgotten() {
        let mut known = Knowledge::default();
        let (long, longer) = ("x".repeat(1000), "x".repeat(KNOWN_ERAS));
        for number in 0..1000 {
            known.learn(&env(&alloc::format!("{number}{long}")), Lesson::SpokeSession);
            let held: usize = known.known.iter().map(|(env, _)| size(env)).sum();
            assert!(held <= KNOWN_ERAS && held + 2000 > KNOWN_ERAS.min(1000 * number));
        }
        assert_eq!(known.of(&env(&alloc::format!("0{long}"))), Known::default());
        assert_eq!(known.of(&env(&alloc::format!("999{long}"))).session, Some(true));
        known.learn(&env(&longer), Lesson::SpokeSession);
        assert_eq!(known.of(&env(&longer)), Known::default());
        assert_eq!(known.of(&env(&alloc::format!("999{long}"))).session, Some(true));
        // Half of the room is for one that has half: it makes as much, and no more.
        let half = env(&"y".repeat(KNOWN_ERAS / 2 - size(&env(""))));
        known.learn(&half, Lesson::SpokeSession);
        let held: usize = known.known.iter().map(|(env, _)| size(env)).sum();
        assert!(held <= KNOWN_ERAS && held + 2000 > KNOWN_ERAS);
        let other = env(&"z".repeat(KNOWN_ERAS / 2 - size(&env(""))));
        known.learn(&other, Lesson::SpokeSession);
        assert_eq!(known.known.len(), 2, "together they have all the room");
        let all = env(&"x".repeat(KNOWN_ERAS - size(&env(""))));
        known.learn(&all, Lesson::SpokeSession);
        assert_eq!((known.known.len(), known.of(&all).session), (1, Some(true)));
    }

    #[test]
    fn what_one_set_of_variables_denies_another_may_prove() {
        let (good, bad, until) = (env("good"), env("bad"), Instant::default());
        let mut known = Knowledge::default();
        known.learn(&bad, Lesson::DeniedModern(until));
        assert_eq!((known.of(&bad).modern, known.of(&good).modern), (Some(false), None));
        known.learn(&good, Lesson::SpokeModern);
        assert_eq!((known.of(&bad).modern, known.of(&good).modern), (None, Some(true)));
        known.learn(&bad, Lesson::DeniedModern(until));
        known.learn(&good, Lesson::DeniedModern(until));
        known.learn(&bad, Lesson::SpokeSession);
        assert_eq!((known.of(&bad).modern, known.of(&good).modern), (None, Some(true)));
    }

    #[test]
    fn a_declined_initialize_takes_back_what_no_session_has_borne_out() {
        let (one, until) = (env(""), Instant::default());
        let mut known = Knowledge::default();
        known.learn(&one, Lesson::DeniedModern(until));
        known.learn(&one, Lesson::Declined);
        assert_eq!(known.of(&one), Known::default());
        known.learn(&one, Lesson::Doubted(until));
        known.learn(&one, Lesson::SpokeSession);
        known.learn(&one, Lesson::Declined);
        assert_eq!((known.of(&one).modern, known.of(&one).session), (Some(false), Some(true)));
        // What it has shown to speak, and to do, stays.
        let shown = Known {
            session: Some(false),
            modern: Some(true),
            doubted: Some(until),
            asks_late: true,
            ever_modern: true,
        };
        let mut left = shown;
        left.learn(Lesson::Declined);
        assert_eq!(left, Known { session: None, doubted: None, ..shown });
    }
}
