//! Forewarm inside a program: no socket, the engine is called in the update handler.
//!
//! `cargo run -p forewarm-service --example embed`

use bytes::Bytes;
use forewarm_application::engine::Update;
use forewarm_application::ports::Stored;
use forewarm_service::Forewarm;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let forewarm = Forewarm::builder()
        .preset("balanced")
        .set(format!("l2.embedded.path={}", folder.path().display()))
        .build()
        .await?;

    let pool = forewarm.key("ethereum", "weth-usdc")?;
    let stored = Stored {
        value: Bytes::from_static(b"3150.2"),
        version: None,
        ttl: None,
    };
    forewarm.put(&pool, stored).await?;

    // The feed's handler: the value moved, so what is read next is fetched ahead.
    let update = Update {
        at: forewarm.core().clock.now(),
        version: None,
        value: Some(Bytes::from_static(b"3151.0")),
        ttl: None,
    };
    forewarm.observe_update(&pool, update)?;

    if let Some(found) = forewarm.get(&pool).await? {
        println!("{:?} from {:?}", found.value, found.level);
    }
    println!("{:?}", forewarm.stats().l1);
    forewarm.shutdown().await;
    Ok(())
}
