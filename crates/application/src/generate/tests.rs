use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

fn config(events: u64) -> GenerateConfig {
    GenerateConfig {
        events,
        ..GenerateConfig::default()
    }
}

fn events(profile: Profile, config: GenerateConfig) -> Vec<Generated> {
    Generator::new(profile, config).collect()
}

/// FNV-1a over the recording as text.
fn fingerprint(profile: Profile, config: GenerateConfig) -> u64 {
    let mut generator = Generator::new(profile, config);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while let Some(event) = generator.next() {
        let chain = generator.chain_name(event.chain);
        let pair = generator.pair_name(event.pair);
        let line = format!(
            "{},{chain},{pair},{:?},{:?}\n",
            event.at.as_millis(),
            event.op,
            event.version
        );
        for byte in line.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let found = Profile::ALL.map(|profile| (profile.name(), fingerprint(profile, config(20_000))));
    // Recordings that people keep depend on these: a change here is a change of the format.
    let expected = [
        ("market", 0x3824_2e18_f836_cf9e),
        ("null", 0x48ec_bfb3_9e52_0c21),
        ("bursts", 0x080b_45d9_b8c1_0473),
        ("flip", 0x7432_a829_1c84_570a),
        ("scan", 0xdcd8_dd83_c4c2_cb2a),
        ("zipf", 0x5de4_d028_0a2d_22bf),
    ];
    assert_eq!(found, expected);
    let other = GenerateConfig {
        seed: 2,
        ..config(20_000)
    };
    assert_ne!(fingerprint(Profile::Market, other), expected[0].1);
}

#[test]
fn times_never_go_back_and_the_number_of_events_is_exact() {
    for profile in Profile::ALL {
        for pairs in [1, 2, 3, 50, 2_000] {
            let config = GenerateConfig {
                pairs,
                ..config(10_000)
            };
            let start = Timestamp::from_millis(config.start_ms);
            let events = events(profile, config);
            assert_eq!(events.len(), 10_000, "{profile} of {pairs}");
            assert!(events[0].at >= start);
            assert!(
                events.is_sorted_by_key(|event| event.at),
                "{profile} of {pairs}"
            );
        }
    }
}

#[test]
fn a_config_without_chains_or_pairs_still_generates() {
    let empty = GenerateConfig {
        pairs: 0,
        chains: Vec::new(),
        ..config(100)
    };
    let mut generator = Generator::new(Profile::Market, empty);
    assert_eq!(generator.by_ref().count(), 100);
    assert_eq!(
        (generator.chain_name(0), generator.pairs().count()),
        ("default", 1)
    );
}

#[test]
fn pairs_have_one_chain_and_distinct_lower_case_names() {
    for profile in Profile::ALL {
        let mut generator = Generator::new(profile, config(50_000));
        let mut names: BTreeMap<(u16, String), u32> = BTreeMap::new();
        while let Some(event) = generator.next() {
            let name = generator.pair_name(event.pair).into_owned();
            assert_eq!(name, name.to_lowercase());
            let pair = *names.entry((event.chain, name)).or_insert(event.pair);
            assert_eq!(pair, event.pair, "two pairs of one name");
        }
    }
}

#[test]
fn updates_and_reads_are_there_as_the_profile_says() {
    for (profile, updates) in [
        (Profile::Market, 0.08..0.3),
        (Profile::Null, 0.4..0.6),
        (Profile::Bursts, 0.45..0.55),
        (Profile::Flip, 0.45..0.55),
        (Profile::Scan, 0.05..0.25),
        (Profile::Zipf, 0.0..0.001),
    ] {
        let events = events(profile, config(100_000));
        let share = events.iter().filter(|e| e.op == Op::Update).count() as f64 / 1e5;
        assert!(updates.contains(&share), "{profile}: {share}");
        for event in &events {
            assert_eq!(event.version.is_some(), event.op == Op::Update);
        }
    }
}

/// P(one of `targets` is read within 20 ms of an update of the source) over what chance gives:
/// (reads of the target) / (all time) × 20 ms, summed over every pair of pairs in `pairs`.
fn lift(events: &[Generated], pairs: &dyn Fn(u32, u32) -> bool) -> f64 {
    const WINDOW_US: u64 = 20_000;
    let span = events.last().unwrap().at.since(events[0].at).as_micros() as f64;
    let mut updates: BTreeMap<u32, f64> = BTreeMap::new();
    let mut reads: BTreeMap<u32, f64> = BTreeMap::new();
    let mut open: VecDeque<&Generated> = VecDeque::new();
    let mut together = 0.0;
    for event in events {
        while open
            .front()
            .is_some_and(|e| event.at.since(e.at).as_micros() as u64 > WINDOW_US)
        {
            open.pop_front();
        }
        if event.op == Op::Update {
            *updates.entry(event.pair).or_default() += 1.0;
            open.push_back(event);
        } else {
            *reads.entry(event.pair).or_default() += 1.0;
            together += open.iter().filter(|e| pairs(e.pair, event.pair)).count() as f64;
        }
    }
    let mut expected = 0.0;
    for (source, n) in &updates {
        for (target, m) in &reads {
            if pairs(*source, *target) {
                expected += n * m * WINDOW_US as f64 / span;
            }
        }
    }
    together / expected
}

#[test]
fn null_has_no_co_occurrence_beyond_chance_and_the_planted_profiles_have() {
    let everything = |_, _| true;
    let others = |a, b| a != b;
    let null = events(
        Profile::Null,
        GenerateConfig {
            pairs: 300,
            ..config(200_000)
        },
    );
    for lift in [lift(&null, &everything), lift(&null, &others)] {
        assert!((lift - 1.0).abs() < 0.03, "lift {lift}");
    }
    for profile in [Profile::Market, Profile::Bursts] {
        let events = events(
            profile,
            GenerateConfig {
                pairs: 300,
                ..config(200_000)
            },
        );
        assert!(
            lift(&events, &others) > 5.0,
            "{profile} has nothing to learn"
        );
    }
}

#[test]
fn the_detector_reads_3_ms_after_an_update() {
    let events = events(Profile::Market, config(50_000));
    let reads: BTreeSet<(u64, u32)> = events
        .iter()
        .filter(|e| e.op == Op::Read)
        .map(|e| (e.at.as_micros(), e.pair))
        .collect();
    let last = events.last().unwrap().at.as_micros() - 10_000;
    for update in events
        .iter()
        .filter(|e| e.op == Op::Update && e.at.as_micros() < last)
    {
        assert!(reads.contains(&(update.at.as_micros() + 3_000, update.pair)));
    }
}

#[test]
fn one_read_of_a_market_in_ten_is_background() {
    // Background reads are those that no update explains: replay the detector's look-ups.
    let mut due: BTreeSet<u64> = BTreeSet::new();
    let (mut explained, mut reads) = (0.0, 0.0);
    for event in events(Profile::Market, config(200_000)) {
        let at = event.at.as_micros();
        if event.op == Op::Update {
            due.extend((0..20).map(|n| at + 3_000 + 50 * n));
        } else {
            reads += 1.0;
            explained += f64::from(u8::from(due.contains(&at)));
        }
    }
    let background = 1.0 - explained / reads;
    assert!((0.08..0.12).contains(&background), "{background}");
}

/// Of the pairs read most often within 20 ms of a pair's updates in `a`, the share that is so in `b`.
fn agreement(a: &[Generated], b: &[Generated]) -> f64 {
    let partners = |events: &[Generated]| {
        let mut counts: BTreeMap<u32, BTreeMap<u32, u32>> = BTreeMap::new();
        let mut open: VecDeque<&Generated> = VecDeque::new();
        for event in events {
            while open
                .front()
                .is_some_and(|e| event.at.since(e.at).as_micros() > 20_000)
            {
                open.pop_front();
            }
            if event.op == Op::Update {
                open.push_back(event);
            } else {
                for source in open.iter().filter(|e| e.pair != event.pair) {
                    *counts
                        .entry(source.pair)
                        .or_default()
                        .entry(event.pair)
                        .or_default() += 1;
                }
            }
        }
        let best =
            |row: BTreeMap<u32, u32>| row.into_iter().max_by_key(|(_, n)| *n).map(|(p, _)| p);
        counts
            .into_iter()
            .map(|(pair, row)| (pair, best(row)))
            .collect::<BTreeMap<_, _>>()
    };
    let together = |events: &[Generated]| {
        let mut seen: BTreeSet<(u32, u32)> = BTreeSet::new();
        for (pair, best) in partners(events) {
            seen.extend(best.map(|best| (pair, best)));
        }
        seen
    };
    let (a, b) = (together(a), together(b));
    a.intersection(&b).count() as f64 / a.len().min(b.len()) as f64
}

#[test]
fn associations_flip_half_way_and_stay_in_bursts() {
    let small = || GenerateConfig {
        pairs: 120,
        chains: vec!["bsc".into()],
        ..config(100_000)
    };
    let halves = |profile| {
        let events = events(profile, small());
        agreement(&events[..50_000], &events[50_200..])
    };
    let (bursts, flip) = (halves(Profile::Bursts), halves(Profile::Flip));
    // Within a group all members tie, so even an unchanged group's favourite is one of many.
    assert!(bursts > 2.0 * flip, "bursts {bursts}, flip {flip}");
    let [a, b] = [Profile::Bursts, Profile::Flip].map(|profile| events(profile, small()));
    assert_eq!(a[..50_000], b[..50_000], "the same until then");
}

#[test]
fn a_scans_keys_are_read_once_and_never_again() {
    let config = config(100_000);
    let pairs = config.pairs;
    let mut seen = BTreeMap::new();
    for event in events(Profile::Scan, config) {
        if event.pair >= pairs {
            assert_eq!(event.op, Op::Read);
            *seen.entry(event.pair).or_insert(0) += 1;
        }
    }
    assert!(
        (20_000..=25_000).contains(&seen.len()),
        "{} keys",
        seen.len()
    );
    assert!(seen.values().all(|n| *n == 1));
}

#[test]
fn popular_pairs_are_popular() {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for event in events(Profile::Zipf, config(100_000)) {
        *counts.entry(event.pair).or_default() += 1;
    }
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    // r^-0.9 over 2,000 ranks: the first has 1 / 11.9 of the reads, the tenth 1 / 94.
    let weights: f64 = (1..=2_000).map(|r| f64::from(r).powf(-0.9)).sum();
    let top = f64::from(counts[0]) * weights / 1e5;
    assert!((top - 1.0).abs() < 0.05, "{top}");
    assert!(counts.len() > 1_500);
}

#[test]
fn profiles_parse_by_the_names_they_print() {
    for profile in Profile::ALL {
        assert_eq!(profile.to_string().parse(), Ok(profile));
    }
    assert!("noise".parse::<Profile>().is_err());
}
