//! Free TCP ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;

/// Where the ports begin: above what services use, and `FIRST + COUNT` is below Linux's ephemeral
/// range (32768), so that the kernel never gives one of them to an outgoing connection meanwhile.
const FIRST: u32 = 16_384;

/// How many ports there are.
const COUNT: u32 = 16_000;

/// How far apart two processes with neighbouring ids start to look: more than one test asks for.
const STRIDE: u32 = 64;

/// How many ports this process has looked at.
static LOOKED_AT: AtomicU32 = AtomicU32::new(0);

/// Finds a TCP port on 127.0.0.1 that nothing listens on and that was not handed out before.
///
/// # Errors
///
/// If every port of the range is taken.
pub fn free_port() -> anyhow::Result<u16> {
    let start = std::process::id().wrapping_mul(STRIDE);
    for _ in 0..COUNT {
        let next = start.wrapping_add(LOOKED_AT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + next)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("found no free port between {FIRST} and {}", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_handed_out_twice() {
        let mut ports: Vec<u16> = (0..100).map(|_| free_port().unwrap()).collect();

        ports.sort_unstable();
        ports.dedup();

        assert_eq!(ports.len(), 100);
    }
}
