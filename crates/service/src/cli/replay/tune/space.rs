//! What is searched: one strategy with its parameters, and the few settings beside it.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::config::{Effective, Section, Span, Strategy, Warming};

/// Settings to try.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) strategy: Strategy,
    pub(super) parameters: Map<String, Value>,
    pub(super) window: Span,
    pub(super) window_events: usize,
    pub(super) l1_share: f64,
}

/// One setting with another value.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Parameter(&'static str, Value),
    Window(Span),
    WindowEvents(usize),
    L1Share(f64),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            strategy,
            parameters,
            window,
            window_events,
            l1_share,
        } = self;
        let parameters = Value::Object(parameters.clone());
        let name = strategy.name();
        write!(f, "{name} {parameters} {window} {window_events} {l1_share}")
    }
}

impl Point {
    /// A strategy as configured.
    pub(super) fn of(effective: &Effective, strategy: Strategy) -> Self {
        let config = &effective.config;
        let mut parameters = Map::new();
        let mut keep = |setting: crate::config::Setting| {
            // Settings are shown as TOML; numbers and quoted texts read the same as JSON.
            if let Some(Ok(value)) = setting.value.as_deref().map(serde_json::from_str) {
                parameters.insert(setting.key, value);
            }
        };
        let warming = &config.warming;
        match strategy {
            Strategy::TopN => warming.topn.visit("", &mut keep),
            Strategy::Threshold => warming.threshold.visit("", &mut keep),
            Strategy::Aggressive => warming.aggressive.visit("", &mut keep),
            Strategy::Conservative => warming.conservative.visit("", &mut keep),
            Strategy::Adaptive => warming.adaptive.visit("", &mut keep),
            Strategy::TimeBased => warming.timebased.visit("", &mut keep),
        }
        Self {
            strategy,
            parameters,
            window: config.tracking.window,
            window_events: config.tracking.window_events,
            l1_share: warming.budget.l1_share,
        }
    }

    /// The section that this point means, with the warm cap at the strategy's maximum; `None`
    /// where the values contradict each other.
    pub(super) fn warming(&self, effective: &Effective) -> Option<Warming> {
        let configured = &effective.config.warming;
        let mut warming = configured
            .with_strategy(self.strategy, self.parameters.clone())
            .ok()?;
        warming.max_pairs_per_warm = warming.strategy_maximum().1;
        let fits = warming.max_pairs_per_warm <= effective.config.tracking.max_partners;
        (fits && warming.strategy().is_ok()).then_some(warming)
    }

    /// The same with one change; `None` where that is no change.
    pub(super) fn with(&self, change: &Change) -> Option<Self> {
        let mut changed = self.clone();
        match change {
            Change::Parameter(name, value) => {
                changed.parameters.insert((*name).to_owned(), value.clone());
                if *name == "recency_weight" {
                    // The two weights are shares of one.
                    let other = 1.0 - value.as_f64()?;
                    let other = (other * 1e6).round() / 1e6;
                    changed
                        .parameters
                        .insert("correlation_weight".to_owned(), json!(other));
                }
            }
            Change::Window(window) => changed.window = *window,
            Change::WindowEvents(events) => changed.window_events = *events,
            Change::L1Share(share) => changed.l1_share = *share,
        }
        (changed != *self).then_some(changed)
    }

    /// What may be tried, setting by setting: what matters most comes first.
    pub(super) fn neighbourhoods(&self) -> Vec<Vec<Change>> {
        let counts = [1, 2, 3, 5, 8, 12, 16, 24];
        let scores = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
        let of = |name: &'static str, values: Vec<Value>| -> Vec<Change> {
            values
                .into_iter()
                .map(|value| Change::Parameter(name, value))
                .collect()
        };
        let counted = |name| of(name, counts.map(|count| json!(count)).into());
        let scored = |name| of(name, scores.map(|score| json!(score)).into());
        let mut all = match self.strategy {
            Strategy::TopN => vec![counted("top_n"), scored("min_score")],
            Strategy::Threshold | Strategy::Aggressive => {
                vec![counted("max_pairs"), scored("min_score")]
            }
            Strategy::Conservative => vec![
                counted("max_pairs"),
                of(
                    "min_support",
                    vec![json!(1.0), json!(2.0), json!(5.0), json!(10.0), json!(20.0)],
                ),
                scored("min_score"),
            ],
            Strategy::Adaptive => vec![
                counted("max_pairs"),
                scored("min_score"),
                of("min_pairs", vec![json!(1), json!(2), json!(3), json!(5)]),
                of(
                    "target_hit_rate",
                    vec![json!(0.9), json!(0.95), json!(0.97), json!(0.99)],
                ),
            ],
            Strategy::TimeBased => vec![
                counted("top_n"),
                of(
                    "recency_weight",
                    vec![json!(0.0), json!(0.15), json!(0.3), json!(0.5)],
                ),
                of(
                    "recency_window",
                    vec![json!("10s"), json!("60s"), json!("300s")],
                ),
                scored("min_score"),
            ],
        };
        let events = [5, 10, 20, 40, 64].map(Change::WindowEvents);
        let windows = [100, 300, 1_000, 3_000].map(|ms| Change::Window(Span::millis(ms)));
        let shares = [0.1, 0.2, 0.3, 0.4].map(Change::L1Share);
        all.insert(1, events.into());
        all.push(shares.into());
        all.push(windows.into());
        all
    }
}
