//! Forewarm over HTTP: write, tell of an update, read many, look at the state.
//!
//! ```sh
//! cargo run -- serve &                                      # or the one that you run already
//! cargo run -p forewarm-service --example http_client http://127.0.0.1:9464
//! ```

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Plays it against a running Forewarm; the answer to the look-up.
pub(crate) fn play(base: &str) -> Result<Value, Box<dyn Error>> {
    // With `http.token` set, routes that change something want `authorization: Bearer …`.
    let send = |method: &str, path: &str, body: Value| {
        let url = format!("{base}{path}");
        let request = match method {
            "PUT" => ureq::put(url),
            _ => ureq::post(url),
        };
        let mut answer = request
            .header("content-type", "application/json")
            .send(body.to_string())?;
        Ok::<String, Box<dyn Error>>(answer.body_mut().read_to_string()?)
    };
    send(
        "PUT",
        "/v1/pairs/ethereum/uni%3Aweth%2Fusdc",
        json!({ "value": "3150.2", "ttl_ms": 60_000 }),
    )?;

    // What another process has changed, or has read: this is what Forewarm learns from.
    let ts_ms = now_ms()?;
    let events = json!([
        { "ts_ms": ts_ms, "chain": "ethereum", "pair": "uni:weth/usdc" },
        { "ts_ms": ts_ms, "chain": "ethereum", "pair": "sushi:weth/usdc", "op": "read" },
    ]);
    let taken: Value = serde_json::from_str(&send("POST", "/v1/updates", events)?)?;
    println!("updates: {taken}");
    assert_eq!(taken["accepted"], 2);

    // One L2 round trip for all that L1 lacks, in the order asked.
    let keys = json!({ "keys": [
        { "chain": "ethereum", "pair": "uni:weth/usdc" },
        { "chain": "ethereum", "pair": "nobody" },
    ]});
    let found: Value = serde_json::from_str(&send("POST", "/v1/lookup", keys)?)?;
    println!("lookup: {found}");

    let state = ureq::get(format!("{base}/health/warming"))
        .call()?
        .body_mut()
        .read_to_string()?;
    let state: Value = serde_json::from_str(&state)?;
    println!(
        "mode {}, strategy {}, demand {}",
        state["mode"], state["strategy"], state["demand"]
    );
    Ok(found)
}

#[allow(clippy::disallowed_methods)] // events bear the real time
fn now_ms() -> Result<u64, Box<dyn Error>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_millis())?)
}

#[allow(dead_code, reason = "the test calls `play`")]
fn main() -> Result<(), Box<dyn Error>> {
    let base = std::env::args().nth(1);
    play(base.as_deref().unwrap_or("http://127.0.0.1:9464")).map(drop)
}
