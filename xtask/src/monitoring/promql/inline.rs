//! Putting recording rules' expressions where their names are read: Grafana's own alert rules
//! must not depend on rules that another server may not have loaded.

use std::collections::BTreeMap;
use std::time::Duration;

use promql_parser::label::Matchers;
use promql_parser::parser::{Expr, Offset, ParenExpr, SubqueryExpr, VectorSelector};

use super::rewrite;

/// The step at which a recorded series is recomputed over a range.
const STEP: Duration = Duration::from_secs(60);

/// `expr` with every name of `recorded` replaced by its expression, those in it included.
///
/// Label matchers go to each series of the expression, which is right because a recording keeps
/// the labels that it is selected by; an offset is added to each series' own; a range becomes a
/// subquery with a step of a minute.
pub(crate) fn inline(expr: &Expr, recorded: &BTreeMap<&str, Expr>) -> Expr {
    rewrite(expr, &mut |node| match node {
        Expr::VectorSelector(it) => {
            let body = body(it, recorded)?;
            let body = match &it.offset {
                Some(offset) => shifted(&body, offset),
                None => body,
            };
            Some(paren(body))
        }
        Expr::MatrixSelector(it) => Some(Expr::Subquery(SubqueryExpr {
            expr: Box::new(paren(body(&it.vs, recorded)?)),
            offset: it.vs.offset.clone(),
            at: it.vs.at.clone(),
            range: it.range,
            step: Some(STEP),
        })),
        _ => None,
    })
}

/// What a recorded series stands for, at no offset.
fn body(selector: &VectorSelector, recorded: &BTreeMap<&str, Expr>) -> Option<Expr> {
    let body = inline(recorded.get(selector.name.as_deref()?)?, recorded);
    Some(rewrite(&body, &mut |node| {
        let mut node = node.clone();
        match &mut node {
            Expr::VectorSelector(it) => select(it, &selector.matchers),
            Expr::MatrixSelector(it) => select(&mut it.vs, &selector.matchers),
            _ => return None,
        }
        Some(node)
    }))
}

fn select(selector: &mut VectorSelector, more: &Matchers) {
    for matcher in &more.matchers {
        if !selector.matchers.matchers.contains(matcher) {
            selector.matchers.matchers.push(matcher.clone());
        }
    }
}

fn shifted(expr: &Expr, by: &Offset) -> Expr {
    rewrite(expr, &mut |node| {
        let mut node = node.clone();
        let offset = match &mut node {
            Expr::VectorSelector(it) => &mut it.offset,
            Expr::MatrixSelector(it) => &mut it.vs.offset,
            // Shifts what is in it, too.
            Expr::Subquery(it) => &mut it.offset,
            _ => return None,
        };
        *offset = sum(offset.as_ref(), by);
        Some(node)
    })
}

fn sum(a: Option<&Offset>, b: &Offset) -> Option<Offset> {
    let millis = |offset: &Offset| match offset {
        Offset::Pos(by) => by.as_millis() as i64,
        Offset::Neg(by) => -(by.as_millis() as i64),
    };
    let sum = a.map_or(0, millis) + millis(b);
    let length = Duration::from_millis(sum.unsigned_abs());
    match sum {
        0 => None,
        1.. => Some(Offset::Pos(length)),
        _ => Some(Offset::Neg(length)),
    }
}

fn paren(expr: Expr) -> Expr {
    match expr {
        // Binds tighter than anything around it.
        it @ (Expr::Paren(_) | Expr::Aggregate(_) | Expr::Call(_)) => it,
        it => Expr::Paren(ParenExpr { expr: Box::new(it) }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn check(text: &str, expected: &str) {
        let rules = [
            ("a:ratio", "sum by (x) (rate(e[5m])) / a:total"),
            ("a:total", "sum by (x) (rate(t{k=\"v\"}[5m] offset 1m))"),
            ("a:hour", "avg_over_time(a:total[1h])"),
        ];
        let parsed = |text: &str| parse(text).expect("it is PromQL");
        let recorded = rules.map(|(name, text)| (name, parsed(text))).into();
        assert_eq!(
            inline(&parsed(text), &recorded).to_string(),
            parsed(expected).to_string()
        );
    }

    #[test]
    fn a_recorded_name_becomes_its_expression_however_deep() {
        check(
            "a:ratio > 1",
            "(sum by (x) (rate(e[5m])) / sum by (x) (rate(t{k=\"v\"}[5m] offset 1m))) > 1",
        );
    }

    #[test]
    fn matchers_and_offsets_reach_every_series() {
        check(
            "a:ratio{x=\"1\"} offset 1h",
            "(sum by (x) (rate(e{x=\"1\"}[5m] offset 1h)) / sum by (x) (rate(t{k=\"v\",x=\"1\"}[5m] offset 61m)))",
        );
    }

    #[test]
    fn a_range_becomes_a_subquery_that_takes_the_offset_for_what_is_in_it() {
        check(
            "a:hour offset 1d",
            "avg_over_time(sum by (x) (rate(t{k=\"v\"}[5m] offset 1m))[1h:1m] offset 1d)",
        );
    }
}
