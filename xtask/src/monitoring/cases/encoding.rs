//! A series in promtool's notation.

/// A scraped sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::monitoring) enum Sample {
    /// A value.
    Is(f64),
    /// Nothing: the scrape was late.
    Missing,
    /// The scrape failed: Prometheus marks the series as ended.
    Stale,
}

/// A series and its samples from the start on, one a step.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::monitoring) struct Series {
    pub(in crate::monitoring) name: String,
    pub(in crate::monitoring) samples: Vec<Sample>,
}

impl Series {
    /// A series of plain values.
    pub(super) fn of(name: String, values: impl IntoIterator<Item = f64>) -> Self {
        Self {
            name,
            samples: values.into_iter().map(Sample::Is).collect(),
        }
    }

    /// Its samples from `minute` on fail to be scraped, `count` of them.
    pub(super) fn failing(mut self, minute: usize, count: usize) -> Self {
        for sample in self.samples.iter_mut().skip(minute).take(count) {
            *sample = Sample::Stale;
        }
        self
    }

    /// `a+bxn` for each run of equal steps. promtool adds the step up as floating-point numbers;
    /// a run is one only where that gives these very samples, or a counter would seem to be reset
    /// by a rounding error.
    pub(super) fn encoded(&self) -> String {
        let mut words = Vec::new();
        let mut rest = self.samples.as_slice();
        while let Some(first) = rest.first() {
            let length = match first {
                Sample::Is(_) => {
                    let (word, length) = run(rest);
                    words.push(word);
                    length
                }
                other => {
                    let length = rest.iter().take_while(|sample| *sample == other).count();
                    let word = if *other == Sample::Stale {
                        "stale"
                    } else {
                        "_"
                    };
                    words.extend(std::iter::repeat_n(word.to_owned(), length));
                    length
                }
            };
            rest = &rest[length..];
        }
        words.join(" ")
    }
}

/// The longest run of equal steps at the start, and its length.
fn run(samples: &[Sample]) -> (String, usize) {
    let values: Vec<f64> = samples
        .iter()
        .map_while(|sample| match sample {
            Sample::Is(value) => Some(*value),
            _ => None,
        })
        .collect();
    let first = values[0];
    let step = values.get(1).map_or(0.0, |second| rounded(second - first));
    let pairs = values.windows(2);
    let steps = pairs.take_while(|pair| pair[0] + step == pair[1]).count();
    if steps < 2 {
        return (first.to_string(), 1);
    }
    let sign = if step < 0.0 { '-' } else { '+' };
    (format!("{first}{sign}{}x{steps}", step.abs()), steps + 1)
}

/// To millionths: what a step is rounded to.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: &[Sample], expected: &str) {
        let series = Series {
            name: String::new(),
            samples: samples.to_vec(),
        };
        assert_eq!(series.encoded(), expected);
    }

    #[test]
    fn runs_are_written_short_and_what_is_missing_is_named() {
        use Sample::{Is, Missing, Stale};
        check(&[Is(0.0), Is(60.0), Is(120.0), Is(120.5)], "0+60x2 120.5");
        check(&[Is(5.0), Is(5.0), Is(5.0)], "5+0x2");
        check(&[Is(5.0), Is(3.0), Is(1.0)], "5-2x2");
        check(
            &[Is(1.0), Stale, Missing, Missing, Is(2.0)],
            "1 stale _ _ 2",
        );
    }
}
