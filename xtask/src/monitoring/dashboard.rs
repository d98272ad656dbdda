//! The dashboards: rows of panels as data, turned into Grafana's JSON by one builder.

mod capacity;
mod chain;
mod executive;
mod frame;
mod infrastructure;
mod layout;
mod panel;

use anyhow::{Context, Result};
use serde_json::Value;

use super::alerts::Alert;
use super::thresholds::Thresholds;
use panel::Panel;

/// The dashboard that alerts point to.
pub(crate) const MAIN: &str = "warming-infrastructure";

/// Panels under one heading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: &'static [Panel],
}

/// What a dashboard is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Design {
    /// Its address in Grafana and its file's name.
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) tags: &'static [&'static str],
    /// How far it looks back at first.
    pub(crate) from: &'static str,
    /// How often it asks again.
    pub(crate) refresh: &'static str,
    /// Whether one chain is chosen (`warming-chain`) or any number.
    pub(crate) one_chain: bool,
    pub(crate) rows: &'static [Row],
}

/// The designs, the main one first.
pub(crate) const DESIGNS: [Design; 4] = [
    infrastructure::DESIGN,
    chain::DESIGN,
    executive::DESIGN,
    capacity::DESIGN,
];

/// A dashboard as Grafana takes it.
#[derive(Debug, Clone)]
pub(crate) struct Dashboard {
    pub(crate) uid: &'static str,
    /// The `dashboard` object of `POST /api/dashboards/db`, `${DS_PROMETHEUS}` as datasource.
    pub(crate) json: Value,
}

/// Every dashboard.
pub(crate) fn dashboards(thresholds: &Thresholds) -> Result<Vec<Dashboard>> {
    let dashboards = DESIGNS.iter().map(|design| {
        let json = frame::json(design, thresholds).with_context(|| design.uid)?;
        Ok(Dashboard {
            uid: design.uid,
            json,
        })
    });
    dashboards.collect()
}

/// The id of the panel of the main dashboard with this title.
pub(crate) fn panel_id(title: &str) -> Result<u64> {
    let design = &DESIGNS[0];
    layout::placed(design)
        .into_iter()
        .find(|placed| placed.panel.is_some_and(|panel| panel.title == title))
        .map(|placed| placed.id)
        .with_context(|| format!("{} has no panel {title:?}", design.uid))
}

/// The address that opens an alert's panel, for the chain that is at fault.
pub(crate) fn panel_url(alert: &Alert, thresholds: &Thresholds) -> Result<String> {
    let id = panel_id(alert.panel).with_context(|| alert.name)?;
    Ok(format!(
        "{}/d/{MAIN}?viewPanel={id}{{{{ with .Labels.chain }}}}&var-chain={{{{ . }}}}{{{{ end }}}}",
        thresholds.site.grafana_url
    ))
}

#[cfg(test)]
mod tests;
