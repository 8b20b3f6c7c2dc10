//! What a page in a browser may send and read (WHATWG Fetch, "CORS protocol").

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec;

use crate::api::response::{self, Response};
use crate::http::accept;
use crate::http::admission::Admitted;
use crate::http::field::{self, Fields, is};

/// The most field names in the answer to a preflight: no request has more fields.
const ASKED: usize = 64;

/// Lets a page of an allowed origin read a response (WHATWG Fetch, "CORS protocol").
pub(crate) fn expose(origin: Option<&str>, response: &mut Response) {
    // A value from the network goes into a head only if it can't end the line.
    let Some(origin) = origin.filter(|o| o.bytes().all(|b| b.is_ascii_graphic())) else {
        return;
    };
    response.fields.to_mut().extend([
        ("access-control-allow-origin", Cow::Owned(origin.to_string())),
        ("access-control-expose-headers", Cow::Borrowed("mcp-session-id")),
        ("vary", Cow::Borrowed("origin")),
    ]);
}

/// The answer to OPTIONS: what is allowed, and to a preflight what a page may send.
pub(crate) fn options(head: &Admitted<'_>) -> Response {
    let methods = Cow::Borrowed(head.transport.methods());
    let fields = Cow::Owned(vec![("allow", methods.clone())]);
    let mut response = Response { fields, ..response::empty(204) };
    expose(head.origin, &mut response);
    if head.origin.is_some() {
        response.fields.to_mut().extend([
            ("access-control-allow-methods", methods),
            ("access-control-allow-headers", allowed_headers(head.fields)),
            ("access-control-max-age", Cow::Borrowed("7200")),
        ]);
    }
    response
}

/// What a page may send: the fields that are known, and those that it names.
fn allowed_headers(fields: &Fields<'_>) -> Cow<'static, str> {
    const KNOWN: &str = "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, \
                         mcp-protocol-version, mcp-session-id";
    let asked = field::values(fields, "access-control-request-headers");
    let asked = asked.flat_map(|value| value.split(',')).take(accept::ELEMENTS).map(str::trim);
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let plain = |name: &&str| !name.is_empty() && name.bytes().all(good);
    let known = |name: &str| KNOWN.split(", ").any(|known| is(name, known));
    let asked = asked.filter(plain).filter(|name| !known(name)).take(ASKED);
    asked.fold(Cow::Borrowed(KNOWN), |mut all, name| {
        all.to_mut().extend([", ", name]);
        all
    })
}
