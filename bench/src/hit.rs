//! A hit of L1 through the library against the same keys and values in the bare caches.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anyhow::Result;
use bytes::Bytes;
use forewarm_application::engine::LookupError;
use forewarm_domain::{ChainMode, Key, Mode};
use forewarm_service::Forewarm;

use crate::row::Row;
use crate::stopwatch::{median, per_call, shown};
use crate::world::{Draw, Memory, keys, runtime, settle, update, value};

const PAIRS: usize = 1_000;

type Bare =
    quick_cache::sync::Cache<Key, Bytes, quick_cache::UnitWeighter, foldhash::fast::RandomState>;
#[cfg(feature = "peers")]
type Moka = moka::sync::Cache<Key, Bytes, foldhash::fast::RandomState>;

pub(crate) fn run(quick: bool) -> Result<()> {
    let (rounds, calls) = if quick { (5, 500_000) } else { (15, 2_000_000) };
    let runtime = runtime()?;
    runtime.block_on(async {
        let forewarm = Forewarm::builder()
            .shared_cache(Arc::new(Memory::full()))
            .build()
            .await?;
        let keys = keys(&forewarm, PAIRS)?;
        let bare = Bare::with(
            PAIRS * 2,
            PAIRS as u64 * 2,
            quick_cache::UnitWeighter,
            foldhash::fast::RandomState::default(),
            quick_cache::sync::DefaultLifecycle::default(),
        );
        #[cfg(feature = "peers")]
        let moka: Moka = moka::sync::Cache::builder()
            .max_capacity(PAIRS as u64 * 2)
            .build_with_hasher(foldhash::fast::RandomState::default());
        for key in &keys {
            let _ = forewarm.observe_update(key, update(&forewarm, Some(1)));
            bare.insert(key.clone(), value());
            #[cfg(feature = "peers")]
            moka.insert(key.clone(), value());
        }
        settle(&forewarm).await;
        for threads in [1, 2] {
            let mut all = Figures::default();
            for _ in 0..rounds {
                all.bare.push(timed(threads, calls, &keys, |key| {
                    black_box(bare.get(key).is_some())
                }));
                all.library.push(timed(threads, calls, &keys, |key| {
                    black_box(at_once(forewarm.get(key)).flatten().is_some())
                }));
                settle(&forewarm).await;
                all.at_hand.push(timed(threads, calls, &keys, |key| {
                    black_box(forewarm.get_if_cached(key).is_some())
                }));
                settle(&forewarm).await;
                // What the learner, which asks L1 for the partners of what it hears, takes from a reader.
                let quiet = |mode| forewarm.set_mode(None, ChainMode { mode, percent: 100 });
                quiet(Mode::Off);
                all.alone.push(timed(threads, calls, &keys, |key| {
                    black_box(forewarm.get_if_cached(key).is_some())
                }));
                quiet(Mode::On);
                settle(&forewarm).await;
                #[cfg(feature = "peers")]
                all.moka.push(timed(threads, calls, &keys, |key| {
                    black_box(moka.get(key).is_some())
                }));
            }
            all.show(threads);
        }
        forewarm.shutdown().await;
        Ok(())
    })
}

/// What a future says that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = Result<T, LookupError>>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found.ok(),
        Poll::Pending => None,
    }
}

#[derive(Default)]
struct Figures {
    bare: Vec<f64>,
    library: Vec<f64>,
    at_hand: Vec<f64>,
    alone: Vec<f64>,
    moka: Vec<f64>,
}

impl Figures {
    fn show(&self, threads: usize) {
        let (bare, library, moka) = (
            median(&self.bare),
            median(&self.library),
            median(&self.moka),
        );
        let at_hand = median(&self.at_hand);
        let on = match threads {
            1 => "one thread".to_owned(),
            n => format!("{n} threads, each"),
        };
        Row::plain(format!("`get` of a bare quick_cache, {on}"), shown(bare));
        Row::judged(
            format!("hit of L1 through the library, `get_if_cached`, {on}"),
            format!("{}, {:.2} × quick_cache", shown(at_hand), at_hand / bare),
            "≤ 1.5 × quick_cache",
            at_hand <= 1.5 * bare,
        );
        let alone = median(&self.alone);
        Row::plain(
            format!("the same with warming off: nobody chooses beside it, {on}"),
            format!("{}, {:.2} × quick_cache", shown(alone), alone / bare),
        );
        Row::judged(
            format!("`get`, which can wait for L2, {on}"),
            format!("{}, {:.2} × quick_cache", shown(library), library / bare),
            "≤ 1.5 × quick_cache",
            library <= 1.5 * bare,
        );
        if !moka.is_nan() {
            Row::plain(
                format!("`get` of moka against the bare quick_cache, {on}"),
                format!("{:.1} × as long", moka / bare),
            );
            Row::judged(
                format!("`get` of moka, {on}"),
                format!("{}, {:.1} × `get_if_cached`", shown(moka), moka / at_hand),
                "≥ 4 × the library",
                moka >= 4.0 * at_hand,
            );
        }
    }
}

/// Nanoseconds a call on each of `threads`.
fn timed(threads: usize, calls: u64, keys: &[Key], get: impl Fn(&Key) -> bool + Sync) -> f64 {
    let one = |seed: u64| {
        let mut draw = Draw::new(seed + 1);
        let mut hits = 0;
        let each = per_call(calls, || {
            hits += u64::from(get(&keys[draw.below(keys.len())]));
        });
        assert_eq!(hits, calls, "only hits are timed");
        each
    };
    if threads == 1 {
        return one(0);
    }
    let each: Vec<f64> = std::thread::scope(|scope| {
        let one = &one;
        let running: Vec<_> = (0..threads as u64)
            .map(|n| scope.spawn(move || one(n)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("it only reads"))
            .collect()
    });
    each.iter().sum::<f64>() / each.len() as f64
}
