//! What a fault becomes on the wire: a JSON-RPC error, and an HTTP response.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Fault;
use crate::api::response::{self, Response};
use crate::api::rule::Remedies;
use crate::codec::object::quoted;
use crate::codec::rpc;

impl Fault {
    /// The JSON-RPC error response for the request of that id, as it was spelled. An error that
    /// answers no request has no `id` member (MCP 2025-11-25 "Schema Reference",
    /// `JSONRPCErrorResponse`).
    pub(crate) fn message(&self, id: Option<&[u8]>, remedies: &Remedies) -> Vec<u8> {
        let error = self.error(remedies);
        match id {
            Some(id) => rpc::response(id, "error", error),
            None => [br#"{"jsonrpc":"2.0","error":"#, &error[..], b"}"].concat(),
        }
    }

    pub(crate) fn error(&self, remedies: &Remedies) -> Vec<u8> {
        let (code, reason) = (self.spec().code, self.title(remedies));
        let mut text = Vec::with_capacity(reason.len() + 40);
        text.extend_from_slice(format!(r#"{{"code":{code},"message":"#).as_bytes());
        text.extend_from_slice(&quoted(&reason));
        if let Some(data) = self.data() {
            text.extend_from_slice(br#","data":"#);
            text.extend_from_slice(data.as_bytes());
        }
        text.push(b'}');
        text
    }

    /// The error's message. Clients wait for the exact words of a lost session, so its reason goes
    /// into `data`.
    fn title(&self, remedies: &Remedies) -> Cow<'static, str> {
        match self {
            Self::SessionUnknown | Self::Changed(_) => Cow::Borrowed("Session terminated"),
            _ => self.text(remedies),
        }
    }

    /// The error's data: what the specification defines, or the reason of an error whose message
    /// is fixed.
    fn data(&self) -> Option<String> {
        match self {
            Self::UnsupportedVersion(requested, eras) => {
                let supported = eras.supported();
                let requested = String::from_utf8(quoted(requested)).unwrap_or_default();
                Some(format!(r#"{{"supported":{supported},"requested":{requested}}}"#))
            }
            Self::SessionUnknown | Self::Changed(_) => {
                String::from_utf8(quoted(&self.to_string())).ok()
            }
            Self::Capability(name) => {
                Some(format!(r#"{{"requiredCapabilities":{{"{name}":{{}}}}}}"#))
            }
            _ => None,
        }
    }

    /// The HTTP response for the request of that id.
    pub(crate) fn response(&self, id: Option<&[u8]>, remedies: &Remedies) -> Response {
        self.response_as(self.status(), id, remedies)
    }

    /// The same, where the fault ended a start: nothing reached the server, so the client's HTTP
    /// layer is named as well.
    pub(crate) fn failed_start(&self, id: Option<&[u8]>, remedies: &Remedies) -> Response {
        let status = match self.status() {
            200 => 502,
            status => status,
        };
        self.response_as(status, id, remedies)
    }

    fn response_as(&self, status: u16, id: Option<&[u8]>, remedies: &Remedies) -> Response {
        let mut response = response::json(status, self.message(id, remedies));
        if let Self::Method(allow) = self {
            response.fields.to_mut().push(("allow", Cow::Borrowed(allow)));
        }
        if let Some(seconds) = self.spec().retry {
            response.fields.to_mut().push(("retry-after", Cow::Owned(seconds.to_string())));
        }
        response
    }
}
