//! A relay that holds back what the server says: L2 as far away as it is in real life.
//! `cargo xtask bench resp` asks for misses through it.
//!
//! `cargo run --profile dist --example slow_link -- PORT SERVER-PORT MICROSECONDS`

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

fn main() -> io::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).flat_map(|n| n.parse()).collect();
    let [port, server, micros] = numbers[..] else {
        return Err(io::Error::other("expected PORT SERVER-PORT MICROSECONDS"));
    };
    let number = |number| u16::try_from(number).map_err(io::Error::other);
    let (port, server) = (number(port)?, number(server)?);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async move {
            let listener = TcpListener::bind(("127.0.0.1", port)).await?;
            loop {
                let (client, _) = listener.accept().await?;
                tokio::spawn(relay(client, server, Duration::from_micros(micros)));
            }
        })
}

async fn relay(client: TcpStream, server: u16, delay: Duration) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answers) = client.into_split();
    let (mut said, mut ask) = server.into_split();
    tokio::spawn(async move { copy(&mut asked, &mut ask).await });
    let (late, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    tokio::spawn(async move {
        while let Some((when, bytes)) = due.recv().await {
            sleep_until(when).await;
            answers.write_all(&bytes).await?;
        }
        io::Result::Ok(())
    });
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = said.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let heard = (Instant::now() + delay, buffer[..read].to_vec());
        if late.send(heard).await.is_err() {
            return Ok(());
        }
    }
}
