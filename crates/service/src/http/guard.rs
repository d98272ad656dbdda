//! What stands before the handlers: concurrency, time, authorisation, foreign web pages.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problem::Problem;
use crate::config::{Http, Secret, is_local};

pub(in crate::http) struct Guard {
    permits: Semaphore,
    max_concurrent: usize,
    request_timeout: Duration,
    token: Option<Secret>,
    /// Only this machine reaches the port and no token is asked for: a page in its browser must
    /// not get in by giving this machine's address a name of its own.
    refuses_foreign_names: bool,
}

impl Guard {
    pub(super) fn new(config: &Http) -> Self {
        Self {
            permits: Semaphore::new(config.max_concurrent),
            max_concurrent: config.max_concurrent,
            request_timeout: config.request_timeout.0,
            token: config.token.clone(),
            refuses_foreign_names: config.token.is_none() && is_local(&config.addr),
        }
    }

    fn authorise(&self, request: &Request) -> Result<(), Problem> {
        if self.refuses_foreign_names {
            refuse_foreign_name(request.headers())?;
        }
        if !changes(request.method(), request.uri().path()) {
            return Ok(());
        }
        refuse_foreign_page(request.headers())?;
        let Some(token) = &self.token else {
            return Ok(());
        };
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        match given {
            Some(given) if same(given.as_bytes(), token.reveal().as_bytes()) => Ok(()),
            given => {
                let what = if given.is_some() {
                    "is wrong"
                } else {
                    "is missing"
                };
                let detail = format!("this route changes something: the bearer token {what}");
                Err(Problem::new(StatusCode::UNAUTHORIZED, detail)
                    .with(header::WWW_AUTHENTICATE, "Bearer"))
            }
        }
    }
}

/// Concurrency first, so that a flood costs nothing more; then who asks; then how long it takes.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Ok(_permit) = guard.permits.try_acquire() else {
        let most = guard.max_concurrent;
        let detail = format!("more than {most} requests at once (http.max_concurrent)");
        return Err(
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with(header::RETRY_AFTER, "1")
        );
    };
    guard.authorise(&request)?;
    timeout(guard.request_timeout, next.run(request))
        .await
        .map_err(|_| {
            let detail = format!(
                "the request took longer than {:?} (http.request_timeout)",
                guard.request_timeout
            );
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })
}

/// Whether the route changes anything: `lookup` reads, with a body because keys are many.
fn changes(method: &Method, path: &str) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && path != "/v1/lookup"
}

/// DNS rebinding: a page of `evil.example`, whose name is made to mean 127.0.0.1 once it is loaded,
/// is of one origin with us in the browser's eyes and could read and write everything. Its requests
/// still bear that name, where whoever means us says `localhost` or an address.
fn refuse_foreign_name(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(host) = headers.get(header::HOST) else {
        return Ok(());
    };
    let host = host.to_str().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let ours = name == "localhost" || name.ends_with(".localhost");
    if ours || bare.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let detail = format!(
        "{host:?} is not what this machine is called here: use localhost or 127.0.0.1, or set \
         http.token"
    );
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// A web page of another origin may send a simple request to a local port: it is refused.
fn refuse_foreign_page(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return Ok(());
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    if host.is_some() && host == text(header::HOST) {
        return Ok(());
    }
    let detail = format!("a page of {origin:?} may not change anything here");
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// Compares in a time that depends on the lengths only, and not at all on where they differ.
pub(crate) fn same(given: &[u8], wanted: &[u8]) -> bool {
    given.ct_eq(wanted).into()
}

/// A defect in a handler answers 500 instead of closing the connection.
pub(super) async fn catch_panics(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let handled = tokio::spawn(next.run(request)).await;
    handled.unwrap_or_else(|error| {
        let words = error
            .try_into_panic()
            .map_or_else(|_| "cancelled".to_owned(), words_of);
        tracing::error!(path, panic = words, "a handler failed");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a defect; the log has the details",
        )
        .into_response()
    })
}

fn words_of(panic: Box<dyn Any + Send>) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| {
            panic
                .downcast_ref::<&str>()
                .map(|words| (*words).to_owned())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        assert!(same(b"secret", b"secret"));
        for wrong in ["", "s", "secre", "secrets", "secretsecret", "Secret"] {
            assert!(!same(wrong.as_bytes(), b"secret"), "{wrong:?} was taken");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_taken_for_it() {
        let refused = |host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            refuse_foreign_name(&headers).is_err()
        };
        for ours in [
            "localhost",
            "LOCALHOST:9464",
            "a.localhost:1",
            "127.0.0.1:9464",
            "[::1]:9464",
            "10.0.0.7",
        ] {
            assert!(!refused(ours), "{ours}");
        }
        for theirs in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil.example:80",
        ] {
            assert!(refused(theirs), "{theirs:?}");
        }
        assert!(
            refuse_foreign_name(&HeaderMap::new()).is_ok(),
            "HTTP/1.0 has no Host"
        );
    }

    #[test]
    fn reads_need_no_token() {
        assert!(!changes(&Method::GET, "/v1/mode"));
        assert!(!changes(&Method::POST, "/v1/lookup"));
        for (method, path) in [(Method::POST, "/v1/updates"), (Method::PUT, "/v1/mode")] {
            assert!(changes(&method, path));
        }
    }
}
