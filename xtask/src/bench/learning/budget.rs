//! What a piece may cost in instructions, as checked in.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace::Workspace;

const FILE: &str = "xtask/budgets.toml";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budgets {
    /// By how much a cost may differ, as a share of the budget.
    tolerance: f64,
    /// Instructions by the name of the piece.
    instructions: BTreeMap<String, f64>,
}

impl Budgets {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let text = std::fs::read_to_string(workspace.path(FILE));
        Self::parse(&text.with_context(|| format!("reading {FILE}"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("in {FILE}"))
    }

    /// Prints what was spent and fails if a piece costs more than it may, or has no budget. What has
    /// become cheaper is named: its budget should follow.
    pub(super) fn check(&self, spent: &[(String, f64)]) -> Result<()> {
        let mut faults = Vec::new();
        for (name, spent) in spent {
            let Some(budget) = self.instructions.get(name) else {
                bail!("{name} has no budget in {FILE}");
            };
            let change = spent / budget - 1.0;
            let percent = change * 100.0;
            println!("{name}: {spent:.0} instructions, {percent:+.1} % of the {budget:.0} allowed");
            if change > self.tolerance || change.is_nan() {
                faults.push(format!(
                    "{name} costs {spent:.0} instructions, {percent:+.1} % of the {budget:.0} in {FILE}"
                ));
            } else if change < -self.tolerance {
                println!("{name} has become cheaper: lower its budget in {FILE}");
            }
        }
        if !faults.is_empty() {
            bail!("{}", faults.join("\n"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Budgets {
        Budgets::parse("tolerance = 0.1\n[instructions]\na = 1000\nb = 50.5\n").expect("valid")
    }

    #[test]
    fn more_than_the_tolerance_is_refused_with_the_figures_and_less_is_not() {
        let check = |a, b| budgets().check(&[("a".to_owned(), a), ("b".to_owned(), b)]);
        assert!(check(1_099.0, 10.0).is_ok());
        let error = check(1_200.0, 50.0).expect_err("too much").to_string();
        assert!(
            error.contains("a costs 1200") && error.contains("+20.0 %"),
            "{error}"
        );
        assert!(!error.contains("b costs"), "{error}");
        assert!(check(f64::NAN, 50.0).is_err());
    }

    #[test]
    fn what_has_no_budget_is_refused_and_so_is_a_file_with_more() {
        let error = budgets()
            .check(&[("c".to_owned(), 1.0)])
            .expect_err("unknown");
        assert!(error.to_string().contains("c has no budget"), "{error}");
        assert!(Budgets::parse("tolerance = 0.1\nother = 1\n[instructions]\n").is_err());
    }
}
