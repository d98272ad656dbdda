//! What every shared cache must do, run on each of them.

use std::time::Duration;

use bytes::Bytes;
use forewarm_application::ports::{SharedCache, Stored};
use forewarm_domain::{ChainId, Key};

use crate::{key, until, value};

/// The whole contract, on an empty store.
pub(crate) async fn keeps_the_contract(store: &dyn SharedCache) {
    store.ping().await.expect("it is there");
    answers_in_the_order_asked(store).await;
    keeps_every_byte(store).await;
    keeps_databases_apart(store).await;
    removes(store).await;
    keeps_the_remaining_time_to_live(store).await;
    reads_a_large_batch(store).await;
}

async fn one(store: &dyn SharedCache, at: &Key) -> Option<Stored> {
    let mut found = store.get_many(std::slice::from_ref(at)).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

async fn answers_in_the_order_asked(store: &dyn SharedCache) {
    assert_eq!(store.get_many(&[]).await.unwrap(), []);
    store.put(&key("order:a"), &value("A")).await.unwrap();
    store.put(&key("order:c"), &value("C")).await.unwrap();
    let asked = ["order:c", "order:b", "order:a", "order:c"].map(key);
    let found = store.get_many(&asked).await.unwrap();
    let texts: Vec<_> = found
        .iter()
        .map(|f| f.as_ref().map(|s| s.value.clone()))
        .collect();
    let some = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    assert_eq!(texts, [some("C"), None, some("A"), some("C")]);

    store.put(&key("order:a"), &value("A2")).await.unwrap();
    assert_eq!(one(store, &key("order:a")).await.unwrap().value, "A2");
}

async fn keeps_every_byte(store: &dyn SharedCache) {
    let all: Vec<u8> = (0..=255).collect();
    let binary = key(all.clone());
    let values = [
        all,
        Vec::new(),
        b"\r\n$-1\r\n".to_vec(),
        vec![0xff; 1 << 20],
    ];
    for bytes in values {
        store.put(&binary, &value(bytes.clone())).await.unwrap();
        let found = one(store, &binary).await.expect("it was put");
        assert!(
            found.value == bytes,
            "{} bytes came back as {}",
            bytes.len(),
            found.value.len()
        );
        assert_eq!(found.ttl, None);
    }
    assert_eq!(one(store, &key("Case")).await, None);
    store.put(&key("case"), &value("lower")).await.unwrap();
    assert_eq!(one(store, &key("Case")).await, None);
}

async fn keeps_databases_apart(store: &dyn SharedCache) {
    let at = |database| Key::new("db:k", database, ChainId::DEFAULT);
    store.put(&at(0), &value("zero")).await.unwrap();
    assert_eq!(one(store, &at(3)).await, None);
    store.put(&at(3), &value("three")).await.unwrap();
    let found = store.get_many(&[at(3), at(0), at(4)]).await.unwrap();
    let texts: Vec<_> = found.into_iter().map(|f| f.map(|s| s.value)).collect();
    assert_eq!(texts, [Some("three".into()), Some("zero".into()), None]);
}

async fn removes(store: &dyn SharedCache) {
    store.put(&key("gone"), &value("x")).await.unwrap();
    assert!(store.remove(&key("gone")).await.unwrap());
    assert!(!store.remove(&key("gone")).await.unwrap());
    assert_eq!(one(store, &key("gone")).await, None);
}

async fn keeps_the_remaining_time_to_live(store: &dyn SharedCache) {
    let long = Duration::from_secs(60);
    let expiring = |ttl| Stored {
        ttl: Some(ttl),
        ..value("t")
    };
    store.put(&key("ttl:long"), &expiring(long)).await.unwrap();
    let left = one(store, &key("ttl:long"))
        .await
        .unwrap()
        .ttl
        .expect("it expires");
    assert!(
        left <= long && left > long - Duration::from_secs(10),
        "{left:?}"
    );

    store
        .put(&key("ttl:long"), &value("for ever"))
        .await
        .unwrap();
    assert_eq!(one(store, &key("ttl:long")).await.unwrap().ttl, None);

    store
        .put(&key("ttl:short"), &expiring(Duration::from_millis(30)))
        .await
        .unwrap();
    until("the value expires", || async {
        one(store, &key("ttl:short")).await.is_none()
    })
    .await;
    assert!(!store.remove(&key("ttl:short")).await.unwrap());
    store
        .put(&key("ttl:zero"), &expiring(Duration::from_micros(1)))
        .await
        .unwrap();
    until("a life below a millisecond ends", || async {
        one(store, &key("ttl:zero")).await.is_none()
    })
    .await;
}

async fn reads_a_large_batch(store: &dyn SharedCache) {
    let keys: Vec<_> = (0..500).map(|n| key(format!("batch:{n}"))).collect();
    for (n, at) in keys.iter().enumerate().step_by(2) {
        store.put(at, &value(n.to_string())).await.unwrap();
    }
    let found = store.get_many(&keys).await.unwrap();
    for (n, stored) in found.into_iter().enumerate() {
        let expected = (n % 2 == 0).then(|| Bytes::from(n.to_string()));
        assert_eq!(stored.map(|s| s.value), expected);
    }
}
