//! What is known of a process before it says anything itself: from the answers of processes of the
//! same command, with the same variables of its clients' header fields. The bridge has that of all
//! processes (`bridge/knowledge.rs`) and keeps each child's copy the same.

use super::Child;
use crate::api::instant::Instant;
use crate::context::Context;
use crate::context::report::{Lesson, Report};

/// What is known of the processes with the same variables. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) session: Option<bool>,
    pub(crate) modern: Option<bool>,
    /// After a probe without a conclusion: no process is started for another probe before this
    /// time.
    pub(crate) doubted: Option<Instant>,
    /// A session-era process sent a request after its call was answered.
    pub(crate) asks_late: bool,
    /// Whether a process of the command has spoken 2026-07-28, whatever its variables.
    pub(crate) ever_modern: bool,
}

impl Known {
    /// What is known after this.
    pub(crate) fn learn(&mut self, lesson: Lesson) {
        match lesson {
            Lesson::SpokeModern => {
                self.ever_modern = true;
                (self.modern, self.doubted) = (Some(true), None);
            }
            // For a command that has spoken it, this proves nothing.
            Lesson::DeniedModern(until) if self.ever_modern => self.doubted = Some(until),
            Lesson::DeniedModern(_) => self.modern = Some(false),
            Lesson::Doubted(until) => self.doubted = Some(until),
            // After a probe without a conclusion, this proves that it speaks the session era only.
            Lesson::SpokeSession => {
                self.session = Some(true);
                if self.doubted.take().is_some() && !self.ever_modern {
                    self.modern.get_or_insert(false);
                }
            }
            Lesson::DeniedSession => self.session = Some(false),
            // Unless others have accepted it, what is known of these variables may be wrong, and
            // the next process is probed again.
            Lesson::Declined if self.session != Some(true) => {
                let modern = self.modern.filter(|modern| *modern);
                let Self { asks_late, ever_modern, .. } = *self;
                *self = Self { modern, asks_late, ever_modern, ..Self::default() };
            }
            Lesson::Declined => {}
            Lesson::AskedLate => self.asks_late = true,
        }
    }
}

impl Child {
    /// Something was learned from it. It is reported unless it was known.
    pub(crate) fn learn(&mut self, lesson: Lesson, cx: &mut Context) {
        let before = self.known;
        self.known.learn(lesson);
        if self.known != before {
            let (server, env) = (self.server, self.env.clone());
            cx.report(Report::Learned { server, env, lesson });
        }
    }
}
