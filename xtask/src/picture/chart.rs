//! Lines over time, stacked or not, with thresholds and a legend.

use serde_json::Value;

use super::data::{Series, Source};
use super::page::{Frame, colour, escaped, steps};
use super::units::shown;

/// Grafana's classic palette.
const PALETTE: [&str; 10] = [
    "#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0",
    "#508642", "#cca300",
];

/// From values to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Scale {
    fn x(&self, time: f64) -> f64 {
        self.left + (self.right - self.left) * (time - self.from) / (self.to - self.from)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * (value - self.least) / (self.most - self.least)
    }

    /// Four to six round values between its ends.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.most - self.least) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .find(|factor| factor * power >= rough);
        let step = factor.unwrap_or(10.0) * power;
        let first = (self.least / step).ceil() as i64;
        let last = (self.most / step + 1e-9).floor() as i64;
        (first..=last).map(|at| at as f64 * step).collect()
    }
}

/// The `d` of a line through the points.
pub(super) fn path(scale: &Scale, points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (at, (time, value)) in points.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        out += &format!("{letter}{:.1} {:.1}", scale.x(*time), scale.y(*value));
    }
    out
}

/// A line with what it is drawn with.
struct Line<'a> {
    series: &'a Series,
    colour: String,
    muted: bool,
    /// What lies below it when stacked.
    base: Vec<(f64, f64)>,
    points: Vec<(f64, f64)>,
}

/// A `timeseries` panel.
pub(super) fn chart(panel: &Value, series: &[Series], frame: Frame, source: &Source) -> String {
    let defaults = &panel["fieldConfig"]["defaults"];
    let unit = defaults["unit"].as_str().unwrap_or("short");
    let stacked = defaults["custom"]["stacking"]["mode"] == "normal";
    let fill = defaults["custom"]["fillOpacity"].as_f64().unwrap_or(0.0) / 100.0;
    let mut out = format!(
        "<svg width='{:.0}' height='{:.0}'>",
        frame.width, frame.height
    );
    let lines = lines(series, stacked);
    if lines.is_empty() {
        let (x, y) = (frame.width / 2.0, frame.height / 2.0);
        return out
            + &format!("<text x='{x:.0}' y='{y:.0}' text-anchor=middle>no data</text></svg>");
    }
    let scale = scale(defaults, &lines, frame, source);
    out += &grid(&scale, unit);
    if defaults["custom"]["thresholdsStyle"]["mode"] != "off" {
        out += &limits(panel, &scale);
    }
    for line in &lines {
        let d = path(&scale, &line.points);
        if stacked && !line.muted && fill > 0.0 {
            let back: Vec<(f64, f64)> = line.base.iter().rev().copied().collect();
            let area = format!("{d}{}Z", path(&scale, &back).replacen('M', "L", 1));
            out += &format!(
                "<path d='{area}' fill='{}' opacity='{fill:.2}'/>",
                line.colour
            );
        }
        let dash = if line.muted {
            " stroke-dasharray='4 6'"
        } else {
            ""
        };
        out += &format!(
            "<path d='{d}' fill=none stroke='{}' stroke-width='1.6'{dash}/>",
            line.colour
        );
    }
    out += &legend(&lines, unit, frame);
    out + "</svg>"
}

fn lines(series: &[Series], stacked: bool) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut colours = PALETTE.iter().cycle();
    for one in series.iter().filter(|one| !one.points.is_empty()) {
        let muted = one.name.starts_with("yesterday: ");
        let below = lines
            .iter()
            .rev()
            .find(|line| stacked && !line.muted)
            .filter(|_| !muted);
        let base: Vec<(f64, f64)> = match below {
            Some(below) => one
                .points
                .iter()
                .map(|(time, _)| (*time, at(&below.points, *time)))
                .collect(),
            None => one.points.iter().map(|(time, _)| (*time, 0.0)).collect(),
        };
        let points = one.points.iter().zip(&base);
        let points = points
            .map(|((time, value), (_, below))| (*time, value + below))
            .collect();
        let colour = if muted {
            colour("text")
        } else {
            (*colours.next().expect("a cycle")).to_owned()
        };
        lines.push(Line {
            series: one,
            colour,
            muted,
            base,
            points,
        });
    }
    lines
}

/// The value at a time, or the one before it.
fn at(points: &[(f64, f64)], time: f64) -> f64 {
    let before = points.partition_point(|(at, _)| *at <= time);
    before.checked_sub(1).map_or(0.0, |at| points[at].1)
}

fn scale(defaults: &Value, lines: &[Line<'_>], frame: Frame, source: &Source) -> Scale {
    let values = || {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|(_, value)| *value)
    };
    let lowest = values().fold(f64::INFINITY, f64::min);
    let highest = values().fold(f64::NEG_INFINITY, f64::max);
    let least = defaults["min"].as_f64().unwrap_or_else(|| lowest.min(0.0));
    let mut most = defaults["max"].as_f64().unwrap_or(highest * 1.08);
    if most <= least {
        most = least + 1.0;
    }
    Scale {
        left: 62.0,
        right: frame.width - 12.0,
        top: 8.0,
        bottom: frame.height - 44.0,
        from: source.from,
        to: source.to,
        least,
        most,
    }
}

fn grid(scale: &Scale, unit: &str) -> String {
    let mut out = String::new();
    for tick in scale.ticks() {
        let y = scale.y(tick);
        out += &format!(
            "<line x1='{:.1}' x2='{:.1}' y1='{y:.1}' y2='{y:.1}' stroke='#2a2d34'/>\
             <text x='{:.1}' y='{:.1}' text-anchor=end>{}</text>",
            scale.left,
            scale.right,
            scale.left - 6.0,
            y + 4.0,
            shown(tick, unit)
        );
    }
    let step = 60.0 * ((scale.to - scale.from) / 60.0 / 5.0).ceil().max(1.0);
    let mut time = (scale.from / step).ceil() * step;
    while time <= scale.to {
        let minutes = (time / 60.0) as u64 % 1_440;
        let x = scale.x(time);
        out += &format!(
            "<line x1='{x:.1}' x2='{x:.1}' y1='{:.1}' y2='{:.1}' stroke='#22252b'/>\
             <text x='{x:.1}' y='{:.1}' text-anchor=middle>{:02}:{:02}</text>",
            scale.top,
            scale.bottom,
            scale.bottom + 14.0,
            minutes / 60,
            minutes % 60
        );
        time += step;
    }
    out
}

/// The thresholds as dashed lines, where they are on the scale.
fn limits(panel: &Value, scale: &Scale) -> String {
    let steps = steps(panel);
    let inside = steps
        .iter()
        .filter(|(from, _)| (scale.least..=scale.most).contains(from));
    let lines = inside.map(|(from, colour)| {
        let y = scale.y(*from);
        format!(
            "<line x1='{:.1}' x2='{:.1}' y1='{y:.1}' y2='{y:.1}' stroke='{colour}' stroke-dasharray='7 5' opacity='0.8'/>",
            scale.left, scale.right
        )
    });
    lines.collect()
}

/// Names with the last figure, as far as there is room.
fn legend(lines: &[Line<'_>], unit: &str, frame: Frame) -> String {
    let mut out = String::new();
    let (mut x, y) = (14.0, frame.height - 10.0);
    for line in lines {
        let last = line
            .series
            .last()
            .map_or_else(String::new, |value| shown(value, unit));
        let text = format!("{}  {last}", line.series.name);
        let width = 26.0 + text.chars().count() as f64 * 6.1;
        if x + width > frame.width {
            break;
        }
        out += &format!(
            "<rect x='{x:.1}' y='{:.1}' width='13' height='3' rx='1' fill='{}'/>\
             <text x='{:.1}' y='{y:.1}'>{}</text>",
            y - 5.0,
            line.colour,
            x + 18.0,
            escaped(&text)
        );
        x += width;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[f64]) -> Series {
        Series {
            name: name.to_owned(),
            points: values
                .iter()
                .enumerate()
                .map(|(at, value)| (at as f64, *value))
                .collect(),
        }
    }

    #[test]
    fn stacked_lines_lie_on_each_other_and_yesterday_lies_apart() {
        let all = [
            series("a", &[1.0, 2.0]),
            series("yesterday: a", &[9.0, 9.0]),
            series("b", &[3.0, 4.0]),
        ];
        let drawn: Vec<Vec<f64>> = lines(&all, true)
            .iter()
            .map(|line| line.points.iter().map(|(_, v)| *v).collect())
            .collect();
        assert_eq!(drawn, [vec![1.0, 2.0], vec![9.0, 9.0], vec![4.0, 6.0]]);
        let apart: Vec<f64> = lines(&all, false)[2]
            .points
            .iter()
            .map(|(_, v)| *v)
            .collect();
        assert_eq!(apart, [3.0, 4.0]);
    }

    #[test]
    fn ticks_are_round_and_within_the_scale() {
        let scale = |least, most| Scale {
            left: 0.0,
            right: 1.0,
            top: 0.0,
            bottom: 1.0,
            from: 0.0,
            to: 1.0,
            least,
            most,
        };
        assert_eq!(scale(0.0, 1.0).ticks(), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(scale(0.0, 87.0).ticks(), [0.0, 25.0, 50.0, 75.0]);
        assert_eq!(scale(-3.0, 5.0).ticks(), [-2.0, 0.0, 2.0, 4.0]);
    }
}
