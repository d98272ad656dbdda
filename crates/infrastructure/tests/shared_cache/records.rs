//! The embedded store's records: commands that read, decide and write as one step.

use std::sync::Arc;

use bytes::Bytes;
use forewarm_application::ports::SharedCache;
use forewarm_domain::{ChainId, Key, Timestamp};
use forewarm_infrastructure::l2::{EmbeddedConfig, EmbeddedStore, Record};

use crate::{key, value};

fn store() -> (tempfile::TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = EmbeddedConfig::new(folder.path());
    config.clock = || Timestamp::from_millis(1_000_000);
    let store = EmbeddedStore::open(&config).unwrap();
    (folder, store)
}

fn lasting(text: &str) -> Record {
    Record {
        value: Bytes::copy_from_slice(text.as_bytes()),
        expires: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_is_lost_between_those_that_run_at_the_same_time() {
    let (_folder, store) = store();
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..25 {
                    let n = [key("n")];
                    let added = store.update(&n, |_, records| {
                        let text = records[0].as_ref().map(|record| record.value.clone());
                        let text = text.unwrap_or_else(|| Bytes::from_static(b"0"));
                        let before: u32 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                        records[0] = Some(lasting(&(before + 1).to_string()));
                    });
                    added.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        store.records(&[key("n")]).await.unwrap(),
        [Some(lasting("200"))]
    );
}

#[tokio::test]
async fn a_step_over_several_keys_sees_and_writes_all_of_them_or_none() {
    let (_folder, store) = store();
    store.put(&key("a"), &value("1")).await.unwrap();
    let ends = Timestamp::from_millis(1_005_000);
    let all = [key("a"), key("b"), key("c")];
    let answer = store.update(&all, move |now, records| {
        assert_eq!(now, Timestamp::from_millis(1_000_000));
        assert_eq!(records, [Some(lasting("1")), None, None]);
        records[1] = records[0].take();
        records[2] = Some(Record {
            expires: Some(ends),
            ..lasting("ends")
        });
        "told"
    });
    assert_eq!(answer.await, Ok("told"));
    let found = store.records(&all).await.unwrap();
    let ending = Record {
        expires: Some(ends),
        ..lasting("ends")
    };
    assert_eq!(found, [None, Some(lasting("1")), Some(ending)]);
    // What is given an end in the past is gone.
    let b = [key("b")];
    let gone = store.update(&b, |now, records| {
        records[0].as_mut().unwrap().expires = Some(now);
    });
    gone.await.unwrap();
    assert_eq!(store.records(&[key("b")]).await.unwrap(), [None]);
}

#[tokio::test]
async fn one_database_is_emptied_and_counted_without_the_others() {
    let (_folder, store) = store();
    let in_database = |n: u16, name: &str| Key::new(name.to_owned(), n, ChainId::DEFAULT);
    for (n, name) in [(0, "a"), (1, "a"), (1, "b"), (u16::MAX, "z")] {
        store.put(&in_database(n, name), &value("x")).await.unwrap();
    }
    assert_eq!(store.count(1).await, Ok(2));
    store.clear(Some(1)).await.unwrap();
    assert_eq!((store.count(0).await, store.count(1).await), (Ok(1), Ok(0)));
    store.clear(Some(u16::MAX)).await.unwrap();
    assert_eq!(
        (store.count(0).await, store.count(u16::MAX).await),
        (Ok(1), Ok(0))
    );
    store.clear(None).await.unwrap();
    assert_eq!(store.count(0).await, Ok(0));
}
