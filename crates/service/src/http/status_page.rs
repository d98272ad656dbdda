//! `GET /`: the live status page for browsers, the same state as text for everybody else.
//!
//! The page is one file without outside assets. It polls the JSON routes and draws with the document's
//! own text nodes only: names of pairs come from strangers. The content security policy lets nothing
//! run but its own script, which a fresh nonce names.

use std::fmt::Write;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustix::rand::{GetRandomFlags, getrandom};

use super::App;
use super::status::report;

const PAGE: &str = include_str!("status_page.html");
/// Where the page names its nonce.
const NONCE: &str = "{{nonce}}";

const ROUTES: &str = "
/metrics  /healthz  /readyz  /startupz  /health/warming
/v1/pairs/{chain}/{pair}  /v1/lookup  /v1/updates  /v1/correlations/{chain}/{pair}
/v1/mode  /v1/strategy  /v1/warm  /v1/invalidate  /v1/invalidate-from  /v1/model  /v1/shadow
/v1/explain/{chain}/{pair}  /v1/events  /v1/history  /v1/associations  /openapi.json
A browser gets the live page here.
";

pub(super) async fn get(State(app): State<App>, headers: HeaderMap) -> Response {
    let vary = [
        (header::VARY, "accept"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    if wants_html(&headers) {
        (vary, page()).into_response()
    } else {
        (vary, text(&app)).into_response()
    }
}

/// Browsers name `text/html`; curl takes anything and gets text.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).into_iter();
    accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| {
            let (media, parameters) = part.split_once(';').unwrap_or((part, ""));
            let refused = parameters
                .replace(' ', "")
                .split(';')
                .any(|one| one == "q=0");
            media.trim().eq_ignore_ascii_case("text/html") && !refused
        })
}

fn page() -> Response {
    // Without the system's random numbers (an ancient kernel) the page's script does not run; the text does.
    let nonce = nonce().unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).expect("base64 is visible ASCII");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".parse()),
        (header::CONTENT_SECURITY_POLICY, Ok(policy)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".parse()),
        (header::REFERRER_POLICY, "no-referrer".parse()),
    ];
    let mut response = PAGE.replace(NONCE, &nonce).into_response();
    for (name, value) in headers {
        if let Ok(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn nonce() -> Option<String> {
    let mut random = [0_u8; 16];
    let filled = getrandom(&mut random, GetRandomFlags::empty()).ok()?;
    (filled == random.len()).then(|| BASE64_URL_SAFE_NO_PAD.encode(random))
}

fn text(app: &App) -> String {
    let mut page = format!("Forewarm {}\n\n", env!("CARGO_PKG_VERSION"));
    if let Some(parts) = report(app).as_object() {
        for (name, part) in parts.iter().filter(|(name, _)| *name != "latency") {
            let _ = writeln!(page, "{name:<14} {part}");
        }
    }
    page.push_str(ROUTES);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_html_gets_the_page() {
        let wants = |accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            wants_html(&headers)
        };
        assert!(wants(Some("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(wants(Some("application/json;q=0.1, Text/HTML;q=0.9")));
        for plain in [None, Some("*/*"), Some("text/plain"), Some("text/html;q=0")] {
            assert!(!wants(plain), "{plain:?}");
        }
    }

    #[test]
    fn the_page_needs_nothing_from_outside_and_never_parses_what_it_is_told() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " style=\"",
            " onclick=",
            "src=\"http",
            "href=\"http",
            "@import",
            "url(",
        ] {
            assert!(!PAGE.contains(way), "{way}");
        }
        assert_eq!(PAGE.matches(NONCE).count(), 2, "its script and its style");
    }

    #[test]
    fn no_two_pages_share_a_nonce() {
        let (one, other) = (nonce(), nonce());
        assert!(one.as_ref().is_some_and(|one| one.len() == 22) && one != other);
    }
}
