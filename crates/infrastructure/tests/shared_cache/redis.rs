//! What only Redis can do to us: be away, freeze, come back, hold other types.

use std::time::Duration;

use forewarm_application::ports::{SharedCache, SharedCacheError};
use forewarm_domain::{ChainId, Key, PairName};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::feeds::parse_updates;
use forewarm_infrastructure::l2::{RedisConfig, RedisStore};
use forewarm_infrastructure::testing::{RedisServer, free_port};
use tokio::time::{Instant, timeout};

use crate::contract::keeps_the_contract;
use crate::{key, until, value};

fn connect(url: &str) -> RedisStore {
    RedisStore::connect(RedisConfig::new(url)).unwrap()
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = connect(&server.url());
    keeps_the_contract(&store).await;
    assert!(store.is_up());
    assert_eq!(store.backend(), "redis");
}

#[tokio::test]
async fn a_batch_is_one_round_trip() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = connect(&server.url());
    store.put(&key("a"), &value("1")).await.unwrap();
    let (before, calls) = (store.round_trips(), server.calls("mget"));
    assert_eq!(store.get_many(&[]).await.unwrap(), []);
    assert_eq!(store.round_trips(), before, "nothing asked, nothing sent");

    let keys: Vec<_> = (0..16).map(|n| key(format!("k{n}"))).collect();
    store.get_many(&keys).await.unwrap();
    assert_eq!(store.round_trips(), before + 1);
    assert_eq!(server.calls("mget"), calls + 1);
    assert_eq!(server.calls("pttl"), 16);
    assert_eq!(server.calls("get"), 0);
}

#[tokio::test]
async fn the_commands_of_a_batch_leave_together() {
    // A server that answers nothing until it has seen the whole batch: were MGET and PTTL two
    // round trips, this would never end.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut seen = String::new();
                let mut buffer = [0; 4_096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
                    let answer = if !seen.contains("MGET") {
                        "+OK\r\n".repeat(seen.matches('*').count())
                    } else if seen.matches("PTTL").count() == 2 {
                        "*2\r\n$1\r\na\r\n$-1\r\n:-1\r\n:-2\r\n".to_owned()
                    } else {
                        continue;
                    };
                    seen.clear();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let store = connect(&format!("redis://127.0.0.1:{port}"));
    until("it connects", || async { store.is_up() }).await;
    let found = store.get_many(&[key("k1"), key("k2")]).await.unwrap();
    assert_eq!(found, [Some(value("a")), None]);
}

#[tokio::test]
async fn other_types_are_no_values_and_a_refused_write_is_said() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = connect(&server.url());
    server.command(&["LPUSH", "list", "x"]).unwrap();
    server.command(&["SET", "n", "5"]).unwrap();
    let found = store.get_many(&[key("list"), key("n")]).await.unwrap();
    assert_eq!(found, [None, Some(value("5"))]);
    server
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .unwrap();
    let error = store.put(&key("n"), &value("6")).await.unwrap_err();
    let SharedCacheError::Refused { reason } = error else {
        panic!("{error}")
    };
    assert!(reason.starts_with("OOM"), "{reason}");
}

#[tokio::test]
async fn it_starts_without_its_server_and_heals_when_that_comes_up() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    server.kill();
    let store = connect(&server.url());
    let error = store.put(&key("k"), &value("v")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    until("the reason is known", || async {
        store.last_error().is_some()
    })
    .await;
    let began = Instant::now();
    let error = store.get_many(&[key("k")]).await.unwrap_err();
    assert!(
        matches!(error, SharedCacheError::Unavailable { .. }),
        "{error}"
    );
    assert!(
        began.elapsed() < Duration::from_millis(100),
        "it fails at once"
    );
    assert!(!store.is_up());

    server.restart();
    until("it heals", || async { store.ping().await.is_ok() }).await;
    let late = store.get_many(&[key("k")]).await;
    assert_eq!(
        late,
        Ok(vec![None]),
        "the write that failed was not kept for later"
    );
    store.put(&key("k"), &value("v")).await.unwrap();
    assert!(store.is_up());
    assert_eq!(store.last_error(), None);
}

#[tokio::test]
async fn it_heals_after_its_server_was_killed() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let store = connect(&server.url());
    store.put(&key("k"), &value("v")).await.unwrap();
    server.kill();
    for _ in 0..3 {
        let began = Instant::now();
        let error = store.get_many(&[key("k")]).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "bounded by the command timeout"
        );
    }
    server.restart();
    until("reads work again", || async {
        store.get_many(&[key("k")]).await == Ok(vec![None])
    })
    .await;
}

#[tokio::test]
async fn a_frozen_server_is_a_timeout_within_the_limit() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let mut config = RedisConfig::new(server.url());
    config.command_timeout = Duration::from_millis(150);
    let store = RedisStore::connect(config).unwrap();
    until("it connects", || async {
        store.put(&key("k"), &value("v")).await.is_ok()
    })
    .await;
    server.pause();
    let limit = Duration::from_millis(150);
    for _ in 0..3 {
        let began = Instant::now();
        let error = store.get_many(&[key("k")]).await.unwrap_err();
        let took = began.elapsed();
        assert_eq!(error, SharedCacheError::Timeout { after: limit });
        assert!(took >= limit && took < limit * 3, "{took:?}");
    }
    server.resume();
    until("it answers again", || async {
        store.get_many(&[key("k")]).await == Ok(vec![Some(value("v"))])
    })
    .await;
}

#[tokio::test]
async fn a_link_that_stays_silent_is_dropped_and_made_anew() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let mut config = RedisConfig::new(server.url());
    config.command_timeout = Duration::from_millis(100);
    config.connect_timeout = Duration::from_millis(100);
    config.pool_size = 1;
    let store = RedisStore::connect(config).unwrap();
    until("it connects", || async { store.ping().await.is_ok() }).await;
    server.pause();
    until("the silent link is given up", || async {
        store.ping().await.is_err() && !store.is_up()
    })
    .await;
    let error = store.ping().await.unwrap_err();
    assert!(
        matches!(error, SharedCacheError::Unavailable { .. }),
        "{error}"
    );
    server.resume();
    until("it heals", || async { store.ping().await.is_ok() }).await;
}

#[tokio::test]
async fn a_write_that_was_under_way_when_the_server_died_is_not_written_later() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let mut config = RedisConfig::new(server.url());
    config.command_timeout = Duration::from_millis(300);
    let store = RedisStore::connect(config).unwrap();
    until("it connects", || async { store.ping().await.is_ok() }).await;
    server.pause();
    let put = async { store.put(&key("k"), &value("old")).await };
    let (written, ()) = tokio::join!(put, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.restart();
    });
    assert!(written.unwrap_err().is_retryable());
    until("it heals", || async { store.ping().await.is_ok() }).await;
    assert_eq!(store.get_many(&[key("k")]).await, Ok(vec![None]));
}

#[tokio::test]
async fn a_wrong_password_is_said_without_the_password_and_the_right_one_works() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "right"]) else {
        return;
    };
    let mut config = RedisConfig::new(server.url());
    config.password = Some("wr0ng-s3cret".to_owned());
    let store = RedisStore::connect(config.clone()).unwrap();
    until("the refusal is known", || async {
        store.last_error().is_some()
    })
    .await;
    let error = store.ping().await.unwrap_err();
    assert!(
        matches!(error, SharedCacheError::Refused { .. }),
        "{error:?}"
    );
    let error = error.to_string();
    assert!(error.contains("WRONGPASS"), "{error}");
    assert!(!error.contains("wr0ng-s3cret") && !format!("{store:?}").contains("wr0ng-s3cret"));
    config.password = None;
    for url in [server.url(), format!("{}/3", server.url())] {
        config.url = url;
        let store = RedisStore::connect(config.clone()).unwrap();
        let error = store.get_many(&[key("k")]).await.unwrap_err().to_string();
        assert!(error.contains("refused: NOAUTH"), "{error}");
    }
    config.password = Some("right".to_owned());
    RedisStore::connect(config).unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_asked_by_hash_slot_in_one_round_trip() {
    let Some(server) = RedisServer::start_with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-announce-ip",
        "127.0.0.1",
    ]) else {
        return;
    };
    server
        .command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .unwrap();
    let up = || async {
        server
            .command(&["CLUSTER", "INFO"])
            .unwrap()
            .contains("cluster_state:ok")
    };
    until("the cluster is up", up).await;
    let store = connect(&server.url().replace("redis://", "redis-cluster://"));
    let keys: Vec<_> = ["a", "b", "{a}:2", "c"].map(key).into();
    for at in &keys[..3] {
        store.put(at, &value(at.bytes().clone())).await.unwrap();
    }
    let before = store.round_trips();
    let found = store.get_many(&keys).await.unwrap();
    let texts: Vec<_> = found.into_iter().map(|f| f.map(|s| s.value)).collect();
    assert_eq!(
        texts,
        [
            Some("a".into()),
            Some("b".into()),
            Some("{a}:2".into()),
            None
        ]
    );
    assert_eq!(store.round_trips(), before + 1);
    assert_eq!(server.calls("mget"), 3, "three slots");

    let other = Key::new("a", 1, ChainId::DEFAULT);
    let error = store.get_many(&[other]).await.unwrap_err();
    assert!(
        error.to_string().contains("database 1 in cluster mode"),
        "{error}"
    );
}

#[tokio::test]
async fn databases_are_bounded_and_dropping_the_store_closes_its_connections() {
    let Some(server) = RedisServer::start_with(&["--databases", "64"]) else {
        return;
    };
    let store = connect(&server.url());
    let at = |database| Key::new("k", database, ChainId::DEFAULT);
    for database in 0..16 {
        store.put(&at(database), &value("v")).await.unwrap();
    }
    let error = store.put(&at(16), &value("v")).await.unwrap_err();
    assert!(error.to_string().contains("16 databases"), "{error}");
    let clients = || {
        server
            .command(&["CLIENT", "LIST"])
            .unwrap()
            .matches("id=")
            .count()
    };
    assert!(clients() > 16);
    drop(store);
    until("the connections are closed", || async { clients() == 1 }).await;
}

#[tokio::test]
async fn nothing_listens_and_still_connect_returns() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let answer = timeout(Duration::from_secs(2), async { connect(&url).ping().await }).await;
    let error = answer.expect("within the command timeout").unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "the shared cache is unreachable: connection refused");
}

#[tokio::test]
async fn a_pair_lives_in_the_database_of_the_url() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let config = RedisConfig::new(format!("{}/3", server.url()));
    let codec = KeyCodec::default().with_database(config.database().unwrap());
    let store = RedisStore::connect(config).unwrap();
    let pair = codec.key(&PairName::new("eth", "weth").unwrap());
    let mut fed = parse_updates(br#"{"ts_ms":1,"key":"bare"}"#, &codec, 1).unwrap();
    let bare = fed.remove(0).unwrap().key;
    for key in [&pair, &bare] {
        store.put(key, &value("v")).await.unwrap();
    }
    let keyspace = server.command(&["INFO", "keyspace"]).unwrap();
    assert!(keyspace.contains("db3:keys=2,"), "{keyspace}");
    assert!(!keyspace.contains("db0:"), "{keyspace}");
    let found = store.get_many(&[pair, bare]).await.unwrap();
    assert_eq!(found, [Some(value("v")), Some(value("v"))]);
}
