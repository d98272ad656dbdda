//! `docs/thresholds.md`: the table, as people read it.

use super::{HEADER, head, row};
use crate::monitoring::alerts;
use crate::monitoring::thresholds::{Level, Threshold, Thresholds};

const INTRODUCTION: &str = "\
# Thresholds

One table (`xtask/src/monitoring/thresholds/table.rs`) gives the alerts their numbers, the dashboards their colours and
the [runbooks](runbooks/README.md) their texts. The targets are the alarm's reference, not the ambition: what is
measured lies far on their good side.

A site with other needs writes a file and generates its own `deploy/`:

```toml
# site.toml
[l1_hit_ratio]
critical = 0.80
[site]
grafana_url = \"https://grafana.example.org\"
runbook_base_url = \"https://wiki.example.org/forewarm/runbooks\"
```

```sh
cargo xtask gen --thresholds site.toml
cargo xtask gen --thresholds site.toml --check
```

A level must be one that the table has, and graver levels must lie on the bad side of milder ones. The tests under
`deploy/prometheus/tests` know the default levels: with others they fail where the levels differ.

";

pub(crate) fn page(thresholds: &Thresholds) -> String {
    let mut text = HEADER.to_owned() + INTRODUCTION;
    text += &head(&[
        "figure",
        "target",
        "info",
        "warning",
        "critical",
        "why",
        "last measured",
    ]);
    for threshold in thresholds.rows() {
        let level = |level| shown(threshold, level);
        text += &row([
            format!("`{}`: {}", threshold.id, threshold.what),
            level(Level::Target),
            level(Level::Info),
            level(Level::Warning),
            level(Level::Critical),
            threshold.why.to_owned(),
            threshold.measured.to_owned(),
        ]);
    }
    text += "\n## Alerts that use them\n\n";
    text += &head(&["alert", "for", "severity", "figures"]);
    for alert in alerts::all() {
        let used = thresholds
            .rows()
            .iter()
            .filter(|it| alert.expr.contains(&format!("@{}.", it.id)));
        let used: Vec<_> = used.map(|it| format!("`{}`", it.id)).collect();
        text += &row([
            format!("[{0}](runbooks/{0}.md)", alert.name),
            alert.pending.to_owned(),
            alert.severity.name().to_owned(),
            used.join(", "),
        ]);
    }
    text
}

/// The figure of a level, and which multiple of the target it is where that says something.
fn shown(threshold: &Threshold, level: Level) -> String {
    let Some(figure) = threshold.level(level) else {
        return "–".to_owned();
    };
    let text = threshold.text(figure);
    let multiple = threshold
        .target
        .filter(|target| level != Level::Target && *target > 0.0);
    match multiple.map(|target| figure / target) {
        Some(multiple) if multiple > 1.0 => format!("{text} ({multiple:.3} ×)")
            .replace(".000", "")
            .replace("00 ×", " ×"),
        _ => text,
    }
}
