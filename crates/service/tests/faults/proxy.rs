//! Between Forewarm and Redis: a network that delays, cuts and falls silent.
//!
//! A reply that is missing while later ones on its connection arrive does not exist: TCP delivers
//! in order or not at all. So a lost reply is either the end of its connection or its silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// A proxy on a free port of 127.0.0.1; ends with the runtime.
pub(crate) struct Proxy {
    addr: SocketAddr,
    way: Arc<Way>,
}

/// What happens to what passes.
#[derive(Default)]
struct Way {
    /// Added to every answer.
    delay_ms: AtomicU64,
    /// Answers so far, a read of the server's bytes each; every n-th ends its connection instead of
    /// passing. 0 = none.
    answers: AtomicU64,
    cut_every: AtomicU64,
    /// Connections of earlier generations carry nothing any more, and stay open.
    generation: watch::Sender<u64>,
    cuts: AtomicU64,
}

impl Proxy {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let way = Arc::new(Way::default());
        let all = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    tokio::spawn(carry(Arc::clone(&all), client, server));
                }
            }
        });
        Self { addr, way }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    pub(crate) fn delay(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).expect("short");
        self.way.delay_ms.store(ms, Relaxed);
    }

    /// Every n-th answer ends its connection; 0 = none.
    pub(crate) fn cut_every(&self, n: u64) {
        self.way.cut_every.store(n, Relaxed);
    }

    /// Connections that were cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.way.cuts.load(Relaxed)
    }

    /// Nothing passes any more on the connections that stand; those made later are well.
    pub(crate) fn mute_present_connections(&self) {
        self.way
            .generation
            .send_modify(|generation| *generation += 1);
    }
}

async fn carry(way: Arc<Way>, client: TcpStream, server: TcpStream) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut muted = way.generation.subscribe();
    let mine = *muted.borrow_and_update();
    let (late, due) = mpsc::channel(4_096);
    // Both directions live as long as both do: the end of one closes the connection.
    let carried = async {
        tokio::select! {
            () = ask(from_client, to_server) => {}
            () = answer(&way, from_server, late) => {}
            () = deliver(due, to_client) => {}
        }
    };
    let mut carried = std::pin::pin!(carried);
    let muted = async {
        let _ = muted.wait_for(|generation| *generation != mine).await;
    };
    tokio::select! {
        () = &mut carried => return,
        () = muted => {}
    }
    // Kept open, never polled again.
    std::future::pending().await
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

/// Dates what the server says; everything is as late as the delay, nothing later.
async fn answer(way: &Way, mut from: OwnedReadHalf, late: mpsc::Sender<(Instant, Vec<u8>)>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let number = way.answers.fetch_add(1, Relaxed) + 1;
        let every = way.cut_every.load(Relaxed);
        if every > 0 && number.is_multiple_of(every) {
            way.cuts.fetch_add(1, Relaxed);
            return;
        }
        let due = Instant::now() + Duration::from_millis(way.delay_ms.load(Relaxed));
        if late.send((due, bytes[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn deliver(mut due: mpsc::Receiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf) {
    while let Some((at, bytes)) = due.recv().await {
        sleep_until(at).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
