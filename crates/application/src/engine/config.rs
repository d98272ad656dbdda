//! What an engine is told at the start.

use std::time::Duration;

use forewarm_domain::{ModelConfig, Rollout};

/// The engine's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineConfig {
    /// The model's bounds.
    pub model: ModelConfig,
    /// The modes to begin with.
    pub rollout: Rollout,
    /// Events that may wait for the learner; more are dropped and counted.
    pub event_queue_size: usize,
    /// Requests that may wait for the warmer.
    pub queue_size: usize,
    /// Keys chosen for one request, at most.
    pub max_pairs_per_warm: usize,
    /// Keys in one L2 read, whatever the number of requests, at most.
    pub max_keys_per_read: usize,
    /// How long a warm's L2 read may take.
    pub warm_timeout: Duration,
    /// How long a demand read may take.
    pub demand_timeout: Duration,
    /// Requests older than this are dropped instead of served.
    pub request_deadline: Duration,
    /// Extra L2 reads allowed, as a share of those without warming; `None` = unlimited.
    pub extra_l2_reads: Option<f64>,
    /// The share of L1 that unread warmed entries may fill.
    pub l1_share: f64,
    /// Time to live of values whose source has none; `None` = they do not expire.
    pub default_ttl: Option<Duration>,
    /// How long a key that L2 does not have is answered without asking again; `None` = it is asked every
    /// time. Some ten thousand keys are remembered, the latest.
    pub negative_ttl: Option<Duration>,
    /// Keys whose block is remembered, for reorganisations; some 200 bytes each and the key's own.
    pub most_tagged: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            model: ModelConfig::default(),
            rollout: Rollout::everywhere(forewarm_domain::Mode::On),
            event_queue_size: 65_536,
            queue_size: 16_384,
            max_pairs_per_warm: 16,
            max_keys_per_read: 128,
            warm_timeout: Duration::from_millis(50),
            demand_timeout: Duration::from_millis(500),
            request_deadline: Duration::from_secs(1),
            extra_l2_reads: Some(0.25),
            l1_share: 0.2,
            default_ttl: Some(Duration::from_secs(300)),
            negative_ttl: None,
            most_tagged: 65_536,
        }
    }
}
