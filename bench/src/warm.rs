//! One warm against the same commands on a bare connection, in alternating calls.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use forewarm_application::engine::EngineConfig;
use forewarm_domain::Key;
use forewarm_infrastructure::l2::{RedisConfig, RedisStore};
use forewarm_service::clock::Clock;
use fred::prelude::{Client, KeysInterface, Value};

use crate::bare::{PARTNERS, engine, keys, teach};
use crate::job::{connect, fill, redis};
use crate::row::Row;
use crate::stopwatch::{Times, median, shown};
use crate::world::{runtime, value};

pub(crate) fn run(quick: bool) -> Result<()> {
    let (rounds, calls) = if quick { (5, 400) } else { (15, 2_000) };
    let runtime = runtime()?;
    let redis = redis()?;
    runtime.block_on(async {
        let keys = keys(PARTNERS + 1);
        fill(&redis, &keys, &value()).await?;
        let bare = connect(&redis).await?;
        let store = RedisStore::connect(RedisConfig::new(redis.url()))?;
        let clock = Clock::start();
        let engine = engine(Arc::new(store), EngineConfig::default())?;
        let partners = &keys[1..];
        teach(&engine, &keys, &clock);
        let (mut warms, mut bares, mut fetched) = (Vec::new(), Vec::new(), 0);
        for round in 0..=rounds {
            let (mut warm, mut ask) = (Times::default(), Times::default());
            for _ in 0..calls {
                for key in partners {
                    engine.invalidate(key);
                }
                let started = Instant::now();
                engine.request_warm(&keys[0], clock.now());
                let report = engine.warm(clock.now()).await;
                warm.push(started.elapsed());
                fetched += report.warmed;
                for key in partners {
                    let _ = engine.get_local(key, clock.now());
                }
                while engine.learn(clock.now()) > 0 {}
                let started = Instant::now();
                commands(&bare, partners).await?;
                ask.push(started.elapsed());
            }
            // The first round warms up.
            if round > 0 {
                warms.push((warm.quantile(0.5), warm.quantile(0.95)));
                bares.push((ask.quantile(0.5), ask.quantile(0.95)));
            }
        }
        let keys_each = fetched as f64 / (f64::from(rounds + 1) * f64::from(calls));
        show(&warms, &bares, keys_each);
        Ok(())
    })
}

fn show(warms: &[(f64, f64)], bares: &[(f64, f64)], keys_each: f64) {
    let of = |times: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| {
        median(&times.iter().map(which).collect::<Vec<_>>())
    };
    let (warm50, warm95) = (of(warms, |t| t.0), of(warms, |t| t.1));
    let (bare50, bare95) = (of(bares, |t| t.0), of(bares, |t| t.1));
    Row::plain(
        format!("MGET of {PARTNERS} and their PTTLs, one bare connection"),
        format!("p50 {}, p95 {}", shown(bare50), shown(bare95)),
    );
    Row::judged(
        format!("one warm of {keys_each:.1} keys, from the request to L1"),
        format!(
            "p50 {}, p95 {}, {:.2} × the bare commands",
            shown(warm50),
            shown(warm95),
            warm95 / bare95
        ),
        "p95 ≤ 1.3 ×",
        warm95 <= 1.3 * bare95,
    );
}

/// What a warm sends.
async fn commands(client: &Client, keys: &[Key]) -> Result<()> {
    let names: Vec<Bytes> = keys.iter().map(|key| key.bytes().clone()).collect();
    let pipeline = client.pipeline();
    let _: Value = pipeline.mget(names.clone()).await?;
    for name in names {
        let _: Value = pipeline.pttl(name).await?;
    }
    let answer: Value = pipeline.all().await?;
    std::hint::black_box(answer);
    Ok(())
}
