//! What stands before the handlers: concurrency, time, authorisation, foreign web pages.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problem::Problem;
use crate::config::{Http, Secret};

pub(in crate::http) struct Guard {
    permits: Semaphore,
    max_concurrent: usize,
    request_timeout: Duration,
    token: Option<Secret>,
}

impl Guard {
    pub(super) fn new(config: &Http) -> Self {
        Self {
            permits: Semaphore::new(config.max_concurrent),
            max_concurrent: config.max_concurrent,
            request_timeout: config.request_timeout.0,
            token: config.token.clone(),
        }
    }

    fn authorise(&self, request: &Request) -> Result<(), Problem> {
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

/// Compares in a time that depends on the lengths only.
pub(crate) fn same(given: &[u8], wanted: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != wanted.len());
    for (at, byte) in given.iter().enumerate() {
        // Past the end of the token compare with it again: the loop is as long as the guess.
        let other = wanted.get(at % wanted.len().max(1)).copied().unwrap_or(0);
        difference |= std::hint::black_box(byte ^ other);
    }
    std::hint::black_box(difference) == 0
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
    fn reads_need_no_token() {
        assert!(!changes(&Method::GET, "/v1/mode"));
        assert!(!changes(&Method::POST, "/v1/lookup"));
        for (method, path) in [(Method::POST, "/v1/updates"), (Method::PUT, "/v1/mode")] {
            assert!(changes(&method, path));
        }
    }
}
