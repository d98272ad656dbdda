//! `GET /`: the state in a few lines of text.

use std::fmt::Write;

use axum::extract::State;

use super::App;
use super::status::report;

const ROUTES: &str = "
/metrics  /healthz  /readyz  /startupz  /health/warming
/v1/pairs/{chain}/{pair}  /v1/lookup  /v1/updates  /v1/correlations/{chain}/{pair}
/v1/mode  /v1/strategy  /v1/warm  /v1/invalidate  /v1/model
";

pub(super) async fn get(State(app): State<App>) -> String {
    let mut page = format!("Forewarm {}\n\n", env!("CARGO_PKG_VERSION"));
    if let Some(parts) = report(&app).as_object() {
        for (name, part) in parts {
            let _ = writeln!(page, "{name:<10} {part}");
        }
    }
    page.push_str(ROUTES);
    page
}
