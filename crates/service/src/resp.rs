//! The Redis protocol: any Redis client gets L1, prediction and invalidation with no change of code.
//!
//! In reading order:
//!
//! 1. `server`: listeners, threads, connections;
//! 2. `connection`: one client, the way of a command; `passing`, `transaction`: to L2 and back;
//! 3. [`request`], [`reply`], [`frame`]: the bytes;
//! 4. [`command`]: who answers what, and which keys are written;
//! 5. `hits`, `reads`: what L1 answers; `upstream`, `relay`: what L2 answers; `embedded`: what there is
//!    without a server;
//! 6. `session`, `own`: about the connection, and Forewarm's own commands.

pub mod command;
mod connection;
mod effects;
mod embedded;
pub mod frame;
mod hits;
mod own;
mod passing;
mod port;
mod reads;
mod relay;
pub mod reply;
pub mod request;
mod server;
mod session;
mod state;
mod transaction;
mod upstream;

pub(crate) use port::Store;
pub use server::RespServer;
pub(crate) use server::{Listeners, serve};
