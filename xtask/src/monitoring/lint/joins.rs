//! Two sides that must fit: the labels they are summed by, and what a ratio is divided by.

use promql_parser::parser::token::{T_DIV, T_GTR};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{BinaryExpr, Expr, LabelModifier};

use super::query::Place;
use super::selectors::known;
use crate::monitoring::promql::{bare, series, walk};

/// What is wrong with an operation of two sides.
pub(super) fn check(it: &BinaryExpr, place: Place) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(LabelModifier::Include(on)) = it.modifier.as_ref().and_then(|m| m.matching.as_ref())
    {
        for side in [&it.lhs, &it.rhs] {
            faults.extend(unknown_labels(&on.labels, side));
        }
    }
    let vectors = [&it.lhs, &it.rhs].map(|side| side.value_type() == ValueType::Vector);
    if it.op.id() == T_DIV && vectors == [true, true] {
        faults.extend(ratio(it));
        if place == Place::Dashboard && !is_guarded(&it.rhs) {
            faults.push(format!("divides by {} which may be 0: add > 0", it.rhs));
        }
    }
    faults
}

/// Labels of a `by` or an `on` that no series below it has.
pub(super) fn unknown_labels(labels: &[String], below: &Expr) -> Vec<String> {
    let series = series(below);
    let has = |label: &str| {
        series
            .iter()
            .any(|name| known(name).is_some_and(|it| it.has(label)))
    };
    let unknown = labels
        .iter()
        .filter(|label| !has(label) && !series.is_empty());
    unknown
        .map(|label| format!("no series of {below} has the label {label:?}"))
        .collect()
}

/// An error ratio of single series divides each series by itself: it is 1 whatever happens.
fn ratio(it: &BinaryExpr) -> Option<String> {
    let on = it.is_matching_on();
    let [lhs, rhs] = [&it.lhs, &it.rhs].map(|side| groups(side));
    match (lhs, rhs) {
        (Some(a), Some(b)) if a == b || on => None,
        (Some(a), Some(b)) => Some(format!(
            "the sides of a ratio are summed by ({}) and by ({})",
            a.join(", "),
            b.join(", ")
        )),
        _ if on => None,
        _ => Some(format!(
            "{} / {}: both sides of a ratio must be summed by the same labels",
            it.lhs, it.rhs
        )),
    }
}

/// The labels that a side is summed by: those of its first aggregation, or of a recording's name.
fn groups(side: &Expr) -> Option<Vec<String>> {
    let mut found = None;
    walk(side, &mut |node| {
        if found.is_some() {
            return;
        }
        found = match node {
            Expr::Aggregate(it) => match &it.modifier {
                Some(LabelModifier::Include(by)) => Some(by.labels.clone()),
                Some(LabelModifier::Exclude(_)) => None,
                None => Some(Vec::new()),
            },
            Expr::VectorSelector(it) => it.name.as_deref().and_then(|name| {
                let known = known(name).filter(|known| known.recorded)?;
                let labels = known.labels.iter().map(|(label, _)| (*label).to_owned());
                Some(labels.collect())
            }),
            _ => None,
        };
    });
    found
}

fn is_guarded(denominator: &Expr) -> bool {
    match bare(denominator) {
        Expr::Binary(it) => {
            let zero = matches!(bare(&it.rhs), Expr::NumberLiteral(it) if it.val == 0.0);
            it.op.id() == T_GTR && zero
        }
        _ => false,
    }
}
