//! The front as an SVG: misses against fetches, one panel a recording.

use std::fmt::Write as _;

use super::answer::Answer;
use super::inputs::Inputs;
use super::jobs::Answers;
use super::peers::{CELLS, Fetches, PeerCell};
use super::plan::{BUDGETS, SIZES};

const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 250.0;
const COLUMNS: usize = 3;
/// Room left of, above, right of and below the axes of a panel.
const MARGIN: [f64; 4] = [46.0, 30.0, 14.0, 36.0];
const LEGEND: f64 = 34.0;

/// A dot: fetches per read, miss ratio, what it stands for.
struct Dot {
    x: f64,
    y: f64,
    mark: Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Adaptive,
    Off,
    Oracle,
    Popularity,
    Markov,
    Policy,
    Prefetcher,
}

impl Mark {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Adaptive, "adaptive, by budget"),
        (Self::Off, "off"),
        (Self::Oracle, "oracle"),
        (Self::Popularity, "popularity"),
        (Self::Markov, "markov"),
        (Self::Policy, "best eviction policy (libCacheSim)"),
        (Self::Prefetcher, "PG, Mithril (libCacheSim)"),
    ];

    /// The shape at a place; shapes and colours both differ.
    fn at(self, x: f64, y: f64) -> String {
        let square = |colour: &str, turn: u32| {
            format!(
                r#"<rect x="{:.1}" y="{:.1}" width="7" height="7" fill="{colour}" transform="rotate({turn} {x:.1} {y:.1})"/>"#,
                x - 3.5,
                y - 3.5
            )
        };
        let circle = |fill: &str, stroke: &str| {
            format!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>"#
            )
        };
        let cross = |path: &str, colour: &str| {
            format!(
                r#"<path transform="translate({x:.1} {y:.1})" d="{path}" stroke="{colour}" stroke-width="2" fill="none"/>"#
            )
        };
        match self {
            Self::Adaptive => circle("#0072b2", "#0072b2"),
            Self::Off => circle("#ffffff", "#333333"),
            Self::Oracle => square("#009e73", 45),
            Self::Popularity => cross("M-4 0H4M0 -4V4", "#56b4e9"),
            Self::Markov => cross("M-3 -3L3 3M-3 3L3 -3", "#999999"),
            Self::Policy => circle("#ffffff", "#cc79a7"),
            Self::Prefetcher => square("#d55e00", 0),
        }
    }
}

/// All panels.
pub(super) fn front(inputs: &Inputs, answers: &Answers) -> String {
    let panels: Vec<_> = inputs
        .recordings
        .iter()
        .filter_map(|input| {
            let size = shown_size(&input.name, answers)?;
            let cell = CELLS
                .iter()
                .find(|cell| cell.input == input.name && cell.size == size);
            let dots = dots(&input.name, size, cell, answers)?;
            Some((format!("{}, L1 {size} % of the keys", input.name), dots))
        })
        .collect();
    let rows = panels.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64 + LEGEND);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>Miss ratio against fetches per read</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (number, (title, dots)) in panels.iter().enumerate() {
        let (column, row) = (number % COLUMNS, number / COLUMNS);
        let (x, y) = (WIDTH * column as f64, HEIGHT * row as f64);
        let panel = panel(title, dots);
        write!(svg, "<g transform=\"translate({x} {y})\">\n{panel}</g>\n")
            .expect("a String takes every write");
    }
    svg + &legend(height - LEGEND / 2.0) + "</svg>\n"
}

/// 10 %, or the size at which the peers were measured, or any.
fn shown_size(name: &str, answers: &Answers) -> Option<u32> {
    let of_peers = CELLS.iter().filter(|cell| cell.input == name);
    let sizes: Vec<u32> = of_peers.map(|cell| cell.size).collect();
    let wanted = match sizes.as_slice() {
        [] => 10,
        sizes if sizes.contains(&10) => 10,
        [first, ..] => *first,
    };
    std::iter::once(wanted)
        .chain(SIZES)
        .find(|&size| answers.usual(name, size).is_some())
}

fn dots(name: &str, size: u32, cell: Option<&PeerCell>, answers: &Answers) -> Option<Vec<Dot>> {
    let usual = answers.usual(name, size)?;
    let of = |answer: &Answer, strategy: &str, mark| {
        answer.row(strategy).map(|row| Dot {
            x: row.fetches(),
            y: row.miss_ratio(),
            mark,
        })
    };
    let mut dots: Vec<Dot> = BUDGETS
        .iter()
        .filter_map(|&budget| of(answers.at(name, size, budget)?, "adaptive", Mark::Adaptive))
        .collect();
    for (strategy, mark) in [
        ("off", Mark::Off),
        ("oracle", Mark::Oracle),
        ("popularity", Mark::Popularity),
        ("markov", Mark::Markov),
    ] {
        dots.extend(of(usual, strategy, mark));
    }
    if let Some(cell) = cell {
        dots.push(Dot {
            x: 0.0,
            y: cell.best_policy().1,
            mark: Mark::Policy,
        });
        for peer in cell.prefetchers {
            if let Fetches::Measured(x) = cell.fetches(peer) {
                let (y, mark) = (peer.miss, Mark::Prefetcher);
                dots.push(Dot { x, y, mark });
            }
        }
    }
    Some(dots)
}

/// Axes from 0; fetches on a square-root scale, as the cheap ones are what matters.
fn panel(title: &str, dots: &[Dot]) -> String {
    let [left, top, right, bottom] = MARGIN;
    let most = |value: fn(&Dot) -> f64| dots.iter().map(value).fold(1e-3, f64::max);
    let (most_x, most_y) = (most(|dot| dot.x) * 1.05, most(|dot| dot.y) * 1.05);
    let x = |value: f64| left + (value / most_x).sqrt() * (WIDTH - left - right);
    let y = |value: f64| HEIGHT - bottom - value / most_y * (HEIGHT - top - bottom);
    let (right_end, base) = (WIDTH - right, HEIGHT - bottom);
    let mut text = format!(
        "<text x=\"{left}\" y=\"18\" font-weight=\"bold\">{title}</text>\n\
         <path d=\"M{left} {top}V{base}H{right_end}\" stroke=\"#333333\" fill=\"none\"/>\n"
    );
    for step in 0..=4_u32 {
        let share = f64::from(step) / 4.0;
        let (at_x, at_y) = (share * share * most_x, share * most_y);
        writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at_x:.2}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{at_y:.2}</text>",
            x(at_x),
            base + 14.0,
            left - 5.0,
            y(at_y) + 4.0,
        )
        .expect("a String takes every write");
    }
    writeln!(
        text,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">fetches per read</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#333333\">miss ratio</text>",
        (left + right_end) / 2.0,
        HEIGHT - 8.0,
        left + 4.0,
        top + 4.0,
    )
    .expect("a String takes every write");
    let line: Vec<_> = dots
        .iter()
        .filter(|dot| dot.mark == Mark::Adaptive)
        .map(|dot| format!("{:.1},{:.1}", x(dot.x), y(dot.y)))
        .collect();
    writeln!(
        text,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#0072b2\"/>",
        line.join(" ")
    )
    .expect("a String takes every write");
    for dot in dots {
        text += &dot.mark.at(x(dot.x), y(dot.y));
        text.push('\n');
    }
    text
}

fn legend(y: f64) -> String {
    let mut text = String::new();
    let mut x = MARGIN[0];
    for (mark, meaning) in Mark::ALL {
        text += &mark.at(x, y);
        writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\">{meaning}</text>",
            x + 8.0,
            y + 4.0
        )
        .expect("a String takes every write");
        x += 34.0 + 5.7 * meaning.len() as f64;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_misses_are_lower_and_more_fetches_further_right() {
        let dot = |x, y| Dot {
            x,
            y,
            mark: Mark::Adaptive,
        };
        let text = panel("a", &[dot(0.0, 0.5), dot(0.4, 0.2)]);
        let (_, rest) = text.split_once("points=\"").expect("a line");
        let (points, _) = rest.split_once('"').expect("its end");
        let numbers: Vec<f64> = points
            .split([' ', ','])
            .map(|number| number.parse().expect("a number"))
            .collect();
        let [x1, y1, x2, y2] = numbers[..] else {
            panic!("two points: {points}");
        };
        assert!(x2 > x1 && y2 > y1, "{points}");
        assert!((x1 - MARGIN[0]).abs() < 0.1, "no fetch is on the axis");
    }

    #[test]
    fn every_mark_has_a_shape_of_its_own() {
        let shapes: Vec<_> = Mark::ALL
            .iter()
            .map(|(mark, _)| mark.at(5.0, 5.0))
            .collect();
        for (number, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..number].contains(shape), "{shape}");
        }
    }
}
