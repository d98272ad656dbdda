//! What each step does.

use std::sync::Arc;
use std::time::Duration;

use forewarm_domain::ChainMode;
use proptest::prelude::*;

use super::schedule::{News, Step};
use super::{Done, Link, MOST, Simulation, Told};
use crate::testing::key;

impl Simulation {
    pub(super) async fn play(&mut self, step: Step) -> Result<(), TestCaseError> {
        let (now, full) = (self.now(), self.running.len() >= MOST);
        match step {
            Step::Read { .. } | Step::ReadMany { .. } | Step::Put { .. } if full => {}
            Step::Announce { .. } | Step::Warm if full => {}
            Step::Pass { ms } => self.pass(Duration::from_millis(ms)).await,
            Step::Read { key } => self.read(&[key]),
            Step::ReadMany { keys } => self.read(&keys),
            Step::Put { key } => self.write(key, false),
            // A store with versions is written by versioned writes alone here: what comes without one
            // has no place among them.
            Step::Announce { key } => self.write(key, !self.setting.versions),
            Step::Warm => {
                let engine = Arc::clone(&self.engine);
                let warm = async move { Done::Warmed(engine.warm(now).await) };
                let before = self.engine.governor.lock().reads();
                self.start(&[], true, warm);
                self.run()?;
                self.check_budget(before)?;
            }
            Step::Serve { call } => self.sea.state().serve(call),
            Step::Answer { call } => drop(self.sea.state().answer(call, None)),
            Step::Refuse { call } => drop(self.sea.state().answer(call, Some(false))),
            Step::Break { call } => drop(self.sea.state().answer(call, Some(true))),
            Step::LoseAnswer { call } => self.sea.state().lose_answer(call),
            Step::Cancel { operation } => {
                // Nobody cancels a warm.
                if let Some(at) = operation.checked_rem(self.running.len())
                    && !self.running[at].warms
                {
                    drop(self.running.remove(at));
                }
            }
            Step::Elsewhere { key, news, ahead } => {
                let id = self
                    .sea
                    .state()
                    .elsewhere(key, ahead && news != News::Untold);
                let value = news == News::Value;
                if news != News::Untold {
                    self.feed.push(Told { key, id, value });
                }
            }
            Step::RemoveElsewhere { key } => self.sea.state().remove(key),
            Step::CatchUp { write } => self.sea.state().catch_up(write),
            Step::Feed { message, again } => {
                if let Some(at) = message.checked_rem(self.feed.len()) {
                    let told = self.feed[at];
                    if !again {
                        self.feed.remove(at);
                    }
                    self.fed(told);
                }
            }
            Step::LoseFeed { message } => {
                if let Some(at) = message.checked_rem(self.feed.len()) {
                    self.feed.remove(at);
                }
            }
            Step::Hear { again } => drop(self.hear(again)),
            Step::Probe => self.probe(),
            Step::Cut | Step::Notice | Step::Subscribe | Step::Lapse => self.happen(step),
            Step::Invalidate { key: n } => {
                self.engine.invalidate(&key(n));
                let seq = self.sea.state().current(n).1;
                self.judge.told(n, seq);
            }
            Step::Flush => {
                self.engine.flush();
                self.judge.all_told(&self.sea.state());
            }
            Step::Learn => drop(self.engine.learn(now)),
            Step::Request { key: n } => drop(self.engine.request_warm(&key(n), now)),
            Step::Tick => self.engine.tick(now),
            Step::Switch { mode, percent } => {
                self.engine.set_mode(None, ChainMode { mode, percent });
            }
            Step::Crash => self.crash(),
        }
        self.run()?;
        self.check_l1()?;
        self.check_books()
    }

    pub(super) fn happen(&mut self, step: Step) {
        if !self.setting.linked {
            return;
        }
        let lapsed = self.proven <= self.now;
        match (step, self.link) {
            (Step::Cut, Link::Up) => {
                self.sea.state().link = None;
                self.link = Link::Cut;
            }
            (Step::Notice, Link::Cut) => {
                self.engine.link_lost();
                self.link = Link::Lost;
            }
            (Step::Subscribe, Link::Lost) => self.subscribe(),
            (Step::Lapse, _) if lapsed => {
                self.engine.link_lapsed();
                self.judge.all_told(&self.sea.state());
                self.sea.state().link = None;
                self.link = Link::Lost;
            }
            _ => {}
        }
    }

    pub(super) async fn pass(&mut self, time: Duration) {
        self.now += time.as_millis() as u64;
        self.sea.state().now = self.now;
        tokio::time::advance(time).await;
    }

    pub(super) fn crash(&mut self) {
        self.running.clear();
        (self.engine, self.departed) = Self::engine(self.setting, &self.sea, self.now);
        (self.lookups, self.operations, self.read_by_warms) = (0, 0, 0);
        self.sea.state().link = None;
        self.begin();
    }
}
