//! Every section of the configuration with its defaults and ranges.
//!
//! The documentation of a field is its text in `docs/configuration.md`: effect first, then
//! edge values and who would change it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use forewarm_domain::Mode;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::contenders::Contenders;
use super::resp::Resp;
use super::section::{Value, choice, quoted, section};
use super::strategies::Strategy;
use super::strategies::{Adaptive, Aggressive, Conservative, Threshold, TimeBased, TopN};
use super::telemetry::Telemetry;
use super::tls::{ListenerTls, RedisTls};
use super::units::{Secret, ServerUrl, Size, Span};

choice! {
    /// Which shared cache.
    pub enum Backend {
        /// A file of Forewarm's own.
        Embedded = "embedded",
        /// A Redis or Valkey server.
        Redis = "redis",
    }
}

choice! {
    /// Where events come from.
    pub enum FeedKind {
        /// A Redis Stream, read as a consumer group.
        RedisStream = "redis-stream",
        /// `POST /v1/updates`, open whether it is listed or not.
        Http = "http",
        /// A trace file.
        File = "file",
        /// A trace on standard input.
        Stdin = "stdin",
    }
}

choice! {
    /// How L1 learns of changes that others make in Redis.
    pub enum InvalidationMode {
        /// The best of the others that the server has.
        Auto = "auto",
        /// Client tracking.
        Tracking = "tracking",
        /// Keyspace notifications.
        Keyspace = "keyspace",
        /// Not at all: values are served until their time to live ends.
        Ttl = "ttl",
    }
}

choice! {
    /// What is done with what was learned.
    pub enum ModeName {
        /// Neither learns nor warms.
        Off = "off",
        /// Learns, selects and accounts, without L2 reads or L1 writes.
        Shadow = "shadow",
        /// Warms.
        On = "on",
    }
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Off => Self::Off,
            ModeName::Shadow => Self::Shadow,
            ModeName::On => Self::On,
        }
    }
}

/// How many more L2 reads than without warming are allowed: a share, or no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExtraReads {
    /// At most this share more.
    Share(f64),
    /// As many as the strategy asks for.
    Unlimited,
}

impl ExtraReads {
    /// The share, `None` for no limit.
    pub const fn share(self) -> Option<f64> {
        match self {
            Self::Share(share) => Some(share),
            Self::Unlimited => None,
        }
    }

    /// Whether it is a share from 0 to 100.
    pub fn is_valid(self) -> bool {
        self.share()
            .is_none_or(|share| (0.0..=100.0).contains(&share))
    }
}

impl Value for ExtraReads {
    fn allowed() -> String {
        "0.0 to 100.0 or `unlimited`".to_owned()
    }
    fn show(&self) -> Option<String> {
        Some(match self {
            Self::Share(share) => format!("{share:?}"),
            Self::Unlimited => quoted("unlimited"),
        })
    }
}

impl<'de> Deserialize<'de> for ExtraReads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShareOrWord;
        impl Visitor<'_> for ShareOrWord {
            type Value = ExtraReads;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 0.25, or \"unlimited\"")
            }
            fn visit_f64<E: de::Error>(self, share: f64) -> Result<ExtraReads, E> {
                Ok(ExtraReads::Share(share))
            }
            fn visit_i64<E: de::Error>(self, share: i64) -> Result<ExtraReads, E> {
                Ok(ExtraReads::Share(share as f64))
            }
            fn visit_u64<E: de::Error>(self, share: u64) -> Result<ExtraReads, E> {
                Ok(ExtraReads::Share(share as f64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ExtraReads, E> {
                match text {
                    "unlimited" => Ok(ExtraReads::Unlimited),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(ShareOrWord)
    }
}

section! {
    /// Everything that can be configured.
    pub struct Config {}
    sections {
        /// The near cache in process memory.
        l1: L1;
        /// The shared cache.
        l2: L2;
        /// How L1 learns of changes that others make in Redis.
        invalidation: Invalidation;
        /// How pairs become keys.
        keys: Keys;
        /// What is learned and remembered.
        tracking: Tracking;
        /// What is fetched ahead.
        warming: Warming;
        /// Who is warmed.
        rollout: Rollout;
        /// All strategies side by side on the live stream.
        shadow: Shadow;
        /// Where events come from.
        feeds: Vec<Feed>;
        /// The HTTP interface.
        http: Http;
        /// The Redis protocol.
        resp: Resp;
        /// Logs and metrics.
        telemetry: Telemetry;
        /// The learned model on disk and in L2.
        model: ModelFile;
    }
}

section! {
    /// The near cache in process memory.
    pub struct L1 {
        /// Memory for keys and values, bookkeeping included. More keeps more keys hot; a value
        /// larger than all of it is not cached.
        capacity_bytes: Size = Size::mib(64), Size::kib(1) => Size(1 << 40);
        /// How long a value without a time to live of its own may be served. `0s`: until it is
        /// evicted or invalidated.
        default_ttl: Span = Span::secs(300), Span::secs(0) => Span::secs(365 * 86_400);
        /// How long a key that L2 does not have is answered as missing without asking again; `0s`: it
        /// is asked every time. News of the key ends it at once, as for a value. The latest 8,192 to
        /// 16,384 such keys are remembered, of at most 1 KiB each.
        negative_ttl: Span = Span::secs(0), Span::secs(0) => Span::secs(3_600);
    }
}

section! {
    /// The shared cache.
    pub struct L2 {
        /// Which shared cache: a file of Forewarm's own, or a Redis or Valkey server.
        backend: Backend = Backend::Embedded;
        /// How long a demand read may wait for L2 before the caller gets an error.
        demand_timeout: Span = Span::millis(500), Span::millis(1) => Span::secs(60);
    }
    sections {
        /// The embedded store.
        embedded: Embedded;
        /// The Redis or Valkey server.
        redis: Redis;
    }
}

section! {
    /// The embedded store.
    pub struct Embedded {
        /// The folder of its file; made when missing. One process at a time.
        path: PathBuf = PathBuf::from("./forewarm-data");
    }
}

section! {
    /// The Redis or Valkey server.
    pub struct Redis {
        /// Where it is: `redis://[user:password@]host[:port][/database]`, `redis-sentinel://…` or
        /// `redis-cluster://…`; over TLS `rediss://`, `rediss-sentinel://…`,
        /// `rediss-cluster://…`.
        url: ServerUrl = ServerUrl::new("redis://127.0.0.1:6379");
        /// The user to log in as, in place of the URL's.
        user: Option<String> = None;
        /// The password, in place of the URL's. Better kept in the environment or in a file.
        password: Option<Secret> = None;
        /// A file that holds the password (surrounding white space is ignored).
        password_file: Option<PathBuf> = None;
        /// Connections for reads and writes over HTTP and by embedding. Warms have one of their own, and each thread
        /// of the Redis port one for what L1 lacks; while that is down, and in front of a cluster, these serve them too.
        pool_size: usize = 4, 1 => 256;
        /// How long making a connection may take.
        connect_timeout: Span = Span::secs(2), Span::millis(10) => Span::secs(60);
    }
    sections {
        /// TLS towards it.
        tls: RedisTls;
    }
}

section! {
    /// How L1 learns of changes that others make in Redis. Without the Redis backend it means
    /// nothing.
    pub struct Invalidation {
        /// `tracking`: client tracking, or L1 serves nothing; `keyspace`: keyspace notifications,
        /// which must be switched on in the server, or L1 serves nothing; `auto`: the first of these
        /// that the server has, else `ttl`; `ttl`: values are served until their time to live ends,
        /// whatever happens in Redis.
        mode: InvalidationMode = InvalidationMode::Auto;
        /// How long after Redis last proved that its changes reach L1 values are still served from
        /// there. More rides out longer pauses of Redis; less bounds what is served when the link
        /// dies unnoticed. At least twice `invalidation.ping_interval` and twice `l2.demand_timeout`.
        max_staleness: Span = Span::secs(5), Span::millis(20) => Span::secs(86_400);
        /// How often that proof is asked for: one PING a node.
        ping_interval: Span = Span::secs(1), Span::millis(10) => Span::secs(3_600);
    }
}

section! {
    /// How pairs become keys.
    pub struct Keys {
        /// How a pair's key is built: `{address}` once, `{chain}` at most once. Must be what the
        /// writer of L2 uses.
        template: String = "price:{chain}:{address}".to_owned();
        /// Keys that may be cached in L1, by prefix; empty = every key. Redis then tells of changes of
        /// these keys alone: worth setting where it holds much else that is written often.
        prefixes: Vec<String> = Vec::new();
    }
}

section! {
    /// What is learned and remembered.
    pub struct Tracking {
        /// How long after an event a read still counts as its consequence.
        window: Span = Span::secs(1), Span::millis(1) => Span::secs(3_600);
        /// How many reads after an event still count as its consequence, whatever the time:
        /// in a busy stream the nearest few hold the signal.
        window_events: usize = 20, 1 => 256;
        /// After which half of what was counted is forgotten.
        half_life: Span = Span::secs(600), Span::secs(1) => Span::secs(30 * 86_400);
        /// Pairs that the model remembers: up to 1.5 KB each when all partners are known, and with
        /// 1,000,000 of them under 512 bytes each, as rows then share their room. Past it
        /// the pair unseen for longest is forgotten (and cached all the same).
        max_pairs: usize = 10_000, 1 => 10_000_000;
        /// Partners remembered for each pair. At least `warming.max_pairs_per_warm`.
        max_partners: usize = 32, 1 => 256;
        /// Events that may wait for the learner; past it they are dropped and counted.
        queue_size: usize = 65_536, 16 => 16_777_216;
    }
}

section! {
    /// What is fetched ahead.
    pub struct Warming {
        /// `off`: neither learns nor warms; `shadow`: learns, selects and accounts without L2
        /// reads or L1 writes; `on`. Can be changed while running.
        mode: ModeName = ModeName::On;
        /// The rule that chooses. Its parameters are in the section of its name.
        strategy: Strategy = Strategy::Adaptive;
        /// Most pairs fetched for one event. At least the strategy's own maximum.
        max_pairs_per_warm: usize = 16, 1 => 256;
        /// How long a warm may wait for L2, in milliseconds.
        timeout_ms: u64 = 50, 1 => 60_000;
        /// Warm requests that may wait; past it they are dropped and counted.
        queue_size: usize = 16_384, 1 => 1_048_576;
        /// Warms under way at once, each one L2 round trip.
        concurrency: usize = 2, 1 => 64;
    }
    sections {
        /// The load that warming may add.
        budget: Budget;
        /// Parameters of `topn`.
        topn: TopN;
        /// Parameters of `threshold`.
        threshold: Threshold;
        /// Parameters of `aggressive`.
        aggressive: Aggressive;
        /// Parameters of `conservative`.
        conservative: Conservative;
        /// Parameters of `adaptive`.
        adaptive: Adaptive;
        /// Parameters of `timebased`.
        timebased: TimeBased;
    }
}

section! {
    /// The load that warming may add.
    pub struct Budget {
        /// At most this share more L2 reads than there would be without warming: `0.25` = 25 %
        /// more. `0` lets a warm only stand in for a miss.
        extra_l2_reads: ExtraReads = ExtraReads::Share(0.25);
        /// Warmed entries that nobody has read yet may fill this share of L1.
        l1_share: f64 = 0.2, 0.0 => 1.0;
    }
}

section! {
    /// Who is warmed.
    pub struct Rollout {
        /// The share of pairs, by a stable hash, for which `warming.mode` holds; the rest run in
        /// shadow.
        percent: u8 = 100, 0 => 100;
    }
    sections {
        /// Chains with a setting of their own.
        chains: BTreeMap<String, RolloutChain>;
    }
}

section! {
    /// One chain's setting.
    pub struct RolloutChain {
        /// The chain's mode, in place of `warming.mode`.
        mode: ModeName = ModeName::On;
        /// The share of the chain's pairs for which it holds.
        percent: u8 = 100, 0 => 100;
    }
}

section! {
    /// All strategies side by side on the live stream, each with a ghost of L1 that holds keys
    /// alone: `GET /v1/shadow`. Each costs about what the learner costs, in time and in memory.
    pub struct Shadow {
        /// Who plays: `auto` = all while the mode of everything, or of a chain, is `shadow`; `all`;
        /// a list of strategies; `[]` = nobody. A list and `all` play in every mode.
        strategies: Contenders = Contenders::Auto;
        /// Keys followed, about 1 KB each when every L1 is full of them. Past it the key unseen
        /// for longest is forgotten, and no ghost of L1 is larger.
        max_keys: usize = 50_000, 16 => 10_000_000;
        /// The ghosts' size in entries; 0 = L1's, by the mean weight of what it holds. Another size
        /// answers what a larger or smaller L1 would be worth.
        l1_entries: usize = 0, 0 => 10_000_000;
        /// How long L2 takes to answer a ghost; unset = what warms take of late, or where there are
        /// none, reads of L2. `0s` as in a replay: what is fetched is there before the next event.
        l2_latency: Option<Span> = None;
        /// Events that may wait to be played; past it they are lost to the contest and counted.
        queue_size: usize = 65_536, 16 => 16_777_216;
    }
}

section! {
    /// One source of events.
    pub struct Feed {
        /// What it is.
        kind: FeedKind = FeedKind::Http;
        /// `redis-stream`: the server; unset = that of `l2.redis`.
        url: Option<ServerUrl> = None;
        /// `redis-stream`: the stream.
        stream: String = "price-updates".to_owned();
        /// `redis-stream`: the consumer group; made when missing.
        group: String = "forewarm".to_owned();
        /// `redis-stream`: this process's name in the group, the same after a restart; unset =
        /// the host's name and the port of `http.addr` (with port 0 the process id).
        consumer: Option<String> = None;
        /// `redis-stream`: how long an entry may be with a consumer of the group unacknowledged before
        /// another takes it over: as long as a process may take to restart. One that is only slow and
        /// still handles it has it handled twice.
        claim_after: Span = Span::secs(30), Span::millis(100) => Span::secs(86_400);
        /// `file`: the trace, plain, `.gz` or `.zst`.
        path: Option<PathBuf> = None;
        /// `file`, `stdin`: how fast it is played, as a multiple of the recorded speed; 0 = as
        /// fast as it goes.
        speed: f64 = 1.0, 0.0 => 1_000_000.0;
    }
    sections {
        /// What the fields of a stream's entries are called.
        fields: FeedFields;
    }
}

section! {
    /// `redis-stream`: what the fields of an entry are called. Others in the entry are ignored.
    pub struct FeedFields {
        /// The pair's chain.
        chain: String = "chain".to_owned();
        /// The pair.
        pair: String = "pair".to_owned();
        /// In place of chain and pair, the exact key.
        key: String = "key".to_owned();
        /// `update` or `read`; absent = update.
        op: String = "op".to_owned();
        /// When, in milliseconds since the epoch; absent = the time in the entry's id.
        ts_ms: String = "ts_ms".to_owned();
        /// The new value; absent = L1's copy is stale.
        value: String = "value".to_owned();
        /// The source's version.
        version: String = "version".to_owned();
        /// The block of the chain that the change was made in, for `invalidate-from`.
        block: String = "block".to_owned();
    }
}

section! {
    /// The HTTP interface.
    pub struct Http {
        /// Where it listens; port 0 takes a free one.
        addr: String = "127.0.0.1:9464".to_owned();
        /// The bearer token that changing routes ask for; unset = none is asked for.
        token: Option<Secret> = None;
        /// A file that holds the token (surrounding white space is ignored).
        token_file: Option<PathBuf> = None;
        /// Allows an address beyond this machine without a token. Whoever reaches the port may
        /// then write prices.
        allow_unauthenticated: bool = false;
        /// Largest body of a request; past it 413.
        max_body_bytes: Size = Size::mib(1), Size::kib(1) => Size(1 << 30);
        /// Largest model that may be uploaded; past it 413.
        max_model_bytes: Size = Size::mib(256), Size::kib(1) => Size(1 << 34);
        /// Most events or keys in one request; past it 413.
        max_batch: usize = 10_000, 1 => 1_000_000;
        /// Most requests served at once; past it 429.
        max_concurrent: usize = 512, 1 => 65_536;
        /// Most connections open at once; past it new ones wait to be accepted.
        max_connections: usize = 1_024, 1 => 65_536;
        /// How long a client may take to send a request's head; then it is disconnected.
        header_timeout: Span = Span::secs(5), Span::millis(10) => Span::secs(300);
        /// How long a request may take, its body included; then 408.
        request_timeout: Span = Span::secs(30), Span::millis(10) => Span::secs(3_600);
        /// How long requests under way may take to end once the service is told to stop.
        drain_timeout: Span = Span::secs(5), Span::secs(0) => Span::secs(300);
    }
    sections {
        /// TLS on the port.
        tls: ListenerTls;
    }
}

section! {
    /// The learned model on disk and in L2.
    pub struct ModelFile {
        /// The file it is saved in and restored from; unset = `model.snapshot` in the embedded
        /// store's folder, and with the Redis backend none.
        snapshot_path: Option<PathBuf> = None;
        /// A key of L2 that it is saved in too, so that a new instance without a file starts with what
        /// the others know; unset = not. Its parts are `KEY:…`, and all of it expires a day after the
        /// last save. Of several instances with the same key the last one to save is read.
        l2_key: Option<String> = None;
        /// A larger model is not saved in L2.
        l2_max_bytes: Size = Size::mib(64), Size::kib(1) => Size(1 << 30);
        /// How often it is saved. `0s`: only at the end.
        interval: Span = Span::secs(60), Span::secs(0) => Span::secs(86_400);
    }
}
