//! States over time: a bar for each series, coloured by its value.

use serde_json::Value;

use super::data::{Series, Source};
use super::page::{Frame, escaped, judged, steps};

const LABEL: f64 = 128.0;

/// The bars, one a series.
pub(super) fn timeline(panel: &Value, series: &[Series], frame: Frame, source: &Source) -> String {
    let steps = steps(panel);
    let mappings = &panel["fieldConfig"]["defaults"]["mappings"];
    let word = |value: f64| {
        let key = format!("{value:.0}");
        let text = mappings
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|one| one["options"][&key]["text"].as_str());
        text.map_or(key.clone(), str::to_owned)
    };
    let mut out = format!(
        "<svg width='{:.0}' height='{:.0}'>",
        frame.width, frame.height
    );
    let height = ((frame.height - 12.0) / series.len().max(1) as f64).min(36.0);
    let width = frame.width - LABEL - 12.0;
    let at = |time: f64| LABEL + width * (time - source.from) / (source.to - source.from);
    for (row, one) in series.iter().enumerate() {
        let top = 6.0 + row as f64 * height;
        let middle = top + height / 2.0 + 4.0;
        let name: String = one.name.chars().take(19).collect();
        out += &format!("<text x='10' y='{middle:.1}'>{}</text>", escaped(&name));
        for (from, to, value) in stretches(&one.points) {
            let (left, right) = (at(from), at(to));
            let colour = judged(&steps, value);
            out += &format!(
                "<rect x='{left:.1}' y='{:.1}' width='{:.1}' height='{:.1}' fill='{colour}' opacity='0.75'/>",
                top + 3.0,
                (right - left).max(1.0),
                height - 6.0
            );
            if right - left > 40.0 {
                out += &format!(
                    "<text x='{:.1}' y='{middle:.1}' style='fill:#111217;font-weight:600'>{}</text>",
                    left + 6.0,
                    escaped(&word(value))
                );
            }
        }
    }
    out + "</svg>"
}

/// Runs of the same value: from, to, value.
fn stretches(points: &[(f64, f64)]) -> Vec<(f64, f64, f64)> {
    let mut all: Vec<(f64, f64, f64)> = Vec::new();
    for &(time, value) in points {
        match all.last_mut() {
            Some((_, to, same)) if *same == value => *to = time,
            _ => {
                if let Some((_, to, _)) = all.last_mut() {
                    *to = time;
                }
                all.push((time, time, value));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_one_value_is_one_bar_that_ends_where_the_next_begins() {
        let points = [(1.0, 2.0), (2.0, 2.0), (3.0, 0.0), (4.0, 0.0)];
        assert_eq!(stretches(&points), [(1.0, 3.0, 2.0), (3.0, 4.0, 0.0)]);
    }
}
