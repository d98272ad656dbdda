//! What only the embedded store promises: versions, durability, and a clear word on bad files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::Timestamp;
use forewarm_infrastructure::l2::{EmbeddedConfig, EmbeddedStore, OpenError};

use crate::contract::keeps_the_contract;
use crate::{key, value, versioned};

fn open(folder: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(&EmbeddedConfig::new(folder))
}

async fn read(store: &EmbeddedStore, at: &str) -> Option<Stored> {
    let found = store.get_many(&[key(at.to_owned())]).await.unwrap();
    found.into_iter().next().flatten()
}

#[tokio::test]
async fn the_embedded_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("made/on/the/way")).unwrap();
    keeps_the_contract(&store).await;
    assert_eq!(store.backend(), "embedded");
}

#[tokio::test]
async fn a_newer_version_stays_and_everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for (text, version) in [("two", 2), ("one", 1), ("two again", 2)] {
        store
            .put(&key("v"), &versioned(text, version))
            .await
            .unwrap();
        assert_eq!(read(&store, "v").await.unwrap(), versioned("two", 2));
    }
    store.put(&key("w"), &versioned("three", 3)).await.unwrap();
    store
        .put(&key("w"), &value("unversioned wins"))
        .await
        .unwrap();
    store.save_blob("model", b"learned").await.unwrap();
    store.save_blob("model", b"learned more").await.unwrap();
    drop(store);

    let store = open(folder.path()).unwrap();
    assert_eq!(read(&store, "v").await.unwrap(), versioned("two", 2));
    assert_eq!(read(&store, "w").await.unwrap(), value("unversioned wins"));
    let model = store.load_blob("model").await.unwrap();
    assert_eq!(model.as_deref(), Some(&b"learned more"[..]));
    assert_eq!(store.load_blob("other").await.unwrap(), None);
}

#[tokio::test]
async fn a_value_expires_by_the_clock_even_across_a_restart_and_frees_its_version() {
    static NOW: AtomicU64 = AtomicU64::new(1_000);
    let folder = tempfile::tempdir().unwrap();
    let mut config = EmbeddedConfig::new(folder.path());
    config.clock = || Timestamp::from_millis(NOW.load(Ordering::Relaxed));
    let store = EmbeddedStore::open(&config).unwrap();
    let ttl = Some(Duration::from_millis(500));
    let stored = Stored {
        ttl,
        ..versioned("nine", 9)
    };
    store.put(&key("k"), &stored).await.unwrap();
    NOW.store(1_400, Ordering::Relaxed);
    drop(store);

    let store = EmbeddedStore::open(&config).unwrap();
    let left = read(&store, "k").await.unwrap().ttl;
    assert_eq!(left, Some(Duration::from_millis(100)));
    NOW.store(1_500, Ordering::Relaxed);
    assert_eq!(read(&store, "k").await, None);
    store.put(&key("k"), &versioned("one", 1)).await.unwrap();
    assert_eq!(read(&store, "k").await, Some(versioned("one", 1)));
}

#[tokio::test]
async fn writes_that_wait_together_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(open(folder.path()).unwrap());
    let writers: Vec<_> = (0..8)
        .map(|w| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                let puts = (0..40).map(|n| {
                    let store = &store;
                    async move {
                        store
                            .put(&key(format!("{w}:{n}")), &value(format!("{w}/{n}")))
                            .await
                    }
                });
                futures::future::try_join_all(puts).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    drop(store);
    let store = open(folder.path()).unwrap();
    for w in 0..8 {
        for n in 0..40 {
            let found = read(&store, &format!("{w}:{n}")).await.unwrap();
            assert_eq!(found.value, format!("{w}/{n}"));
        }
    }
}

#[tokio::test]
async fn expired_values_leave_the_file_without_being_read() {
    static NOW: AtomicU64 = AtomicU64::new(1_000);
    let folder = tempfile::tempdir().unwrap();
    let mut config = EmbeddedConfig::new(folder.path());
    config.clock = || Timestamp::from_millis(NOW.load(Ordering::Relaxed));
    let store = EmbeddedStore::open(&config).unwrap();
    let ttl = Some(Duration::from_millis(500));
    let puts = (0..200).map(|n| {
        let (store, stored) = (
            &store,
            Stored {
                ttl,
                ..versioned("x", 1)
            },
        );
        async move { store.put(&key(format!("k{n}")), &stored).await }
    });
    futures::future::try_join_all(puts).await.unwrap();
    store.put(&key("k"), &value("stays")).await.unwrap();
    store.put(&key("z"), &value("stays")).await.unwrap();
    NOW.store(2_000, Ordering::Relaxed);
    // Each write walks 64 entries further.
    for n in 0..8 {
        store.put(&key("k"), &value(n.to_string())).await.unwrap();
    }
    let path = store.path().to_owned();
    drop(store);
    let database = redb::Database::open(path).unwrap();
    let values = redb::TableDefinition::<&[u8], &[u8]>::new("values");
    let table = redb::ReadableDatabase::begin_read(&database)
        .unwrap()
        .open_table(values)
        .unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), 2);
}

#[tokio::test]
async fn a_write_says_whether_a_newer_version_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let put = |version| {
        let (store, stored) = (&store, versioned("value", version));
        async move { store.put(&key("k"), &stored).await.unwrap() }
    };
    assert_eq!(put(5).await, Kept::This);
    assert_eq!(put(4).await, Kept::Newer);
    assert_eq!(put(5).await, Kept::Newer);
    assert_eq!(put(6).await, Kept::This);
    assert_eq!(
        store.put(&key("k"), &value("bare")).await.unwrap(),
        Kept::This
    );
}

/// Runs one test of this binary in another process, which then plays the part named.
fn in_another_process(test: &str, part: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("FOREWARM_TEST_PART", part)
        .env("FOREWARM_TEST_FOLDER", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn playing(part: &str) -> Option<std::path::PathBuf> {
    let plays = std::env::var("FOREWARM_TEST_PART").is_ok_and(|played| played == part);
    plays.then(|| std::env::var_os("FOREWARM_TEST_FOLDER").unwrap().into())
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if let Some(folder) = playing("write for ever") {
        let store = open(&folder).unwrap();
        for n in 0u64.. {
            // Several in flight, so that the kill falls into a batch.
            let puts = (0..4).map(|i| {
                let (store, n) = (&store, n * 4 + i);
                async move {
                    store
                        .put(&key(format!("k{n}")), &value(n.to_string()))
                        .await
                        .unwrap();
                    println!("acknowledged {n}");
                }
            });
            futures::future::join_all(puts).await;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = std::collections::BTreeSet::new();
    for round in 1..=2 {
        let test = "embedded::nothing_acknowledged_is_lost_when_the_process_is_killed";
        let mut child = in_another_process(test, "write for ever", folder.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line
                .split("acknowledged ")
                .nth(1)
                .and_then(|n| n.parse::<u64>().ok())
            {
                acknowledged.insert(n);
                seen += 1;
                if seen == 100 {
                    child.kill().unwrap(); // SIGKILL; what it printed before is read to the end
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= 100, "round {round}: {seen} acknowledged");
        let store = open(folder.path()).unwrap();
        for n in &acknowledged {
            let found = read(&store, &format!("k{n}")).await;
            assert_eq!(found.map(|s| s.value), Some(n.to_string().into()), "k{n}");
        }
    }
}

#[tokio::test]
async fn a_second_process_is_refused_by_name() {
    if let Some(folder) = playing("hold the file") {
        let _store = open(&folder).unwrap();
        println!("held");
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "embedded::a_second_process_is_refused_by_name";
    let mut child = in_another_process(test, "hold the file", folder.path());
    let held = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("held"));
    let error = open(folder.path()).map(drop);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(held);
    let error = error.expect_err("it is held");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert_names(&error, folder.path());
    open(folder.path()).expect("the other process is gone");
}

fn assert_names(error: &OpenError, folder: &Path) {
    let text = error.to_string();
    assert!(text.contains(folder.to_str().unwrap()), "{text}");
}

async fn filled(folder: &Path) {
    let store = open(folder).unwrap();
    for n in 0..50 {
        store
            .put(&key(format!("k{n}")), &value(vec![n; 300]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forewarm.redb");
    let random: Vec<u8> = (0..20_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for bytes in [random, b"x".to_vec(), vec![0; 8_192]] {
        fs::write(&file, &bytes).unwrap();
        let error = open(folder.path()).expect_err("not a store");
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_names(&error, folder.path());
        assert_eq!(
            fs::read(&file).unwrap(),
            bytes,
            "a refused file is left alone"
        );
    }
}

#[tokio::test]
async fn a_damaged_file_yields_right_values_or_errors_never_wrong_values_or_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let file = folder.path().join("forewarm.redb");
    let whole = fs::read(&file).unwrap();
    let (mut refused, mut unreadable) = (0, 0);
    let truncated = [4, 2].map(|part| whole[..whole.len() / part].to_vec());
    let flipped = (0..120).map(|i| {
        let mut bytes = whole.clone();
        let at = i * whole.len() / 120 + i % 7;
        bytes[at] ^= 1 << (i % 8);
        bytes
    });
    for bytes in truncated.into_iter().chain(flipped) {
        fs::write(&file, &bytes).unwrap();
        let store = match open(folder.path()) {
            Ok(store) => store,
            Err(error) => {
                assert_names(&error, folder.path());
                refused += 1;
                continue;
            }
        };
        for n in 0..50u8 {
            match store.get_many(&[key(format!("k{n}"))]).await {
                Ok(found) => {
                    // A key whose own bytes were hit is no longer found: a miss, not a lie.
                    if let Some(stored) = &found[0] {
                        assert!(stored.value == vec![n; 300], "k{n} has a wrong value");
                    }
                }
                Err(SharedCacheError::Corrupt { reason }) => {
                    assert!(reason.contains("forewarm.redb"), "{reason}");
                    unreadable += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(
        refused > 0 && unreadable > 0,
        "{refused} refused, {unreadable} unreadable"
    );
}

#[tokio::test]
async fn a_file_of_a_later_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let database = redb::Database::open(folder.path().join("forewarm.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    transaction
        .open_table(meta)
        .unwrap()
        .insert("format", 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let file = folder.path().join("forewarm.redb");
    let before = fs::read(&file).unwrap();
    let error = open(folder.path()).expect_err("a later format");
    assert!(
        fs::read(&file).unwrap() == before,
        "a refused file is left alone"
    );
    for part in ["has format 2", "reads 1"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(
        matches!(error, OpenError::OtherFormat { found: 2, .. }),
        "{error}"
    );
    assert_names(&error, folder.path());
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("below")).expect_err("below a file");
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains("a file/below"), "{error}");
    fs::create_dir(folder.path().join("forewarm.redb")).unwrap();
    let error = open(folder.path()).expect_err("the file is a folder");
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert_names(&error, folder.path());
}
