//! A Redis Stream as feed, through the configuration.

use forewarm_infrastructure::testing::RedisServer;

use crate::process::{Service, run};

#[test]
fn a_streams_fields_may_have_names_of_their_own_and_what_is_wrong_holds_up_nothing() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let url = format!("l2.redis.url={}", redis.url());
    let service = Service::start(&[
        "l2.backend=redis",
        &url,
        "feeds=[{kind=\"redis-stream\",stream=\"ticks\",group=\"g\",\
         fields={chain=\"network\",pair=\"symbol\",value=\"price\"}}]",
    ]);
    service.wait_for("the consumer group", |_| {
        let groups = redis.command(&["XINFO", "GROUPS", "ticks"]);
        groups.is_ok_and(|text| text.contains("\r\ng\r\n"))
    });
    let add = |fields: &[&str]| {
        let reply = redis.command(&[&["XADD", "ticks", "*"], fields].concat());
        assert!(reply.expect("it answers").starts_with('$'));
    };
    add(&["chain", "eth", "pair", "names of the default"]);
    add(&["network", "eth", "symbol", "a", "price", "7", "hop", "3"]);
    service.wait_for("the update", |it| {
        it.get("/v1/pairs/eth/a?peek=true").status == 200
    });
    let answer = service.get("/v1/pairs/eth/a?peek=true").json();
    assert_eq!(answer["level"], "L1");
    assert_eq!(answer["value"], "7");
    service.wait_for("the first entry to be refused aloud", |it| {
        it.log().contains("pair is missing")
    });
}

#[test]
fn entries_trimmed_before_they_were_read_empty_an_l1_that_hears_of_changes_by_the_stream_alone() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let url = format!("l2.redis.url={}", redis.url());
    let service = Service::start(&[
        "l2.backend=redis",
        &url,
        "invalidation.mode=ttl",
        "feeds=[{kind=\"redis-stream\",stream=\"ticks\",group=\"g\"}]",
    ]);
    service.wait_for("the consumer group", |_| {
        let groups = redis.command(&["XINFO", "GROUPS", "ticks"]);
        groups.is_ok_and(|text| text.contains("\r\ng\r\n"))
    });
    let level = |it: &Service| {
        let answer = it.get("/v1/pairs/eth/a?peek=true");
        (answer.status == 200).then(|| answer.json()["level"].clone())
    };
    redis
        .command(&["SET", "price:eth:a", "old"])
        .expect("it answers");
    let told = [
        "XADD", "ticks", "*", "chain", "eth", "pair", "a", "value", "old", "block", "7",
    ];
    redis.command(&told).expect("it answers");
    service.wait_for("the value", |it| level(it) == Some("L1".into()));
    // Changed, and trimmed away in the same moment: nobody hears of it.
    let script = "redis.call('SET','price:eth:a','new');\
                  redis.call('XADD',KEYS[1],'MAXLEN','0','*','chain','eth','pair','a')";
    redis
        .command(&["EVAL", script, "1", "ticks"])
        .expect("it answers");
    let info = redis.command(&["XINFO", "STREAM", "ticks"]);
    if !info.expect("it answers").contains("entries-added") {
        return; // Before Redis 7 nobody can tell.
    }
    service.wait_for("the gap", |it| level(it) == Some("L2".into()));
    let answer = service.get("/v1/pairs/eth/a").json();
    assert_eq!(answer["value"], "new");
    service.wait_for("a word of it", |it| it.log().contains("lost unread"));
    // The block that an entry named is known.
    service.wait_for("the value again", |it| level(it) == Some("L1".into()));
    let body = r#"{"chain": "eth", "block": 7}"#;
    let reorg = service.send("POST", "/v1/invalidate-from", body).json();
    assert_eq!(reorg["invalidated"], 1, "{reorg}");
}

#[test]
fn two_fields_of_one_name_are_refused() {
    let feeds = "feeds=[{kind=\"redis-stream\",fields={pair=\"chain\"}}]";
    let output = run(&["config", "check", "--set", feeds]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{error}");
    assert!(
        error.contains("`feeds[0].fields.pair`") && error.contains("`chain` too"),
        "{error}"
    );
}
