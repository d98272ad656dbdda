//! The engine over in-memory ports; time is a number that the test advances.

mod absent;
mod announced;
mod books;
mod breaker;
mod choosing;
mod demand;
mod drift;
mod explain;
mod fence;
mod ghost;
#[cfg(feature = "interleavings")]
mod interleavings;
mod link;
mod listeners;
mod model;
mod people;
mod reorg;
mod simulation;
mod tap;
mod warming;
mod world;

use super::{Update, Version};
use world::{World, world};
