//! A kept-alive connection that does as little as can be, so that what is measured is the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::Instant;

/// The longest that an answer may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A connection, of one thread that waits for each answer.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    filled: usize,
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub struct Request(Vec<u8>);

impl Request {
    /// A POST of `body` to `path`.
    #[must_use]
    pub fn post(path: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        Self([head.as_bytes(), body].concat())
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("failed to connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LONGEST))?;
        stream.set_write_timeout(Some(LONGEST))?;
        Ok(Self {
            stream,
            buffer: vec![0; 1 << 16],
            filled: 0,
        })
    }

    /// Sends a request, reads the answer to its last byte, and says how long that took.
    ///
    /// # Errors
    ///
    /// If the answer breaks off, or has another status than 200.
    pub fn exchange(&mut self, request: &Request) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.stream.write_all(&request.0)?;
        self.filled = 0;
        let (body, length) = self.head()?;
        let end = body + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while self.filled < end {
            self.fill()?;
        }
        let took = started.elapsed();
        self.buffer.copy_within(body..end, 0);
        self.filled = length;
        Ok(took)
    }

    /// The body of the last answer.
    #[must_use]
    pub fn answer(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Reads the head: where the body begins, and its length.
    fn head(&mut self) -> anyhow::Result<(usize, usize)> {
        loop {
            self.fill()?;
            let seen = self.buffer.get(..self.filled).unwrap_or_default();
            let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(seen.get(..end).unwrap_or_default()).into_owned();
            ensure!(head.starts_with("HTTP/1.1 200 "), "the answer is `{head}`");
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse())?.ok()
            });
            return Ok((end + 4, length.context("the answer has no Content-Length")?));
        }
    }

    /// Reads whatever there is.
    fn fill(&mut self) -> anyhow::Result<()> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free)? {
            0 => bail!("the answer broke off after {} bytes", self.filled),
            read => self.filled += read,
        }
        Ok(())
    }
}
