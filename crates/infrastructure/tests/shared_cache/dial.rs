//! Connections of a client's own to Redis.

use std::time::Duration;

use bytes::Bytes;
use forewarm_application::ports::{SharedCache, SharedCacheError};
use forewarm_infrastructure::l2::{Greeting, RedisConfig, RedisStore};
use forewarm_infrastructure::testing::{RedisServer, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::key;

/// What the connection says of itself.
async fn told(store: &RedisStore, greeting: &Greeting) -> Result<String, SharedCacheError> {
    let mut stream = store.dial(greeting).await?;
    stream.write_all(b"CLIENT INFO\r\n").await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\n\r\n") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
    }
    Ok(String::from_utf8(heard).unwrap())
}

#[tokio::test]
async fn a_connection_is_handed_over_logged_in_and_in_the_state_that_was_asked_for() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "sesame"]) else {
        return;
    };
    let mut config = RedisConfig::new(server.url());
    config.password = Some("sesame".to_owned());
    let store = RedisStore::connect(config.clone()).unwrap();
    let plain = told(&store, &Greeting::default()).await.unwrap();
    assert!(
        plain.starts_with('$') && plain.contains(" db=0 ") && plain.contains("resp=2"),
        "{plain}"
    );
    let greeting = Greeting {
        database: 3,
        resp3: true,
        name: Some(Bytes::from_static(b"mine")),
    };
    let other = told(&store, &greeting).await.unwrap();
    for part in ["=", " db=3 ", " name=mine ", "resp=3"] {
        assert!(other.contains(part), "{part:?} is missing in {other}");
    }

    config.password = Some("wrong".to_owned());
    let store = RedisStore::connect(config).unwrap();
    for greeting in [Greeting::default(), greeting] {
        let refused = told(&store, &greeting).await.unwrap_err();
        let SharedCacheError::Refused { reason } = refused else {
            panic!("{refused:?}");
        };
        assert!(
            reason.starts_with("WRONGPASS") && !reason.contains("wrong\""),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_speaking_are_told_apart_in_time() {
    let mut config = RedisConfig::new(format!("redis://127.0.0.1:{}", free_port()));
    config.connect_timeout = Duration::from_millis(200);
    let store = RedisStore::connect(config.clone()).unwrap();
    let greeting = Greeting {
        resp3: true,
        ..Greeting::default()
    };
    let refused = store.dial(&greeting).await.unwrap_err();
    let reason = "connection refused".to_owned();
    assert_eq!(refused, SharedCacheError::Unavailable { reason });

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.url = format!("redis://{}", silent.local_addr().unwrap());
    let store = RedisStore::connect(config).unwrap();
    let after = Duration::from_millis(200);
    let late = store.dial(&greeting).await.unwrap_err();
    assert_eq!(late, SharedCacheError::Timeout { after });
}

#[tokio::test]
async fn a_key_of_another_type_is_known_after_a_read_that_found_no_string() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    server.command(&["RPUSH", "list", "x"]).unwrap();
    server.command(&["SET", "text", "x"]).unwrap();
    let store = RedisStore::connect(RedisConfig::new(server.url())).unwrap();
    let keys = [key("list"), key("text"), key("nothing")];
    let found = store.get_many(&keys).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some() && found[2].is_none());
    let others = keys.map(|key| store.holds_other_type(&key));
    assert_eq!(others, [true, false, false]);
}
