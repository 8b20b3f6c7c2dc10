//! `--probe URL`: asks a page of a running proxy, for images that have no curl.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::cli::exit::Exit;

/// How long all of it may take: below the patience of container runtimes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the answer that are read: its first line.
const LINE: usize = 256;

/// Success is an answer with a status from 200 to 299.
pub(crate) fn run(url: &str) -> Exit {
    match status_of(url) {
        Ok(status @ 200..300) => Exit::Print(format!("{status}\n")),
        Ok(status) => fail(format!("{url} answered {status}")),
        Err(error) => fail(format!("{url}: {error}")),
    }
}

fn fail(reason: String) -> Exit {
    Exit::Fail { code: 1, reason }
}

fn status_of(url: &str) -> io::Result<u16> {
    let end = Instant::now() + PATIENCE;
    let form = || io::Error::other("--probe takes a URL such as http://127.0.0.1:8080/healthz");
    let rest = url.strip_prefix("http://").ok_or_else(form)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.is_empty() || !is_plain(rest) {
        return Err(form());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| form())?),
        _ => (authority, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut failed = form();
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(end)?) {
            Ok(stream) => return status(stream, authority, path, end),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn status(mut stream: TcpStream, host: &str, path: &str, end: Instant) -> io::Result<u16> {
    stream.set_write_timeout(Some(left(end)?))?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < LINE {
        stream.set_read_timeout(Some(left(end)?))?;
        let mut piece = [0; LINE];
        match stream.read(&mut piece)? {
            0 => break,
            count => line.extend_from_slice(&piece[..count]),
        }
    }
    let text = String::from_utf8_lossy(&line);
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status = status.and_then(|status| status.get(..3)?.parse().ok());
    status.ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

/// The time that is left; it is an error if there is none.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
