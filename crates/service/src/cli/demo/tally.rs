//! What was read, and what L1 answered.

/// Reads, and the hits of both caches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) reads: u64,
    pub(super) hits_with: u64,
    pub(super) hits_without: u64,
}

impl Tally {
    /// The L1 hit ratio with warming.
    pub(super) fn with(&self) -> f64 {
        ratio(self.hits_with, self.reads)
    }

    /// The L1 hit ratio without warming.
    pub(super) fn without(&self) -> f64 {
        ratio(self.hits_without, self.reads)
    }

    /// The share of misses that warming removed; negative when it added some.
    pub(super) fn misses_removed(&self) -> f64 {
        let (with, without) = (self.reads - self.hits_with, self.reads - self.hits_without);
        if without == 0 {
            return 0.0;
        }
        1.0 - with as f64 / without as f64
    }

    pub(super) fn line(&self, seconds: u64) -> String {
        format!(
            "{seconds:>4} s  {:>8} events  L1 hit ratio {:.3} with warming, {:.3} without: {:.0} % of misses removed",
            self.events,
            self.with(),
            self.without(),
            self.misses_removed() * 100.0
        )
    }
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_defined_before_the_first_read() {
        let none = Tally::default();
        assert_eq!(
            (none.with(), none.without(), none.misses_removed()),
            (0.0, 0.0, 0.0)
        );
        let some = Tally {
            events: 12,
            reads: 10,
            hits_with: 8,
            hits_without: 5,
        };
        assert_eq!(some.misses_removed(), 0.6);
        let worse = Tally {
            hits_with: 4,
            ..some
        };
        assert!(worse.misses_removed() < 0.0);
    }
}
