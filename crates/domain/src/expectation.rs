//! Expectations: what recent events point to, and whether it came.
//!
//! Two books beside the model. **Votes**: an event votes for its partners, and a candidate that
//! several recent events point to is likelier than one that a single event does. **Predictions**:
//! every candidate that L1 lacks, fetched or not, is watched until it is read in time (true) or
//! changes, is crowded out or is not read within the horizon (false). The verdicts teach the
//! [`Estimator`]. So it learns from what it did not fetch too, and a candidate that was once
//! refused is not refused for ever.
//!
//! Cost: O(1) an event and a candidate. Memory: 24 bytes a pair, and 56 for each of at most
//! 65,536 predictions under way; past that a candidate is judged but not watched.

use std::collections::VecDeque;
use std::time::Duration;

use crate::co_occurrence::SourceKind;
use crate::pair::PairId;
use crate::time::Timestamp;
use crate::usefulness::{Clues, Estimator, Evidence, Remembered, Standing};

/// Events after which a vote no longer counts.
const VOTE_LASTS: u32 = 12;

/// Predictions watched at once.
const WATCHED: usize = 1 << 16;

/// How an event takes part in what is said of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Vote {
    /// It votes, and says that its pair is read with this probability.
    Now(f32),
    /// As if it voted, without a trace.
    Hypothetical(f32),
    /// It has voted: an event votes once, however many operations it asks for.
    Before,
}

/// What came of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whose partner was expected.
    pub source: PairId,
    /// In which role.
    pub kind: SourceKind,
    /// What was expected.
    pub target: PairId,
    /// Whether it was read in time.
    pub useful: bool,
}

#[derive(Debug, Clone, Copy)]
struct Prediction {
    source: PairId,
    kind: SourceKind,
    target: PairId,
    at: Timestamp,
    clues: Clues,
    /// Tells this use of the place from the one before.
    serial: u64,
}

/// What is remembered of a pair.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// The number of the read that read it last; 0 = never.
    last_read: u32,
    /// The number of the event that voted last.
    voted: u32,
    joint: f32,
    /// Place of its prediction plus one; 0 = none.
    watched: u32,
    generation: u16,
    votes: u8,
}

/// Votes, predictions and the estimator that learns from them.
#[derive(Debug, Default)]
pub struct Expectations {
    estimator: Estimator,
    marks: Vec<Mark>,
    places: Vec<Option<Prediction>>,
    free: Vec<u32>,
    /// In the order in which they are overdue: the last read that still counts, place, serial.
    /// Newcomers first, then outdated copies.
    due: [VecDeque<(u64, u32, u64)>; 2],
    events: u64,
    reads: u64,
    serial: u64,
    horizons: [u64; 2],
    lead: Duration,
}

/// Within how many reads a fetch must be read to count as right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// One that pushed something out, and leaves soon when it is not read.
    pub newcomer: u64,
    /// One that put an outdated copy right, which L1 would have held anyway.
    pub outdated: u64,
}

impl Expectations {
    /// A prediction comes true if its pair is read within the horizon, but not sooner than
    /// `lead` after it: a fetch could not have landed by then.
    pub fn set_bounds(&mut self, horizon: Horizon, lead: Duration) {
        self.horizons = [horizon.newcomer, horizon.outdated];
        self.lead = lead;
    }

    /// An event happened; with a read, `target` was read at `at`.
    pub fn event(&mut self, target: PairId, read: bool, at: Timestamp) -> Option<Verdict> {
        self.events += 1;
        if !read {
            return self.settle(target, |_| false);
        }
        self.reads += 1;
        let lead = self.lead;
        let verdict = self.settle(target, |prediction| at >= prediction.at + lead);
        let reads = self.reads as u32;
        let mark = self.mark(target);
        mark.last_read = reads;
        (mark.votes, mark.joint) = (0, 0.0);
        verdict
    }

    /// A fetched copy of `target` left L1 unread.
    pub fn lost(&mut self, target: PairId) -> Option<Verdict> {
        self.settle(target, |_| false)
    }

    /// The next prediction that did not come true in time, if any.
    pub fn overdue(&mut self) -> Option<Verdict> {
        for queue in 0..self.due.len() {
            while let Some(&(until, place, serial)) = self.due[queue].front()
                && until < self.reads
            {
                self.due[queue].pop_front();
                let held = self.places[place as usize].filter(|held| held.serial == serial);
                if let Some(prediction) = held {
                    return self.settle(prediction.target, |_| false);
                }
            }
        }
        None
    }

    /// The current event points to `target`: what is remembered of it.
    pub fn consider(&mut self, target: PairId, vote: Vote) -> Remembered {
        let (now, reads) = (self.events as u32, self.reads as u32);
        let mark = self.mark(target);
        let said = if now.wrapping_sub(mark.voted) > VOTE_LASTS {
            (0, 0.0)
        } else {
            (mark.votes, mark.joint)
        };
        let with = |p: f32| (1.0 - (1.0 - said.1) * (1.0 - p)).min(0.999);
        let (votes, joint) = match vote {
            Vote::Now(probability) => {
                let joint = with(probability);
                mark.joint = joint;
                mark.votes = said.0.saturating_add(1);
                mark.voted = now;
                (said.0, joint)
            }
            Vote::Hypothetical(probability) => (said.0, with(probability)),
            Vote::Before => (mark.votes.saturating_sub(1), mark.joint),
        };
        let idle = (mark.last_read != 0).then(|| reads.wrapping_sub(mark.last_read));
        Remembered {
            votes,
            joint,
            idle,
            watched: mark.watched != 0,
        }
    }

    /// P(read in time | fetched now) of a candidate that L1 lacks, from now on watched.
    #[inline]
    pub fn expect(
        &mut self,
        (source, target): (PairId, PairId),
        evidence: &Evidence,
        now: Timestamp,
    ) -> f32 {
        let clues = evidence.clues();
        let expected = self.estimator.expected(&clues);
        if !evidence.remembered.watched {
            let prediction = Prediction {
                source,
                kind: evidence.kind,
                target,
                at: now,
                clues,
                serial: 0,
            };
            self.watch(prediction, evidence.standing);
        }
        expected
    }

    /// What [`expect`](Self::expect) would answer, with nothing watched.
    pub fn foresee(&self, evidence: &Evidence) -> f32 {
        self.estimator.expected(&evidence.clues())
    }

    /// What the estimator has learned.
    pub fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// Takes over what another estimator has learned.
    pub fn merge(&mut self, estimator: &Estimator) {
        self.estimator.merge(estimator);
    }

    /// Predictions under way.
    pub fn watched(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Heap bytes.
    pub fn memory_bytes(&self) -> usize {
        self.marks.capacity() * size_of::<Mark>()
            + self.places.capacity() * size_of::<Option<Prediction>>()
            + self.free.capacity() * size_of::<u32>()
            + self.due.iter().map(VecDeque::capacity).sum::<usize>() * size_of::<(u64, u32, u64)>()
            + 11 * 1_024
    }

    fn watch(&mut self, prediction: Prediction, standing: Standing) {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.places.len() < WATCHED => {
                self.places.push(None);
                (self.places.len() - 1) as u32
            }
            None => return,
        };
        self.serial += 1;
        let serial = self.serial;
        self.places[place as usize] = Some(Prediction {
            serial,
            ..prediction
        });
        self.mark(prediction.target).watched = place + 1;
        // What came true leaves its entry behind until it is overdue: bounded like the places.
        let queue = usize::from(standing == Standing::Stale);
        let due = &mut self.due[queue];
        if due.len() >= 2 * WATCHED {
            let places = &self.places;
            due.retain(|&(_, place, serial)| {
                places[place as usize].is_some_and(|held| held.serial == serial)
            });
        }
        let until = self.reads.saturating_add(self.horizons[queue]);
        due.push_back((until, place, serial));
    }

    fn settle(
        &mut self,
        target: PairId,
        useful: impl FnOnce(&Prediction) -> bool,
    ) -> Option<Verdict> {
        let place = std::mem::take(&mut self.mark(target).watched).checked_sub(1)?;
        let prediction = self.places[place as usize].take()?;
        self.free.push(place);
        let useful = useful(&prediction);
        self.estimator.learn(&prediction.clues, useful);
        Some(Verdict {
            source: prediction.source,
            kind: prediction.kind,
            target,
            useful,
        })
    }

    /// The mark of a pair; that of a forgotten pair in the same slot is wiped.
    fn mark(&mut self, pair: PairId) -> &mut Mark {
        let slot = pair.index();
        if slot >= self.marks.len() {
            self.marks.resize(slot + 1, Mark::default());
        }
        if self.marks[slot].generation != pair.generation {
            if let Some(place) = self.marks[slot].watched.checked_sub(1) {
                self.places[place as usize] = None;
                self.free.push(place);
            }
            self.marks[slot] = Mark {
                generation: pair.generation,
                ..Mark::default()
            };
        }
        &mut self.marks[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::usefulness::Trigger;
    use proptest::prelude::*;

    const LEAD: Duration = Duration::from_millis(1);

    fn pair(slot: u32, generation: u16) -> PairId {
        PairId { slot, generation }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn evidence() -> Evidence {
        Evidence {
            kind: SourceKind::Update,
            trigger: Trigger::Update,
            second_hop: false,
            standing: Standing::Absent,
            followed: History::of(1, 1),
            came: History::default(),
            support: 1.0,
            probability: 0.5,
            chance: 0.01,
            lag: Duration::from_millis(3),
            remembered: Remembered {
                joint: 0.5,
                ..Remembered::default()
            },
            popularity: 1.0,
        }
    }

    fn books() -> Expectations {
        let mut books = Expectations::default();
        let horizon = Horizon {
            newcomer: 5,
            outdated: 9,
        };
        books.set_bounds(horizon, LEAD);
        books
    }

    fn expect(books: &mut Expectations, target: u32, ms: u64) {
        expect_pair(books, pair(target, 0), at(ms));
    }

    fn expect_pair(books: &mut Expectations, target: PairId, now: Timestamp) {
        let remembered = books.consider(target, Vote::Hypothetical(0.5));
        let evidence = Evidence {
            remembered,
            ..evidence()
        };
        books.expect((pair(0, 0), target), &evidence, now);
    }

    fn vote(books: &mut Expectations, target: PairId, probability: f32) -> (u8, f32) {
        let said = books.consider(target, Vote::Now(probability));
        (said.votes, said.joint)
    }

    #[test]
    fn a_prediction_comes_true_when_its_pair_is_read_in_time() {
        for (read_at, useful) in [(10, false), (11, true)] {
            let mut books = books();
            expect(&mut books, 1, 10);
            assert_eq!(books.event(pair(2, 0), true, at(10)), None, "another's");
            let verdict = books.event(pair(1, 0), true, at(read_at)).unwrap();
            assert_eq!(verdict.useful, useful, "read at {read_at} ms");
            assert_eq!(
                books.event(pair(1, 0), true, at(20)),
                None,
                "judged once only"
            );
        }
    }

    #[test]
    fn an_update_a_loss_and_the_horizon_make_it_false() {
        let judged = |end: &dyn Fn(&mut Expectations) -> Option<Verdict>| {
            let mut books = books();
            expect(&mut books, 1, 10);
            end(&mut books).map(|verdict| verdict.useful)
        };
        assert_eq!(judged(&|b| b.event(pair(1, 0), false, at(20))), Some(false));
        assert_eq!(judged(&|b| b.lost(pair(1, 0))), Some(false));
        let after = |b: &mut Expectations, reads: u32| {
            for _ in 0..reads {
                b.event(pair(9, 0), true, at(20));
            }
            b.overdue()
        };
        assert_eq!(
            judged(&|b| after(b, 5)),
            None,
            "the fifth read still counts"
        );
        let mut late = books();
        expect(&mut late, 1, 10);
        assert_eq!(after(&mut late, 6).map(|v| v.useful), Some(false));
        assert_eq!(late.overdue(), None);
        assert_eq!(late.watched(), 0);
    }

    #[test]
    fn votes_add_up_until_the_read_or_until_they_are_old() {
        let mut books = books();
        books.event(pair(5, 0), false, at(0));
        assert_eq!(vote(&mut books, pair(1, 0), 0.5), (0, 0.5));
        books.event(pair(6, 0), false, at(0));
        assert_eq!(vote(&mut books, pair(1, 0), 0.5), (1, 0.75));
        books.event(pair(1, 0), true, at(1));
        assert_eq!(
            vote(&mut books, pair(1, 0), 0.5),
            (0, 0.5),
            "it has been read"
        );
        for _ in 0..=VOTE_LASTS {
            books.event(pair(7, 0), false, at(2));
        }
        assert_eq!(
            vote(&mut books, pair(1, 0), 0.25),
            (0, 0.25),
            "too long ago"
        );
    }

    #[test]
    fn a_pair_in_a_forgotten_pairs_slot_inherits_nothing() {
        let mut books = books();
        books.event(pair(1, 0), true, at(1));
        expect(&mut books, 1, 10);
        vote(&mut books, pair(1, 0), 0.9);
        let stranger = books.consider(pair(1, 1), Vote::Hypothetical(0.0));
        assert_eq!(stranger, Remembered::default());
        assert_eq!(vote(&mut books, pair(1, 1), 0.5), (0, 0.5));
        assert_eq!(books.event(pair(1, 1), true, at(20)), None);
        assert_eq!(books.watched(), 0);
    }

    proptest! {
        /// Any order of calls: every prediction is judged at most once, its place is reused, and
        /// nothing grows past the number of pairs.
        #[test]
        fn every_prediction_ends_once(
            calls in prop::collection::vec((0_u8..5, 0_u32..8, 0_u16..2), 1..300)
        ) {
            let mut books = books();
            let mut judged = 0;
            let mut made = 0;
            for (ms, (call, slot, generation)) in calls.into_iter().enumerate() {
                let (target, now) = (pair(slot, generation), at(ms as u64));
                let before = books.watched();
                let verdict = match call {
                    0 => {
                        expect_pair(&mut books, target, now);
                        None
                    }
                    1 => books.event(target, true, now),
                    2 => books.event(target, false, now),
                    3 => books.lost(target),
                    _ => books.overdue(),
                };
                made += books.watched().saturating_sub(before);
                judged += usize::from(verdict.is_some());
                prop_assert!(books.watched() <= 8);
                prop_assert!(books.places.len() <= 9, "{}", books.places.len());
                prop_assert!(judged + books.watched() <= made + 8);
            }
        }
    }
}
