//! Any Redis client is a client of Forewarm: point it at the other port. This one is redis-rs.
//!
//! ```sh
//! cargo run -- serve &                                      # or the one that you run already
//! cargo run -p forewarm-service --example redis_client redis://127.0.0.1:6380
//! ```

use std::error::Error;

use redis::{Client, Commands, Connection};

/// Writes, reads back, and asks why a key is or is not warmed; the answer to that.
pub(crate) fn play(url: &str) -> Result<String, Box<dyn Error>> {
    let mut connection: Connection = Client::open(url)?.get_connection()?;
    // Like with any Redis: writes go through to L2, reads are answered from this side of the network if
    // they can be.
    let () = connection.set("uni:bid", "3150.1")?;
    let () = connection.set_ex("uni:ask", "3150.3", 60)?;
    let quotes: Vec<Option<String>> = connection.mget(&["uni:bid", "uni:ask", "uni:none"])?;
    println!("MGET: {quotes:?}");
    assert_eq!(quotes[0].as_deref(), Some("3150.1"));
    assert_eq!(quotes[2], None);

    // Forewarm's own commands need no support of the client.
    let mode: String = redis::cmd("FOREWARM.MODE").query(&mut connection)?;
    println!("mode: {mode}");
    let why: redis::Value = redis::cmd("FOREWARM.EXPLAIN")
        .arg("uni:bid")
        .query(&mut connection)?;
    println!("explain: {why:?}");
    let info: String = redis::cmd("INFO").arg("forewarm").query(&mut connection)?;
    print!("{info}");
    Ok(info)
}

#[allow(dead_code, reason = "the test calls `play`")]
fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    play(url.as_deref().unwrap_or("redis://127.0.0.1:6380")).map(drop)
}
