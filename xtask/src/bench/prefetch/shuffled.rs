//! A recording with its order taken away: whatever is still gained is popularity, not association.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;

use super::hostile::Random;

const SEED: u64 = 20_220_420;

/// The lines of a CSV file, plain or `.gz`.
pub(super) fn lines(path: &Path) -> Result<Vec<String>> {
    let shown = || format!("reading {}", path.display());
    let file = File::open(path).with_context(shown)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    BufReader::new(reader)
        .lines()
        .collect::<std::io::Result<_>>()
        .with_context(shown)
}

/// Writes the copy: the first column (the times) stays in its order, the rest of the lines (key, and
/// operation if there is one) is dealt anew, each with the same chance.
pub(super) fn copy(lines: &[String], to: &Path) -> Result<()> {
    let shown = || format!("writing {}", to.display());
    let mut out = BufWriter::new(File::create(to).with_context(shown)?);
    for line in shuffled(lines) {
        writeln!(out, "{line}").with_context(shown)?;
    }
    out.flush().with_context(shown)
}

fn shuffled(lines: &[String]) -> Vec<String> {
    let Some((header, lines)) = lines.split_first() else {
        return Vec::new();
    };
    let (times, mut rest): (Vec<&str>, Vec<&str>) =
        lines.iter().filter_map(|line| line.split_once(',')).unzip();
    let mut random = Random::new(SEED);
    for last in (1..rest.len()).rev() {
        rest.swap(last, random.below(last as u64 + 1) as usize);
    }
    let dealt = times
        .iter()
        .zip(&rest)
        .map(|(time, rest)| format!("{time},{rest}"));
    std::iter::once(header.clone()).chain(dealt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_order_and_every_line_is_dealt_once() {
        let lines: Vec<String> = std::iter::once("ts_ms,key,op".to_owned())
            .chain((0..100).map(|n| format!("{n},k{n},read")))
            .collect();
        let dealt = shuffled(&lines);
        assert_eq!(dealt[0], lines[0]);
        let columns = |lines: &[String]| -> (Vec<String>, Vec<String>) {
            lines[1..]
                .iter()
                .map(|line| line.split_once(',').expect("two columns"))
                .map(|(time, rest)| (time.to_owned(), rest.to_owned()))
                .unzip()
        };
        let ((times, rest), (dealt_times, mut dealt_rest)) = (columns(&lines), columns(&dealt));
        assert_eq!(times, dealt_times);
        let moved = rest.iter().zip(&dealt_rest).filter(|(a, b)| a != b).count();
        assert!(moved > 90, "only {moved} of 100 moved");
        dealt_rest.sort();
        let mut rest = rest;
        rest.sort();
        assert_eq!(rest, dealt_rest);
        assert_eq!(shuffled(&lines), dealt, "the same every time");
    }
}
