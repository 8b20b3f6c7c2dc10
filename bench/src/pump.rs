//! Many calls at once: one thread, one epoll, each connection with one call in flight.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::sockopt::set_tcp_quickack;

use crate::bytes::find;
use crate::http::{Acks, Connection, broken};

/// Without any answer for so long the run has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Digits of a call's id.
const DIGITS: usize = 9;
/// The id in a request before it has one.
pub const ID: &str = "100000000";

/// A request whose id is written anew for each call.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    at: usize,
}

impl Request {
    /// A request with [`ID`] in it.
    pub fn new(bytes: Vec<u8>) -> io::Result<Self> {
        let at = find(&bytes, ID.as_bytes()).ok_or_else(|| broken("a request without an id"))?;
        Ok(Self { bytes, at })
    }

    fn number(&mut self, mut number: usize) -> &[u8] {
        for digit in self.bytes[self.at + 1..self.at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        &self.bytes
    }

    fn id(&self) -> &[u8] {
        &self.bytes[self.at..self.at + DIGITS]
    }
}

/// A connection, and what it asks again and again.
pub struct Lane {
    pub connection: Connection,
    request: Request,
    began: Instant,
}

impl Lane {
    pub fn new(connection: Connection, request: Request) -> Self {
        Self { connection, request, began: Instant::now() }
    }

    fn ask(&mut self, number: usize) -> io::Result<()> {
        self.connection.reader.next();
        self.began = Instant::now();
        // A call is small, and all before it was answered: there is room for it.
        self.connection.socket.write_all(self.request.number(number))
    }

    /// The latency of a call whose response is whole.
    fn check(&self) -> io::Result<Duration> {
        let latency = self.began.elapsed();
        let reader = &self.connection.reader;
        let mine = find(&reader.body, self.request.id()).is_some();
        if reader.status == 200 && mine && find(&reader.body, br#""result""#).is_some() {
            return Ok(latency);
        }
        let text = String::from_utf8_lossy(&reader.body[..reader.body.len().min(200)]);
        Err(broken(&format!("a bad answer: {} {text}", reader.status)))
    }
}

/// Makes `count` calls, at most `flying` at a time, the lanes taking turns; their latencies.
pub fn run(lanes: &mut [Lane], flying: usize, count: usize) -> io::Result<Vec<Duration>> {
    if flying > 1 { run_many(lanes, flying, count) } else { run_one(lanes, count) }
}

/// Without epoll, which would only add to the latency.
fn run_one(lanes: &mut [Lane], count: usize) -> io::Result<Vec<Duration>> {
    let many = lanes.len();
    let mut latencies = Vec::with_capacity(count);
    for number in 0..count {
        let lane = &mut lanes[number % many];
        lane.ask(number)?;
        while !lane.connection.read()? {}
        latencies.push(lane.check()?);
    }
    Ok(latencies)
}

fn run_many(lanes: &mut [Lane], flying: usize, count: usize) -> io::Result<Vec<Duration>> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, lane) in lanes.iter().enumerate() {
        let socket = &lane.connection.socket;
        socket.set_nonblocking(true)?;
        epoll::add(&poll, socket, EventData::new_u64(index as u64), EventFlags::IN)?;
    }
    let mut latencies = Vec::with_capacity(count);
    let mut idle: VecDeque<usize> = (0..lanes.len()).collect();
    let mut asked = 0;
    let mut piece = vec![0; 64 * 1024];
    let mut events = Vec::with_capacity(lanes.len());
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    while latencies.len() < count {
        while asked < count && asked - latencies.len() < flying {
            let Some(lane) = idle.pop_front() else { break };
            lanes[lane].ask(asked)?;
            asked += 1;
        }
        events.clear();
        if epoll::wait(&poll, spare_capacity(&mut events), Some(&patience))? == 0 {
            return Err(broken("the peer does not answer"));
        }
        for event in &events {
            let index = event.data.u64() as usize;
            if read(&mut lanes[index], &mut piece)? {
                latencies.push(lanes[index].check()?);
                idle.push_back(index);
            }
        }
    }
    for lane in lanes.iter() {
        epoll::delete(&poll, &lane.connection.socket)?;
        lane.connection.socket.set_nonblocking(false)?;
    }
    Ok(latencies)
}

fn read(lane: &mut Lane, piece: &mut [u8]) -> io::Result<bool> {
    let connection = &mut lane.connection;
    let count = match connection.socket.read(piece) {
        Ok(0) => return Err(broken("the peer closed a connection")),
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error),
    };
    set_tcp_quickack(&connection.socket, connection.acks == Acks::Quick)?;
    connection.reader.feed(&piece[..count])
}
