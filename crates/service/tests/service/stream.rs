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
