//! Child processes: their start, their end, and what is left of them.

use std::rc::Rc;

use mcp_bridge::{ChildId, Exit, Input, Server};

use super::{Hub, REAPED};
use crate::process::child::{self, Child};
use crate::process::group;
use crate::process::rest;
use crate::process::spawn::Started;
use crate::process::stdin::Stdin;
use crate::process::tree::{Census, Tree};

impl Hub {
    pub(super) fn open(&self, server: Server, id: ChildId, env: Vec<(String, String)>) {
        let Some(hub) = self.me.upgrade() else { return };
        let Some(server) = self.servers.borrow().get(&server).cloned() else { return };
        if let Some(name) = &server.name {
            log::info!(target: "session", "child {id} starts: {name}");
        }
        let place = self.household.place();
        let started = server.launch.start(&self.reactor, env, &place);
        self.look_at_the_clock();
        let told = match started {
            Ok(Started { process, stdin, stdout, stderr }) => {
                let pid = process.id();
                let tree = Tree::new(pid, place, &self.household);
                let child = Child::new(id, tree, server.name.clone(), Stdin::new(stdin));
                let child = Rc::new(child);
                self.children.borrow_mut().insert(id.number(), Rc::clone(&child));
                let carried = child::run(Rc::clone(&hub), Rc::clone(&child), [stdout, stderr]);
                self.executor.spawn(carried).detach();
                group::watch(hub, child, process);
                Ok(pid)
            }
            Err(error) => Err(server.launch.explain(&error)),
        };
        self.started.borrow_mut().push_back((id, told));
    }

    /// A child is gone and reaped, and all that it wrote was told.
    pub(crate) fn forget(&self, child: &Child, exit: Exit, stderr: &[u8]) {
        self.feed(Input::Exited { child: child.id, exit, stderr });
        // The log has named it until now.
        self.children.borrow_mut().remove(&child.id.number());
    }

    /// Reaps what has ended, up to a bound: whether there may be more.
    pub(crate) fn reap(&self) -> bool {
        for _ in 0..REAPED {
            let Some((pid, exit)) = group::ended() else { return false };
            let children = self.children.borrow();
            let child = children.values().find(|child| child.pid() == pid && !child.is_gone());
            let child = child.cloned();
            drop(children);
            if let Some(child) = child {
                self.has_ended(&child, exit);
            }
        }
        true
    }

    /// A child has ended and is reaped.
    pub(crate) fn has_ended(&self, child: &Child, exit: Exit) {
        child.has_ended(exit);
        let Some(hub) = self.me.upgrade() else { return };
        let (id, tree) = (child.id, Rc::clone(&child.tree));
        self.rests.borrow_mut().push(Rc::clone(&tree));
        let end = async move {
            rest::end(&hub, id, &tree).await;
            hub.rests.borrow_mut().retain(|other| !Rc::ptr_eq(other, &tree));
            if hub.is_drained() {
                hub.drained.wake();
            }
        };
        self.executor.spawn(end).detach();
    }

    /// The processes of this program as they are now.
    pub(crate) fn census(&self) -> Census<'_> {
        let children = self.children.borrow();
        let running = children.values().filter(|child| !child.is_gone());
        Census { household: &self.household, children: running.map(|child| child.pid()).collect() }
    }

    /// Ends all children at once, and all that they have started.
    pub(crate) fn kill_all(&self) {
        let children: Vec<_> = self.children.borrow().values().cloned().collect();
        children.iter().for_each(|child| child.kill());
        let mut trees = self.rests.borrow().clone();
        trees.extend(children.iter().map(|child| Rc::clone(&child.tree)));
        rest::kill_all(self, &trees);
    }
}
