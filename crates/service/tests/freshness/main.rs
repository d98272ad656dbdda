//! Freshness: no read through Forewarm is older than the bound, whatever happens to the link, with
//! real servers and a writer that goes past Forewarm.

mod history;
mod proxy;
mod replicated;
mod rig;
mod trouble;
mod ways;
