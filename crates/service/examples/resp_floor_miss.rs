//! What the system itself takes for a miss: a server that forwards what has come to a Redis, over one
//! connection of its own thread, and passes the answers back, on the same runtime as the Redis port. It
//! looks nothing up, keeps nothing, and asks for no time to live. What its clients have sent in one turn
//! leaves in one write. `cargo xtask bench resp` measures it beside Redis and Forewarm: below this line
//! no server that asks another one can come.
//!
//! `cargo run --profile dist --example resp_floor_miss -- PORT PORT-OF-REDIS`

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const READ_BYTES: usize = 16 << 10;

/// What is to be sent, and who waits for how many answers.
#[derive(Default)]
struct Queue {
    unsent: Vec<u8>,
    waiting: VecDeque<(usize, oneshot::Sender<Vec<u8>>)>,
    driver: Option<Waker>,
}

type Shared = Arc<Mutex<Queue>>;

fn main() -> io::Result<()> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>());
    let (Some(Ok(port)), Some(Ok(redis))) = (ports.next(), ports.next()) else {
        return Err(io::Error::other("expected two ports: its own and Redis'"));
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(serve(port, redis))
}

async fn serve(port: u16, redis: u16) -> io::Result<()> {
    let upstream = TcpStream::connect(("127.0.0.1", redis)).await?;
    upstream.set_nodelay(true)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let shared = Shared::default();
    tokio::spawn(drive(Arc::clone(&shared), upstream));
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(client(socket, Arc::clone(&shared)));
    }
}

/// Takes every `*` for the beginning of a command: redis-benchmark's keys have none.
async fn client(mut socket: TcpStream, shared: Shared) -> io::Result<()> {
    let mut input = vec![0; READ_BYTES];
    loop {
        let read = socket.read(&mut input).await?;
        if read == 0 {
            return Ok(());
        }
        if !input.starts_with(b"*2\r\n$3\r\nGET") {
            // What redis-benchmark asks before it begins.
            socket.write_all(b"-ERR only GET\r\n").await?;
            continue;
        }
        let commands = input[..read].iter().filter(|byte| **byte == b'*').count();
        let (answer, answered) = oneshot::channel();
        let driver = {
            let mut queue = shared.lock().expect("nobody panics");
            queue.unsent.extend_from_slice(&input[..read]);
            queue.waiting.push_back((commands, answer));
            queue.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        let answers = answered.await.map_err(io::Error::other)?;
        socket.write_all(&answers).await?;
    }
}

/// Sends what is asked and hands out what is answered.
async fn drive(shared: Shared, mut upstream: TcpStream) -> io::Result<()> {
    let mut heard = Vec::with_capacity(READ_BYTES);
    let mut sending = Vec::new();
    poll_fn(
        |context| match turn(&shared, &mut upstream, &mut heard, &mut sending, context) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        },
    )
    .await
}

fn turn(
    shared: &Shared,
    upstream: &mut TcpStream,
    heard: &mut Vec<u8>,
    sending: &mut Vec<u8>,
    context: &mut Context<'_>,
) -> io::Result<()> {
    loop {
        heard.reserve(READ_BYTES);
        let reading = pin!(upstream.read_buf(heard));
        match reading.poll(context) {
            Poll::Pending => break,
            Poll::Ready(read) => match read? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => hand_out(shared, heard),
            },
        }
    }
    loop {
        let mut queue = shared.lock().expect("nobody panics");
        sending.append(&mut queue.unsent);
        if sending.is_empty() {
            queue.driver = Some(context.waker().clone());
            return Ok(());
        }
        drop(queue);
        match Pin::new(&mut *upstream).poll_write(context, sending) {
            Poll::Ready(sent) => drop(sending.drain(..sent?)),
            Poll::Pending => return Ok(()),
        }
    }
}

fn hand_out(shared: &Shared, heard: &mut Vec<u8>) {
    let mut queue = shared.lock().expect("nobody panics");
    let mut at = 0;
    while let Some((commands, _)) = queue.waiting.front() {
        let Some(length) = answers(&heard[at..], *commands) else {
            break;
        };
        if let Some((_, answer)) = queue.waiting.pop_front() {
            let _ = answer.send(heard[at..at + length].to_vec());
        }
        at += length;
    }
    heard.drain(..at);
}

/// How long so many bulk strings are; `None` while not all have come.
fn answers(heard: &[u8], count: usize) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        let line = heard.get(at..)?.iter().position(|byte| *byte == b'\n')?;
        let digits = std::str::from_utf8(&heard[at + 1..at + line - 1]).ok()?;
        let length: isize = digits.parse().ok()?;
        at += line + 1;
        at += usize::try_from(length).map_or(0, |length| length + 2);
    }
    (at <= heard.len()).then_some(at)
}
