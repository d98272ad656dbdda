//! A Forewarm in this process with both its ports, in front of whatever Redis a test gives it, and
//! the questions that are asked of it whatever has happened.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use forewarm_application::engine::Update;
use forewarm_domain::Key;
use forewarm_service::Forewarm;
use forewarm_service::config::{Sources, load};
use forewarm_service::service::Servers;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{Answer, request};
use crate::raw::Raw;

/// How long a demand read may wait for L2 in these tests.
pub(crate) const DEMAND: Duration = Duration::from_millis(300);
/// What a machine that compiles beside the tests may add to any wait.
pub(crate) const MARGIN: Duration = Duration::from_secs(2);
/// Sources, each with partners of its own.
pub(crate) const GROUPS: usize = 20;
pub(crate) const PARTNERS: usize = 3;

/// A Forewarm.
pub(crate) struct Scene {
    pub(crate) forewarm: Arc<Forewarm>,
    servers: Servers,
}

impl Scene {
    /// In front of the Redis at `url`.
    pub(crate) async fn before(url: &str, settings: &[&str]) -> Self {
        let own = [
            "l2.backend=redis",
            &format!("l2.redis.url={url}"),
            "l2.redis.connect_timeout=300ms",
            "l2.demand_timeout=300ms",
            "invalidation.max_staleness=600ms",
            "invalidation.ping_interval=100ms",
            "http.addr=127.0.0.1:0",
            "resp.addr=127.0.0.1:0",
            "resp.command_timeout=300ms",
            "tracking.window=60ms",
            "warming.strategy=topn",
            "warming.timeout_ms=100",
            // What is asked here is whether warms go out, not whether they pay.
            "warming.budget.extra_l2_reads=unlimited",
        ];
        let set = own.iter().chain(settings).map(ToString::to_string);
        let sources = Sources {
            set: set.collect(),
            ..Sources::default()
        };
        let config = load(&sources).expect("a configuration").config;
        let (forewarm, servers) = Forewarm::serve(config).await.expect("it starts");
        Self {
            forewarm: Arc::new(forewarm),
            servers,
        }
    }

    /// Teaches that the partners of each group are read right after its source's update: events of
    /// the last minutes, all at once.
    pub(crate) fn teach(&self) {
        self.teach_groups(GROUPS, Duration::from_millis(200));
    }

    /// The same of so many groups, one after the other.
    pub(crate) fn teach_groups(&self, groups: usize, step: Duration) {
        const ROUNDS: usize = 60;
        let now = self.forewarm.core().clock.now();
        let mut at = now - step * (ROUNDS * groups) as u32;
        for _ in 0..ROUNDS {
            for group in 0..groups {
                self.forewarm
                    .observe_update(&self.source(group), update(at))
                    .expect("timely");
                for (n, partner) in self.partners(group).iter().enumerate() {
                    let at = at + Duration::from_millis(5 + n as u64);
                    self.forewarm.observe_read(partner, at).expect("timely");
                }
                at = at + step;
            }
            // The queue of events is bounded.
            self.settle();
        }
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        self.forewarm.key("t", name).expect("a name")
    }

    pub(crate) fn source(&self, group: usize) -> Key {
        self.key(&format!("s{group}"))
    }

    pub(crate) fn partners(&self, group: usize) -> Vec<Key> {
        let partner = |n| self.key(&format!("s{group}p{n}"));
        (0..PARTNERS).map(partner).collect()
    }

    /// Until nothing is queued or on its way.
    pub(crate) fn settle(&self) {
        eventually("it is idle", || self.forewarm.core().engine.is_idle());
    }

    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers: &[&str] = match body {
            "" => &[],
            _ => &["content-type: application/json"],
        };
        let addr = self.servers.http.addr.to_string();
        request(&addr, method, path, headers, body.as_bytes())
    }

    /// A client of the Redis port.
    pub(crate) fn redis_client(&self) -> Raw {
        let resp = self.servers.resp.as_ref().expect("it has a Redis port");
        Raw::to(&resp.addr.to_string())
    }

    pub(crate) fn health(&self) -> Value {
        self.http("GET", "/health/warming", "").json()
    }

    pub(crate) fn breaker(&self) -> String {
        let breaker = self.health()["breaker"].clone();
        breaker.as_str().expect("a word").to_owned()
    }

    /// Keys that warming sent to L2 so far, and keys that it did not send for the breaker or the link.
    pub(crate) fn warms(&self) -> Warms {
        let attempts = self.health()["attempts"].clone();
        let of = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| attempts[name].as_u64())
                .sum()
        };
        Warms {
            sent: of(&["warmed", "not_found", "stale", "timed_out", "failed"]),
            warmed: of(&["warmed"]),
            dropped: of(&["dropped"]),
        }
    }

    /// The sum of a metric's series whose labels contain all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        let text = self.http("GET", "/metrics", "").text();
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>() as u64
    }

    /// Whether warming works: every request is answered with keys that L1 takes.
    pub(crate) fn until_it_warms(&self) -> Duration {
        let began = Instant::now();
        let before = self.warms().warmed;
        eventually("it warms", || {
            self.breaker() == "closed" && self.warms().warmed >= before + 2 * PARTNERS as u64
        });
        began.elapsed()
    }

    /// The books balance: to be asked when nothing is under way any more. `lookups` is how many
    /// demand reads of keys were asked.
    pub(crate) fn audit(&self, lookups: u64) {
        self.settle();
        let l1 = |name| self.metric(name, &["cache_level=\"L1\""]);
        let (hits, misses) = (
            l1("arbitrage_cache_hits_total"),
            l1("arbitrage_cache_misses_total"),
        );
        assert_eq!(hits + misses, lookups, "{hits} hits and {misses} misses");
        let of_l2 = |name| self.metric(name, &["cache_level=\"L2\""]);
        let answered = of_l2("arbitrage_cache_hits_total") + of_l2("arbitrage_cache_misses_total");
        assert!(answered <= misses, "L2 answered {answered} of {misses}");

        let health = self.health();
        let warmed = self.metric("arbitrage_warming_pairs_warmed_total", &[]);
        let ended = self.metric("arbitrage_warming_outcomes_total", &[]);
        let live = health["outcomes"]["still_live"].as_u64().expect("a number");
        assert!(warmed > 0, "nothing was warmed");
        assert_eq!(warmed, ended + live, "{}", health["outcomes"]);
        assert_eq!(health["attempts"]["warmed"], warmed);

        let offered = self.metric("arbitrage_warming_requests_total", &[]);
        let full = self.metric("arbitrage_warming_dropped_total", &["queue_full"]);
        let operations = self.metric("arbitrage_warming_operations_total", &[]);
        assert_eq!(operations, offered - full, "one status for every operation");
    }

    /// Ends it as a signal would.
    pub(crate) async fn end(self) {
        let forewarm = Arc::try_unwrap(self.forewarm).expect("the load has ended");
        forewarm.stop_serving(self.servers, DEMAND).await;
    }
}

/// How many keys' warms ended how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Warms {
    pub(crate) sent: u64,
    pub(crate) warmed: u64,
    pub(crate) dropped: u64,
}

pub(crate) fn update(at: forewarm_domain::Timestamp) -> Update {
    Update {
        at,
        version: None,
        value: None,
        ttl: None,
    }
}

/// Polls until the condition holds; a test that waits in vain fails.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        // A failover that a sentinel has to try twice on a busy machine takes half a minute.
        assert!(began.elapsed() < Duration::from_secs(60), "in vain: {what}");
        sleep(Duration::from_millis(10));
    }
}
