//! What was recorded and what was not, in numbers and in words.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use forewarm_domain::Op;

use super::source::{Counts, Line};

#[derive(Debug, Default)]
pub(super) struct Tally {
    reads: u64,
    updates: u64,
    /// Changes of which L2 told as well as somebody else: written once.
    echoes: u64,
    /// Keys for which the file's format has no words.
    pub(super) left_out: u64,
    counts: Counts,
    databases: BTreeSet<u16>,
}

impl Tally {
    /// Counts a line that is written, or will be unless it is [`told_twice`](Self::told_twice).
    pub(super) fn counts(&mut self, line: &Line) {
        self.databases.insert(line.database);
        match line.op {
            Op::Update => self.updates += 1,
            _ => self.reads += 1,
        }
    }

    /// Of two updates that were counted one will not be written.
    pub(super) fn told_twice(&mut self) {
        self.updates -= 1;
        self.echoes += 1;
    }

    /// The source tells what it has lost; a sentence if that is news.
    pub(super) fn told(&mut self, counts: Counts) -> Option<String> {
        let before = std::mem::replace(&mut self.counts, counts);
        let lost = counts.lost.saturating_sub(before.lost);
        (lost > 0).then(|| {
            format!(
                "forewarm: a gap: {lost} events were lost ({})",
                counts.why()
            )
        })
    }

    /// For the progress line.
    pub(super) fn line(&self, since: Duration) -> String {
        format!(
            "{} s: {} reads, {} updates, {} lost",
            since.as_secs(),
            self.reads,
            self.updates,
            self.counts.lost
        )
    }

    /// The last words.
    pub(super) fn summary(&self, lines: u64, out: &Path) -> String {
        let mut text = format!(
            "forewarm: {lines} events ({} reads, {} updates) in {}; lost: {}",
            self.reads,
            self.updates,
            out.display(),
            match self.counts.uncounted {
                true => "unknown (only Redis 7 and later tells)".to_owned(),
                false => self.counts.lost.to_string(),
            }
        );
        let mut also = |count: u64, what: &str| {
            if count > 0 {
                text.push_str(&format!("\nforewarm: {count} {what}"));
            }
        };
        also(
            self.counts.bad,
            "lines or entries were no events and were left out",
        );
        also(
            self.left_out + self.counts.left_out,
            "events of keys that are not UTF-8 were left out: JSON has no words for them, CSV has",
        );
        also(
            self.echoes,
            "changes were told by L2 as well and were written once",
        );
        also(
            self.counts.unplaced,
            "commands may write keys that their arguments do not tell, and were left out",
        );
        if self.counts.untimed {
            text.push_str(
                "\nforewarm: the text bears no times, so each line has the time at which it was read",
            );
        }
        if self.databases.len() > 1 {
            let names: Vec<String> = self.databases.iter().map(ToString::to_string).collect();
            text.push_str(&format!(
                "\nforewarm: keys of the databases {} were written as if they were one",
                names.join(", ")
            ));
        }
        if lines == 0 {
            text.push_str("\nforewarm: nothing came: is this where the traffic is?");
        } else if self.reads == 0 {
            text.push_str(
                "\nforewarm: there is no read among them; a replay has nothing to save without reads",
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_and_added_up() {
        let mut tally = Tally::default();
        let lost = |lost| Counts {
            lost,
            ..Counts::default()
        };
        assert_eq!(tally.told(lost(0)), None);
        assert!(
            tally
                .told(lost(5))
                .is_some_and(|words| words.contains("5 events"))
        );
        assert_eq!(tally.told(lost(5)), None);
        assert!(
            tally
                .told(lost(7))
                .is_some_and(|words| words.contains("2 events"))
        );
        assert!(tally.summary(0, Path::new("x")).contains("lost: 7"));
    }
}
