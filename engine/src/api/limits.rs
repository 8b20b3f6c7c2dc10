//! Limits that more than one room holds to, and that are no choice of the operator's.

/// The most bytes of what a peer says about itself once, and is remembered for long: capabilities
/// and names. Far above what the SDKs send.
pub(crate) const REMEMBERED: usize = 64 * 1024;
/// The most bytes of the record of a session: a client describes itself in a few hundred.
pub(crate) const RECORD: usize = 64 * 1024;
/// The longest URI that can be subscribed to: as long as a request's target may be.
pub(crate) const URI: usize = 2048;
/// The most questions of one call to its client at once. People get one at a time, programs a
/// few.
pub(crate) const QUESTIONS: usize = 64;
/// Bytes of annotations that are kept, with the names of their tools: hundreds of tools. What a
/// server says beyond that is as if it had not annotated it.
pub(crate) const ANNOTATIONS: usize = 256 * 1024;
/// Bytes of variables, with `OVERHEAD` for each set, of which it is known which eras their
/// processes speak: 256 sets of 128 bytes. Of more, the oldest are asked again.
pub(crate) const KNOWN_ERAS: usize = 64 * 1024;
