//! What a site sets for itself: other levels, and where its pages are (`--thresholds FILE`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Good, Level, TABLE, Threshold, Thresholds};

/// Where this site's pages are; part of the alerts' annotations.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Site {
    /// What `/` and the name of a runbook page are appended to.
    pub(crate) runbook_base_url: String,
    /// Grafana's own address.
    pub(crate) grafana_url: String,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            runbook_base_url: "https://example.invalid/forewarm/docs/runbooks".to_owned(),
            grafana_url: "http://127.0.0.1:3000".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    site: Site,
    #[serde(flatten)]
    thresholds: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Thresholds {
    /// The table with the levels that `file` (TOML) overrides:
    ///
    /// ```toml
    /// [l1_hit_ratio]
    /// critical = 0.80
    /// [site]
    /// grafana_url = "https://grafana.example.org"
    /// ```
    pub(crate) fn from_file(file: &Path) -> Result<Self> {
        let name = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {name}"))?;
        Self::from_toml(&text).with_context(|| format!("{name} is no table of thresholds"))
    }

    pub(super) fn from_toml(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut thresholds = Self {
            rows: TABLE.to_vec(),
            site: file.site.checked()?,
        };
        for (id, levels) in file.thresholds {
            let Some(row) = thresholds.rows.iter_mut().find(|row| row.id == id) else {
                let known: Vec<_> = TABLE.iter().map(|row| row.id).collect();
                bail!(
                    "no threshold is called {id:?}; known are {}",
                    known.join(", ")
                );
            };
            for (name, figure) in levels {
                set(row, &name, figure)?;
            }
            in_order(row)?;
        }
        Ok(thresholds)
    }
}

fn set(row: &mut Threshold, name: &str, figure: f64) -> Result<()> {
    let Some(level) = Level::named(name).filter(|level| row.level(*level).is_some()) else {
        let known: Vec<_> = row.levels().map(|(name, _)| name).collect();
        bail!(
            "{} has no level {name:?}; it has {}",
            row.id,
            known.join(", ")
        );
    };
    if !figure.is_finite() || figure < 0.0 {
        bail!("{}.{name} = {figure}: not a number from 0 up", row.id);
    }
    *row.level_mut(level) = Some(figure);
    Ok(())
}

/// The more serious a level, the further on the bad side.
fn in_order(row: &Threshold) -> Result<()> {
    let levels: Vec<_> = row.levels().collect();
    for pair in levels.windows(2) {
        let [(milder, a), (graver, b)] = [pair[0], pair[1]];
        let sound = match row.good {
            Good::Low => a <= b,
            Good::High => a >= b,
        };
        if !sound {
            bail!(
                "{}: {graver} = {b} is on the good side of {milder} = {a}",
                row.id
            );
        }
    }
    Ok(())
}

impl Site {
    fn checked(self) -> Result<Self> {
        for (name, url) in [
            ("runbook_base_url", &self.runbook_base_url),
            ("grafana_url", &self.grafana_url),
        ] {
            let web = url.starts_with("http://") || url.starts_with("https://");
            if !web || url.ends_with('/') {
                bail!("site.{name} = {url:?}: not an http(s) address without a slash at its end");
            }
        }
        Ok(self)
    }
}
