//! Forewarm in a program of yours: a near-cache in process memory (L1) before a shared cache (L2) that
//! learns which keys are read together and fetches them before they are asked for.
//!
//! # Five steps
//!
//! **1. Build it.** On the configured backend (an embedded file or Redis), or on a [`SharedCache`] of your
//! own. **2. Tell it what changes** in your update handler, **3. read through it**: both are what it
//! learns from. **4. Look** at what it does, **5. shut it down**, which saves what was learned.
//!
//! ```
//! use forewarm_service::{Forewarm, Level, Stored, Update, Version};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = format!("l2.embedded.path={}", folder.path().display());
//! let forewarm = Forewarm::builder()
//!     .preset("production") // see `config`: every setting has a name, a range and a default
//!     .set("l1.capacity_bytes=64MiB")
//! #   .set(path)
//!     .build()
//!     .await?;
//! let pool = forewarm.key("ethereum", "0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc")?;
//!
//! // The writer of a value goes through Forewarm, or says afterwards that it has changed.
//! forewarm.put(&pool, Stored { value: "3150.2".into(), version: Some(Version(1)), ttl: None }).await?;
//! let changed = Update { at: forewarm.now(), version: None, value: None, ttl: None };
//! forewarm.observe_update(&pool, changed)?; // synchronous, no I/O; L1's copy is stale now
//!
//! let found = forewarm.get(&pool).await?.expect("it was written");
//! assert_eq!((found.level, &*found.value), (Level::L2, &b"3150.2"[..]));
//! let found = forewarm.get(&pool).await?.expect("it was written");
//! assert_eq!(found.level, Level::L1); // from this process' memory
//!
//! assert_eq!(forewarm.stats().demand, (1, 1)); // hits and misses
//! forewarm.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # What it learns from
//!
//! Reads through [`Forewarm::get`] and [`Forewarm::get_many`], reads that you serve elsewhere
//! ([`Forewarm::observe_read`]), and updates ([`Forewarm::observe_update`]). After a few rounds of "this was
//! updated, then those were read" the next update fetches *those* in one round trip, if L1 lacks them.
//! Nothing is fetched beyond the budget (`warming.budget.extra_l2_reads`), and nothing at all in mode
//! `shadow`, in which it says what it *would* have done: [`Forewarm::set_mode`].
//!
//! # Chains that are reorganised, streams that have gaps
//!
//! Tell changes with their block, and take them back in one call:
//!
//! ```
//! # use forewarm_service::{Forewarm, Update};
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = format!("l2.embedded.path={}", folder.path().display());
//! # let forewarm = Forewarm::builder().set(path).build().await?;
//! # let pool = forewarm.key("ethereum", "pool")?;
//! let change = Update { at: forewarm.now(), version: None, value: Some("3151.0".into()), ttl: None };
//! forewarm.observe_update_in(19_000_001, &pool, change)?;
//! // Blocks from 19,000,001 on are no more. L2 is put right first, then:
//! let reorg = forewarm.invalidate_from("ethereum", 19_000_001);
//! assert_eq!(reorg.keys, 1);
//! // The connection to the node broke; nobody knows what was missed:
//! forewarm.on_gap(Some("ethereum"));
//! # forewarm.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # More
//!
//! `examples/` has a program for each surface: `embed` (a shared cache of one's own, learning, a
//! reorganisation), `redis_client`, `http_client` and `replay_library`. A value is never served stale by a
//! warm: one that began before an update or invalidation is not placed. What is promised, with its scope and
//! the test that holds it, is in the README.
//!
//! # The parts of this crate
//!
//! 1. [`config`]: every setting, its default, its range, its origin;
//! 2. [`core`], [`clock`]: the engine with its names, its time and its wake-ups; how it is put
//!    together and driven is in `wiring` and `loops`;
//! 3. [`service`]: the handle;
//! 4. [`http`], [`resp`], `feeds`: the surfaces; [`invalidation`]: how L1 learns of changes in L2;
//! 5. [`cli`]: the command line.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
mod demand;
mod explain;
mod feeds;
mod figures;
mod history;
pub mod http;
pub mod invalidation;
mod loops;
mod open_files;
mod pace;
pub mod resp;
pub mod service;
mod shadow;
mod signals;
mod snapshot;
mod timed;
mod turns;
mod warmers;
mod wiring;

pub use demand::Get;
pub use forewarm_application::engine::{
    Found, Level, LookupError, Observed, Reorg, Status, Update,
};
pub use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
pub use forewarm_domain::{ChainMode, Key, Mode, PairNameError, Refused, Timestamp, Version};
pub use service::{Builder, Forewarm, StartError};
