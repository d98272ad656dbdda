use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn key(n: u32) -> Key {
    Key::new(format!("k{n}"), 0, ChainId::DEFAULT)
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn cached(text: &str, version: Option<u64>) -> Cached {
    Cached {
        value: Bytes::copy_from_slice(text.as_bytes()),
        version: version.map(Version),
        loaded_at: at(0),
        expires_at: Timestamp::MAX,
        ending: Ending::Unknown,
    }
}

fn cache(entries: u64) -> QuickCache {
    QuickCache::new(Capacity::Entries(entries), 0)
}

fn held(l1: &QuickCache, n: u32) -> Option<String> {
    let found = l1.peek(&key(n), at(1))?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

#[test]
fn an_older_version_never_replaces_a_newer_one_whoever_brings_it() {
    for placement in [
        Placement::Demand,
        Placement::Update,
        Placement::Refresh,
        Placement::Warm,
    ] {
        let l1 = cache(10);
        l1.place(&key(1), cached("new", Some(7)), Placement::Demand);
        assert!(!l1.place(&key(1), cached("old", Some(6)), placement).placed);
        assert!(!l1.place(&key(1), cached("same", Some(7)), placement).placed);
        assert_eq!(held(&l1, 1).as_deref(), Some("new"), "{placement:?}");
    }
}

#[test]
fn a_warm_never_replaces_a_fresh_copy_of_unknown_age() {
    let l1 = cache(10);
    l1.place(&key(1), cached("read by demand", None), Placement::Demand);
    assert!(
        !l1.place(&key(1), cached("warm", None), Placement::Warm)
            .placed
    );
    assert!(
        !l1.place(&key(1), cached("warm", Some(9)), Placement::Warm)
            .placed
    );
}

#[test]
fn a_stale_copy_is_not_served_and_remembers_the_least_acceptable_version() {
    let l1 = cache(10);
    l1.place(&key(1), cached("v5", Some(5)), Placement::Demand);
    l1.mark_stale(&key(1), Some(Version(4)));
    assert_eq!(
        held(&l1, 1).as_deref(),
        Some("v5"),
        "an older update changes nothing"
    );
    l1.mark_stale(&key(1), Some(Version(8)));
    assert_eq!(l1.get(&key(1), at(1)), LocalLookup::Miss);
    assert!(
        !l1.place(&key(1), cached("v7", Some(7)), Placement::Warm)
            .placed
    );
    assert!(
        l1.place(&key(1), cached("v8", Some(8)), Placement::Warm)
            .placed
    );
    assert_eq!(held(&l1, 1).as_deref(), Some("v8"));
}

#[test]
fn the_first_read_of_a_warm_is_said_once() {
    let l1 = cache(10);
    l1.place(&key(1), cached("w", None), Placement::Warm);
    l1.peek(&key(1), at(1));
    let first = |l1: &QuickCache| match l1.get(&key(1), at(1)) {
        LocalLookup::Hit {
            first_read_of_warm, ..
        } => first_read_of_warm,
        other => panic!("{other:?}"),
    };
    assert!(first(&l1));
    assert!(!first(&l1));
}

#[test]
fn an_expired_copy_is_dropped_at_its_moment_and_says_whether_it_was_unread() {
    let l1 = cache(10);
    let value = Cached {
        expires_at: at(100),
        ..cached("x", None)
    };
    l1.place(&key(1), value.clone(), Placement::Warm);
    assert!(l1.peek(&key(1), at(99)).is_some());
    assert!(l1.peek(&key(1), at(100)).is_none());
    assert_eq!(
        l1.get(&key(1), at(100)),
        LocalLookup::Expired { unread: true }
    );
    assert_eq!(l1.get(&key(1), at(100)), LocalLookup::Miss);
}

#[test]
fn a_warm_takes_the_place_of_an_expired_copy_but_not_with_an_older_version() {
    let l1 = cache(10);
    let old = Cached {
        expires_at: at(100),
        ..cached("old", Some(5))
    };
    l1.place(&key(1), old, Placement::Warm);
    let fetched = |text, version| Cached {
        loaded_at: at(100),
        ..cached(text, Some(version))
    };
    assert!(
        !l1.place(&key(1), fetched("older", 4), Placement::Warm)
            .placed
    );
    let placed = l1.place(&key(1), fetched("same", 5), Placement::Warm);
    assert!(placed.placed && placed.overwrote_unread);
    assert!(l1.peek(&key(1), at(200)).is_some());
}

#[test]
fn losing_an_unread_copy_is_reported_by_whatever_ends_it() {
    let l1 = cache(10);
    let warm = |n| l1.place(&key(n), cached("w", None), Placement::Warm);
    warm(1);
    assert!(l1.mark_stale(&key(1), None));
    warm(2);
    assert!(l1.remove(&key(2)));
    warm(3);
    assert!(
        l1.place(&key(3), cached("d", None), Placement::Update)
            .overwrote_unread
    );
    warm(4);
    assert_eq!(l1.clear(), vec![key(4)]);
}

#[test]
fn a_refresh_touches_only_what_is_resident() {
    let l1 = cache(10);
    assert!(
        !l1.place(&key(1), cached("x", None), Placement::Refresh)
            .placed
    );
    l1.place(&key(1), cached("x", None), Placement::Demand);
    assert!(
        l1.place(&key(1), cached("y", None), Placement::Refresh)
            .placed
    );
    assert_eq!(held(&l1, 1).as_deref(), Some("y"));
}

#[test]
fn bytes_are_bounded_and_a_value_too_large_is_refused_not_served_stale() {
    let l1 = QuickCache::new(Capacity::Bytes(1 << 20), 1);
    l1.place(&key(1), cached("small", None), Placement::Demand);
    let huge = "x".repeat(2 << 20);
    assert!(
        !l1.place(&key(1), cached(&huge, None), Placement::Demand)
            .placed
    );
    assert_eq!(held(&l1, 1), None);
    for n in 0..10_000 {
        l1.place(&key(n), cached(&"v".repeat(500), None), Placement::Demand);
        assert!(l1.usage().weight <= 1 << 20);
    }
    assert!(l1.usage().weight > 1 << 19);
}

#[derive(Debug, Clone)]
enum Step {
    Get(u32),
    Place(u32, Option<u64>, u8),
    Stale(u32, Option<u64>),
    Remove(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let version = prop::option::of(1_u64..6);
    let step = prop_oneof![
        (0_u32..12).prop_map(Step::Get),
        (0_u32..12, version.clone(), 0_u8..4).prop_map(|(k, v, p)| Step::Place(k, v, p)),
        (0_u32..12, version).prop_map(|(k, v)| Step::Stale(k, v)),
        (0_u32..12).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    /// Whatever happens, what is served is the last value placed, every unread warm ends
    /// exactly once, and the capacity holds.
    #[test]
    fn warms_end_once_and_only_the_last_value_is_served(steps in steps(), capacity in 1_u64..8) {
        let l1 = cache(capacity);
        let (mut warmed, mut ended, mut stamp) = (0_u32, 0_u32, 0_u32);
        let mut last: HashMap<u32, Option<String>> = HashMap::new();
        for step in steps {
            stamp += 1;
            match step {
                Step::Get(k) => match l1.get(&key(k), at(1)) {
                    LocalLookup::Hit { cached, first_read_of_warm } => {
                        let text = String::from_utf8(cached.value.to_vec()).unwrap();
                        prop_assert_eq!(Some(&Some(text)), last.get(&k));
                        ended += u32::from(first_read_of_warm);
                    }
                    LocalLookup::Miss => {}
                    LocalLookup::Expired { .. } => prop_assert!(false, "nothing expires here"),
                },
                Step::Place(k, version, p) => {
                    let placement = [
                        Placement::Demand, Placement::Update, Placement::Refresh, Placement::Warm,
                    ][usize::from(p)];
                    let text = stamp.to_string();
                    let placed = l1.place(&key(k), cached(&text, version), placement);
                    ended += u32::from(placed.overwrote_unread);
                    ended += placed.evicted.iter().filter(|left| left.unread).count() as u32;
                    if placed.placed {
                        warmed += u32::from(placement == Placement::Warm);
                        last.insert(k, Some(text));
                    }
                }
                Step::Stale(k, version) => {
                    let before = l1.peek(&key(k), at(1));
                    ended += u32::from(l1.mark_stale(&key(k), version.map(Version)));
                    if before.is_some() && l1.peek(&key(k), at(1)).is_none() {
                        last.insert(k, None);
                    }
                }
                Step::Remove(k) => ended += u32::from(l1.remove(&key(k))),
            }
            prop_assert!(l1.usage().entries as u64 <= capacity);
        }
        ended += l1.clear().len() as u32;
        prop_assert_eq!(warmed, ended);
        prop_assert_eq!(l1.kept.load(Ordering::Relaxed), 0, "as many let go as kept");
    }
}

#[test]
fn a_small_cache_keeps_an_unread_warm_until_it_is_read_and_never_more_than_half() {
    let l1 = cache(20);
    for n in 0..20 {
        l1.place(&key(n), cached("demand", None), Placement::Demand);
    }
    for n in 100..120 {
        l1.place(&key(n), cached("warm", None), Placement::Warm);
    }
    assert_eq!(l1.kept.load(Ordering::Relaxed), 10);
    for n in 200..300 {
        l1.place(&key(n), cached("demand", None), Placement::Demand);
    }
    let there = |n| l1.peek(&key(n), at(1)).is_some();
    assert!(
        (100..110).all(there),
        "the first ten warms outlive 100 others"
    );
    assert!(!(110..120).any(there), "the others were ordinary newcomers");
    for n in 100..110 {
        l1.get(&key(n), at(1));
    }
    assert_eq!(
        l1.kept.load(Ordering::Relaxed),
        0,
        "read, they are like any other"
    );
}

#[test]
fn a_plain_look_up_answers_only_fresh_copies_that_have_been_read_before() {
    let l1 = cache(10);
    let plain = |n: u32, now| {
        let key = key(n);
        let name = KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        };
        let mut shown = None;
        l1.glance(name, at(now), &mut |copy| shown = Some(copy.value.clone()));
        shown
    };
    assert_eq!(plain(1, 0), None, "it is not there");
    l1.place(&key(1), cached("warmed", None), Placement::Warm);
    assert_eq!(plain(1, 0), None, "its first read must be told");
    l1.get(&key(1), at(0));
    assert_eq!(plain(1, 0), Some(Bytes::from_static(b"warmed")));
    let ending = Cached {
        expires_at: at(100),
        ..cached("ends", None)
    };
    l1.place(&key(2), ending, Placement::Demand);
    assert!(plain(2, 99).is_some() && plain(2, 100).is_none());
    l1.mark_stale(&key(1), None);
    assert_eq!(plain(1, 0), None, "it is stale");
}

#[test]
fn the_draw_of_a_key_is_one_and_even_in_every_shard() {
    let l1 = QuickCache::new(Capacity::Bytes(64 << 20), 7);
    let mut drawn = HashMap::<usize, (u32, u32)>::new();
    for n in 0..16_000 {
        let key = key(n);
        l1.place(&key, cached("v", None), Placement::Demand);
        let name = KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        };
        let mut draw = None;
        l1.glance(name, at(0), &mut |copy| draw = Some(copy.draw));
        let draw = draw.expect("it is there");
        assert_eq!(draw, l1.draw(name), "whoever asks");
        let shard = l1.shards.read(&l1.shards.probe(name));
        let of_shard = drawn
            .entry(std::ptr::from_ref(&*shard) as usize)
            .or_default();
        of_shard.0 += 1;
        of_shard.1 += u32::from(draw.is_multiple_of(16));
    }
    assert!(drawn.len() >= 4, "{} shards", drawn.len());
    for (keys, sampled) in drawn.into_values() {
        let one_in = f64::from(keys) / f64::from(sampled.max(1));
        assert!((12.0..21.0).contains(&one_in), "{sampled} of {keys}");
    }
}

#[test]
fn the_keys_of_a_chain_are_told_stale_ones_too() {
    let (mine, other) = (ChainId(1), ChainId(2));
    let on = |n: u32, chain| Key::new(n.to_be_bytes().to_vec(), 0, chain);
    let caches: [&dyn LocalCache; 2] = [
        // Many shards: all of them are walked.
        &QuickCache::new(Capacity::Bytes(1 << 20), 1),
        &LruCache::new(100),
    ];
    for l1 in caches {
        for n in 0..20 {
            let chain = if n < 15 { mine } else { other };
            l1.place(&on(n, chain), cached("v", None), Placement::Demand);
        }
        l1.mark_stale(&on(3, mine), None);
        let mut keys = l1.keys_of(mine);
        keys.sort();
        let wanted: Vec<Key> = (0..15).map(|n| on(n, mine)).collect();
        assert_eq!(keys, wanted);
        assert_eq!(l1.keys_of(other).len(), 5);
        assert!(l1.keys_of(ChainId(3)).is_empty());
    }
}
