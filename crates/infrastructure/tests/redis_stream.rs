//! The stream feed against a real Redis: delivery, acknowledgement, take-over, bad entries,
//! outages.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forewarm_domain::{Op, Timestamp, Version};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::feeds::{EventSink, FeedEvent, RedisStreamConfig, RedisStreamFeed};
use forewarm_infrastructure::l2::RedisConfig;
use forewarm_infrastructure::testing::RedisServer;

type Seen = Arc<Mutex<Vec<FeedEvent>>>;

const STREAM: &str = "price-updates";

fn config(server: &RedisServer, consumer: &str) -> RedisStreamConfig {
    let mut config = RedisStreamConfig::new(RedisConfig::new(server.url()));
    config.consumer = consumer.to_owned();
    config.block = Duration::from_millis(100);
    config.claim_idle = Duration::from_millis(50);
    config.claim_every = Duration::from_millis(50);
    config
}

fn start(config: RedisStreamConfig) -> (RedisStreamFeed, Seen) {
    let seen = Seen::default();
    let into = Arc::clone(&seen);
    let sink = move |event| into.lock().unwrap().push(event);
    let feed = RedisStreamFeed::start(config, KeyCodec::default(), Arc::new(sink)).unwrap();
    (feed, seen)
}

async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let began = tokio::time::Instant::now();
    while !condition().await {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "not within 10 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_up(feed: &RedisStreamFeed) {
    until("the feed reads", || async { feed.stats().is_up() }).await;
}

async fn until_seen(seen: &Seen, count: usize) -> Vec<FeedEvent> {
    until("the events arrive", || async {
        seen.lock().unwrap().len() >= count
    })
    .await;
    seen.lock().unwrap().clone()
}

fn add(server: &RedisServer, id: &str, fields: &[&str]) -> String {
    let reply = server
        .command(&[&["XADD", STREAM, id], fields].concat())
        .unwrap();
    assert!(reply.starts_with('$'), "{reply}");
    reply.lines().nth(1).unwrap().to_owned()
}

fn pending(server: &RedisServer) -> String {
    let reply = server.command(&["XPENDING", STREAM, "forewarm"]).unwrap();
    reply.lines().nth(1).unwrap_or_default().to_owned()
}

async fn until_all_acknowledged(server: &RedisServer) {
    until("every entry is acknowledged", || async {
        pending(server) == ":0"
    })
    .await;
}

fn addresses(events: &[FeedEvent]) -> Vec<String> {
    let codec = KeyCodec::default();
    events
        .iter()
        .map(|event| codec.pair(&event.key).1)
        .collect()
}

#[tokio::test]
async fn events_arrive_whole_and_in_order_and_are_acknowledged() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    add(&server, "*", &["chain", "base", "pair", "before the group"]);
    let (feed, seen) = start(config(&server, "a"));
    until_up(&feed).await;
    let id = add(&server, "*", &["chain", "Base", "pair", "0xA", "hop", "3"]);
    let full = [
        "key",
        "Exact:Key",
        "op",
        "read",
        "ts_ms",
        "42",
        "value",
        "1.5",
        "version",
        "7",
    ];
    add(&server, "*", &full);
    let events = until_seen(&seen, 2).await;
    assert_eq!(
        events.len(),
        2,
        "a new group begins at its making: {events:?}"
    );
    assert_eq!(events[0].key.bytes(), "price:base:0xa");
    assert_eq!(events[0].op, Op::Update);
    let id_ms = id.split('-').next().unwrap().parse().unwrap();
    assert_eq!(events[0].at, Timestamp::from_millis(id_ms));
    assert_eq!((events[0].version, events[0].value.clone()), (None, None));
    assert_eq!(events[1].key.bytes(), "Exact:Key");
    assert_eq!(
        (events[1].op, events[1].at),
        (Op::Read, Timestamp::from_millis(42))
    );
    assert_eq!(events[1].value.as_deref(), Some(&b"1.5"[..]));
    assert_eq!(events[1].version, Some(Version(7)));
    until_all_acknowledged(&server).await;
    assert_eq!((feed.stats().delivered(), feed.stats().bad()), (2, 0));
    assert!(
        feed.stats()
            .behind()
            .is_some_and(|behind| behind < Duration::from_secs(10))
    );
    until("the lag is known", || async {
        feed.stats().lag() == Some(0)
    })
    .await;
}

#[tokio::test]
async fn malformed_entries_are_counted_acknowledged_and_hold_up_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let (feed, seen) = start(config(&server, "a"));
    until_up(&feed).await;
    add(&server, "*", &["chain", "base", "pair", "1"]);
    add(&server, "*", &["chain", "base"]);
    add(&server, "*", &["pair", "no chain"]);
    add(
        &server,
        "*",
        &["chain", "base", "pair", "p", "op", "explode"],
    );
    add(
        &server,
        "*",
        &["chain", "base", "pair", "p", "ts_ms", "soon"],
    );
    add(
        &server,
        "*",
        &["chain", "base", "pair", "p", "version", "-1"],
    );
    let not_text: Vec<&[u8]> = vec![
        b"XADD",
        STREAM.as_bytes(),
        b"*",
        b"chain",
        b"b\xff",
        b"pair",
        b"p",
    ];
    server.command_bytes(&not_text).unwrap();
    add(&server, "*", &["chain", "base", "pair", "2"]);
    let events = until_seen(&seen, 2).await;
    assert_eq!(addresses(&events), ["1", "2"]);
    assert_eq!((feed.stats().delivered(), feed.stats().bad()), (2, 6));
    until_all_acknowledged(&server).await;
}

#[tokio::test]
async fn another_consumer_takes_over_what_a_dead_one_left_and_one_that_returns_its_own() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let run = |parts: &[&str]| server.command(parts).unwrap();
    run(&["XGROUP", "CREATE", STREAM, "forewarm", "$", "MKSTREAM"]);
    for n in 0..600 {
        add(&server, "*", &["chain", "base", "pair", &n.to_string()]);
    }
    // Given to a consumer that dies before it acknowledges.
    run(&[
        "XREADGROUP",
        "GROUP",
        "forewarm",
        "dead",
        "COUNT",
        "300",
        "STREAMS",
        STREAM,
        ">",
    ]);
    run(&[
        "XREADGROUP",
        "GROUP",
        "forewarm",
        "back",
        "COUNT",
        "100",
        "STREAMS",
        STREAM,
        ">",
    ]);
    assert_eq!(pending(&server), ":400");
    let mut config = config(&server, "back");
    config.batch = 64;
    let (feed, seen) = start(config);
    let events = until_seen(&seen, 600).await;
    until_all_acknowledged(&server).await;
    let mut all = addresses(&events);
    assert_eq!(
        all[..100],
        (300..400).map(|n| n.to_string()).collect::<Vec<_>>(),
        "its own first"
    );
    all.sort_by_key(|n| n.parse::<u32>().unwrap());
    assert_eq!(
        all,
        (0..600).map(|n| n.to_string()).collect::<Vec<_>>(),
        "each once"
    );
    assert_eq!(feed.stats().claimed(), 400);
}

#[tokio::test]
async fn it_starts_without_its_server_and_goes_on_after_that_was_lost_with_its_group() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    server.kill();
    let (feed, seen) = start(config(&server, "a"));
    assert!(!feed.stats().is_up());
    server.restart();
    until_up(&feed).await;
    add(&server, "*", &["chain", "base", "pair", "1"]);
    until_seen(&seen, 1).await;

    server.restart();
    until("the loss is noticed", || async { !feed.stats().is_up() }).await;
    // Added before the group is there again, and still not lost.
    add(&server, "*", &["chain", "base", "pair", "2"]);
    let events = until_seen(&seen, 2).await;
    assert_eq!(addresses(&events), ["1", "2"]);

    server
        .command(&["XGROUP", "DESTROY", STREAM, "forewarm"])
        .unwrap();
    add(&server, "*", &["chain", "base", "pair", "3"]);
    let events = until_seen(&seen, 3).await;
    assert_eq!(addresses(&events), ["1", "2", "3"], "nothing twice");
    until_all_acknowledged(&server).await;
}

#[tokio::test]
async fn a_frozen_server_delays_events_and_loses_none() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let mut config = config(&server, "a");
    config.redis.command_timeout = Duration::from_millis(100);
    let (feed, seen) = start(config);
    until_up(&feed).await;
    server.pause();
    until("the freeze is noticed", || async { !feed.stats().is_up() }).await;
    server.resume();
    for n in 0..50 {
        add(&server, "*", &["chain", "base", "pair", &n.to_string()]);
    }
    until("all arrive", || async {
        let mut all = addresses(&seen.lock().unwrap());
        all.sort();
        all.dedup();
        all.len() == 50
    })
    .await;
    until_all_acknowledged(&server).await;
}

#[tokio::test]
async fn an_acknowledgement_that_fails_repeats_no_event() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let server = Arc::new(server);
    let seen = Seen::default();
    let (into, at) = (Arc::clone(&seen), Arc::clone(&server));
    let sink = move |event| {
        let mut seen = into.lock().unwrap();
        seen.push(event);
        if seen.len().is_multiple_of(20) {
            // Between the delivery and its acknowledgement.
            let killed = at.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            assert_ne!(killed.unwrap(), ":0\r\n");
        }
    };
    let mut config = config(&server, "a");
    config.batch = 10;
    config.redis.reconnect_min = Duration::from_millis(5);
    let feed = RedisStreamFeed::start(config, KeyCodec::default(), Arc::new(sink)).unwrap();
    until_up(&feed).await;
    for n in 0..100 {
        add(&server, "*", &["chain", "base", "pair", &n.to_string()]);
    }
    let events = until_seen(&seen, 100).await;
    until_all_acknowledged(&server).await;
    let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(addresses(&events), expected, "each once, in order");
    assert_eq!(feed.stats().delivered(), 100);
    assert!(feed.stats().claimed() > 0, "no acknowledgement failed");
}

#[tokio::test]
async fn a_dropped_feed_closes_its_connection() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let (feed, _seen) = start(config(&server, "a"));
    until_up(&feed).await;
    let clients = || {
        server
            .command(&["CLIENT", "LIST"])
            .unwrap()
            .matches("id=")
            .count()
    };
    assert_eq!(clients(), 2);
    drop(feed);
    until("the connection is closed", || async { clients() == 1 }).await;
}

/// Keeps what it is told: events as their pair's address, a gap as its size.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl EventSink for Told {
    fn deliver(&self, batch: Vec<FeedEvent>) {
        self.0.lock().unwrap().extend(addresses(&batch));
    }

    fn gap(&self, lost: Option<u64>) {
        self.0.lock().unwrap().push(format!("gap of {lost:?}"));
    }
}

/// Entries `from..to`, of which the server keeps the newest `keep`; all at once.
fn add_many(server: &RedisServer, from: u32, to: u32, keep: &str) {
    let script = "for i=tonumber(ARGV[1]),tonumber(ARGV[2])-1 do redis.call('XADD',KEYS[1],'MAXLEN',\
                  ARGV[3],'*','chain','eth','pair',i) end";
    let (from, to) = (from.to_string(), to.to_string());
    let reply = server.command(&["EVAL", script, "1", STREAM, &from, &to, keep]);
    assert_eq!(reply.unwrap(), "$-1\r\n");
}

fn counts_entries(server: &RedisServer) -> bool {
    add(server, "*", &["chain", "eth", "pair", "before"]);
    let told = server.command(&["XINFO", "STREAM", STREAM]).unwrap();
    told.contains("entries-added")
}

#[tokio::test]
async fn entries_that_are_trimmed_before_they_are_read_are_a_gap_told_once() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    if !counts_entries(&server) {
        return; // Before Redis 7 nobody can tell.
    }
    let told = Arc::new(Told::default());
    let sink: Arc<dyn EventSink> = Arc::<Told>::clone(&told);
    let mut slow = config(&server, "a");
    slow.batch = 2;
    let feed = RedisStreamFeed::start(slow, KeyCodec::default(), sink).unwrap();
    until("its place is known", || async {
        feed.stats().lag() == Some(0)
    })
    .await;
    // What was read may go.
    add_many(&server, 0, 3, "1000");
    until("they arrive", || async { told.all().len() == 3 }).await;
    server.command(&["XTRIM", STREAM, "MAXLEN", "0"]).unwrap();
    // Of a hundred in one moment nobody ever sees more than five.
    add_many(&server, 100, 200, "5");
    until("the gap is noticed", || async { feed.stats().lost() == 95 }).await;
    until("the rest arrives", || async { told.all().len() == 9 }).await;
    until_all_acknowledged(&server).await;
    let all = told.all();
    let gaps: Vec<_> = all.iter().filter(|one| one.starts_with("gap")).collect();
    assert_eq!(gaps, ["gap of Some(95)"], "{all:?}");
    let events: Vec<_> = all.iter().filter(|one| !one.starts_with("gap")).collect();
    assert_eq!(events, ["0", "1", "2", "195", "196", "197", "198", "199"]);
    assert_eq!((feed.stats().gaps(), feed.stats().bad()), (1, 0));
}

#[tokio::test]
async fn what_is_trimmed_while_a_feed_has_no_connection_is_a_gap() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    if !counts_entries(&server) {
        return;
    }
    let told = Arc::new(Told::default());
    let sink: Arc<dyn EventSink> = Arc::<Told>::clone(&told);
    let feed = RedisStreamFeed::start(config(&server, "a"), KeyCodec::default(), sink).unwrap();
    until("its place is known", || async {
        feed.stats().lag() == Some(0)
    })
    .await;
    let killed = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert_ne!(killed.unwrap(), ":0\r\n");
    add_many(&server, 0, 40, "10");
    until("the gap is noticed", || async { feed.stats().lost() == 30 }).await;
    until("the rest arrives", || async {
        feed.stats().delivered() == 10
    })
    .await;
    // Trimmed away whole, with nothing left that could be read.
    add_many(&server, 40, 60, "0");
    until("that is noticed too", || async {
        feed.stats().lost() == 50
    })
    .await;
    // And a stream that begins anew.
    server.command(&["DEL", STREAM]).unwrap();
    until("a third gap", || async { feed.stats().gaps() == 3 }).await;
    assert_eq!(
        told.all()
            .iter()
            .filter(|one| one.starts_with("gap"))
            .count(),
        3
    );
}

#[tokio::test]
async fn an_entry_that_is_deleted_after_it_was_given_to_a_consumer_that_died_is_a_gap() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let run = |parts: &[&str]| server.command(parts).unwrap();
    run(&["XGROUP", "CREATE", STREAM, "forewarm", "$", "MKSTREAM"]);
    for n in 0..4 {
        add(&server, "*", &["chain", "eth", "pair", &n.to_string()]);
    }
    for (consumer, count) in [("back", "2"), ("dead", "2")] {
        run(&[
            "XREADGROUP",
            "GROUP",
            "forewarm",
            consumer,
            "COUNT",
            count,
            "STREAMS",
            STREAM,
            ">",
        ]);
    }
    run(&["XTRIM", STREAM, "MAXLEN", "0"]);
    let told = Arc::new(Told::default());
    let sink: Arc<dyn EventSink> = Arc::<Told>::clone(&told);
    let feed = RedisStreamFeed::start(config(&server, "back"), KeyCodec::default(), sink).unwrap();
    until("both are noticed", || async { feed.stats().lost() == 4 }).await;
    until_all_acknowledged(&server).await;
    assert!(told.all().iter().all(|one| one == "gap of Some(2)"));
}
