//! hyper as the HTTP side. A peer that leaves is noticed by what it leaves behind: hyper drops the
//! answer, and that tells the engine.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use mcp_bridge as engine;
use mcp_bridge::{Exchange, Head, Input, Refusal};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::Hub;

const PIECE: usize = 16 * 1024;

/// What an exchange's peer is to be sent.
pub enum Order {
    Head(engine::Response),
    Piece(Vec<u8>),
    Finish,
}

/// Tasks of HTTP/2 run on this thread as well.
#[derive(Clone)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

pub async fn serve(hub: Rc<Hub>, socket: TcpStream) {
    let service = service_fn(move |request| handle(Rc::clone(&hub), request));
    let _ = Builder::new(Local).serve_connection(TokioIo::new(socket), service).await;
}

async fn handle(hub: Rc<Hub>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let (parts, body) = request.into_parts();
    let fields = parts.headers.iter();
    let fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let head = Head { method, path, authority, fields: &fields };
    let admitted = hub.bridge.borrow_mut().admit(&head);
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let Refusal { response, event } = *refusal;
            eprintln!("{event}");
            return Ok(with_head(response, Answer::default()));
        }
    };
    let (exchange, limit) = (admitted.exchange(), admitted.limit());
    // To drop what was admitted is to give the request up.
    let Ok(body) = Limited::new(body, limit).collect().await else { return Ok(plain(413)) };
    let mut random = [0; 16];
    let Ok(()) = getrandom::fill(&mut random) else { return Ok(plain(500)) };
    let body = body.to_bytes();
    let (sender, mut orders) = unbounded_channel();
    hub.exchanges.borrow_mut().insert(exchange, sender);
    hub.tell(Input::Request { admitted, head: &head, body: &body, random });
    let mut answer = Answer::default();
    answer.peer = Some((hub, exchange));
    match orders.recv().await {
        Some(Order::Head(response)) => {
            answer.orders = Some(orders);
            Ok(with_head(response, answer))
        }
        _ => Ok(plain(500)),
    }
}

fn plain(status: u16) -> Response<Answer> {
    let mut answer = Answer::default();
    answer.is_last = true;
    Response::builder().status(status).body(answer).expect("a good head")
}

fn with_head(response: engine::Response, mut answer: Answer) -> Response<Answer> {
    let mut head = Response::builder().status(response.status);
    for (name, value) in response.fields.iter() {
        head = head.header(*name, &**value);
    }
    if let engine::Body::Whole(bytes) = response.body {
        (answer.rest, answer.is_last) = (bytes.into(), true);
    }
    head.body(answer).expect("the engine's fields are good")
}

/// A content on its way. Dropped before its end, its peer is gone.
#[derive(Default)]
struct Answer {
    /// None for a refusal, which is no exchange.
    peer: Option<(Rc<Hub>, Exchange)>,
    orders: Option<UnboundedReceiver<Order>>,
    rest: Bytes,
    is_last: bool,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = &'static str;

    /// hyper asks for a piece when it has room, which makes it taken.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let size = self.rest.len().min(PIECE);
            if size > 0 {
                let piece = self.rest.split_to(size);
                if let Some((hub, exchange)) = &self.peer {
                    hub.tell(Input::Taken { exchange: *exchange, bytes: size });
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.is_last {
                return Poll::Ready(None);
            }
            let Some(orders) = &mut self.orders else { return Poll::Ready(None) };
            match ready!(orders.poll_recv(cx)) {
                Some(Order::Piece(bytes)) => self.rest = bytes.into(),
                Some(Order::Finish) => self.is_last = true,
                _ => return Poll::Ready(Some(Err("broken off"))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_last && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_last {
            SizeHint::with_exact(self.rest.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let is_delivered = self.is_end_stream();
        let Some((hub, exchange)) = self.peer.take() else { return };
        hub.exchanges.borrow_mut().remove(&exchange);
        hub.tell(match is_delivered {
            true => Input::Delivered { exchange },
            false => Input::Lost { exchange },
        });
    }
}
