//! The contest of strategies on the live stream: who plays, when, and with what.
//!
//! A thread of its own plays what comes through the engine's [`Tap`]; neither the hot path nor the
//! learner waits for it. Once a second it looks whether it is wanted, and begins anew when what it
//! has played can no longer be compared with what comes: L1 has another size than assumed, the clock
//! was set back, or the stream is too busy and only a sample of the keys is followed from then on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use forewarm_application::engine::{Engine, Tap, TapCounts};
use forewarm_application::metrics::{Level, StrategyLabel};
use forewarm_application::ports::LocalCache;
use forewarm_application::replay::{Contest, L1Size, Policy, ReplayConfig, Report};
use forewarm_domain::{Mode, SelectionStrategy, Timestamp};
use forewarm_infrastructure::l1::{Capacity, QuickCache};
use forewarm_strategies::InvalidParameter;
use parking_lot::{Mutex, MutexGuard};

use crate::config::{Config, Contenders};
use crate::core::Core;

/// Events played under one hold of the lock: about a millisecond with six strategies.
const BATCH: usize = 64;
const CHECK: Duration = Duration::from_secs(1);
/// How long the thread sleeps with nothing to play: the queue holds the events of this time at 3
/// million a second.
const NAP: Duration = Duration::from_millis(20);
/// The same while nobody plays.
const LONG_NAP: Duration = Duration::from_millis(250);
/// The hash of the ghosts, which is replay's: the same input gives the same figures.
const SEED: u64 = 0;
/// An entry's weight where L1 has not enough of them to tell.
const ASSUMED_WEIGHT: u64 = 256;
/// Entries whose mean weight is believed.
const ENOUGH_ENTRIES: usize = 64;
/// A clock set back by more than this is one that was set.
const CLOCK_SET_BACK: Duration = Duration::from_secs(1);
/// So many seconds in a row with more than one event in a hundred lost mean that the stream is too
/// busy; a burst is not.
const BUSY_SECONDS: u32 = 5;
/// The coarsest sample: one key in so many.
const COARSEST: u64 = 64;

/// Where L1's size was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SizeFrom {
    Configuration,
    /// By what L1 holds.
    Measured,
    /// L1 holds too little to tell.
    Assumed,
}

impl SizeFrom {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configured",
            Self::Measured => "measured",
            Self::Assumed => "assumed",
        }
    }
}

/// What can be said of the contest.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) running: bool,
    /// Why it does not run.
    pub(crate) idle: Option<String>,
    pub(crate) since: Option<Timestamp>,
    /// How often it has begun anew, and why the last time.
    pub(crate) begun_anew: u64,
    pub(crate) because: Option<String>,
    /// What came since it began.
    pub(crate) counts: TapCounts,
    pub(crate) one_in: u64,
    pub(crate) keys: usize,
    pub(crate) max_keys: usize,
    pub(crate) forgotten: u64,
    pub(crate) size_from: SizeFrom,
    pub(crate) latency: Duration,
    pub(crate) max_pairs_per_warm: usize,
    pub(crate) report: Option<Report>,
}

/// The contest and who decides about it.
pub(crate) struct Shadow {
    pub(crate) tap: Arc<Tap>,
    contenders: Contenders,
    stage: Mutex<Stage>,
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shadow")
            .field("contenders", &self.contenders)
            .finish_non_exhaustive()
    }
}

struct Stage {
    /// As configured; each contest has copies of its own.
    strategies: Vec<Box<dyn SelectionStrategy>>,
    contest: Option<Contest>,
    since: Option<Timestamp>,
    begun_anew: u64,
    because: Option<String>,
    entries: usize,
    size_from: SizeFrom,
    latency: Duration,
    /// The tap's counts when it began, and a second ago.
    began_at: TapCounts,
    checked_at: TapCounts,
    strain: Strain,
}

/// Whether the stream is too busy to be followed whole.
#[derive(Debug, Default)]
struct Strain {
    seconds: u32,
}

impl Strain {
    /// A second has passed in which so many events were seen and lost.
    fn in_second(&mut self, seen: u64, dropped: u64) -> bool {
        let strained = dropped * 100 > seen;
        self.seconds = if strained { self.seconds + 1 } else { 0 };
        self.seconds >= BUSY_SECONDS
    }
}

impl Shadow {
    /// Nobody plays yet.
    pub(crate) fn new(config: &Config) -> Result<Self, InvalidParameter> {
        let chosen = config.shadow.strategies.strategies();
        let built = chosen.iter().map(|rule| config.warming.build(*rule));
        let strategies = built.collect::<Result<Vec<_>, _>>()?;
        let labels = strategies
            .iter()
            .filter_map(|rule| StrategyLabel::of(rule.name()));
        Ok(Self {
            tap: Arc::new(Tap::new(config.shadow.queue_size, labels.collect())),
            contenders: config.shadow.strategies.clone(),
            stage: Mutex::new(Stage {
                strategies,
                contest: None,
                since: None,
                begun_anew: 0,
                because: None,
                entries: 0,
                size_from: SizeFrom::Assumed,
                latency: Duration::ZERO,
                began_at: TapCounts::default(),
                checked_at: TapCounts::default(),
                strain: Strain::default(),
            }),
        })
    }

    /// Whether there can ever be somebody who plays.
    pub(crate) fn has_contenders(&self) -> bool {
        self.contenders != Contenders::These(Vec::new())
    }

    /// The thread's body; ends when the service stops.
    pub(crate) fn run(core: &Core) {
        let shadow = &core.shadow;
        let mut checked = core.clock.running();
        while !core.vitals.stopping.load(Ordering::Acquire) {
            let running = core.clock.running();
            if running.saturating_sub(checked) >= CHECK || !shadow.tap.is_open() {
                checked = running;
                shadow.check(core);
            }
            if shadow.play(core) == 0 {
                let open = shadow.tap.is_open();
                thread::park_timeout(if open { NAP } else { LONG_NAP });
            }
        }
    }

    /// Begins, ends, begins anew, or goes on.
    pub(crate) fn check(&self, core: &Core) {
        let mut stage = self.stage.lock();
        if self.idle(&core.engine).is_some() {
            self.tap.close();
            return;
        }
        let latency = latency(core);
        let (entries, size_from) = l1_entries(core);
        if !self.tap.is_open() {
            let because = stage.since.map(|_| "it was switched on again".to_owned());
            self.tap.sample(1);
            self.begin(&mut stage, core, because);
            self.tap.open();
            return;
        }
        let counts = self.tap.counts();
        let before = std::mem::replace(&mut stage.checked_at, counts);
        let too_busy = stage
            .strain
            .in_second(counts.seen - before.seen, counts.dropped - before.dropped);
        let one_in = self.tap.sampled_one_in();
        let reach = stage.contest.as_ref().map_or(Timestamp::ZERO, Contest::now);
        if reach.since(core.clock.now()) > CLOCK_SET_BACK {
            self.begin(&mut stage, core, Some("the clock was set back".to_owned()));
        } else if entries > 2 * stage.entries || entries < stage.entries / 2 {
            let from = stage.entries;
            let because = format!("L1 holds about {entries} entries, not {from}");
            self.begin(&mut stage, core, Some(because));
        } else if too_busy && one_in < COARSEST {
            self.tap.sample(one_in * 2);
            let because = format!(
                "the stream is too busy: one key in {} is followed",
                one_in * 2
            );
            self.begin(&mut stage, core, Some(because));
        } else if stage.latency != latency {
            stage.latency = latency;
            if let Some(contest) = &mut stage.contest {
                contest.set_latency(latency);
            }
        }
        stage.size_from = size_from;
    }

    fn begin(&self, stage: &mut Stage, core: &Core, because: Option<String>) {
        if let Some(reason) = &because {
            tracing::info!(%reason, "the contest of strategies begins anew");
            stage.begun_anew += 1;
        }
        while self.tap.pop().is_some() {}
        (stage.entries, stage.size_from) = l1_entries(core);
        stage.latency = latency(core);
        let one_in = usize::try_from(self.tap.sampled_one_in()).unwrap_or(1);
        let rules = stage.strategies.iter().map(|rule| rule.boxed_clone());
        let entries = (stage.entries / one_in).max(1);
        let config = contest_config(&core.config, entries, stage.latency);
        let caches = |_: Policy, entries: usize| -> Box<dyn LocalCache> {
            Box::new(QuickCache::new(Capacity::Entries(entries as u64), SEED))
        };
        let max_keys = core.config.shadow.max_keys;
        stage.contest = Some(Contest::new(rules.collect(), &config, max_keys, &caches));
        stage.since = Some(core.clock.now());
        stage.because = because;
        stage.began_at = self.tap.counts();
        stage.checked_at = stage.began_at;
        stage.strain = Strain::default();
    }

    /// Plays what waits, at most a batch; how many events.
    fn play(&self, core: &Core) -> usize {
        let mut stage = self.stage.lock();
        let Some(contest) = &mut stage.contest else {
            return 0;
        };
        let latest = core.clock.now();
        let stands_for = self.tap.sampled_one_in();
        let stopwatch = || core.clock.running();
        let mut played = 0;
        while played < BATCH
            && let Some(heard) = self.tap.pop()
        {
            played += 1;
            let chain = heard.key().chain();
            if !heard.tell(contest, latest, &stopwatch) {
                continue;
            }
            for label in contest.gained().filter_map(StrategyLabel::of) {
                core.metrics.shadow_hits(chain, label, stands_for);
            }
        }
        // Whoever asks for the report must not wait until the stream is silent.
        MutexGuard::unlock_fair(stage);
        played
    }

    /// Why nobody plays now, if so.
    fn idle(&self, engine: &Engine) -> Option<String> {
        match &self.contenders {
            Contenders::These(list) if list.is_empty() => {
                Some("shadow.strategies is empty".to_owned())
            }
            Contenders::All | Contenders::These(_) => None,
            Contenders::Auto => {
                let rollout = engine.rollout();
                let mut modes =
                    std::iter::once(&rollout.default).chain(rollout.chains.iter().map(|(_, m)| m));
                let shadow = modes.any(|setting| setting.mode == Mode::Shadow);
                let mode = rollout.default.mode;
                (!shadow).then(|| {
                    format!("shadow.strategies is `auto` and the mode is `{mode}`, not `shadow`")
                })
            }
        }
    }

    /// What can be said of it now.
    pub(crate) fn account(&self, core: &Core) -> Account {
        let stage = self.stage.lock();
        let idle = self.idle(&core.engine);
        let now = self.tap.counts();
        let contest = stage.contest.as_ref();
        Account {
            running: idle.is_none() && self.tap.is_open(),
            idle,
            since: stage.since,
            begun_anew: stage.begun_anew,
            because: stage.because.clone(),
            counts: TapCounts {
                seen: now.seen - stage.began_at.seen,
                left_out: now.left_out - stage.began_at.left_out,
                dropped: now.dropped - stage.began_at.dropped,
            },
            one_in: self.tap.sampled_one_in(),
            keys: contest.map_or(0, Contest::keys),
            max_keys: core.config.shadow.max_keys,
            forgotten: contest.map_or(0, Contest::forgotten),
            size_from: stage.size_from,
            latency: stage.latency,
            max_pairs_per_warm: core.config.warming.max_pairs_per_warm,
            report: contest.map(Contest::report),
        }
    }
}

/// The very settings that a replay with this configuration would have.
fn contest_config(config: &Config, entries: usize, l2_latency: Duration) -> ReplayConfig {
    ReplayConfig {
        model: config.tracking.model(),
        l1: L1Size::Entries(entries),
        max_pairs_per_warm: config.warming.max_pairs_per_warm,
        extra_l2_reads: config.warming.budget.extra_l2_reads.share(),
        l1_share: config.warming.budget.l1_share,
        default_ttl: config.default_ttl(),
        l2_latency,
    }
}

/// Entries that L1 has room for; none of the ghosts has more than keys are followed.
fn l1_entries(core: &Core) -> (usize, SizeFrom) {
    let most = core.config.shadow.max_keys;
    let configured = core.config.shadow.l1_entries;
    if configured > 0 {
        return (configured.min(most), SizeFrom::Configuration);
    }
    let usage = core.engine.l1_usage();
    let (weight, from) = if usage.entries >= ENOUGH_ENTRIES {
        (usage.weight / usage.entries as u64, SizeFrom::Measured)
    } else {
        (ASSUMED_WEIGHT, SizeFrom::Assumed)
    };
    let entries = usize::try_from(usage.capacity / weight.max(1)).unwrap_or(usize::MAX);
    (entries.clamp(1, most), from)
}

/// How long L2 takes: what warms took of late, else what reads did since the start.
fn latency(core: &Core) -> Duration {
    if let Some(configured) = core.config.shadow.l2_latency {
        return configured.0;
    }
    let warms = core.engine.warms_take();
    if warms > Duration::ZERO {
        return warms;
    }
    let reads = core.metrics.mean_read_latency(Level::L2);
    reads.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_no_reason_to_follow_a_sample_and_a_lasting_flood_is() {
        let mut strain = Strain::default();
        let lost = [900, 900, 900, 900, 10, 900, 900, 900, 900];
        assert!(!lost.iter().any(|lost| strain.in_second(1_000, *lost)));
        assert!(strain.in_second(1_000, 11), "the fifth second in a row");
        assert!(!strain.in_second(0, 0), "nothing came");
    }
}
