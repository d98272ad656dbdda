//! The listener: bounded connections, bounded heads, a graceful end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use forewarm_infrastructure::tls::ServerTls;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::config::Http;

/// Longest head of a request.
const MAX_HEAD_BYTES: usize = 32 << 10;
const MAX_HEADERS: usize = 100;

/// A running HTTP server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    connections: Arc<Semaphore>,
    max_connections: usize,
}

/// Serves `router` on a bound listener until [`Server::shut_down`].
///
/// With `tls` clients are greeted first; one that is slow or speaks in the clear is dropped.
pub fn serve(
    listener: TcpListener,
    router: Router,
    config: &Http,
    tls: Option<ServerTls>,
) -> io::Result<Server> {
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let service = Service {
        router,
        tls,
        header_timeout: config.header_timeout.0,
        stopped,
    };
    let accepting = tokio::spawn(accept(listener, service, Arc::clone(&connections)));
    Ok(Server {
        addr,
        stop,
        accepting,
        connections,
        max_connections: config.max_connections,
    })
}

impl Server {
    /// Stops accepting, lets requests under way end within `deadline`, then closes what is left.
    /// Whether all ended in time.
    pub async fn shut_down(self, deadline: Duration) -> bool {
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
        let all = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        timeout(deadline, self.connections.acquire_many(all))
            .await
            .is_ok()
    }
}

#[derive(Clone)]
struct Service {
    router: Router,
    tls: Option<ServerTls>,
    header_timeout: Duration,
    stopped: watch::Receiver<bool>,
}

async fn accept(listener: TcpListener, mut service: Service, connections: Arc<Semaphore>) {
    loop {
        let permit = tokio::select! {
            biased;
            () = told(&mut service.stopped) => return,
            permit = Arc::clone(&connections).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            biased;
            () = told(&mut service.stopped) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(greet(stream, service.clone(), permit));
            }
            Err(error) => {
                // Out of file descriptors, most likely: give connections time to end.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Returns once the server is told to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The permit is held from here on: a client that never greets counts as a connection.
async fn greet(stream: TcpStream, service: Service, permit: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true);
    match service.tls.clone() {
        None => connection(stream, service, permit).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => connection(stream, service, permit).await,
            Err(error) => tracing::debug!(%error, "a TLS greeting failed"),
        },
    }
}

async fn connection<S>(stream: S, mut service: Service, _permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = service.router.clone();
    let handler = tower_like(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), handler);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut service.stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The router as hyper wants it.
fn tower_like(
    router: Router,
) -> TowerToHyperService<
    impl tower_service::Service<
        hyper::Request<hyper::body::Incoming>,
        Response = hyper::Response<Body>,
        Error = Infallible,
        Future: Send,
    > + Clone,
> {
    TowerToHyperService::new(FromIncoming(router))
}

#[derive(Clone)]
struct FromIncoming(Router);

impl tower_service::Service<hyper::Request<hyper::body::Incoming>> for FromIncoming {
    type Response = hyper::Response<Body>;
    type Error = Infallible;
    type Future = axum::routing::future::RouteFuture<Infallible>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        tower_service::Service::<axum::extract::Request>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, request: hyper::Request<hyper::body::Incoming>) -> Self::Future {
        tower_service::Service::call(&mut self.0, request.map(Body::new))
    }
}
