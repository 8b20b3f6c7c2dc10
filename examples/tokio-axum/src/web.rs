//! The axum service. A peer that leaves is noticed by what it leaves behind: hyper drops the
//! answer, and that tells the engine.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HeaderValue};
use axum::http::{StatusCode, response};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use mcp_bridge as engine;
use mcp_bridge::{Exchange, Head, Input};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::Hub;

/// For a request's content to arrive.
const CONTENT: Duration = Duration::from_secs(30);
const PIECE: usize = 16 * 1024;

/// What an exchange's peer is to be sent.
pub enum Order {
    Head(engine::Response),
    Piece(Vec<u8>),
    Finish,
}

/// All paths are the engine's, which knows its endpoint and its health check.
pub fn service(hub: Arc<Hub>) -> Router {
    Router::new().fallback(handle).with_state(hub)
}

async fn handle(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let fields = parts.headers.iter();
    let fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let head = Head { method, path, authority, fields: &fields };
    let admitted = match hub.lock().bridge.admit(&head) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            eprintln!("{}", refusal.event);
            return refused(refusal.response);
        }
    };
    let body = match timeout(CONTENT, to_bytes(body, admitted.limit())).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    match hub.ask(admitted, &head, &body) {
        Ok(answer) => respond(answer).await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refused(response: engine::Response) -> Response {
    let engine::Response { status, fields, body } = response;
    let body = match body {
        engine::Body::Whole(bytes) => Body::from(bytes),
        engine::Body::Stream => Body::empty(), // A refusal is whole.
    };
    with_head(status, fields, body)
}

async fn respond(mut answer: Answer) -> Response {
    let Some(Order::Head(response)) = answer.orders.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let engine::Response { status, fields, body } = response;
    match body {
        engine::Body::Stream => with_head(status, fields, Body::from_stream(pieces(answer))),
        engine::Body::Whole(bytes) => {
            let length = bytes.len();
            answer.rest = Bytes::from(bytes);
            answer.is_whole = true;
            let mut response = with_head(status, fields, Body::from_stream(pieces(answer)));
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            response
        }
    }
}

type Fields = Cow<'static, [(&'static str, Cow<'static, str>)]>;

fn with_head(status: u16, fields: Fields, body: Body) -> Response {
    let start = response::Builder::new().status(status);
    let add =
        |head: response::Builder, (name, value): &(_, Cow<'_, str>)| head.header(*name, &**value);
    let response = fields.iter().fold(start, add).body(body);
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// An exchange whose answer is on its way. Dropped before its end, its peer is gone.
struct Answer {
    hub: Arc<Hub>,
    exchange: Exchange,
    orders: UnboundedReceiver<Order>,
    rest: Bytes,
    is_whole: bool,
    is_delivered: bool,
}

impl Hub {
    fn ask(
        self: &Arc<Self>,
        admitted: engine::Admitted,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Answer, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let (sender, orders) = unbounded_channel();
        let mut state = self.lock();
        let exchange = admitted.exchange();
        state.exchanges.insert(exchange, sender);
        self.feed(&mut state, Input::Request { admitted, head, body, random });
        drop(state);
        Ok(Answer {
            hub: Arc::clone(self),
            exchange,
            orders,
            rest: Bytes::new(),
            is_whole: false,
            is_delivered: false,
        })
    }
}

impl Answer {
    /// hyper has taken all of it.
    fn delivered(mut self) {
        self.is_delivered = true;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.exchanges.remove(&self.exchange);
        let exchange = self.exchange;
        let end = match self.is_delivered {
            true => Input::Delivered { exchange },
            false => Input::Lost { exchange },
        };
        self.hub.feed(&mut state, end);
    }
}

/// The content, piece by piece. hyper asks for a piece when it has room, which makes it taken.
fn pieces(answer: Answer) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(answer, |mut answer| async move {
        loop {
            if !answer.rest.is_empty() {
                let piece = answer.rest.split_to(answer.rest.len().min(PIECE));
                let (exchange, bytes) = (answer.exchange, piece.len());
                answer.hub.tell(Input::Taken { exchange, bytes });
                return Some((Ok(piece), answer));
            }
            if answer.is_whole {
                answer.delivered();
                return None;
            }
            match answer.orders.recv().await {
                Some(Order::Piece(bytes)) => answer.rest = Bytes::from(bytes),
                Some(Order::Finish) => {
                    answer.delivered();
                    return None;
                }
                // hyper breaks the response off.
                _ => return Some((Err(io::ErrorKind::ConnectionAborted.into()), answer)),
            }
        }
    })
}
