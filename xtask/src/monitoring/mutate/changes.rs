//! The ways in which an expression is changed.

use promql_parser::label::Labels;
use promql_parser::parser::token::{
    T_AVG, T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS, T_MAX, T_MUL, T_NEQ,
    T_SUM, TokenId, TokenType,
};
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, NumberLiteral, VectorSelector,
};

use crate::monitoring::promql::{bare, children, rewrite, series, with_child};

/// A family of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Comparison,
    Pending,
    Guard,
    Aggregation,
    Grouping,
    Function,
    Window,
    Matcher,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Number => "number halved or × 1.5",
            Self::Comparison => "comparison flipped",
            Self::Pending => "for dropped",
            Self::Guard => "guard dropped",
            Self::Aggregation => "sum to max",
            Self::Grouping => "grouping label dropped",
            Self::Function => "function exchanged",
            Self::Window => "window or offset changed",
            Self::Matcher => "matcher dropped",
        }
    }
}

/// One change of an expression.
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) what: String,
    pub(super) expr: Expr,
}

/// Labels that both sides of a join have: a matcher on one side holds for the other, so that
/// only dropping all of them changes anything.
const JOINED: [&str; 2] = ["job", "cache_level"];

/// Every change of `expr` at one place, or of one label's matchers in all places.
pub(super) fn of(expr: &Expr) -> Vec<Change> {
    let mut changes = changed(expr, Worth::All);
    let joins_recording = series(expr).iter().any(|name| name.contains(':'));
    for label in JOINED {
        // A recording is of our job: joined with it, so is everything.
        if label == "job" && joins_recording {
            continue;
        }
        let without = rewrite(expr, &mut |node| {
            let selector = selector_of(node)?;
            let mut other = selector.clone();
            other.matchers.matchers.retain(|it| it.name != label);
            (other != *selector).then(|| with_selector(node, other))
        });
        if without != *expr {
            changes.push(Change {
                kind: Kind::Matcher,
                what: format!("every matcher of {label} dropped"),
                expr: without,
            });
        }
    }
    changes
}

/// What of a part of an expression counts.
#[derive(Clone, Copy, PartialEq)]
enum Worth {
    All,
    /// Not its scale: a quantile is the same of a rate and of an increase.
    Proportions,
    /// Under `0 *`: only that there are series.
    Presence,
}

impl Worth {
    /// Whether the change makes a difference here.
    fn minds(self, change: &Change) -> bool {
        match self {
            Self::All => true,
            Self::Proportions => change.kind != Kind::Function,
            Self::Presence => matches!(change.kind, Kind::Grouping | Kind::Matcher),
        }
    }
}

fn changed(expr: &Expr, worth: Worth) -> Vec<Change> {
    let mut changes = here(expr);
    changes.retain(|change| worth.minds(change));
    let inner_worth = match expr {
        it if is_times_zero(it) => Worth::Presence,
        Expr::Call(it) if it.func.name == "histogram_quantile" => Worth::Proportions,
        _ => worth,
    };
    for (index, child) in children(expr).into_iter().enumerate() {
        let inner = changed(child, inner_worth).into_iter();
        changes.extend(inner.map(|change| Change {
            expr: with_child(expr, index, change.expr),
            ..change
        }));
    }
    changes
}

fn is_times_zero(expr: &Expr) -> bool {
    let Expr::Binary(it) = expr else { return false };
    it.op.id() == T_MUL && matches!(bare(&it.lhs), Expr::NumberLiteral(it) if it.val == 0.0)
}

fn here(expr: &Expr) -> Vec<Change> {
    match expr {
        Expr::NumberLiteral(it) => number(it),
        Expr::Binary(it) => binary(it),
        Expr::Aggregate(it) => aggregate(it),
        Expr::Call(it) => call(it),
        Expr::MatrixSelector(_) | Expr::VectorSelector(_) => selector(expr),
        _ => Vec::new(),
    }
}

fn number(it: &NumberLiteral) -> Vec<Change> {
    if it.val == 0.0 {
        return Vec::new();
    }
    let scaled = |by: f64| Change {
        kind: Kind::Number,
        what: format!("{} × {by}", it.val),
        expr: Expr::from(it.val * by),
    };
    vec![scaled(0.5), scaled(1.5)]
}

fn binary(it: &BinaryExpr) -> Vec<Change> {
    let op = it.op.id();
    let mut changes = Vec::new();
    if matches!(op, T_LAND | T_LOR | T_LUNLESS) {
        changes.push(Change {
            kind: Kind::Guard,
            what: format!("{} {} dropped", it.op, it.rhs),
            expr: (*it.lhs).clone(),
        });
    }
    let Some(flipped) = flipped(op) else {
        return changes;
    };
    let mut other = it.clone();
    other.op = TokenType::new(flipped);
    changes.push(Change {
        kind: Kind::Comparison,
        what: format!("{} to {} in {}", it.op, other.op, Expr::Binary(it.clone())),
        expr: Expr::Binary(other),
    });
    if op == T_GTR && matches!(bare(&it.rhs), Expr::NumberLiteral(it) if it.val == 0.0) {
        changes.push(Change {
            kind: Kind::Guard,
            what: format!("> 0 dropped after {}", it.lhs),
            expr: (*it.lhs).clone(),
        });
    }
    changes
}

fn flipped(op: TokenId) -> Option<TokenId> {
    let pairs = [(T_GTR, T_LSS), (T_GTE, T_LTE), (T_EQLC, T_NEQ)];
    pairs.into_iter().find_map(|(a, b)| match op {
        it if it == a => Some(b),
        it if it == b => Some(a),
        _ => None,
    })
}

fn aggregate(it: &AggregateExpr) -> Vec<Change> {
    let mut changes = Vec::new();
    if matches!(it.op.id(), T_SUM | T_AVG) {
        let mut other = it.clone();
        other.op = TokenType::new(T_MAX);
        changes.push(Change {
            kind: Kind::Aggregation,
            what: format!("{} to max in {}", it.op, Expr::Aggregate(it.clone())),
            expr: Expr::Aggregate(other),
        });
    }
    if let Some(LabelModifier::Include(by)) = &it.modifier {
        for dropped in &by.labels {
            let kept = by.labels.iter().filter(|label| *label != dropped);
            let mut other = it.clone();
            other.modifier = Some(LabelModifier::Include(Labels::new(
                kept.map(String::as_str).collect(),
            )));
            changes.push(Change {
                kind: Kind::Grouping,
                what: format!("{dropped} dropped in {}", Expr::Aggregate(it.clone())),
                expr: Expr::Aggregate(other),
            });
        }
    }
    changes
}

fn call(it: &Call) -> Vec<Change> {
    let other = match it.func.name {
        "rate" => "increase",
        "avg_over_time" => "max_over_time",
        "last_over_time" => "count_over_time",
        "deriv" => "delta",
        "clamp_min" => "clamp_max",
        "absent" => "count",
        _ => return Vec::new(),
    };
    // Printed and read again: the parser knows which arguments a function takes.
    let text = Expr::Call(it.clone()).to_string();
    let text = text.replacen(it.func.name, other, 1);
    let Ok(expr) = crate::monitoring::promql::parse(&text) else {
        return Vec::new();
    };
    vec![Change {
        kind: Kind::Function,
        what: format!("{} to {other} in {}", it.func.name, Expr::Call(it.clone())),
        expr,
    }]
}

fn selector(expr: &Expr) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Expr::MatrixSelector(it) = expr {
        for by in [0.5, 2.0] {
            let mut other = it.clone();
            other.range = it.range.mul_f64(by);
            changes.push(Change {
                kind: Kind::Window,
                what: format!("range × {by} of {expr}"),
                expr: Expr::MatrixSelector(other),
            });
        }
    }
    let Some(selector) = selector_of(expr) else {
        return changes;
    };
    if selector.offset.is_some() {
        let mut other = selector.clone();
        other.offset = None;
        changes.push(Change {
            kind: Kind::Window,
            what: format!("offset dropped of {expr}"),
            expr: with_selector(expr, other),
        });
    }
    for index in 0..selector.matchers.matchers.len() {
        let mut other = selector.clone();
        let dropped = other.matchers.matchers.remove(index);
        if JOINED.contains(&dropped.name.as_str()) {
            continue;
        }
        changes.push(Change {
            kind: Kind::Matcher,
            what: format!("{dropped} dropped of {expr}"),
            expr: with_selector(expr, other),
        });
    }
    changes
}

fn selector_of(expr: &Expr) -> Option<&VectorSelector> {
    match expr {
        Expr::MatrixSelector(it) => Some(&it.vs),
        Expr::VectorSelector(it) => Some(it),
        _ => None,
    }
}

fn with_selector(expr: &Expr, selector: VectorSelector) -> Expr {
    let mut expr = expr.clone();
    match &mut expr {
        Expr::MatrixSelector(it) => it.vs = selector,
        Expr::VectorSelector(it) => *it = selector,
        _ => {}
    }
    expr
}
