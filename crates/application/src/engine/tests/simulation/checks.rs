//! What must be true after every step, and once disorder has ended.

use forewarm_domain::{ChainMode, Mode, Standing, Timestamp};
use proptest::prelude::*;

use super::super::books;
use super::judge::{Origin, origin};
use super::schedule::{KEYS, Step};
use super::sea::number;
use super::{EXTRA, L1, Link, PATIENCE, QUEUE, Simulation};
use crate::testing::key;

impl Simulation {
    pub(super) fn check_l1(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        for key in self.departed.lock().drain(..) {
            self.judge.left(number(&key));
        }
        for n in 0..KEYS {
            let key = key(n);
            let held = self.engine.l1.peek(&key, now);
            let held = match (held, self.engine.l1.standing(&key, now)) {
                (Some(held), _) => Some(held.version.map(|version| version.0)),
                // What has expired protects nothing any more.
                (None, Standing::Absent) => None,
                (None, _) if self.engine.l1.peek(&key, Timestamp::ZERO).is_some() => None,
                (None, _) => Some(None),
            };
            self.judge.holds(n, held)?;
        }
        Ok(())
    }

    pub(super) fn check_books(&self) -> Result<(), TestCaseError> {
        let engine = &self.engine;
        let (outcomes, live) = {
            let ledger = engine.ledger.lock();
            (ledger.totals(), ledger.still_live() as u64)
        };
        prop_assert_eq!(outcomes.warmed, outcomes.ended() + live, "{:?}", outcomes);
        let demand = engine.metrics().demand_totals();
        prop_assert_eq!(demand.hits + demand.misses, self.lookups);
        let warms = self.running.iter().filter(|it| it.warms).count();
        if warms == 0 {
            let operations = engine.metrics().operation_totals().total();
            prop_assert_eq!(operations, self.operations, "one status an operation");
            books::check(engine, self.read_by_warms, (0..KEYS).map(key))?;
        }
        if self.running.is_empty() {
            prop_assert!(engine.flights.is_empty(), "flights of nobody");
        }
        prop_assert!(engine.l1.usage().entries <= L1);
        prop_assert!(engine.learner.lock().queued() <= QUEUE);
        Ok(())
    }

    /// A warm has begun. If it reads anything, then no more than the budget leaves; demand is never
    /// refused, and counted before `off` is known to need it too.
    pub(super) fn check_budget(&self, before: u64) -> Result<(), TestCaseError> {
        let governor = self.engine.governor.lock();
        let off = governor.off_reads();
        let limit = off + (EXTRA * off).max(64.0);
        let reads = governor.reads();
        prop_assert!(
            reads <= before || reads as f64 <= limit,
            "{reads} reads of {limit}"
        );
        Ok(())
    }

    /// Disorder ends: what must be true once everything has arrived.
    pub(super) async fn settle(&mut self) -> Result<(), TestCaseError> {
        self.sea.state().catch_up_all();
        // Two waits are the longest way: for a warm in vain, then for a read of one's own.
        for _ in 0..3 {
            self.run()?;
            while self.sea.state().answer(0, None) {
                self.run()?;
            }
            if self.running.is_empty() {
                break;
            }
            prop_assert!(self.sea.state().owes(), "an operation waits for nothing");
            self.pass(PATIENCE).await;
        }
        prop_assert!(self.running.is_empty(), "an operation does not end");
        if self.setting.linked {
            if self.link == Link::Up {
                self.probe();
                while self.hear(false) {}
                self.check_twin()?;
            }
            self.engine.link_lost();
            self.subscribe();
            self.probe();
            while self.hear(false) {}
        } else {
            self.engine.flush();
            self.judge.all_told(&self.sea.state());
        }
        self.engine.set_mode(
            None,
            ChainMode {
                mode: Mode::On,
                percent: 100,
            },
        );
        for n in 0..KEYS {
            self.read(&[n]);
            self.run()?;
            while self.sea.state().answer(0, None) {
                self.run()?;
            }
        }
        self.check_twin()?;
        for n in 0..KEYS {
            while self.engine.learn(self.now()) > 0 {}
            self.engine.request_warm(&key(n), self.now());
            self.play(Step::Warm).await?;
            while self.sea.state().answer(0, None) {
                self.run()?;
            }
        }
        prop_assert!(self.running.is_empty(), "an operation does not end");
        let status = self.engine.status(self.now());
        prop_assert_eq!(status.breaker, crate::metrics::BreakerState::Closed);
        prop_assert_eq!(status.outcomes.warmed, status.pairs_warmed);
        let outcomes = forewarm_domain::Outcome::ALL;
        let counted = outcomes
            .iter()
            .map(|it| self.engine.metrics().outcome_total(*it));
        prop_assert_eq!(counted.sum::<u64>(), status.outcomes.ended());
        self.check_twin()?;
        self.check_l1()?;
        self.check_books()?;
        // What left L1 has left the books.
        self.engine.flush();
        self.check_books()
    }

    /// With all news heard, L1 holds nothing of L2's but its latest.
    pub(super) fn check_twin(&self) -> Result<(), TestCaseError> {
        let sea = self.sea.state();
        for n in 0..KEYS {
            if let Some(held) = self.engine.l1.peek(&key(n), self.now())
                && let Origin::L2(id) = origin(&held.value)
            {
                prop_assert_eq!(sea.current(n).0, Some(id), "key {}", n);
            }
        }
        Ok(())
    }
}
