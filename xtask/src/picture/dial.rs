//! Gauges and single figures.

use std::f64::consts::PI;

use serde_json::Value;

use super::chart::{Scale, path};
use super::data::{Series, Source};
use super::page::{Frame, judged, steps};
use super::units::shown;

/// An arc from nine to three o'clock, its rim in the colours of the thresholds.
pub(super) fn gauge(panel: &Value, series: &[Series], frame: Frame) -> String {
    let defaults = &panel["fieldConfig"]["defaults"];
    let unit = defaults["unit"].as_str().unwrap_or("short");
    let steps = steps(panel);
    let value = series.iter().find_map(Series::last);
    let least = defaults["min"].as_f64().unwrap_or(0.0);
    let highest_step = steps.iter().map(|(from, _)| *from).fold(least, f64::max);
    let most = defaults["max"]
        .as_f64()
        .unwrap_or_else(|| (highest_step * 1.25).max(value.unwrap_or(1.0)));
    let (x, y) = (frame.width / 2.0, frame.height * 0.80);
    let radius = (frame.width * 0.36).min(frame.height * 0.68);
    let share = |value: f64| ((value - least) / (most - least)).clamp(0.0, 1.0);
    let mut out = format!(
        "<svg width='{:.0}' height='{:.0}'>",
        frame.width, frame.height
    );
    out += &arc(x, y, radius, 22.0, (0.0, 1.0), "#2a2d34");
    for (at, (from, colour)) in steps.iter().enumerate() {
        let to = steps.get(at + 1).map_or(most, |(next, _)| *next);
        out += &arc(
            x,
            y,
            radius + 16.0,
            4.0,
            (share(from.max(least)), share(to)),
            colour,
        );
    }
    let text = match value {
        Some(value) => {
            let colour = judged(&steps, value);
            out += &arc(x, y, radius, 22.0, (0.0, share(value).max(0.004)), &colour);
            format!("<tspan fill='{colour}'>{}</tspan>", shown(value, unit))
        }
        None => "no data".to_owned(),
    };
    let size = (radius * 0.36).min(34.0);
    out += &format!(
        "<text x='{x:.1}' y='{:.1}' text-anchor=middle style='font-size:{size:.0}px;font-weight:600'>{text}</text>",
        y - radius * 0.08
    );
    out + "</svg>"
}

/// A part of the half circle; 0 is left, 1 is right.
fn arc(x: f64, y: f64, radius: f64, width: f64, (from, to): (f64, f64), colour: &str) -> String {
    let point = |share: f64| {
        let angle = PI * (1.0 - share);
        format!(
            "{:.1} {:.1}",
            x + radius * angle.cos(),
            y - radius * angle.sin()
        )
    };
    format!(
        "<path d='M {} A {radius:.1} {radius:.1} 0 0 1 {}' fill=none stroke='{colour}' stroke-width='{width}'/>",
        point(from),
        point(to)
    )
}

/// The last figure, large, over a sparkline of how it came there.
pub(super) fn stat(panel: &Value, series: &[Series], frame: Frame, source: &Source) -> String {
    let unit = panel["fieldConfig"]["defaults"]["unit"]
        .as_str()
        .unwrap_or("short");
    let steps = steps(panel);
    let mut out = format!(
        "<svg width='{:.0}' height='{:.0}'>",
        frame.width, frame.height
    );
    let Some((one, value)) = series.iter().find_map(|one| Some((one, one.last()?))) else {
        return out + "<text x='12' y='40'>no data</text></svg>";
    };
    let colour = judged(&steps, value);
    let scale = Scale {
        left: 0.0,
        right: frame.width,
        top: frame.height * 0.55,
        bottom: frame.height,
        from: source.from,
        to: source.to,
        least: 0.0,
        most: one
            .points
            .iter()
            .map(|(_, value)| *value)
            .fold(1e-9, f64::max)
            * 1.05,
    };
    let line = path(&scale, &one.points);
    out +=
        &format!("<path d='{line}' fill=none stroke='{colour}' stroke-width='1.5' opacity='0.8'/>");
    out += &format!(
        "<text x='{:.1}' y='{:.1}' text-anchor=middle style='font-size:34px;font-weight:600;fill:{colour}'>{}</text>",
        frame.width / 2.0,
        frame.height * 0.42,
        shown(value, unit)
    );
    out + "</svg>"
}
