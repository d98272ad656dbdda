//! Reads over a connection of the thread that makes them. Each test is a thread with a runtime of its
//! own, as the Redis port's are.

use std::sync::Arc;
use std::time::Duration;

use forewarm_application::ports::{SharedCache, SharedCacheError};
use forewarm_domain::{ChainId, Key};
use forewarm_infrastructure::l2::{RedisConfig, RedisStore};
use forewarm_infrastructure::testing::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::contract::keeps_the_contract;
use crate::{key, until, value};

/// A store whose reads on this thread have a connection of their own.
struct Kept {
    store: Arc<RedisStore>,
    /// The connections that were there before: the pool's.
    others: Vec<String>,
}

impl Kept {
    async fn new(config: RedisConfig, server: &RedisServer) -> Self {
        let store = Arc::new(RedisStore::connect(config).unwrap());
        until("the pool is connected", || async {
            store.put(&key("k"), &value("v")).await.is_ok() && connections(server, "").len() >= 2
        })
        .await;
        let others = connections(server, "");
        tokio::spawn(Arc::clone(&store).keep_near());
        let kept = Self { store, others };
        kept.until_it_reads(server).await;
        kept
    }

    /// The connections of this thread that have read.
    fn own(&self, server: &RedisServer) -> Vec<String> {
        let mut all = connections(server, " db=0 ");
        all.retain(|one| !self.others.contains(one));
        all
    }

    async fn until_it_reads(&self, server: &RedisServer) {
        until("this thread's own connection is read over", || async {
            let calls = server.calls("mget");
            let read = self.store.get_many(&[key("k")]).await;
            read == Ok(vec![Some(value("v"))])
                && server.calls("mget") == calls + 1
                && self.own(server).len() == 1
        })
        .await;
    }
}

/// The numbers of the connections that a line of `CLIENT LIST` tells of with these words, those aside
/// that ask for the list.
fn connections(server: &RedisServer, words: &str) -> Vec<String> {
    let clients = server.command(&["CLIENT", "LIST"]).unwrap();
    let number = |line: &str| {
        let line = &line[line.find("id=")? + 3..];
        Some(line[..line.find(' ')?].to_owned())
    };
    let of_interest = |line: &&str| line.contains(words) && !line.contains(" cmd=client|list ");
    clients
        .lines()
        .filter(of_interest)
        .filter_map(number)
        .collect()
}

#[tokio::test]
async fn the_threads_own_connection_logs_in_as_the_pool_does() {
    let user = ["--user", "forewarm", "on", ">sesame", "~*", "&*", "+@all"];
    let Some(server) = RedisServer::start_with(&user) else {
        return;
    };
    // Whoever does not log in may read here too: it would not be noticed otherwise.
    let url = server.url().replacen("://", "://forewarm:sesame@", 1);
    let kept = Kept::new(RedisConfig::new(url), &server).await;
    let logged_in = connections(&server, " user=forewarm ");
    let own = kept.own(&server);
    assert!(
        own.iter().all(|one| logged_in.contains(one)),
        "{own:?} of {logged_in:?}"
    );
}

#[tokio::test]
async fn reads_over_a_threads_own_connection_keep_the_contract() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let kept = Kept::new(RedisConfig::new(server.url()), &server).await;
    kept.store.remove(&key("k")).await.unwrap();
    keeps_the_contract(&*kept.store).await;
}

#[tokio::test]
async fn a_batch_is_one_mget_over_the_threads_own_connection_and_other_types_are_remembered() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let kept = Kept::new(RedisConfig::new(server.url()), &server).await;
    let store = &kept.store;
    server.command(&["LPUSH", "list", "x"]).unwrap();
    server.command(&["SET", "n", "5", "PX", "100000"]).unwrap();
    let (before, calls) = (store.round_trips(), server.calls("mget"));
    let keys = [key("list"), key("n"), key("none")];
    let found = store.get_many(&keys).await.unwrap();
    assert!(found[0].is_none() && found[2].is_none());
    let number = found[1].clone().unwrap();
    assert_eq!(number.value, "5");
    assert!(number.ttl.unwrap() > Duration::from_secs(90));
    assert_eq!(store.round_trips(), before + 1);
    assert_eq!(server.calls("mget"), calls + 1);
    assert!(store.holds_other_type(&keys[0]) && !store.holds_other_type(&keys[2]));
    // Another database has connections of its own.
    let other = Key::new("n", 1, ChainId::DEFAULT);
    assert_eq!(store.get_many(&[other]).await, Ok(vec![None]));
    assert_eq!(kept.own(&server).len(), 1);
}

#[tokio::test]
async fn what_a_connection_owed_when_it_was_killed_the_pool_answers_and_it_comes_back() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let kept = Kept::new(RedisConfig::new(server.url()), &server).await;
    let old = kept.own(&server).remove(0);
    server.command(&["CLIENT", "KILL", "ID", &old]).unwrap();
    // Asked before this thread has heard of the end.
    let read = kept.store.get_many(&[key("k")]).await;
    assert_eq!(read, Ok(vec![Some(value("v"))]));
    kept.until_it_reads(&server).await;
    assert_ne!(kept.own(&server), [old]);
}

#[tokio::test]
async fn a_frozen_server_is_a_timeout_and_the_connection_is_made_anew() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let mut config = RedisConfig::new(server.url());
    config.command_timeout = Duration::from_millis(150);
    let kept = Kept::new(config, &server).await;
    let old = kept.own(&server);
    server.pause();
    let limit = Duration::from_millis(150);
    for _ in 0..2 {
        let began = Instant::now();
        let error = kept.store.get_many(&[key("k")]).await.unwrap_err();
        let took = began.elapsed();
        assert_eq!(error, SharedCacheError::Timeout { after: limit });
        assert!(took >= limit && took < limit * 4, "{took:?}");
    }
    server.resume();
    kept.until_it_reads(&server).await;
    assert_ne!(kept.own(&server), old);
}

#[tokio::test]
async fn questions_of_several_tasks_leave_together_and_each_gets_its_own_answer() {
    // A server that answers a question only once it has seen the next one as well.
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
                    let answer = if seen.ends_with("PING\r\n") {
                        "+PONG\r\n".to_owned()
                    } else if !seen.contains("MGET") {
                        "+OK\r\n".repeat(seen.matches('*').count())
                    } else if seen.matches("PTTL").count() == 2 {
                        let first = seen.split("MGET\r\n$1\r\n").nth(1).unwrap();
                        let (one, two) = match first.starts_with('a') {
                            true => ("1", "2"),
                            false => ("2", "1"),
                        };
                        let say = |text| format!("*1\r\n$1\r\n{text}\r\n:-1\r\n");
                        say(one) + &say(two)
                    } else {
                        continue;
                    };
                    seen.clear();
                    // In two pieces: half an answer must wait for its other half.
                    let (head, tail) = answer.as_bytes().split_at(answer.len() / 2);
                    stream.write_all(head).await.unwrap();
                    tokio::task::yield_now().await;
                    stream.write_all(tail).await.unwrap();
                }
            });
        }
    });
    let config = RedisConfig::new(format!("redis://127.0.0.1:{port}"));
    let store = Arc::new(RedisStore::connect(config).unwrap());
    tokio::spawn(Arc::clone(&store).keep_near());
    until("it connects", || async { store.is_up() }).await;
    for _ in 0..20 {
        let ask = |name| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.get_many(&[key(name)]).await })
        };
        let (a, b) = tokio::join!(ask("a"), ask("b"));
        let (a, b) = (a.unwrap(), b.unwrap());
        // Over the pool, where each question goes its own way, none of them would ever be answered.
        if let (Ok(a), Ok(b)) = (a, b) {
            assert_eq!((a, b), (vec![Some(value("1"))], vec![Some(value("2"))]));
            return;
        }
    }
    panic!("no question was answered");
}
