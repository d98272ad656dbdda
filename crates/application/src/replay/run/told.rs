//! What a run is told beside reads and updates: changes made elsewhere, writes, forgotten keys.

use forewarm_domain::{Timestamp, Version};

use super::{KeyTable, Mind, Run, Scene};
use crate::ports::Placement;

impl Run<'_> {
    /// The key's value changed elsewhere: a copy becomes stale, and nothing is learned.
    pub(in super::super) fn changed(&mut self, scene: Scene<'_>, version: Option<Version>) {
        self.begin(scene);
        self.discard(scene.key);
        self.become_stale(scene.keys, scene.key, version, scene.now);
    }

    /// The key was written through us: L1 has the value, and nothing is learned.
    pub(in super::super) fn written(&mut self, scene: Scene<'_>, version: Option<Version>) {
        let Scene { keys, key, now, .. } = scene;
        self.begin(scene);
        self.discard(key);
        let cached = self.cached(version, now);
        let placed = self.l1.place(keys.name(key), cached, Placement::Demand);
        self.account(keys, key, &placed, now);
    }

    /// L1 was emptied.
    pub(in super::super) fn emptied(&mut self, scene: Scene<'_>) {
        let Scene { keys, now, .. } = scene;
        self.begin(scene);
        for flight in &mut self.flights {
            flight.discarded = true;
            self.flight_of[flight.key as usize] = 0;
        }
        for key in self.l1.clear() {
            self.end(&key, false);
        }
        for key in 0..keys.len() as u32 {
            self.note(keys, key, now);
        }
    }

    /// The number will be another key's: nothing of this one is left. The run without warming
    /// does the same, so nobody need be told.
    pub(in super::super) fn forget(&mut self, keys: &KeyTable, key: u32) {
        if key as usize >= self.flight_of.len() {
            return;
        }
        self.discard(key);
        let name = keys.name(key);
        self.l1.remove(name);
        self.end(name, false);
        self.exposure.forget(key);
    }

    /// L2 answers in another time from now on.
    pub(in super::super) fn set_latency(&mut self, latency: std::time::Duration) {
        self.config.l2_latency = latency;
        if let Mind::Strategy(learner) = &mut self.mind {
            let horizon = super::horizon(self.l1_entries as u64, self.config.l1_share);
            learner.set_bounds(horizon, latency);
        }
    }

    /// What is on its way is not placed.
    pub(super) fn discard(&mut self, key: u32) {
        if let Some(number) = self.flight_of[key as usize].checked_sub(1) {
            self.flight_of[key as usize] = 0;
            self.flight_mut(number).discarded = true;
        }
    }

    pub(super) fn become_stale(
        &mut self,
        keys: &KeyTable,
        key: u32,
        version: Option<Version>,
        now: Timestamp,
    ) {
        let name = keys.name(key);
        if self.l1.mark_stale(name, version) {
            self.end(name, false);
        }
        self.note(keys, key, now);
    }
}
