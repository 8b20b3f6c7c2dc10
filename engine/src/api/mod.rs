//! What a driver sees beside [`Bridge`](crate::Bridge): plain data that goes in and comes out, with
//! its documentation. Nothing here decides anything. A public type that is no codec belongs here.

pub(crate) mod admit;
pub(crate) mod cause;
pub(crate) mod config;
pub(crate) mod eras;
pub(crate) mod event;
pub(crate) mod handles;
pub(crate) mod head;
pub(crate) mod instant;
pub(crate) mod io;
pub(crate) mod limits;
pub(crate) mod response;
pub(crate) mod restore;
pub(crate) mod rule;
pub(crate) mod session;
pub(crate) mod stats;
pub(crate) mod terms;
