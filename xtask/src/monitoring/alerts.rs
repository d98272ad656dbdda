//! The alerts as data, one file a group.
//!
//! Ratios and percentiles are per job and chain, process alerts per instance. Gauges are read
//! through `last_over_time(…[5m])`, because a missed scrape marks every series of the target as
//! stale and would start the alert's clock again. Every alert asks for traffic before it judges.

mod beyond;
mod capacity;
mod critical;
mod info;
mod warning;

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Now, whatever the hour.
    Critical,
    /// In office hours.
    Warning,
    /// In the weekly look at trends.
    Info,
}

impl Severity {
    /// The label value.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// How long it goes on firing after its condition ended, against flapping.
    pub(crate) const fn keep_firing_for(self) -> Option<&'static str> {
        match self {
            Self::Critical => Some("5m"),
            Self::Warning | Self::Info => None,
        }
    }
}

/// One alert.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alert {
    /// Its name, which is that of its runbook page.
    pub(crate) name: &'static str,
    /// PromQL that returns the series at fault, with `@id.level` for figures of the table.
    pub(crate) expr: &'static str,
    /// How long that must hold.
    pub(crate) pending: &'static str,
    /// How soon somebody should look.
    pub(crate) severity: Severity,
    /// The part at fault.
    pub(crate) component: &'static str,
    /// Where that part works.
    pub(crate) layer: &'static str,
    /// Alerts about the same figure; a critical one silences the others of its family and chain.
    pub(crate) family: &'static str,
    /// One line, without figures.
    pub(crate) summary: &'static str,
    /// The figure, the target and the level. Go template without `$` (Grafana's files expand it).
    pub(crate) description: &'static str,
    /// The panel of `warming-infrastructure` that shows its figure.
    pub(crate) panel: &'static str,
}

/// Alerts that are evaluated together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    /// Its name in Prometheus and Grafana.
    pub(crate) name: &'static str,
    /// Its alerts.
    pub(crate) alerts: &'static [Alert],
}

/// The user's four groups, then what silence, cost and dependencies need.
pub(crate) const GROUPS: [Group; 5] = [
    critical::GROUP,
    warning::GROUP,
    info::GROUP,
    capacity::GROUP,
    beyond::GROUP,
];

/// Every alert, in the order of the groups.
pub(crate) fn all() -> impl Iterator<Item = &'static Alert> {
    GROUPS.iter().flat_map(|group| group.alerts)
}

#[cfg(test)]
mod tests;
