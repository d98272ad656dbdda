//! What Grafana is told besides dashboards: alert rules of its own, contact points, policies.
//!
//! The types serialise to what file provisioning and the HTTP API have in common; what only one
//! of them wants is added where it is written or sent.

pub(crate) mod files;
mod policy;
mod rules;

pub(crate) use policy::{contact_points, policy_tree};
pub(crate) use rules::rule_groups;

/// The folder of dashboards and rules.
pub(crate) const FOLDER: &str = "Forewarm";
/// The time in which info alerts stay quiet.
pub(crate) const WEEKENDS: &str = "forewarm-weekends";

#[cfg(test)]
mod tests;
