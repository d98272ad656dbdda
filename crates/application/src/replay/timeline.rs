//! A recording with its keys numbered and its future known.

use forewarm_domain::{Op, Timestamp};

use super::keys::KeyTable;
use crate::trace::TraceEvent;

/// A line with its key's number.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Index into [`Timeline::keys`].
    pub key: u32,
    /// What happened.
    pub op: Op,
    /// The latest time of this and all earlier lines.
    pub now: Timestamp,
    /// Demand reads before this line.
    pub reads_before: u32,
}

/// The recording as replay plays it.
#[derive(Debug)]
pub struct Timeline {
    /// Every line.
    pub lines: Vec<Line>,
    /// The distinct keys in the order of appearance.
    pub keys: KeyTable,
    /// Per key, the lines on which it appears, ascending.
    pub appearances: Vec<Vec<u32>>,
    /// Whether any line had an `op` of its own.
    pub has_ops: bool,
    /// First and last time.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Timeline {
    /// Numbers the keys of `events`.
    pub fn new(events: &[TraceEvent]) -> Self {
        let mut timeline = Self {
            lines: Vec::with_capacity(events.len()),
            keys: KeyTable::default(),
            appearances: Vec::new(),
            has_ops: false,
            span: None,
        };
        let (mut now, mut reads) = (Timestamp::ZERO, 0);
        for (at, event) in events.iter().enumerate() {
            now = now.max(event.at);
            let first = timeline
                .span
                .map_or(event.at, |(first, _)| first.min(event.at));
            timeline.span = Some((first, now));
            let key = timeline.keys.number_or_add(&event.key);
            if key as usize == timeline.appearances.len() {
                timeline.appearances.push(Vec::new());
            }
            timeline.appearances[key as usize].push(at as u32);
            timeline.has_ops |= event.op != Op::Access;
            timeline.lines.push(Line {
                key,
                op: event.op,
                now,
                reads_before: reads,
            });
            reads += u32::from(event.op.reads());
        }
        timeline
    }
}
