//! What the run without warming did, which the budgets of all others are measured against.

/// One line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OffLine<'a> {
    /// The read hit L1.
    pub(super) hit: bool,
    /// It read L2.
    pub(super) read_l2: bool,
    /// The keys that came fresh into L1, or set out for it, and those that are no longer.
    pub(super) changes: &'a [(u32, bool)],
}

/// All lines of a recording: 9 bytes each and 8 a change.
#[derive(Debug, Default)]
pub(super) struct OffSeries {
    /// Bit 0: the read hit L1; bit 1: it read L2.
    bits: Vec<u8>,
    /// Where the line's changes end.
    ends: Vec<usize>,
    changes: Vec<(u32, bool)>,
}

impl OffSeries {
    pub(super) fn push(&mut self, line: OffLine<'_>) {
        self.bits
            .push(u8::from(line.hit) | u8::from(line.read_l2) << 1);
        self.changes.extend_from_slice(line.changes);
        self.ends.push(self.changes.len());
    }

    /// Line `at`; past the end nothing happened.
    pub(super) fn line(&self, at: usize) -> OffLine<'_> {
        let Some(bits) = self.bits.get(at) else {
            return OffLine::default();
        };
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        OffLine {
            hit: bits & 1 != 0,
            read_l2: bits & 2 != 0,
            changes: &self.changes[start..self.ends[at]],
        }
    }
}
