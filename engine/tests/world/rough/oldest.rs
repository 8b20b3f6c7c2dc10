//! What clients of HTTP+SSE do in the rough world.

use super::{HELLO, Rough};

impl Rough<'_> {
    /// A client of HTTP+SSE opens its stream.
    pub(super) fn oldest(&mut self) {
        let fields: [(&str, &[u8]); 2] = [("host", b"localhost"), ("accept", b"text/event-stream")];
        self.request_at("/sse", "GET", &fields, b"");
    }

    /// A client of HTTP+SSE posts, `initialize` first.
    pub(super) fn post_oldest(&mut self) {
        let count = self.addresses.len();
        if count == 0 {
            return self.oldest();
        }
        let place = self.dice.below(count);
        let greeted = core::mem::replace(&mut self.addresses[place].1, true);
        let body = match greeted {
            false => self.message("initialize", HELLO.0, HELLO.1),
            true => self.message(
                "tools/call",
                "\"params\":{\"name\":\"@c",
                "@\",\"_meta\":{\"progressToken\":1}}",
            ),
        };
        let fields: [(&str, &[u8]); 2] =
            [("host", b"localhost"), ("content-type", b"application/json")];
        let address = self.addresses[place].0.clone();
        self.request_at(&address, "POST", &fields, body.as_bytes());
    }
}
