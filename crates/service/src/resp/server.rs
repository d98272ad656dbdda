//! Listeners, connections, threads, and a graceful end.
//!
//! Connections live on a few threads of their own, each with a runtime for one thread: a client's
//! commands never move between cores, and no wake-up of the service's other work disturbs them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle as Thread};
use std::time::Duration;

use forewarm_infrastructure::tls::ServerTls;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Socket};
use super::port::{Port, Store};
use crate::core::Core;
use crate::service::StartError;

/// An idle client is asked for a sign of life after this, as Redis does by default.
const KEEPALIVE: Duration = Duration::from_secs(300);
const REFUSED: &[u8] = b"-ERR max number of clients reached\r\n";

/// A running Redis port.
#[derive(Debug)]
pub struct RespServer {
    /// Where it listens.
    pub addr: SocketAddr,
    port: Arc<Port>,
    accepting: Vec<JoinHandle<()>>,
    threads: Vec<Thread<()>>,
    socket_file: Option<SocketFile>,
}

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub(crate) struct Listeners {
    tcp: TcpListener,
    unix: Option<(UnixListener, SocketFile)>,
}

/// The file of a Unix socket, removed with its listener.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listeners {
    /// With the TCP listener given, opens the Unix socket too where one is configured. A file that
    /// nobody listens on any more is taken away.
    pub(crate) async fn new(tcp: TcpListener, unix: Option<&Path>) -> Result<Self, StartError> {
        let unix = match unix {
            None => None,
            Some(path) => {
                let refused = |source| StartError::Listen {
                    addr: path.display().to_string(),
                    setting: "resp.unix_socket",
                    source,
                };
                if path.exists() && UnixStream::connect(path).await.is_err() && is_socket(path) {
                    std::fs::remove_file(path).map_err(refused)?;
                }
                let listener = UnixListener::bind(path).map_err(refused)?;
                Some((listener, SocketFile(path.to_owned())))
            }
        };
        Ok(Self { tcp, unix })
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Serves the Redis protocol until [`RespServer::shut_down`].
pub(crate) fn serve(
    listeners: Listeners,
    core: Arc<Core>,
    store: Store,
    tls: Option<ServerTls>,
) -> Result<RespServer, StartError> {
    let addr = listeners.tcp.local_addr()?;
    let count = core.config.resp.threads;
    let port = Arc::new(Port::new(core, store));
    let (mut threads, mut workers) = (Vec::new(), Vec::new());
    for number in 0..threads_for(count) {
        let (worker, sockets) = unbounded_channel();
        let (port, tls) = (Arc::clone(&port), tls.clone());
        let thread = thread::Builder::new()
            .name(format!("forewarm-resp-{number}"))
            .spawn(move || work(&port, tls.as_ref(), sockets))?;
        threads.push(thread);
        workers.push(worker);
    }
    let workers = Arc::new(Workers {
        workers,
        turn: std::sync::atomic::AtomicUsize::new(0),
        port: Arc::clone(&port),
    });
    let mut accepting = vec![tokio::spawn(accept_tcp(
        listeners.tcp,
        Arc::clone(&workers),
    ))];
    let mut socket_file = None;
    if let Some((listener, file)) = listeners.unix {
        accepting.push(tokio::spawn(accept_unix(listener, workers)));
        socket_file = Some(file);
    }
    Ok(RespServer {
        addr,
        port,
        accepting,
        threads,
        socket_file,
    })
}

/// As many as configured; by default one for every two processors, at most four.
fn threads_for(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, 4)
}

struct Workers {
    workers: Vec<UnboundedSender<Accepted>>,
    turn: std::sync::atomic::AtomicUsize,
    port: Arc<Port>,
}

impl Workers {
    /// Whether there is room for one more; counted when there is.
    fn admit(&self) -> bool {
        let counts = &self.port.counts;
        let most = self.port.limits.max_connections;
        if counts.connected.fetch_add(1, Ordering::AcqRel) < most {
            return true;
        }
        counts.connected.fetch_sub(1, Ordering::AcqRel);
        counts.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn hand_over(&self, socket: io::Result<Accepted>) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let worker = &self.workers[turn % self.workers.len()];
        let taken = socket.is_ok_and(|socket| worker.send(socket).is_ok());
        if !taken {
            self.port.counts.connected.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

async fn accept_tcp(listener: TcpListener, workers: Arc<Workers>) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    loop {
        match listener.accept().await {
            Ok((socket, _)) if workers.admit() => {
                let _ = socket.set_nodelay(true);
                let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
                workers.hand_over(socket.into_std().map(Accepted::Tcp));
            }
            Ok((socket, _)) => refuse(socket),
            Err(error) => pause(&error).await,
        }
    }
}

async fn accept_unix(listener: UnixListener, workers: Arc<Workers>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) if workers.admit() => {
                workers.hand_over(socket.into_std().map(Accepted::Unix));
            }
            Ok((socket, _)) => refuse(socket),
            Err(error) => pause(&error).await,
        }
    }
}

/// One line fits into any socket's buffer: nobody waits for a client that is turned away.
fn refuse(mut socket: impl tokio::io::AsyncWrite + Unpin + Send + 'static) {
    tokio::spawn(async move {
        let told = async {
            let _ = socket.write_all(REFUSED).await;
            let _ = socket.shutdown().await;
        };
        let _ = timeout(Duration::from_secs(1), told).await;
    });
}

/// Out of file descriptors, most likely: connections get time to end.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection of the Redis protocol");
    sleep(Duration::from_millis(50)).await;
}

/// One thread's connections, until the listeners and then the drain are over.
fn work(port: &Arc<Port>, tls: Option<&ServerTls>, mut sockets: UnboundedReceiver<Accepted>) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a thread of the Redis protocol has no runtime");
            return;
        }
    };
    runtime.block_on(async {
        if let Store::Redis(store) = &port.store {
            // What L1 lacks is fetched without waking another thread.
            tokio::spawn(Arc::clone(store).keep_near());
        }
        while let Some(socket) = sockets.recv().await {
            let port = Arc::clone(port);
            match socket {
                Accepted::Tcp(socket) => {
                    drop(tokio::spawn(greet(port, tls.cloned(), socket)));
                }
                Accepted::Unix(socket) => {
                    drop(tokio::spawn(client(port, UnixStream::from_std(socket))));
                }
            }
        }
        while port.at_work() > 0 && !port.is_over() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    // What is still connected is dropped here: it was idle, or had its time.
}

/// Over TLS the greeting comes first. It counts as a connection already, and a client that is slow
/// or speaks in the clear is dropped.
async fn greet(port: Arc<Port>, tls: Option<ServerTls>, socket: std::net::TcpStream) {
    let connected = Connected(Arc::clone(&port));
    let Ok(socket) = TcpStream::from_std(socket) else {
        return;
    };
    match tls {
        None => talk(&port, socket).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(socket) => talk(&port, socket).await,
            Err(error) => tracing::debug!(%error, "a TLS greeting failed"),
        },
    }
    drop(connected);
}

async fn client<S: Socket>(port: Arc<Port>, socket: io::Result<S>) {
    let _connected = Connected(Arc::clone(&port));
    if let Ok(socket) = socket {
        talk(&port, socket).await;
    }
}

async fn talk<S: Socket>(port: &Port, socket: S) {
    if let Err(error) = Connection::new(port, socket).serve().await {
        tracing::debug!(%error, "a client of the Redis protocol is gone");
    }
}

struct Connected(Arc<Port>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.counts.connected.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RespServer {
    /// Stops accepting, lets commands under way be answered within `drain`, then closes every
    /// connection. Whether all were answered in time.
    pub async fn shut_down(self, drain: Duration) -> bool {
        self.port.stop();
        for task in &self.accepting {
            task.abort();
        }
        for task in self.accepting {
            let _ = task.await;
        }
        let (port, threads) = (Arc::clone(&self.port), self.threads);
        let mut joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let in_time = timeout(drain, &mut joined).await.is_ok();
        port.end();
        if !in_time {
            let _ = timeout(Duration::from_secs(1), joined).await;
        }
        drop(self.socket_file);
        in_time
    }
}
