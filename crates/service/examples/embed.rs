//! Forewarm inside an engine: a shared cache of the engine's own, an update handler that teaches, a
//! detector that reads, a reorganisation of the chain.
//!
//! ```sh
//! cargo run -p forewarm-service --example embed
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forewarm_service::{Forewarm, Kept, Key, Level, SharedCache, SharedCacheError, Stored, Update};

/// What the engine has for a shared cache. Yours talks to a server and has a time limit.
#[derive(Default)]
struct Shelf(Mutex<HashMap<Key, Stored>>);

#[async_trait]
impl SharedCache for Shelf {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        let values = self.0.lock().expect("nobody panics with it");
        Ok(keys.iter().map(|key| values.get(key).cloned()).collect())
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let mut values = self.0.lock().expect("nobody panics with it");
        values.insert(key.clone(), stored.clone());
        Ok(Kept::This)
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        let mut values = self.0.lock().expect("nobody panics with it");
        Ok(values.remove(key).is_some())
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "shelf"
    }
}

fn stored(text: String) -> Stored {
    Stored {
        value: text.into(),
        version: None,
        ttl: None,
    }
}

/// What the example has seen.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    /// The partners were in L1 before anybody asked, after an update that had made them stale.
    pub(crate) warmed: bool,
    /// Keys that left L1 with the blocks that are no more.
    pub(crate) orphaned: usize,
}

/// Plays it.
pub(crate) async fn play() -> Result<Seen, Box<dyn Error>> {
    let shelf = Arc::new(Shelf::default());
    let shared: Arc<dyn SharedCache> = shelf.clone();
    let forewarm = Forewarm::builder()
        .preset("balanced")
        // Reads follow their cause at once here; on a real stream leave the second that is the default.
        .set("tracking.window=20ms")
        .shared_cache(shared)
        .build()
        .await?;
    let pools = ["uni:weth/usdc", "sushi:weth/usdc", "curve:weth/usdc"];
    let keys = pools
        .iter()
        .map(|pool| forewarm.key("ethereum", pool))
        .collect::<Result<Vec<Key>, _>>()?;
    let background = forewarm.key("ethereum", "uni:dai/usdt")?;
    forewarm.put(&background, stored("1".to_owned())).await?;

    // A block changes the pools; after the update of the first the detector reads all of them.
    let mut warmed = false;
    for block in 0..200 {
        for key in &keys {
            shelf
                .put(key, &stored(format!("price of block {block}")))
                .await?;
            let changed = Update {
                at: forewarm.now(),
                version: None,
                value: None, // L1's copy is stale; with the value it would be refreshed in place
                ttl: None,
            };
            forewarm.observe_update_in(block, key, changed)?;
        }
        // A moment passes, as it does between a trade and the detector's look.
        tokio::time::sleep(Duration::from_millis(3)).await;
        let found = forewarm.get_many(&keys).await?;
        let from_l1 = found
            .iter()
            .flatten()
            .filter(|found| found.level == Level::L1);
        warmed = from_l1.count() == keys.len();
        if warmed {
            println!(
                "block {block}: all {} pools were in L1 before they were asked for",
                keys.len()
            );
            break;
        }
        // Something else in between, so that the stream is not one long event.
        tokio::time::sleep(Duration::from_millis(25)).await;
        forewarm.get(&background).await?;
    }
    let outcomes = forewarm.stats().outcomes;
    println!(
        "{} warmed, {} of them useful",
        outcomes.warmed, outcomes.useful
    );

    // The node says that the chain was reorganised: L2 is put right first, then L1 forgets.
    for key in &keys {
        shelf.put(key, &stored("price before".to_owned())).await?;
    }
    let reorg = forewarm.invalidate_from("ethereum", 0);
    println!("reorganised: {} keys left L1", reorg.keys);
    let found = forewarm.get(&keys[0]).await?.ok_or("it is in L2")?;
    assert_eq!(&*found.value, b"price before");
    forewarm.shutdown().await;
    Ok(Seen {
        warmed,
        orphaned: reorg.keys,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seen = play().await?;
    if !seen.warmed {
        return Err("nothing was warmed in 200 blocks".into());
    }
    Ok(())
}
