//! The least that an extender can do: it gives every node back, by the bytes in which it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use anyhow::Context as _;

use crate::{Process, Program};

use super::arena::START;

/// With which kube-scheduler's names begin. Nothing follows them but the end of the request.
const NAMES: &[u8] = br#""NodeNames":["#;

/// The most bytes of a head and body that come in one piece.
const BUFFER: usize = 1 << 20;

/// Starts one as a process of its own, and returns its URL too.
///
/// # Errors
///
/// If it does not start.
pub async fn start(directory: &Path) -> anyhow::Result<(Process, String)> {
    let ourselves = std::env::current_exe().context("failed to find this program")?;
    let program = Program::new("prepared", &ourselves).arg("prepared");
    let mut process = program.start(directory)?;
    let line = process.prints("listening on ", START).await?;
    let address = line.trim_start_matches("listening on ").trim();
    let url = format!("http://{address}");
    Ok((process, url))
}

/// Answers until killed. Prints where.
///
/// # Errors
///
/// If there is no free port.
#[expect(
    clippy::print_stdout,
    reason = "this is how the parent learns the port"
)]
pub fn answer_forever() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        // A connection that breaks ends its thread, and kube-scheduler opens another one.
        thread::spawn(move || serve(&stream).map_err(drop));
    }
    Ok(())
}

/// Answers on one connection until it ends.
fn serve(stream: &TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::with_capacity(BUFFER, stream), stream);
    let (mut body, mut answer) = (Vec::new(), Vec::new());
    loop {
        body.resize(length(&mut reader)?, 0);
        reader.read_exact(&mut body)?;
        let names = names(&body).context("a request without names")?;
        answer.clear();
        write!(
            answer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{{",
            names.len() + 1
        )?;
        answer.extend_from_slice(names);
        writer.write_all(&answer)?;
    }
}

/// Reads a head: how long the body is.
fn length(reader: &mut BufReader<&TcpStream>) -> anyhow::Result<usize> {
    let (mut line, mut length) = (String::new(), None);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                return length.context("a request without Content-Length");
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse()?);
        }
    }
}

/// From the names to the end of the request: with a brace before, an answer.
fn names(body: &[u8]) -> Option<&[u8]> {
    let start = body.windows(NAMES.len()).position(|it| it == NAMES)?;
    body.get(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_made_of_the_bytes_of_the_request() {
        let request = br#"{"Pod":{"metadata":{}},"Nodes":null,"NodeNames":["a","b"]}"#;

        assert_eq!(names(request), Some(&br#""NodeNames":["a","b"]}"#[..]));
        assert_eq!(names(br#"{"Pod":{},"Nodes":null,"NodeNames":null}"#), None);
    }
}
