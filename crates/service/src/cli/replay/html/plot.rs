//! Line charts and scatter plots as SVG.

use std::fmt::Write;

use super::escaped;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 46.0;
pub(super) const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// One axis: what it spans and where it is marked.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) title: &'static str,
    /// What is left free behind its end.
    pub(super) margin: f64,
}

impl Axis {
    /// Ratios as percentages, from a round number below `least` to one above `most`.
    pub(super) fn percentages(least: f64, most: f64, title: &'static str) -> Self {
        let span = (most - least).max(0.01);
        let steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
        let step = steps
            .into_iter()
            .find(|step| span / step <= 6.0)
            .unwrap_or(1.0);
        let first = (least / step + 1e-9).floor();
        let last = (most / step - 1e-9).ceil().max(first + 1.0);
        let digits = if step < 0.01 { 1 } else { 0 };
        let ticks = (first as i64..=last as i64).map(|count| {
            let at = count as f64 * step;
            (at, format!("{:.digits$} %", at * 100.0))
        });
        Self {
            from: first * step,
            to: last * step,
            ticks: ticks.collect(),
            title,
            margin: RIGHT,
        }
    }

    /// With room for labels behind its end.
    pub(super) fn with_margin(self, margin: f64) -> Self {
        Self { margin, ..self }
    }

    fn share(&self, value: f64) -> f64 {
        let span = self.to - self.from;
        if span > 0.0 {
            ((value - self.from) / span).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }
}

/// A named line.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Its colour: `off`, `refresh` or `warmed`.
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub(super) dots: bool,
}

/// A named point.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) at: (f64, f64),
}

fn place(x: &Axis, y: &Axis, (at_x, at_y): (f64, f64)) -> (f64, f64) {
    (
        LEFT + x.share(at_x) * (WIDTH - LEFT - x.margin),
        HEIGHT - BOTTOM - y.share(at_y) * (HEIGHT - TOP - BOTTOM),
    )
}

/// The opening of an SVG with both axes drawn.
fn open(x: &Axis, y: &Axis, summary: &str) -> String {
    let summary = escaped(summary);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{summary}\"><title>{summary}</title>\n"
    );
    for (value, text) in &y.ticks {
        let (_, at) = place(x, y, (x.from, *value));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - x.margin,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for (value, text) in &x.ticks {
        let (at, _) = place(x, y, (*value, y.from));
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM + 18.0,
            escaped(text)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        WIDTH - x.margin,
        HEIGHT - 4.0,
        x.title
    );
    svg
}

/// Lines, with a legend above.
pub(super) fn lines(x: &Axis, y: &Axis, series: &[Series], summary: &str) -> String {
    let mut out = String::from("<div class=\"legend\">");
    for one in series {
        let _ = write!(
            out,
            "<span><i class=\"{}\"></i>{}</span>",
            one.class,
            escaped(&one.name)
        );
    }
    out.push_str("</div>\n");
    out.push_str(&open(x, y, summary));
    for one in series {
        let mut path = String::new();
        for (at, point) in one.points.iter().enumerate() {
            let (px, py) = place(x, y, *point);
            let _ = write!(path, "{}{px:.1} {py:.1}", if at == 0 { "M" } else { " L" });
        }
        let _ = writeln!(out, "<path class=\"{}\" d=\"{path}\"/>", one.class);
        for point in one.points.iter().filter(|_| one.dots) {
            let (px, py) = place(x, y, *point);
            let _ = writeln!(
                out,
                "<circle class=\"{}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3.4\"><title>{}: {:.1} %</title></circle>",
                one.class,
                escaped(&one.name),
                point.1 * 100.0
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// Height of a label with its gap.
const LABEL: f64 = 16.0;
/// Room for a column of labels.
const COLUMN: f64 = 118.0;
/// Width of a letter, about.
const LETTER: f64 = 6.8;

/// Whether the name of the point at `at` fits beside it, with no other point in its way.
fn has_room(at: (f64, f64), name: &str, others: &[((f64, f64), &Spot)]) -> bool {
    let end = at.0 + 16.0 + LETTER * name.len() as f64;
    let mut others = others
        .iter()
        .filter(|(other, spot)| *other != at || spot.name != name);
    end < WIDTH - RIGHT
        && !others
            .any(|((x, y), _)| (at.0 - 8.0..end + 6.0).contains(x) && (y - at.1).abs() < LABEL)
}

/// Whether two segments that end in the same column cross.
fn cross(a: (f64, f64), a_end: f64, b: (f64, f64), b_end: f64, column: f64) -> bool {
    let left = a.0.max(b.0);
    let height = |from: (f64, f64), end: f64| {
        from.1 + (end - from.1) * (left - from.0) / (column - from.0).max(1.0)
    };
    (height(a, a_end) - height(b, b_end)) * (a_end - b_end) < 0.0
}

/// Points with their names: beside them where there is room, else in a column at the side.
pub(super) fn spots(x: Axis, y: &Axis, spots: &[Spot], summary: &str) -> String {
    let x = &x.with_margin(COLUMN);
    let mut out = open(x, y, summary);
    let (_, middle) = place(x, y, (x.from, (y.from + y.to) / 2.0));
    let _ = writeln!(
        out,
        "<text text-anchor=\"middle\" transform=\"translate(2 {middle:.1}) rotate(-90)\">{}</text>",
        y.title
    );
    let mut placed: Vec<((f64, f64), &Spot)> = spots
        .iter()
        .map(|spot| (place(x, y, spot.at), spot))
        .collect();
    placed.sort_by(|(a, _), (b, _)| a.1.total_cmp(&b.1).then(a.0.total_cmp(&b.0)));
    let all = placed.clone();
    let (near, mut column): (Vec<_>, Vec<_>) = placed
        .into_iter()
        .partition(|(at, spot)| has_room(*at, &spot.name, &all));
    for ((px, py), spot) in near {
        label(&mut out, (px + 10.0, py + 4.0), spot);
        dot(&mut out, (px, py), spot);
    }
    // The column's middle is as high as that of its points, and it ends above the axis.
    let height = LABEL * column.len() as f64;
    let middle = column.iter().map(|((_, py), _)| py).sum::<f64>() / column.len().max(1) as f64;
    let first = (middle - height / 2.0)
        .min(HEIGHT - BOTTOM - height)
        .max(TOP + 4.0);
    let row = |at: usize| first + LABEL * at as f64;
    let end = WIDTH - COLUMN + 16.0;
    for _ in 0..column.len() {
        for at in 1..column.len() {
            let (above, below) = (column[at - 1].0, column[at].0);
            if cross(above, row(at - 1), below, row(at), end) {
                column.swap(at - 1, at);
            }
        }
    }
    for (at, ((px, py), spot)) in column.iter().enumerate() {
        let (to, from) = (row(at), py);
        let _ = writeln!(
            out,
            "<line class=\"leader\" x1=\"{px:.1}\" y1=\"{from:.1}\" x2=\"{:.1}\" y2=\"{to:.1}\"/>",
            end - 4.0
        );
        label(&mut out, (end, to + 4.0), spot);
    }
    for (place, spot) in &column {
        dot(&mut out, *place, spot);
    }
    out.push_str("</svg>");
    out
}

fn label(out: &mut String, (x, y): (f64, f64), spot: &Spot) {
    let name = escaped(&spot.name);
    let _ = writeln!(
        out,
        "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>"
    );
}

fn dot(out: &mut String, (x, y): (f64, f64), spot: &Spot) {
    let _ = writeln!(
        out,
        "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{}: {:.1} % of the misses, \
         precision {:.1} %</title></circle>",
        spot.class,
        escaped(&spot.name),
        spot.at.0 * 100.0,
        spot.at.1 * 100.0
    );
}
