//! PromQL as a tree: parsed, walked, rewritten.

mod inline;

use anyhow::{Result, anyhow};
pub(crate) use inline::inline;
use promql_parser::parser::{self, Expr, FunctionArgs, MatrixSelector};

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expr> {
    parser::parse(text).map_err(|error| anyhow!("{error} in {text:?}"))
}

/// The expressions that `expr` is made of, one level down.
pub(crate) fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(it) => {
            let parameter = it.param.as_deref();
            parameter.into_iter().chain([&*it.expr]).collect()
        }
        Expr::Unary(it) => vec![&it.expr],
        Expr::Binary(it) => vec![&it.lhs, &it.rhs],
        Expr::Paren(it) => vec![&it.expr],
        Expr::Subquery(it) => vec![&it.expr],
        Expr::Call(it) => it.args.args.iter().map(|arg| &**arg).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

/// Calls `visit` with `expr` and everything in it, parents first, left to right.
pub(crate) fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    for child in children(expr) {
        walk(child, visit);
    }
}

/// A copy in which `change` has replaced what it wants to; it is asked about parents first, and
/// what it puts in their place is not looked into again.
pub(crate) fn rewrite(expr: &Expr, change: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(changed) = change(expr) {
        return changed;
    }
    let mut copy = expr.clone();
    match &mut copy {
        Expr::Aggregate(it) => {
            if let Some(parameter) = &mut it.param {
                **parameter = rewrite(parameter, change);
            }
            *it.expr = rewrite(&it.expr, change);
        }
        Expr::Unary(it) => *it.expr = rewrite(&it.expr, change),
        Expr::Binary(it) => {
            *it.lhs = rewrite(&it.lhs, change);
            *it.rhs = rewrite(&it.rhs, change);
        }
        Expr::Paren(it) => *it.expr = rewrite(&it.expr, change),
        Expr::Subquery(it) => *it.expr = rewrite(&it.expr, change),
        Expr::Call(it) => {
            let args = it.args.args.iter();
            let args = args.map(|arg| Box::new(rewrite(arg, change))).collect();
            it.args = FunctionArgs { args };
        }
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => {}
    }
    copy
}

/// A copy whose child at `index` (of [`children`]) is another.
pub(crate) fn with_child(expr: &Expr, index: usize, child: Expr) -> Expr {
    let mut copy = expr.clone();
    let child = Box::new(child);
    match (&mut copy, index) {
        (Expr::Aggregate(it), 0) if it.param.is_some() => it.param = Some(child),
        (Expr::Aggregate(it), _) => it.expr = child,
        (Expr::Unary(it), _) => it.expr = child,
        (Expr::Binary(it), 0) => it.lhs = child,
        (Expr::Binary(it), _) => it.rhs = child,
        (Expr::Paren(it), _) => it.expr = child,
        (Expr::Subquery(it), _) => it.expr = child,
        (Expr::Call(it), index) => it.args.args[index] = child,
        _ => {}
    }
    copy
}

/// `expr` without the parentheses around it.
pub(crate) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(it) => bare(&it.expr),
        other => other,
    }
}

/// Names of the series that an expression reads, each once, in the order of their appearance.
pub(crate) fn series(expr: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    walk(expr, &mut |node| {
        let name = match node {
            Expr::VectorSelector(it) => it.name.as_ref(),
            Expr::MatrixSelector(MatrixSelector { vs, .. }) => vs.name.as_ref(),
            _ => None,
        };
        if let Some(name) = name.filter(|name| !names.contains(*name)) {
            names.push(name.clone());
        }
    });
    names
}
