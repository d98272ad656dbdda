//! `cargo xtask alerts mutate`: would the cases notice if a rule were wrong?
//!
//! Every rule is changed in every way that a slip of the hand would (`changes.rs`), one change at
//! a time; the changed rules are given to the cases of the alerts that read them. A mutant that
//! no case notices has survived, and names a case that is missing.

mod changes;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use promql_parser::parser::Expr;

use super::alerts;
use super::cases::{RECORDINGS, Suite, suites};
use super::prometheus::{Rule, RuleFile, RuleGroup, rule_file};
use super::promql::{parse, series};
use super::thresholds::Thresholds;
use changes::Kind;

/// What share of the mutants must die.
const MUST_DIE: f64 = 0.95;
/// How many may survive a sample however small: as many as are known to be no mutants at all (two
/// windows of a gauge that the rule reads twice, so that the other reading decides).
const KNOWN: usize = 2;

/// A rule file with one change.
pub(super) struct Mutant {
    /// The changed rule.
    rule: String,
    kind: Kind,
    what: String,
    rules: RuleFile,
    /// The suites to try, the likeliest to notice first.
    suites: Vec<usize>,
}

/// How many mutants of a kind there were, and how many died.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    made: usize,
    died: usize,
}

/// Runs every mutant, or one in `one_in`; an error when too many survive.
pub(crate) fn run(thresholds: &Thresholds, one_in: usize) -> Result<()> {
    let suites = suites();
    let mutants = mutants(&rule_file(thresholds)?, &suites)?;
    let all = mutants.len();
    let chosen: Vec<Mutant> = mutants.into_iter().step_by(one_in.max(1)).collect();
    let died = run::all(&chosen, &suites, thresholds)?;
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for (mutant, died) in chosen.iter().zip(&died) {
        let tally = tallies.entry(mutant.kind.name()).or_default();
        tally.made += 1;
        tally.died += usize::from(*died);
        if !died {
            println!(
                "survived: {} in {}: {}",
                mutant.kind.name(),
                mutant.rule,
                mutant.what
            );
        }
    }
    for (kind, tally) in &tallies {
        println!("{kind:<24} {:>4} of {:>4} died", tally.died, tally.made);
    }
    let dead = died.iter().filter(|died| **died).count();
    let share = dead as f64 / chosen.len().max(1) as f64;
    println!(
        "{dead} of {} mutants died ({:.1} %), of {all} that there are",
        chosen.len(),
        100.0 * share
    );
    let survived = chosen.len() - dead;
    if share < MUST_DIE && (one_in <= 1 || survived > KNOWN) {
        bail!("at least {:.0} % must die", 100.0 * MUST_DIE);
    }
    Ok(())
}

/// A rule by its place in the file.
type Place = (usize, usize);

fn mutants(rules: &RuleFile, suites: &[Suite]) -> Result<Vec<Mutant>> {
    let reads = reads(rules)?;
    let mut mutants = Vec::new();
    for (g, group) in rules.groups.iter().enumerate() {
        for (r, rule) in group.rules.iter().enumerate() {
            let suites = readers(rule.name(), &reads, suites);
            let place = (g, r);
            let mut add = |kind, what, changed| {
                mutants.push(Mutant {
                    rule: rule.name().to_owned(),
                    kind,
                    what,
                    rules: with(rules, place, changed),
                    suites: suites.clone(),
                });
            };
            for change in changes::of(&parse(rule.expr())?) {
                add(
                    change.kind,
                    change.what,
                    rule.with_expr(change.expr.to_string()),
                );
            }
            for (kind, what, changed) in timing(rule) {
                add(kind, what, changed);
            }
        }
    }
    Ok(mutants)
}

/// Changes of an alert that are not in its expression.
fn timing(rule: &Rule) -> Vec<(Kind, String, Rule)> {
    let Rule::Alerting(alert) = rule else {
        return Vec::new();
    };
    let mut changed = Vec::new();
    if let Some(pending) = &alert.pending {
        let mut alert = alert.clone();
        let what = format!("for: {pending} dropped");
        alert.pending = None;
        changed.push((Kind::Pending, what, Rule::Alerting(alert)));
    }
    if let Some(keep) = &alert.keep_firing_for {
        let mut alert = alert.clone();
        let what = format!("keep_firing_for: {keep} dropped");
        alert.keep_firing_for = None;
        changed.push((Kind::Pending, what, Rule::Alerting(alert)));
    }
    changed
}

fn with(rules: &RuleFile, (group, index): Place, changed: Rule) -> RuleFile {
    let mut rules = rules.clone();
    rules.groups[group].rules[index] = changed;
    rules
}

/// The series that each rule reads.
fn reads(rules: &RuleFile) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let rules = rules.groups.iter().flat_map(|group| &group.rules);
    let reads = rules.map(|rule| {
        let expr: Expr = parse(rule.expr())?;
        Ok((rule.name().to_owned(), series(&expr).into_iter().collect()))
    });
    reads.collect()
}

/// Everything that `name` reads, itself included, through any number of recordings.
fn closure(name: &str, reads: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut known = BTreeSet::from([name.to_owned()]);
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for read in reads.get(&next).into_iter().flatten() {
            if known.insert(read.clone()) {
                open.push(read.clone());
            }
        }
    }
    known
}

/// The suites that a change of the rule may be noticed by: those of the alerts that read it, then
/// that of the recordings.
fn readers(name: &str, reads: &BTreeMap<String, BTreeSet<String>>, suites: &[Suite]) -> Vec<usize> {
    let is_alert = alerts::all().any(|alert| alert.name == name);
    let reads_it = |suite: &Suite| closure(suite.subject, reads).contains(name);
    let readers = suites.iter().enumerate();
    let mut readers: Vec<usize> = readers
        .filter(|(_, suite)| reads_it(suite))
        .map(|(index, _)| index)
        .collect();
    if !is_alert {
        let recordings = suites.iter().enumerate();
        let recordings = recordings.filter(|(_, it)| RECORDINGS.contains(&it.subject));
        readers.extend(recordings.map(|(index, _)| index));
    }
    readers
}

/// The rules that matter to a suite: fewer rules, quicker tests.
fn needed(rules: &RuleFile, subject: &str) -> Result<RuleFile> {
    let closure = closure(subject, &reads(rules)?);
    let keep = |rule: &&Rule| match rule {
        Rule::Recording(rule) => RECORDINGS.contains(&subject) || closure.contains(&rule.record),
        Rule::Alerting(rule) => rule.alert == subject,
    };
    let groups = rules.groups.iter().map(|group| RuleGroup {
        name: group.name.clone(),
        rules: group.rules.iter().filter(keep).cloned().collect(),
    });
    Ok(RuleFile {
        groups: groups.filter(|group| !group.rules.is_empty()).collect(),
    })
}
