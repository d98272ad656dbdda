//! `cargo xtask provision-grafana` from outside, against a stand-in of Grafana's HTTP API.

mod conflicts;
mod controls;
mod dry_run;
mod policies;
mod preflight;
mod real;
mod run;
mod runs;
mod stand_in;
mod walk;
