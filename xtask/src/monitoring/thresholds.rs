//! The one table of thresholds: alert expressions, dashboard colours, runbooks and docs take
//! their numbers from it.

mod site;
mod table;
mod tokens;

use anyhow::{Result, bail};

pub(crate) use site::Site;
pub(crate) use table::TABLE;

/// Which side of a threshold is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Good {
    /// Small figures: latency, errors, memory.
    Low,
    /// Large figures: hit ratio, throughput.
    High,
}

/// How a figure is written for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A share, shown in per cent.
    Percent,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Bytes, shown in KB or MB of 1000.
    Bytes,
    /// Events a second.
    PerSecond,
    /// A number of things.
    Count,
}

/// How serious it is to be past a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// What is aimed at.
    Target,
    /// Where a trend is worth a look.
    Info,
    /// Where somebody looks in office hours.
    Warning,
    /// Where somebody is woken.
    Critical,
}

impl Level {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Target, "target"),
        (Self::Info, "info"),
        (Self::Warning, "warning"),
        (Self::Critical, "critical"),
    ];

    fn named(name: &str) -> Option<Self> {
        let (level, _) = Self::ALL.into_iter().find(|(_, known)| *known == name)?;
        Some(level)
    }
}

/// One figure that is watched, and its levels in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Threshold {
    /// Its name in expressions (`@id.level`) and in an override file.
    pub(crate) id: &'static str,
    /// What is measured, in a few words.
    pub(crate) what: &'static str,
    /// How its levels are written.
    pub(crate) shown: Shown,
    /// Which side is good.
    pub(crate) good: Good,
    /// What is aimed at.
    pub(crate) target: Option<f64>,
    /// Where the info alert begins.
    pub(crate) info: Option<f64>,
    /// Where the warning begins.
    pub(crate) warning: Option<f64>,
    /// Where the critical alert begins.
    pub(crate) critical: Option<f64>,
    /// Why these levels.
    pub(crate) why: &'static str,
    /// The last figure that somebody measured, and how; or that nobody did.
    pub(crate) measured: &'static str,
}

impl Threshold {
    /// The figure of a level, if it has one.
    pub(crate) fn level(&self, level: Level) -> Option<f64> {
        match level {
            Level::Target => self.target,
            Level::Info => self.info,
            Level::Warning => self.warning,
            Level::Critical => self.critical,
        }
    }

    /// The levels it has, by name, from the mildest to the gravest.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let levels = Level::ALL.into_iter();
        levels.filter_map(|(level, name)| Some((name, self.level(level)?)))
    }

    fn level_mut(&mut self, level: Level) -> &mut Option<f64> {
        match level {
            Level::Target => &mut self.target,
            Level::Info => &mut self.info,
            Level::Warning => &mut self.warning,
            Level::Critical => &mut self.critical,
        }
    }

    /// A figure as people write it: `85 %`, `100 µs`, `8000`.
    pub(crate) fn text(&self, figure: f64) -> String {
        // Hides what binary fractions add: 0.07 × 100 is 7.000000000000001.
        let tidy = |figure: f64| (figure * 1e6).round() / 1e6;
        match self.shown {
            Shown::Percent => format!("{} %", tidy(figure * 100.0)),
            Shown::Micros => format!("{figure} µs"),
            Shown::Millis => format!("{figure} ms"),
            Shown::Seconds => format!("{figure} s"),
            Shown::Bytes if figure >= 1e6 => format!("{} MB", tidy(figure / 1e6)),
            Shown::Bytes => format!("{} KB", tidy(figure / 1e3)),
            Shown::PerSecond => format!("{figure}/s"),
            Shown::Count => figure.to_string(),
        }
    }
}

/// The thresholds and addresses of one site.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thresholds {
    rows: Vec<Threshold>,
    /// Where this site's pages are.
    pub(crate) site: Site,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            rows: TABLE.to_vec(),
            site: Site::default(),
        }
    }
}

impl Thresholds {
    /// Every row, in the order of the docs.
    pub(crate) fn rows(&self) -> &[Threshold] {
        &self.rows
    }

    /// The row with this id.
    pub(crate) fn row(&self, id: &str) -> Result<&Threshold> {
        match self.rows.iter().find(|row| row.id == id) {
            Some(row) => Ok(row),
            None => bail!("no threshold is called {id:?}"),
        }
    }

    /// The figure of `id` at `level`.
    pub(crate) fn figure(&self, id: &str, level: Level) -> Result<f64> {
        let row = self.row(id)?;
        match row.level(level) {
            Some(figure) => Ok(figure),
            None => bail!("the threshold {id:?} has no level {level:?}"),
        }
    }
}

#[cfg(test)]
mod tests;
