//! Control: modes, strategy, the model's snapshot.

use forewarm_domain::model::snapshot::{self, SnapshotError};
use forewarm_domain::{ChainId, ChainMode, Model, Rollout, SelectionStrategy, Timestamp};

use super::Engine;

impl Engine {
    /// Switches a chain, or everything; takes effect with the next request.
    pub fn set_mode(&self, chain: Option<ChainId>, setting: ChainMode) {
        self.rollout.write().set(chain, setting);
    }

    /// The modes in force.
    pub fn rollout(&self) -> Rollout {
        self.rollout.read().clone()
    }

    /// Puts another rule of selection in force.
    pub fn set_strategy(&self, strategy: Box<dyn SelectionStrategy>) {
        self.set_strategy_label(strategy.name());
        self.learner.lock().set_strategy(strategy);
    }

    /// The model as bytes, to be loaded elsewhere or later.
    pub fn save_model(&self, now: Timestamp) -> Vec<u8> {
        self.learner.lock().save(now)
    }

    /// The same at the start, when nothing is known yet: nobody waits for the model's lock while a
    /// large file is read (some 5 s for a million pairs).
    pub fn restore_model(&self, bytes: &[u8], now: Timestamp) -> Result<usize, SnapshotError> {
        let mut model = Model::new(self.config.model);
        let loaded = snapshot::load(&mut model, bytes, now, &*self.key_of)?;
        let mut learner = self.learner.lock();
        if learner.model().is_empty() {
            learner.restore(model, loaded.estimator.as_ref());
            return Ok(loaded.pairs);
        }
        drop(learner);
        self.load_model(bytes, now)
    }

    /// Adds a saved model to what is known; the number of pairs it held.
    pub fn load_model(&self, bytes: &[u8], now: Timestamp) -> Result<usize, SnapshotError> {
        self.learner.lock().load(bytes, now, &*self.key_of)
    }
}
