//! What a selector may name: the catalogue's metrics, labels and values, and the recordings.

use forewarm_application::metrics::{CATALOGUE, LabelValues, MetricKind, STRATEGIES};
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::VectorSelector;

use crate::monitoring::recording::RECORDINGS;

/// How a series behaves, for the functions that may be applied to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Grows: only its rate means something.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A series that exists.
pub(super) struct Known {
    pub(super) behaviour: Behaviour,
    /// Labels and, where they are a closed set, their values.
    pub(super) labels: Vec<(&'static str, Option<Vec<&'static str>>)>,
    pub(super) recorded: bool,
}

impl Known {
    pub(super) fn has(&self, label: &str) -> bool {
        self.labels.iter().any(|(name, _)| *name == label)
    }
}

/// What is known of a series with this name.
pub(super) fn known(name: &str) -> Option<Known> {
    if name == "up" {
        return Some(Known {
            behaviour: Behaviour::Gauge,
            labels: vec![("job", None), ("instance", None)],
            recorded: false,
        });
    }
    if RECORDINGS.iter().any(|it| it.record == name) {
        return Some(recorded(name));
    }
    CATALOGUE.iter().find_map(|spec| {
        let suffix = name.strip_prefix(spec.name)?;
        let histogram = spec.kind == MetricKind::Histogram;
        let sound = match suffix {
            "" => !histogram,
            "_bucket" | "_sum" | "_count" => histogram,
            _ => false,
        };
        sound.then(|| {
            let own = spec.labels.iter().map(|label| match label.values {
                LabelValues::Fixed(values) => (label.name, Some(values.to_vec())),
                LabelValues::Strategy => (label.name, Some(STRATEGIES.to_vec())),
                LabelValues::Chain | LabelValues::Free => (label.name, None),
            });
            let mut labels = vec![("job", None), ("instance", None)];
            labels.extend(own);
            if suffix == "_bucket" {
                labels.push(("le", None));
            }
            Known {
                behaviour: match spec.kind {
                    MetricKind::Gauge => Behaviour::Gauge,
                    MetricKind::Counter | MetricKind::Histogram => Behaviour::Counter,
                },
                labels,
                recorded: false,
            }
        })
    })
}

/// A recording's labels are the first part of its name.
fn recorded(name: &str) -> Known {
    let labels = name.split(':').next().unwrap_or_default();
    let levels = vec!["L1", "L2"];
    let all = [
        ("job", None),
        ("chain", None),
        ("cache_level", Some(levels)),
        ("day", None),
    ];
    Known {
        behaviour: Behaviour::Gauge,
        labels: all
            .into_iter()
            .filter(|(label, _)| labels.contains(label))
            .collect(),
        recorded: true,
    }
}

/// What is wrong with a selector on its own.
pub(super) fn check(selector: &VectorSelector) -> Vec<String> {
    let Some(name) = &selector.name else {
        return vec![format!("{selector} names no metric")];
    };
    let Some(known) = known(name) else {
        return vec![format!(
            "the metric {name} is neither in the catalogue nor recorded"
        )];
    };
    let matchers = selector.matchers.matchers.iter();
    matchers
        .filter_map(|matcher| refused(name, matcher, &known))
        .collect()
}

fn refused(metric: &str, matcher: &Matcher, known: &Known) -> Option<String> {
    let label = known.labels.iter().find(|(name, _)| *name == matcher.name);
    let Some((label, values)) = label else {
        let names: Vec<_> = known.labels.iter().map(|(name, _)| *name).collect();
        return Some(format!(
            "{metric} has no label {:?}; it has {}",
            matcher.name,
            names.join(", ")
        ));
    };
    let values = values.as_ref()?;
    let asked: Vec<&str> = match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => vec![&matcher.value],
        MatchOp::Re(_) | MatchOp::NotRe(_) => matcher.value.split('|').collect(),
    };
    let stranger = asked.into_iter().find(|value| !values.contains(value))?;
    Some(format!(
        "{label}={stranger:?} of {metric} is none of its values: {}",
        values.join(", ")
    ))
}
