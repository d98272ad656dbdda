//! What an alert's texts say about one series: the part of Go's templates that they use.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Labels;
use crate::monitoring::prometheus::AlertRule;

/// An `alert_rule_test` that wants exactly this alert, texts included.
pub(super) fn expected(
    rule: &AlertRule,
    minute: usize,
    who: &Labels,
    value: &str,
) -> Result<Value> {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    labels.extend(rule.labels.iter().map(|(name, text)| (&**name, &**text)));
    labels.extend(who.iter().map(|(name, text)| (*name, &**text)));
    let texts = rule.annotations.iter().map(|(name, template)| {
        let text = expand(template, who, value).with_context(|| format!("{name} of an alert"))?;
        Ok((name.as_str(), text))
    });
    Ok(json!({
        "eval_time": format!("{minute}m"),
        "alertname": rule.alert,
        "exp_alerts": [{
            "exp_labels": labels,
            "exp_annotations": texts.collect::<Result<BTreeMap<_, _>>>()?,
        }],
    }))
}

/// `{{ .Value | … }}`, `{{ .Labels.x }}` and `{{ with .Labels.x }}…{{ . }}…{{ else }}…{{ end }}`.
fn expand(template: &str, who: &Labels, value: &str) -> Result<String> {
    let label = |name: &str| {
        let found = who.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, text)| text.as_str())
    };
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{ ") {
        text += before;
        let (action, after) = after.split_once(" }}").context("an action has no end")?;
        rest = after;
        if let Some(name) = action.strip_prefix("with .Labels.") {
            let (inner, after) = rest.split_once("{{ end }}").context("with has no end")?;
            rest = after;
            let (present, absent) = inner.split_once("{{ else }}").unwrap_or((inner, ""));
            text += &match label(name) {
                "" => absent.to_owned(),
                found => present.replace("{{ . }}", found),
            };
        } else if let Some(name) = action.strip_prefix(".Labels.") {
            text += label(name);
        } else if action.starts_with(".Value") {
            text += value;
        } else {
            anyhow::bail!("the action {action:?} is not known here");
        }
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_values_and_what_depends_on_a_label_are_filled_in() {
        let who = vec![("chain", "bsc".to_owned())];
        let check = |template: &str, expected: &str| {
            assert_eq!(expand(template, &who, "7%").expect("it is known"), expected);
        };
        check(
            "{{ .Value | humanizePercentage }} on {{ .Labels.chain }}.",
            "7% on bsc.",
        );
        check("a{{ with .Labels.chain }}&c={{ . }}{{ end }}", "a&c=bsc");
        check(
            "a{{ with .Labels.x }} at {{ . }}{{ else }} all{{ end }}",
            "a all",
        );
        assert!(expand("{{ printf }}", &who, "").is_err());
    }
}
