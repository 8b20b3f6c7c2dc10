//! The program itself: its processes, its sockets, its log. What the engine decides is shown by
//! the simulated world; here it is shown that the program does it.
#![allow(clippy::unwrap_used, reason = "what a test can't do fails it")]

mod breaker;
mod budget;
mod calls;
mod cgroups;
mod children;
mod connections;
mod cycles;
mod demo;
mod endings;
mod eras;
mod fairness;
mod kept;
mod logs;
mod misdeeds;
mod neighbours;
mod nodes;
mod oldest;
mod pages;
mod recordings;
mod restarts;
mod secrets;
mod several;
mod share;
mod shutdown;
mod sleep;
mod soak;
mod sockets;
mod start;
mod statuses;
mod strangers;
mod streams;
mod supervision;
mod trees;
mod unread;
mod vectors;
