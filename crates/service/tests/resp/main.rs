//! The Redis port of the real binary, with a real Redis behind it and beside it.

#[path = "../service/client.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod client;
#[path = "../service/process.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod process;

mod clients;
mod cluster;
mod differential;
mod limits;
mod outage;
mod own;
mod raw;
mod script;
mod sessions;
mod streams;
mod tour;
mod writes;
