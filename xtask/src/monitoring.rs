//! Monitoring as code: everything under `deploy/`, generated from tables and checked.
//!
//! ```text
//! application's catalogue ─┬─► recording.rs, alerts/ ─► prometheus.rs, grafana/ ─► deploy/prometheus, deploy/grafana
//! thresholds/table.rs ─────┼─► dashboard/ ───────────► deploy/grafana/dashboards
//!                          └─► docs/ ────────────────► docs/metrics.md, docs/thresholds.md, facts in docs/runbooks
//! lint/ reads what was generated and the catalogue; cases/ and mutate/ test the rules with promtool.
//! ```

pub(crate) mod alertmanager;
pub(crate) mod alerts;
pub(crate) mod cases;
pub(crate) mod check;
mod compose;
pub(crate) mod dashboard;
pub(crate) mod docs;
pub(crate) mod generate;
pub(crate) mod grafana;
pub(crate) mod lint;
pub(crate) mod mutate;
pub(crate) mod prometheus;
pub(crate) mod promql;
pub(crate) mod recording;
pub(crate) mod routing;
pub(crate) mod thresholds;
mod yaml;

/// The label `service` of every alert, by which a shared Grafana finds ours.
pub(crate) const SERVICE: &str = "forewarm";

/// What is provisioned over HTTP and into files.
pub(crate) use dashboard::dashboards;
pub(crate) use grafana::{contact_points, policy_tree, rule_groups as grafana_rule_groups};
