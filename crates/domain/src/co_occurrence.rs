//! The window: which reads follow an event closely, and how often any event is so followed.
//!
//! Two rings. *Targets* are what is to be predicted (reads), in order of arrival. *Sources* are
//! the events that may predict (updates and reads); each opens a window over the targets that
//! follow it, bounded in time and in events. A window is counted once, when it closes: then one
//! source's own row is touched, and a target in it counts once however often it was read. Each
//! arrival closes at most [`CLOSED_PER_EVENT`] windows, so an event costs the same whether 20 or
//! 20,000 pairs are active.
//!
//! The rate expected by chance is counted, not modelled: when a target arrives, the windows
//! that it enters for the first time are a difference of running counts.

use std::time::Duration;

use crate::number::Short;
use crate::pair::PairId;
use crate::time::Timestamp;

/// Which of a pair's two roles opened the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// The pair was updated (or accessed, in a recording without an `op` column).
    Update,
    /// The pair was read.
    Read,
}

impl SourceKind {
    /// Both, in the order of their indexes.
    pub const ALL: [Self; 2] = [Self::Update, Self::Read];

    /// 0 or 1.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// `update` or `read`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Read => "read",
        }
    }
}

/// Windows closed by one arrival, at most: more than are opened by it, so a backlog shrinks.
pub const CLOSED_PER_EVENT: usize = 4;

/// Open windows kept; past it the oldest closes early.
const SOURCES: usize = 1 << 16;

/// The bounds of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    /// How long after its source a target still counts.
    pub span: Duration,
    /// How many of the following targets count.
    pub events: usize,
}

/// Windows opened so far, by kind; wraps, only differences are used.
type Opened = [u32; 2];

#[derive(Debug, Clone, Copy)]
struct Source {
    pair: PairId,
    kind: SourceKind,
    at: Timestamp,
    /// Number of the first target that follows.
    first_target: u64,
}

/// A target that follows a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Follower {
    /// The pair that was read.
    pub pair: PairId,
    /// The share of all windows of each kind that contain it, as of its arrival.
    pub(crate) chance: [Short; 2],
    /// When.
    pub at: Timestamp,
    /// Windows opened before it arrived.
    opened: Opened,
    /// See [`Entry`].
    before: u16,
}

/// What a pair must remember of its last time as a target.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastTarget {
    /// Windows opened before it, by kind.
    opened: Opened,
    /// Its number among the targets; wraps.
    number: u32,
    /// Whether there was one.
    seen: bool,
}

/// What a target finds when it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// How many windows of each kind it enters for the first time.
    pub windows: [u32; 2],
    /// How many targets ago the same pair was one; the largest number also stands for longer ago
    /// and never. So a window that it is in already is told without looking through it.
    before: u16,
}

/// A closed window: the source and its distinct followers, nearest first.
#[derive(Debug)]
pub struct Closed<'a> {
    /// The pair that opened it.
    pub pair: PairId,
    /// In which role.
    pub kind: SourceKind,
    /// When it was opened.
    pub at: Timestamp,
    /// Each partner once.
    pub followers: Followers<'a>,
}

/// The distinct followers of one window, where they lie in the ring.
#[derive(Debug, Clone)]
pub struct Followers<'a> {
    targets: &'a [Follower],
    /// Numbers of the first target of the window, the next one to look at, and the end.
    first: u64,
    next: u64,
    end: u64,
    /// The last moment that counts.
    until: Timestamp,
    /// A read that follows a read of the same key finds it in L1 already.
    without: Option<PairId>,
}

impl<'a> Iterator for Followers<'a> {
    type Item = &'a Follower;

    fn next(&mut self) -> Option<&'a Follower> {
        while self.next < self.end {
            let target = &self.targets[self.next as usize & (self.targets.len() - 1)];
            if target.at > self.until {
                return None;
            }
            let earlier = self.next - self.first;
            self.next += 1;
            if u64::from(target.before) > earlier && self.without != Some(target.pair) {
                return Some(target);
            }
        }
        None
    }
}

/// The two rings.
#[derive(Debug)]
pub struct Window {
    config: WindowConfig,
    sources: Box<[Source]>,
    targets: Box<[Follower]>,
    /// Numbers of the oldest open source, the next source and the next target.
    oldest: u64,
    next_source: u64,
    next_target: u64,
    /// The first source that is still inside the span, and the windows opened before it.
    in_span: u64,
    opened_before_span: Opened,
    opened: Opened,
}

impl Window {
    /// Empty rings: 32 bytes for each of 65,536 sources, 32 for each of at least 1,024 targets.
    pub fn new(config: WindowConfig) -> Self {
        let config = WindowConfig {
            events: config.events.max(1),
            ..config
        };
        let nobody = PairId {
            slot: 0,
            generation: 0,
        };
        let source = Source {
            pair: nobody,
            kind: SourceKind::Update,
            at: Timestamp::ZERO,
            first_target: 0,
        };
        let target = Follower {
            pair: nobody,
            chance: [Short::ZERO; 2],
            at: Timestamp::ZERO,
            opened: [0; 2],
            before: u16::MAX,
        };
        let targets = (config.events * 8).max(1_024).next_power_of_two();
        Self {
            config,
            sources: vec![source; SOURCES].into_boxed_slice(),
            targets: vec![target; targets].into_boxed_slice(),
            oldest: 0,
            next_source: 0,
            next_target: 0,
            in_span: 0,
            opened_before_span: [0; 2],
            opened: [0; 2],
        }
    }

    /// Records a source. The caller then closes windows with [`Self::close_next`].
    pub fn push_source(&mut self, pair: PairId, kind: SourceKind, at: Timestamp) {
        if self.next_source - self.in_span >= SOURCES as u64 {
            self.pass_span_start();
        }
        let slot = self.next_source as usize % SOURCES;
        self.sources[slot] = Source {
            pair,
            kind,
            at,
            first_target: self.next_target,
        };
        self.next_source += 1;
        self.opened[kind.index()] = self.opened[kind.index()].wrapping_add(1);
    }

    /// What a target arriving at `at` finds, given the pair's previous time as a target; updates
    /// that memory. [`Self::push_target`] follows.
    pub fn enter(&mut self, last: &mut LastTarget, at: Timestamp) -> Entry {
        let start = at - self.config.span;
        while self.in_span < self.next_source && self.source(self.in_span).at < start {
            self.pass_span_start();
        }
        let by_events = self
            .next_target
            .checked_sub(self.config.events as u64)
            .map(|number| self.target(number).opened);
        let number = self.next_target as u32;
        let before = number.wrapping_sub(last.number).min(u32::from(u16::MAX));
        let before = if last.seen { before as u16 } else { u16::MAX };
        let mut entered = [0; 2];
        for kind in SourceKind::ALL {
            let k = kind.index();
            let open = |before: Opened| self.opened[k].wrapping_sub(before[k]);
            let mut windows = open(self.opened_before_span);
            if let Some(before) = by_events {
                windows = windows.min(open(before));
            }
            if last.seen {
                windows = windows.min(open(last.opened));
            }
            entered[k] = windows;
        }
        *last = LastTarget {
            opened: self.opened,
            number,
            seen: true,
        };
        Entry {
            windows: entered,
            before,
        }
    }

    /// Records the target that has entered.
    pub fn push_target(&mut self, pair: PairId, entry: Entry, chance: [f32; 2], at: Timestamp) {
        let mask = self.targets.len() - 1;
        self.targets[self.next_target as usize & mask] = Follower {
            pair,
            chance: chance.map(Short::of),
            at,
            opened: self.opened,
            before: entry.before,
        };
        self.next_target += 1;
    }

    /// Closes the oldest window if it is complete at `now`.
    pub fn close_next(&mut self, now: Timestamp) -> Option<Closed<'_>> {
        if self.oldest == self.next_source {
            return None;
        }
        let source = *self.source(self.oldest);
        let followed = self.next_target - source.first_target;
        let complete = followed >= self.config.events as u64
            || source.at + self.config.span < now
            || self.next_source - self.oldest >= SOURCES as u64;
        if !complete {
            return None;
        }
        self.oldest += 1;
        Some(Closed {
            pair: source.pair,
            kind: source.kind,
            at: source.at,
            followers: self.followers(&source),
        })
    }

    /// Who opened the window that is closed after the next `ahead` ones.
    pub fn upcoming(&self, ahead: u64) -> Option<(PairId, SourceKind)> {
        let number = self.oldest + ahead;
        (number < self.next_source).then(|| {
            let source = self.source(number);
            (source.pair, source.kind)
        })
    }

    /// Windows not closed yet.
    pub fn open(&self) -> usize {
        (self.next_source - self.oldest) as usize
    }

    /// Bytes of both rings.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.sources) + size_of_val(&*self.targets)
    }

    fn followers(&self, source: &Source) -> Followers<'_> {
        let oldest_kept = self.next_target.saturating_sub(self.targets.len() as u64);
        let first = source.first_target.max(oldest_kept);
        Followers {
            targets: &self.targets,
            first,
            next: first,
            end: (source.first_target + self.config.events as u64).min(self.next_target),
            until: source.at + self.config.span,
            without: (source.kind == SourceKind::Read).then_some(source.pair),
        }
    }

    fn pass_span_start(&mut self) {
        let kind = self.source(self.in_span).kind.index();
        self.opened_before_span[kind] = self.opened_before_span[kind].wrapping_add(1);
        self.in_span += 1;
    }

    fn source(&self, number: u64) -> &Source {
        &self.sources[number as usize % SOURCES]
    }

    fn target(&self, number: u64) -> &Follower {
        &self.targets[number as usize & (self.targets.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    fn pair(slot: u32) -> PairId {
        PairId {
            slot,
            generation: 0,
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn window(events: usize) -> Window {
        Window::new(WindowConfig {
            span: Duration::from_secs(1),
            events,
        })
    }

    /// Slots' last times as a target.
    type Lasts = HashMap<u32, LastTarget>;

    fn read(window: &mut Window, lasts: &mut Lasts, slot: u32, ms: u64) -> [u32; 2] {
        let entry = window.enter(lasts.entry(slot).or_default(), at(ms));
        window.push_target(pair(slot), entry, [0.0; 2], at(ms));
        entry.windows
    }

    fn followers(window: &mut Window, now_ms: u64) -> Option<Vec<u32>> {
        let closed = window.close_next(at(now_ms))?;
        Some(closed.followers.map(|f| f.pair.slot).collect())
    }

    #[test]
    fn a_window_holds_each_follower_once_and_closes_by_time() {
        let (mut w, mut lasts) = (window(20), Lasts::new());
        w.push_source(pair(1), SourceKind::Update, at(0));
        for (slot, ms) in [(2, 3), (3, 3), (2, 4), (1, 5)] {
            read(&mut w, &mut lasts, slot, ms);
        }
        read(&mut w, &mut lasts, 9, 1_001);
        assert_eq!(followers(&mut w, 1_000), None, "still open at its bound");
        assert_eq!(
            followers(&mut w, 1_001),
            Some(vec![2, 3, 1]),
            "its own read counts"
        );
        assert_eq!(followers(&mut w, 1_001), None);
    }

    #[test]
    fn a_window_closes_after_its_number_of_targets_and_takes_no_more() {
        let (mut w, mut lasts) = (window(3), Lasts::new());
        w.push_source(pair(1), SourceKind::Read, at(0));
        for slot in [2, 1, 3, 4, 5] {
            read(&mut w, &mut lasts, slot, 1);
        }
        assert_eq!(
            followers(&mut w, 1),
            Some(vec![2, 3]),
            "own read skipped, fourth too far"
        );
    }

    #[test]
    fn a_target_enters_the_open_windows_it_has_not_entered_before() {
        let (mut w, mut lasts) = (window(2), Lasts::new());
        w.push_source(pair(1), SourceKind::Update, at(0));
        w.push_source(pair(2), SourceKind::Read, at(1));
        assert_eq!(read(&mut w, &mut lasts, 3, 2), [1, 1]);
        assert_eq!(
            read(&mut w, &mut lasts, 3, 3),
            [0, 0],
            "again within the same windows"
        );
        // Both windows have their two targets now; only this one is open:
        w.push_source(pair(1), SourceKind::Update, at(4));
        assert_eq!(read(&mut w, &mut lasts, 4, 5), [1, 0]);
        // and by time none is:
        assert_eq!(read(&mut w, &mut lasts, 5, 2_000), [0, 0]);
    }

    proptest! {
        /// Against a search through the window.
        #[test]
        fn followers_are_the_distinct_targets_of_the_window_in_their_order(
            steps in prop::collection::vec((0_u32..6, any::<bool>(), 0_u64..400), 1..120),
            events in 1_usize..12,
        ) {
            let (mut w, mut lasts) = (window(events), Lasts::new());
            let (mut sources, mut targets, mut now) = (Vec::new(), Vec::new(), 0);
            let mut closed = 0;
            for (slot, is_read, passed) in steps {
                now += passed;
                let kind = SourceKind::ALL[usize::from(is_read)];
                if is_read {
                    read(&mut w, &mut lasts, slot, now);
                    targets.push((slot, now));
                }
                w.push_source(pair(slot), kind, at(now));
                sources.push((slot, kind, now, targets.len()));
                while let Some(found) = followers(&mut w, now) {
                    let (source, kind, since, first) = sources[closed];
                    let mut expected = Vec::new();
                    for &(slot, at) in targets[first..].iter().take(events) {
                        let own = kind == SourceKind::Read && slot == source;
                        if at <= since + 1_000 && !own && !expected.contains(&slot) {
                            expected.push(slot);
                        }
                    }
                    prop_assert_eq!(found, expected);
                    closed += 1;
                }
            }
        }
    }

    #[test]
    fn a_flood_of_sources_closes_the_oldest_early_and_stays_bounded() {
        let mut w = window(20);
        let mut closed = 0;
        for n in 0..200_000_u32 {
            w.push_source(pair(n), SourceKind::Update, at(0));
            for _ in 0..CLOSED_PER_EVENT {
                closed += u32::from(w.close_next(at(0)).is_some());
            }
            assert!(w.open() < SOURCES);
        }
        assert!(closed > 200_000 - SOURCES as u32);
        assert!(read(&mut w, &mut Lasts::new(), 1, 0)[0] as usize <= SOURCES);
    }
}
