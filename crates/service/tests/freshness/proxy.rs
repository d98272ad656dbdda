//! Between Forewarm and Redis: passes everything on, until the connections that carry
//! invalidations are to fall silent, without a word and without being closed.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy on a free port of 127.0.0.1; ends with the runtime.
pub(crate) struct Proxy {
    addr: SocketAddr,
    silent: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let silent = watch::Sender::new(false);
        let told = silent.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let link = Arc::new(watch::Sender::new(false));
                let way = Way {
                    silent: told.subscribe(),
                    link,
                };
                tokio::spawn(way.clone().carry(from_client, to_server));
                tokio::spawn(way.carry(from_server, to_client));
            }
        });
        Self { addr, silent }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Whether connections that carry invalidations carry nothing at all.
    pub(crate) fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

#[derive(Clone)]
struct Way {
    silent: watch::Receiver<bool>,
    /// Whether this connection is such a one.
    link: Arc<watch::Sender<bool>>,
}

impl Way {
    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let said = &bytes[..count];
            if said
                .windows(21)
                .any(|part| part == b"forewarm-invalidation")
            {
                self.link.send_replace(true);
            }
            if *self.link.borrow() && self.silent.wait_for(|silent| !silent).await.is_err() {
                return;
            }
            if to.write_all(said).await.is_err() {
                return;
            }
        }
    }
}
