//! Clairvoyance for the oracles.

use std::time::Duration;

use forewarm_domain::{Candidate, SelectionContext, SelectionStrategy};

use super::timeline::Timeline;

/// Looks ahead from the line being played. Only moves forward, so a whole replay costs each
/// appearance once.
#[derive(Debug)]
pub(super) struct Future<'a> {
    timeline: &'a Timeline,
    /// Per key, the index of its first appearance not yet passed.
    cursors: Vec<u32>,
    latency: Duration,
    /// Within how many look-ups a read must come for the key to survive until then.
    horizon: u32,
}

impl<'a> Future<'a> {
    pub(super) fn new(timeline: &'a Timeline, latency: Duration, horizon: usize) -> Self {
        Self {
            timeline,
            cursors: vec![0; timeline.keys.len()],
            latency,
            horizon: u32::try_from(horizon).unwrap_or(u32::MAX),
        }
    }

    /// The line of the key's next read after line `at`, when a copy fetched now would serve
    /// it: no update comes first, it comes after the landing and soon enough.
    pub(super) fn next_use(&mut self, key: u32, at: usize) -> Option<u32> {
        let lines = &self.timeline.appearances[key as usize];
        let cursor = &mut self.cursors[key as usize];
        while lines
            .get(*cursor as usize)
            .is_some_and(|&line| line as usize <= at)
        {
            *cursor += 1;
        }
        let next = *lines.get(*cursor as usize)?;
        let (here, there) = (
            &self.timeline.lines[at],
            &self.timeline.lines[next as usize],
        );
        let served = there.op.reads()
            && there.now >= here.now + self.latency
            && there.reads_before - here.reads_before <= self.horizon;
        served.then_some(next)
    }

    /// The keys of the next distinct reads after line `at`, nearest first, at most `limit`,
    /// looking at most `lines` ahead.
    pub(super) fn next_reads(&mut self, at: usize, limit: usize, lines: usize, out: &mut Vec<u32>) {
        out.clear();
        let all = &self.timeline.lines;
        let end = all.len().min(at + 1 + lines);
        for (next, line) in all.iter().enumerate().take(end).skip(at + 1) {
            if out.len() == limit {
                break;
            }
            if line.op.reads()
                && !out.contains(&line.key)
                && self.next_use(line.key, at) == Some(next as u32)
            {
                out.push(line.key);
            }
        }
    }
}

/// The oracle chooses by itself.
#[derive(Debug)]
pub(super) struct NoSelection;

impl SelectionStrategy for NoSelection {
    fn name(&self) -> &'static str {
        "oracle"
    }
    fn max_pairs(&self) -> usize {
        0
    }
    fn select(&self, _: &SelectionContext<'_>, _: &mut Vec<Candidate>) {}
    fn parameters(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    fn boxed_clone(&self) -> Box<dyn SelectionStrategy> {
        Box::new(Self)
    }
}
