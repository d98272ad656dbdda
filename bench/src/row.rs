//! One line of a table, on standard output as JSON.

use serde::Serialize;

/// What was measured, and what it was meant to be.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    figure: String,
    goal: Option<String>,
    /// `None` = there is no goal.
    met: Option<bool>,
}

impl Row {
    /// A figure without a goal: what others are compared with.
    pub(crate) fn plain(what: impl Into<String>, figure: impl Into<String>) {
        Self {
            what: what.into(),
            figure: figure.into(),
            goal: None,
            met: None,
        }
        .print();
    }

    /// A figure that has a goal.
    pub(crate) fn judged(
        what: impl Into<String>,
        figure: impl Into<String>,
        goal: impl Into<String>,
        met: bool,
    ) {
        Self {
            what: what.into(),
            figure: figure.into(),
            goal: Some(goal.into()),
            met: Some(met),
        }
        .print();
    }

    fn print(&self) {
        println!(
            "{}",
            serde_json::to_string(self).expect("strings and booleans are JSON")
        );
    }
}
