//! The hard laws: what holds in every case, whoever asked for what. They see the wire alone, which
//! is what the engine is told and what it answers, and they predict nothing: no law here knows what
//! the engine should have said, only what it may never do. What is translated and what is shared is
//! judged by fewer of them (`translates`, `shares`); no other case excuses them.
//!
//! | file | laws |
//! |---|---|
//! | `exchanges` | each exchange ends once, and nothing comes after its end or its loss |
//! | `messages` | own session, answer to the asker, bytes unchanged, once, in order |
//! | `children` | the shutdown sequence, standard input, limits, no child without end or client |
//! | `owners` | a process and the values that identify its client |
//! | here | memory, no spinning, empty at the end, nothing secret in the log |
//!
//! Same inputs, same outputs: `run_twice` of the world.

mod children;
mod exchanges;
mod messages;
mod owners;

use core::time::Duration;

use mcp_bridge::{Config, Input, Instant, Notice, Output};

use super::law::{Broken, Judged, Law, require};
use super::subject::Subject;
use children::Children;
use exchanges::Exchanges;
use messages::Messages;
use owners::Owners;

/// All that was told and answered, as far as a hard law asks.
pub(crate) struct Hard {
    /// The driver errs: it has no claim to be told things once and in order, and the laws of
    /// memory, of spinning and of the end are left.
    pub(crate) errs: bool,
    config: Config,
    /// The latest time that the engine was told, and that when its outputs were last taken.
    now: Instant,
    before: Instant,
    ticked: bool,
    /// Something was wanted since the last input.
    stirred: bool,
    shutdowns: usize,
    /// When the program was first told to end.
    shutdown: Option<Instant>,
    exchanges: Exchanges,
    children: Children,
    messages: Messages,
    owners: Owners,
}

impl Hard {
    /// `translates` is whether sessions are served by children of the other era, whose messages are
    /// not their clients'.
    pub(crate) fn new(config: &Config, translates: bool) -> Self {
        Self {
            errs: false,
            config: config.clone(),
            now: Instant::default(),
            before: Instant::default(),
            ticked: false,
            stirred: false,
            shutdowns: 0,
            shutdown: None,
            exchanges: Exchanges::default(),
            children: Children::default(),
            messages: Messages::new(translates, config.share),
            owners: Owners::new(config),
        }
    }

    /// The engine is told this.
    pub(crate) fn input(&mut self, input: &Input<'_>, now: Instant) {
        self.now = self.now.max(now);
        // What is told after a tick may have to be done at once.
        self.ticked = matches!(input, Input::Tick);
        self.stirred = false;
        if matches!(input, Input::Shutdown) {
            self.shutdowns += 1;
            self.shutdown.get_or_insert(self.now);
        }
        if self.errs {
            return;
        }
        self.exchanges.input(input);
        self.children.input(input);
        self.messages.input(input);
        self.owners.input(input);
    }

    /// The engine wants this.
    pub(crate) fn output(&mut self, output: &Output) -> Judged {
        self.stirred = true;
        if self.errs {
            return Ok(());
        }
        if let Output::Notice(notice) = output {
            return self.notice(notice);
        }
        self.exchanges.output(output)?;
        let span = [self.before, self.now];
        self.children.output(output, &self.config, span, self.shutdowns > 1)?;
        self.owners.output(output)?;
        self.messages.output(output)
    }

    /// The operator's log has no session id and nothing of a message.
    pub(crate) fn notice(&self, notice: &Notice) -> Judged {
        let shown = notice.to_string();
        let leak = self.messages.session_ids().any(|id| shown.contains(id));
        require!(Secret, !leak, "a session id in the log: {shown}");
        let quotes = ["{\"", "\":", "@s", "@c"].iter().any(|part| shown.contains(part));
        require!(Secret, !quotes, "a message in the log: {shown}");
        Ok(())
    }

    /// Whether anything was wanted since the last input.
    pub(crate) const fn has_stirred(&self) -> bool {
        self.stirred
    }

    /// All that the engine wanted is done.
    pub(crate) fn drained(&mut self, subject: &mut Subject<'_>) -> Judged {
        let held = subject.buffered();
        let most = self.config.memory(1);
        require!(Buffered, held <= most, "it holds {held}, and promised at most {most}");
        if std::mem::take(&mut self.ticked) {
            let (due, now) = (subject.poll_timeout(), self.now);
            // Where a step of the shutdown sequence has no wait, the next is due with it.
            let graces = [self.config.term_grace, self.config.kill_grace, self.config.exit_grace];
            let chained = self.stirred && graces.contains(&Duration::ZERO);
            if !chained {
                require!(NoSpin, due.is_none_or(|due| due > now), "due at {due:?} at {now}");
                let drained = self.shutdown.is_some_and(|at| at.after(self.config.drain) <= now);
                self.children.judge_due(&self.config, now, drained)?;
            }
        }
        self.children.judge_limits(&self.config, self.shutdowns > 1)?;
        if !self.errs {
            self.children.judge_read(&self.config, held)?;
        }
        self.messages.abandoned().try_for_each(|id| self.children.judge_abandoned(id))?;
        self.before = self.now;
        self.exchanges.drained();
        self.children.drained();
        self.messages.drained();
        Ok(())
    }

    /// Everybody is gone, and all waits are over.
    pub(crate) fn end(&self, subject: &mut Subject<'_>) -> Judged {
        self.exchanges.judge_end()?;
        self.children.judge_end()?;
        let (idle, held) = (subject.is_idle(), subject.buffered());
        require!(Empty, idle, "all is gone, but it is not idle");
        require!(Empty, held == 0, "all is gone, but it holds {held} bytes");
        let due = subject.poll_timeout();
        require!(Empty, due.is_none(), "all is gone, but it waits until {due:?}");
        Ok(())
    }
}
