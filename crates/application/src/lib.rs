#![forbid(unsafe_code)]
//! The use cases of Forewarm.
pub mod ports;
