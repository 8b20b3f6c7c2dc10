//! Knowledge of the eras that a command speaks.
//!
//! It is learned from the answers of processes, separately for each set of values that
//! `Config::header_env` gave them: the answer of one client's process proves nothing about another
//! client's, except that a command which has spoken 2026-07-28 once knows it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::api::instant::Instant;
use crate::api::io::env_size;
use crate::api::limits::KNOWN_ERAS;

/// Overhead of a set of variables beside its text.
const OVERHEAD: usize = 128;

/// The environment variables of a process that hold its clients' header fields.
type Env = [(String, String)];

/// What is known of the processes with the same variables. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) session: Option<bool>,
    pub(crate) modern: Option<bool>,
    /// After a probe without a conclusion: no process is started for another probe before this
    /// time.
    pub(crate) doubted: Option<Instant>,
    /// A session-era process sent a request after its call was answered.
    pub(crate) asks_late: bool,
}

/// What is known of a command.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// Whether a process of it has spoken 2026-07-28.
    modern: bool,
    /// Knowledge by variables, the oldest first.
    spoken: Vec<(Vec<(String, String)>, Spoken)>,
}

impl Knowledge {
    pub(crate) fn of(&self, env: &Env) -> Spoken {
        let known = self.spoken.iter().find(|(known, _)| known == env);
        known.map(|(_, spoken)| *spoken).unwrap_or_default()
    }

    /// Whether a process of the command has spoken 2026-07-28.
    pub(crate) const fn is_modern(&self) -> bool {
        self.modern
    }

    /// A process has spoken 2026-07-28. Earlier evidence against it was wrong and is discarded.
    pub(crate) fn spoke_modern(&mut self, env: &Env) {
        if !self.modern {
            self.modern = true;
            for (_, spoken) in &mut self.spoken {
                spoken.modern = None;
            }
        }
        self.change(env, |spoken| (spoken.modern, spoken.doubted) = (Some(true), None));
    }

    /// A process answered that it does not know 2026-07-28. For a command that has spoken it, this
    /// proves nothing.
    pub(crate) fn denied_modern(&mut self, env: &Env, until: Instant) {
        if self.modern {
            return self.doubted(env, until);
        }
        self.change(env, |spoken| spoken.modern = Some(false));
    }

    /// A probe ended without a conclusion.
    pub(crate) fn doubted(&mut self, env: &Env, until: Instant) {
        self.change(env, |spoken| spoken.doubted = Some(until));
    }

    /// A process answered `initialize` with a result. After a probe without a conclusion, this
    /// proves that it speaks the session era only.
    pub(crate) fn spoke_session(&mut self, env: &Env) {
        let modern = self.modern;
        self.change(env, |spoken| {
            spoken.session = Some(true);
            if spoken.doubted.take().is_some() && !modern {
                spoken.modern.get_or_insert(false);
            }
        });
    }

    /// A process answered that it does not know `initialize`, and has spoken 2026-07-28.
    pub(crate) fn denied_session(&mut self, env: &Env) {
        self.change(env, |spoken| spoken.session = Some(false));
    }

    /// A process declined `initialize`. Unless others have accepted it, the knowledge for these
    /// variables may be wrong, and the next process is probed again.
    pub(crate) fn declined(&mut self, env: &Env) {
        self.change(env, |spoken| {
            if spoken.session != Some(true) {
                let modern = spoken.modern.filter(|modern| *modern);
                *spoken = Spoken { modern, asks_late: spoken.asks_late, ..Spoken::default() };
            }
        });
    }

    /// A process sent a request after its call was answered.
    pub(crate) fn asked_late(&mut self, env: &Env) {
        self.change(env, |spoken| spoken.asks_late = true);
    }

    fn change(&mut self, env: &Env, change: impl FnOnce(&mut Spoken)) {
        if let Some((_, spoken)) = self.spoken.iter_mut().find(|(known, _)| known == env) {
            return change(spoken);
        }
        if size(env) > KNOWN_ERAS {
            return;
        }
        let mut spoken = Spoken::default();
        change(&mut spoken);
        if spoken == Spoken::default() {
            return;
        }
        let mut held: usize = self.spoken.iter().map(|(env, _)| size(env)).sum();
        while held + size(env) > KNOWN_ERAS {
            held -= size(&self.spoken.remove(0).0);
        }
        self.spoken.push((env.to_vec(), spoken));
    }
}

fn size(env: &Env) -> usize {
    OVERHEAD + env_size(env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn env(value: &str) -> Vec<(String, String)> {
        vec![(String::from("T"), String::from(value))]
    }

    #[test]
    fn of_too_many_sets_of_variables_the_oldest_are_forgotten() {
        let mut known = Knowledge::default();
        let (long, longer) = ("x".repeat(1000), "x".repeat(KNOWN_ERAS));
        for number in 0..1000 {
            known.spoke_session(&env(&alloc::format!("{number}{long}")));
            let held: usize = known.spoken.iter().map(|(env, _)| size(env)).sum();
            assert!(held <= KNOWN_ERAS && held + 2000 > KNOWN_ERAS.min(1000 * number));
        }
        assert_eq!(known.of(&env(&alloc::format!("0{long}"))), Spoken::default());
        assert_eq!(known.of(&env(&alloc::format!("999{long}"))).session, Some(true));
        known.spoke_session(&env(&longer));
        assert_eq!(known.of(&env(&longer)), Spoken::default());
        assert_eq!(known.of(&env(&alloc::format!("999{long}"))).session, Some(true));
    }

    #[test]
    fn what_one_set_of_variables_denies_another_may_prove() {
        let (good, bad, until) = (env("good"), env("bad"), Instant::default());
        let mut known = Knowledge::default();
        known.denied_modern(&bad, until);
        assert_eq!((known.of(&bad).modern, known.of(&good).modern), (Some(false), None));
        known.spoke_modern(&good);
        assert_eq!((known.of(&bad).modern, known.of(&good).modern), (None, Some(true)));
        known.denied_modern(&bad, until);
        known.denied_modern(&good, until);
        known.spoke_session(&bad);
        assert_eq!((known.of(&bad).modern, known.of(&good).modern), (None, Some(true)));
    }

    #[test]
    fn a_declined_initialize_takes_back_what_no_session_has_borne_out() {
        let (one, until) = (env(""), Instant::default());
        let mut known = Knowledge::default();
        known.denied_modern(&one, until);
        known.declined(&one);
        assert_eq!(known.of(&one), Spoken::default());
        known.doubted(&one, until);
        known.spoke_session(&one);
        known.declined(&one);
        assert_eq!((known.of(&one).modern, known.of(&one).session), (Some(false), Some(true)));
    }
}
