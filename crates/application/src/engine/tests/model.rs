//! Random operations against a naive model, with every invariant checked after each.

use std::collections::HashMap;
use std::time::Duration;

use forewarm_domain::{ChainMode, Key, Mode};
use proptest::prelude::*;

use super::super::*;
use super::books;
use super::world::{update, valued};
use super::{World, world};
use crate::testing::{Call, Fault, key, stored};

const KEYS: u32 = 12;
const L1: usize = 5;
const EXTRA: f64 = 0.25;
const BOUND: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
enum Step {
    /// L2 changes and the stream says so: with the value or without, versioned or not.
    Update {
        key: u32,
        value: bool,
        version: bool,
    },
    /// The stream repeats an update that is older than what L2 has.
    Late {
        key: u32,
    },
    Read {
        key: u32,
    },
    Get {
        key: u32,
    },
    GetMany {
        keys: Vec<u32>,
    },
    Peek {
        key: u32,
    },
    Put {
        key: u32,
    },
    Invalidate {
        key: u32,
    },
    Flush,
    /// L2 changes, and the link says so.
    Told {
        key: u32,
    },
    Link(Event),
    Learn,
    Warm {
        fault: Fault,
    },
    /// A warm during which the key changes.
    WarmAndUpdate {
        key: u32,
        value: bool,
    },
    RequestWarm {
        key: u32,
    },
    Tick,
    Mode {
        mode: Mode,
        percent: u8,
    },
    Pass {
        ms: u64,
    },
    /// The next call of L2 goes wrong.
    Trouble {
        fault: Fault,
    },
}

/// What happens to the link to L2; where it can't, nothing does.
#[derive(Debug, Clone)]
enum Event {
    Open,
    Prove,
    Lose,
    Lapse,
    GiveUp,
    /// L2 changes while the link is lost.
    Unheard {
        key: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    None,
    Open,
    Lost,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let k = || 0..KEYS;
    let fault = || {
        prop_oneof![
            4 => Just(Fault::None),
            1 => Just(Fault::Refused),
            1 => Just(Fault::Silent),
            1 => Just(Fault::Short),
        ]
    };
    let event = prop_oneof![
        2 => Just(Event::Open),
        6 => Just(Event::Prove),
        4 => Just(Event::Lose),
        1 => Just(Event::Lapse),
        1 => Just(Event::GiveUp),
        8 => k().prop_map(|key| Event::Unheard { key }),
    ];
    let mode = prop_oneof![
        4 => Just(Mode::On),
        1 => Just(Mode::Shadow),
        1 => Just(Mode::Off),
    ];
    let step = prop_oneof![
        8 => (k(), any::<bool>(), any::<bool>())
            .prop_map(|(key, value, version)| Step::Update { key, value, version }),
        1 => k().prop_map(|key| Step::Late { key }),
        2 => k().prop_map(|key| Step::Read { key }),
        10 => k().prop_map(|key| Step::Get { key }),
        3 => prop::collection::vec(k(), 0..5).prop_map(|keys| Step::GetMany { keys }),
        1 => k().prop_map(|key| Step::Peek { key }),
        2 => k().prop_map(|key| Step::Put { key }),
        1 => k().prop_map(|key| Step::Invalidate { key }),
        1 => Just(Step::Flush),
        3 => k().prop_map(|key| Step::Told { key }),
        8 => event.prop_map(Step::Link),
        8 => Just(Step::Learn),
        8 => fault().prop_map(|fault| Step::Warm { fault }),
        3 => (k(), any::<bool>()).prop_map(|(key, value)| Step::WarmAndUpdate { key, value }),
        2 => k().prop_map(|key| Step::RequestWarm { key }),
        1 => Just(Step::Tick),
        1 => (mode, 0..=100_u8).prop_map(|(mode, percent)| Step::Mode { mode, percent }),
        3 => (1_u64..3_000).prop_map(|ms| Step::Pass { ms }),
        1 => fault().prop_map(|fault| Step::Trouble { fault }),
    ];
    prop::collection::vec(step, 1..150)
}

/// What the test knows beside the engine. Every value is the number of its writing.
struct Naive {
    world: World,
    stamp: u64,
    /// The latest writing of each key that the engine has been told of.
    known: HashMap<u32, u64>,
    lookups: u64,
    puts: usize,
    warms: usize,
    failed: u64,
    peeks: u64,
    link: Link,
    /// What was written while the link was lost: key, writing, when.
    unheard: Vec<(u32, u64, u64)>,
}

impl Naive {
    fn new() -> Self {
        let mut world = world(L1, |config| {
            config.queue_size = 3;
            config.max_pairs_per_warm = 4;
            config.extra_l2_reads = Some(EXTRA);
            config.default_ttl = Some(Duration::from_secs(20));
        });
        // Something to go wrong with: most keys are followed by others.
        for n in 0..KEYS / 2 {
            let targets = [key((n + 1) % KEYS), key((n + 5) % KEYS), key(n)];
            world.teach(&key(n), &targets);
        }
        let mut naive = Self {
            world,
            stamp: 0,
            known: HashMap::new(),
            lookups: 0,
            puts: 0,
            warms: 0,
            failed: 0,
            peeks: 0,
            link: Link::None,
            unheard: Vec::new(),
        };
        // One key of four is not in L2.
        for n in (0..KEYS).filter(|n| n % 4 != 3) {
            naive.write(n);
        }
        naive
    }

    /// L2 gets a new value of `n`.
    fn write(&mut self, n: u32) -> (String, u64) {
        self.stamp += 1;
        let text = self.stamp.to_string();
        self.world.l2.set(&key(n), &text, Some(self.stamp));
        (text, self.stamp)
    }

    fn announce(&mut self, n: u32, value: bool, version: bool) {
        let (text, stamp) = self.write(n);
        let now = self.world.now();
        let news = Update {
            version: version.then_some(Version(stamp)),
            ..if value {
                valued(now, &text, None)
            } else {
                update(now)
            }
        };
        let observed = self.world.engine.observe_update(&key(n), news, now);
        observed.expect("it is timely");
        self.known.insert(n, stamp);
    }

    fn check_found(&self, n: u32, least: u64, found: Option<&Found>) -> Result<(), TestCaseError> {
        let Some(found) = found else {
            prop_assert!(self.world.l2.text(&key(n)).is_none(), "key {} is in L2", n);
            return Ok(());
        };
        let text = String::from_utf8_lossy(&found.value);
        let stamp: u64 = text.parse().expect("values are stamps");
        prop_assert!(
            stamp >= least,
            "key {n}: read {stamp} after {least} was announced"
        );
        Ok(())
    }

    /// What a read that begins now must see at least.
    fn least(&self, n: u32) -> u64 {
        let overdue = |at: u64| at + BOUND.as_millis() as u64 <= self.world.now;
        let unheard = self.unheard.iter();
        let due = unheard.filter(|(key, _, at)| *key == n && overdue(*at));
        let known = self.known.get(&n).copied();
        due.map(|(_, stamp, _)| *stamp)
            .chain(known)
            .max()
            .unwrap_or(0)
    }

    fn happen(&mut self, event: Event) {
        let (engine, now) = (&self.world.engine, self.world.now());
        match (event, self.link) {
            (Event::Open, _) => {
                engine.link_opened();
                engine.proven(|| now + BOUND);
                self.link = Link::Open;
                self.all_known();
            }
            (Event::GiveUp, _) => {
                engine.without_link();
                self.link = Link::None;
                self.all_known();
            }
            (Event::Prove, Link::Open) => engine.proven(|| now + BOUND),
            (Event::Lose, Link::Open) => {
                engine.link_lost();
                self.link = Link::Lost;
            }
            (Event::Lapse, Link::Lost) => {
                engine.link_lapsed();
                self.all_known();
            }
            (Event::Unheard { key }, Link::Lost) => {
                let (_, stamp) = self.write(key);
                self.unheard.push((key, stamp, self.world.now));
            }
            _ => {}
        }
    }

    /// L1 began anew: nothing older than what L2 has can be read.
    fn all_known(&mut self) {
        for (key, stamp, _) in self.unheard.drain(..) {
            let known = self.known.entry(key).or_default();
            *known = stamp.max(*known);
        }
    }

    async fn read(&mut self, keys: &[u32]) -> Result<(), TestCaseError> {
        let asked: Vec<Key> = keys.iter().map(|n| key(*n)).collect();
        let calls = self.world.l2.calls().len();
        let answer = self.world.engine.get_many(&asked, self.world.now()).await;
        self.lookups += asked.len() as u64;
        let made = self.world.l2.calls().len() - calls;
        prop_assert!(made <= 1, "{} keys took {made} round trips", asked.len());
        match answer {
            Ok(found) => {
                for (n, found) in keys.iter().zip(&found) {
                    let least = self.least(*n);
                    self.check_found(*n, least, found.as_ref())?;
                }
            }
            Err(_) => {
                let calls = self.world.l2.calls();
                let Some(Call::GetMany(lost)) = calls.last() else {
                    panic!("an error without a call")
                };
                self.failed += lost.len() as u64;
            }
        }
        Ok(())
    }

    async fn warm(&mut self) -> Result<(), TestCaseError> {
        let calls = self.world.l2.calls().len();
        let report = self.world.warm().await;
        let made = self.world.l2.calls().len() - calls;
        prop_assert_eq!(made, usize::from(report.keys > 0), "one read a warm");
        self.warms += report.keys;
        Ok(())
    }

    async fn play(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.world.now();
        match step {
            Step::Update {
                key,
                value,
                version,
            } => self.announce(key, value, version),
            Step::Late { key: n } => {
                // Only what the engine still knows can protect it from old news with a value.
                let late = Update {
                    version: Some(Version(0)),
                    ..update(now)
                };
                let observed = self.world.engine.observe_update(&key(n), late, now);
                observed.expect("it is timely");
            }
            Step::Read { key: n } => {
                let observed = self.world.engine.observe_read(&key(n), now, now);
                observed.expect("it is timely");
            }
            Step::Get { key } => self.read(&[key]).await?,
            Step::GetMany { keys } => self.read(&keys).await?,
            Step::Peek { key: n } => {
                let before = self.world.engine.status(now);
                let calls = self.world.l2.calls().len();
                let found = self.world.engine.peek(&key(n), now).await;
                prop_assert_eq!(before, self.world.engine.status(now));
                self.peeks += (self.world.l2.calls().len() - calls) as u64;
                if let Ok(found) = found {
                    let least = self.least(n);
                    self.check_found(n, least, found.as_ref())?;
                }
            }
            Step::Put { key: n } => {
                self.stamp += 1;
                let value = stored(&self.stamp.to_string(), Some(self.stamp));
                self.puts += 1;
                if self.world.engine.put(&key(n), value, now).await.is_ok() {
                    self.known.insert(n, self.stamp);
                }
            }
            Step::Invalidate { key: n } => {
                let (_, stamp) = self.write(n);
                self.world.engine.invalidate(&key(n));
                self.known.insert(n, stamp);
            }
            Step::Told { key: n } => {
                let (_, stamp) = self.write(n);
                let database = (stamp % 2 == 0).then_some(0);
                self.world
                    .engine
                    .changed(key(n).bytes(), database, self.world.now());
                self.known.insert(n, stamp);
            }
            Step::Link(event) => self.happen(event),
            Step::Flush => {
                for n in 0..KEYS {
                    let (_, stamp) = self.write(n);
                    self.known.insert(n, stamp);
                }
                self.world.engine.flush();
            }
            Step::Learn => drop(self.world.engine.learn(now)),
            Step::Warm { fault } => {
                self.world.l2.script([fault]);
                self.warm().await?;
                self.world.l2.forget_script();
            }
            Step::WarmAndUpdate { key, value } => {
                self.world.l2.hold();
                let calls = self.world.l2.calls().len();
                let report = {
                    let engine = &self.world.engine;
                    let mut warm = Box::pin(engine.warm(now));
                    tokio::select! {
                        biased;
                        report = &mut warm => Some(report),
                        () = self.world.l2.called(calls + 1) => {
                            let (text, stamp) = {
                                self.stamp += 1;
                                (self.stamp.to_string(), self.stamp)
                            };
                            let k = crate::testing::key(key);
                            self.world.l2.set(&k, &text, Some(stamp));
                            let news = if value { valued(now, &text, None) } else { update(now) };
                            engine.observe_update(&k, news, now).expect("it is timely");
                            self.known.insert(key, stamp);
                            self.world.l2.release_all();
                            Some(warm.await)
                        }
                    }
                };
                self.world.l2.shut();
                self.warms += report.map_or(0, |report| report.keys);
            }
            Step::RequestWarm { key: n } => {
                self.world.engine.request_warm(&key(n), now);
            }
            Step::Tick => self.world.engine.tick(now),
            Step::Mode { mode, percent } => {
                self.world
                    .engine
                    .set_mode(None, ChainMode { mode, percent });
            }
            Step::Pass { ms } => self.world.pass(Duration::from_millis(ms)),
            Step::Trouble { fault } => self.world.l2.script([fault]),
        }
        self.check_invariants()
    }

    fn check_invariants(&self) -> Result<(), TestCaseError> {
        let engine = &self.world.engine;
        let status = engine.status(self.world.now());
        let ended = status.outcomes.ended() + status.still_live as u64;
        prop_assert_eq!(status.outcomes.warmed, ended, "{:?}", status.outcomes);
        prop_assert_eq!(status.demand.0 + status.demand.1, self.lookups);
        prop_assert_eq!(status.outcomes.warmed, status.pairs_warmed);
        let outcomes = forewarm_domain::Outcome::ALL;
        let counted: u64 = outcomes
            .iter()
            .map(|o| engine.metrics().outcome_total(*o))
            .sum();
        prop_assert_eq!(counted, status.outcomes.ended());
        books::check(engine, self.warms as u64, (0..KEYS).map(key))?;
        prop_assert!(status.queue_depth <= 3);
        prop_assert!(status.l1.entries <= L1);
        prop_assert!(
            engine.flights.is_empty(),
            "nothing is under way between the steps"
        );
        let (mut put, mut read) = (0, 0_u64);
        for call in self.world.l2.calls() {
            match call {
                Call::Put(_) => put += 1,
                Call::GetMany(keys) => read += keys.len() as u64,
            }
        }
        prop_assert_eq!(put, self.puts, "only a put writes L2");
        // The budget: what `off` would have read is known with the events learned so far. Harm
        // (a demand read of what a warm pushed out) comes on top of what was granted.
        let governor = engine.governor.lock();
        let off = governor.off_reads();
        let limit = off + (EXTRA * off).max(64.0);
        let unheard = engine.events.len() as f64;
        prop_assert!(
            governor.reads() as f64 <= limit + unheard,
            "{} reads of {limit}",
            governor.reads()
        );
        let peeked = read - governor.reads() - self.failed;
        prop_assert_eq!(
            peeked,
            self.peeks,
            "every read is in the books, but for peeks"
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_balance_and_nothing_outdated_is_read(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut naive = Naive::new();
            for step in steps {
                naive.play(step).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
