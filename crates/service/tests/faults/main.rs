//! Trusted under fault and load: Redis killed, frozen, slow, refusing, full, read-only, losing
//! replies, failing over and resharding; a consumer killed in the middle; floods of events and
//! connections. Real servers, and the same questions of each fault (`scene.rs`).

#[path = "../service/client.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod client;
#[path = "../freshness/history.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod history;
#[path = "../service/process.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod process;
#[path = "../resp/raw.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod raw;
#[path = "../freshness/replicated.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod replicated;
#[path = "../freshness/rig.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod rig;

mod cluster;
mod crowds;
mod flood;
mod load;
mod lossy;
mod nodes;
mod outages;
mod proxy;
mod scene;
mod streams;
