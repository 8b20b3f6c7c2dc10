//! A stdio MCP server that costs next to nothing, so that what is measured is in front of it.
//!
//! It reads the id, the method's name and a few numbers by plain search, which is enough for what
//! the load generator sends. Tools: `echo` (an answer of about 200 bytes), `progress` (`count`
//! notifications before the answer), `blob` (an answer of `size` bytes), `sink` (reads any text).

use std::io::{self, Read, Write};

use hyper_mcp_proxy_bench::bytes::{find, number_of, position, value_of};
use hyper_mcp_proxy_bench::mcp;

const READ: usize = 64 * 1024;
/// Answers are written when so many bytes wait, or when nothing is left to be read.
const WRITE: usize = 64 * 1024;
/// How much of a line's start and end is looked at.
const LOOK: usize = 1024;
/// A line buffer above this is given back after the line.
const KEEP: usize = 256 * 1024;

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut piece = vec![0; READ];
    let mut held = Vec::new();
    let mut out = Vec::new();
    loop {
        let count = input.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = &piece[..count];
        while let Some(end) = position(rest, b'\n') {
            if held.is_empty() {
                serve(&rest[..end], &mut out, &mut output)?;
            } else {
                held.extend_from_slice(&rest[..end]);
                serve(&held, &mut out, &mut output)?;
                held.clear();
                held.shrink_to(KEEP);
            }
            rest = &rest[end + 1..];
        }
        held.extend_from_slice(rest);
        flush(&mut out, &mut output)?;
    }
}

fn flush(out: &mut Vec<u8>, output: &mut impl Write) -> io::Result<()> {
    if !out.is_empty() {
        output.write_all(out)?;
        output.flush()?;
        out.clear();
    }
    Ok(())
}

fn serve(line: &[u8], out: &mut Vec<u8>, output: &mut impl Write) -> io::Result<()> {
    let Some(id) = value_of(line, br#""id":"#) else { return Ok(()) };
    // A large argument is not looked through; some proxies sort the members, so it can come first.
    let (head, tail) = (&line[..line.len().min(LOOK)], &line[line.len().saturating_sub(LOOK)..]);
    let has = |what: &str| [head, tail].iter().any(|part| find(part, what.as_bytes()).is_some());
    if has(r#""initialize""#) {
        mcp::answer(id, mcp::INITIALIZED.as_bytes(), out);
    } else if has(r#""progress""#) {
        let count = number_of(head, br#""count":"#).unwrap_or(0);
        let token = value_of(head, br#""progressToken":"#).unwrap_or(b"0");
        for number in 1..=count {
            mcp::progress(token, number, out);
            if out.len() >= WRITE {
                flush(out, output)?;
            }
        }
        mcp::answer(id, mcp::text("done").as_bytes(), out);
    } else if has(r#""blob""#) {
        let size = number_of(head, br#""size":"#).unwrap_or(0);
        mcp::blob(id, size, |piece| output.write_all(piece))?;
        output.flush()?;
    } else if has(r#""sink""#) {
        mcp::answer(id, mcp::text("taken").as_bytes(), out);
    } else if has(r#""tools/call""#) {
        mcp::answer(id, mcp::echo().as_bytes(), out);
    } else if has(r#""method""#) {
        mcp::answer(id, b"{}", out);
    }
    if out.len() >= WRITE {
        flush(out, output)?;
    }
    Ok(())
}
