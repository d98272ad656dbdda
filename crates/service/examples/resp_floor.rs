//! What the system itself takes for an answer: a server that reads what has come, counts the
//! commands, and writes as many answers of 64 bytes, on the same runtime as the Redis port. It
//! looks nothing up. `cargo xtask bench resp` measures it beside Redis and Forewarm: below this line no
//! server of one read and one write per batch can come.
//!
//! `cargo run --profile dist --example resp_floor -- PORT`

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const VALUE_BYTES: usize = 64;
const READ_BYTES: usize = 16 << 10;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let Some(port) = port else {
        return Err(io::Error::other("expected a port as the only argument"));
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(serve(port))
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(client(socket));
    }
}

/// Takes every `*` for the beginning of a command: redis-benchmark's keys have none.
async fn client(mut socket: TcpStream) -> io::Result<()> {
    let answer = format!("${VALUE_BYTES}\r\n{}\r\n", "x".repeat(VALUE_BYTES)).into_bytes();
    let mut input = vec![0; READ_BYTES];
    let mut out = Vec::with_capacity(READ_BYTES);
    loop {
        let read = socket.read(&mut input).await?;
        if read == 0 {
            return Ok(());
        }
        out.clear();
        for _ in input[..read].iter().filter(|byte| **byte == b'*') {
            out.extend_from_slice(&answer);
        }
        socket.write_all(&out).await?;
    }
}
