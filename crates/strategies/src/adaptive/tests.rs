//! One row of the table at a time, then whole streams: a plant whose partners are worth
//! something or not.

use proptest::prelude::*;

use super::*;
use crate::fixture::{partner, select};

fn in_force(rule: &Adaptive) -> (f64, f64) {
    let parameters = rule.parameters();
    let value = |name| parameters.iter().find(|(n, _)| *n == name).unwrap().1;
    (value("pairs"), value("floor"))
}

fn window(hits: u64, useful: u64, wasted: u64, over_budget: u64) -> WindowStatistics {
    WindowStatistics {
        lookups: 100,
        hits,
        warmed: 20,
        useful,
        late: 0,
        wasted,
        over_budget,
    }
}

#[track_caller]
fn check(window: WindowStatistics, expected: (f64, f64)) {
    let mut rule = Adaptive::default();
    rule.observe(&window);
    assert_eq!(in_force(&rule), expected, "after {window:?}");
}

#[test]
fn each_kind_of_evidence_moves_what_the_table_says() {
    check(window(50, 0, 20, 0), (5.8, 0.33));
    check(window(99, 0, 20, 0), (5.8, 0.33));
    check(window(50, 20, 0, 6), (6.5, 0.33));
    check(window(97, 20, 0, 0), (7.2, 0.27));
    check(window(97, 10, 10, 0), (7.2, 0.27));
    check(window(97, 9, 11, 0), (5.8, 0.3));
    check(window(96, 20, 0, 0), (7.2, 0.27));
    check(window(50, 10, 10, 0), (7.2, 0.27));
    check(window(50, 10, 10, 1), (7.2, 0.27));
    check(window(50, 10, 10, 2), (6.5, 0.3));
    check(window(50, 20, 0, 5), (6.5, 0.3));
    check(window(50, 4, 16, 0), (7.2, 0.27));
    check(window(50, 2, 18, 0), (7.2, 0.27));
    check(window(50, 1, 19, 0), (6.5, 0.3));
}

#[test]
fn at_the_target_it_widens_towards_the_quiet_state_only_with_good_warms() {
    let check = |useful, wasted, expected| {
        let mut rule = Adaptive {
            pairs: 1.0,
            floor: 0.9,
            ..Adaptive::default()
        };
        rule.observe(&window(99, useful, wasted, 0));
        assert_eq!(in_force(&rule), expected, "{useful} useful, {wasted} not");
    };
    check(1, 19, (1.0, 0.9));
    check(2, 18, (1.7, 0.87));
}

#[test]
fn a_late_warm_was_well_chosen() {
    let late = WindowStatistics {
        late: 20,
        ..window(50, 0, 0, 0)
    };
    check(late, (7.2, 0.27));
}

#[test]
fn nothing_is_decided_without_evidence() {
    let unmoved = (6.5, 0.3);
    let good = window(50, 20, 0, 0);
    check(
        WindowStatistics {
            lookups: 63,
            ..good
        },
        unmoved,
    );
    check(WindowStatistics { useful: 15, ..good }, unmoved);
    check(WindowStatistics::default(), unmoved);
    let bad = window(50, 0, 20, 0);
    check(WindowStatistics { lookups: 63, ..bad }, unmoved);
    check(WindowStatistics { wasted: 15, ..bad }, unmoved);
}

#[test]
fn evidence_adds_up_over_small_windows() {
    let mut rule = Adaptive::default();
    let small = WindowStatistics {
        lookups: 16,
        hits: 8,
        warmed: 4,
        useful: 4,
        ..WindowStatistics::default()
    };
    for _ in 0..3 {
        rule.observe(&small);
        assert_eq!(in_force(&rule), (6.5, 0.3));
    }
    rule.observe(&small);
    assert_eq!(in_force(&rule), (7.2, 0.27));
}

#[test]
fn few_warms_are_judged_late_but_judged() {
    let mut rule = Adaptive::default();
    let sparse = WindowStatistics {
        lookups: 512,
        warmed: 5,
        wasted: 5,
        ..WindowStatistics::default()
    };
    // Until then it looks for more to judge.
    for floor in [0.21, 0.12, 0.03] {
        rule.observe(&sparse);
        assert_eq!(in_force(&rule), (6.5, floor));
    }
    rule.observe(&sparse);
    assert_eq!(in_force(&rule), (5.8, 0.06));
}

#[test]
fn one_wanted_beyond_the_budget_is_no_pressure() {
    let mut rule = Adaptive::default();
    rule.observe(&WindowStatistics {
        lookups: 1_000,
        over_budget: 15,
        ..WindowStatistics::default()
    });
    assert_eq!(
        in_force(&rule),
        (6.5, 0.21),
        "it starves, so it lowers the floor"
    );
}

/// A stream whose source has 32 partners with scores from 1/32 to 1, each worth `worth(score)`
/// useful warms a warm, asked `REQUESTS` times a window of 1,000 look-ups.
struct Plant<W> {
    worth: W,
    /// Hits without any warming.
    hits: f64,
    /// Warms allowed in a window.
    budget: usize,
}

const REQUESTS: usize = 20;

impl<W: Fn(f32) -> f64> Plant<W> {
    fn new(hits: f64, worth: W) -> Self {
        Self {
            worth,
            hits,
            budget: usize::MAX,
        }
    }

    /// What is in force after each of `windows` windows.
    fn run(&self, rule: &mut Adaptive, windows: usize) -> Vec<(f64, f64)> {
        (0..windows).map(|_| self.window(rule)).collect()
    }

    fn window(&self, rule: &mut Adaptive) -> (f64, f64) {
        let partners: Vec<_> = (0..32).map(|n| partner(n, (n + 1) as f32 / 32.0)).collect();
        let chosen = select(rule, &partners, 32);
        let wanted = chosen.len() * REQUESTS;
        let warmed = wanted.min(self.budget);
        let worth: f64 = chosen.iter().map(|c| (self.worth)(c.score)).sum();
        let share = worth / chosen.len().max(1) as f64;
        let useful = (share * warmed as f64).round();
        rule.observe(&WindowStatistics {
            lookups: 1_000,
            hits: (self.hits + useful).min(1_000.0) as u64,
            warmed: warmed as u64,
            useful: useful as u64,
            late: 0,
            wasted: warmed as u64 - useful as u64,
            over_budget: (wanted - warmed) as u64,
        });
        in_force(rule)
    }
}

fn spread(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().fold(0.0, f64::max) - values.fold(f64::MAX, f64::min)
}

/// The last `tail` stay within `pairs` and `floor` of each other.
fn assert_steady(history: &[(f64, f64)], tail: usize, pairs: f64, floor: f64) {
    let tail = &history[history.len() - tail..];
    assert!(spread(tail.iter().map(|t| t.0)) <= pairs, "{tail:?}");
    assert!(spread(tail.iter().map(|t| t.1)) <= floor, "{tail:?}");
}

proptest! {
    #[test]
    fn good_partners_and_misses_lead_to_all_pairs_and_the_lowest_floor(
        hits in 0.0_f64..700.0, worth in 0.2_f64..=1.0
    ) {
        let mut rule = Adaptive::default();
        let history = Plant::new(hits, |_| worth).run(&mut rule, 40);
        for held in &history[15..] {
            prop_assert_eq!(*held, (10.0, 0.02));
        }
    }

    #[test]
    fn useless_partners_lead_to_no_pairs_and_few_attempts(
        hits in 0.0_f64..1_000.0, worth in 0.0_f64..0.02
    ) {
        let mut rule = Adaptive::default();
        let history = Plant::new(hits, |_| worth).run(&mut rule, 1_000);
        prop_assert_eq!(history[8].0, 0.0);
        prop_assert!(history[8..].iter().all(|held| held.0 <= 1.0));
        let attempts = history[8..].iter().filter(|held| held.0 > 0.0).count();
        prop_assert!(attempts <= 20, "{attempts} of 1000 windows");
    }

    #[test]
    fn partners_that_become_good_are_found_again(useless in 10_usize..600) {
        let mut rule = Adaptive::default();
        Plant::new(300.0, |_| 0.0).run(&mut rule, useless);
        let history = Plant::new(300.0, |_| 0.9).run(&mut rule, 66 + 30);
        let (pairs, floor) = history[95];
        prop_assert_eq!(pairs, 10.0);
        prop_assert!(floor < 0.3, "{}", floor);
    }

    #[test]
    fn partners_that_become_useless_are_dropped(good in 0_usize..200) {
        let mut rule = Adaptive::default();
        Plant::new(300.0, |_| 0.9).run(&mut rule, good);
        let history = Plant::new(300.0, |_| 0.0).run(&mut rule, 15);
        prop_assert_eq!(history[14].0, 0.0);
    }

    #[test]
    fn at_the_target_it_settles_at_the_least_pairs_and_the_configured_floor(
        wide in 0_usize..30, worth in 0.21_f64..0.49
    ) {
        let mut rule = Adaptive::default();
        Plant::new(300.0, |_| 1.0).run(&mut rule, wide);
        let history = Plant::new(980.0, |_| worth).run(&mut rule, 30);
        for held in &history[20..] {
            prop_assert_eq!(*held, (3.0, 0.3));
        }
    }

    #[test]
    fn warms_of_which_every_other_one_is_read_are_not_given_up_for_the_target(
        worth in 0.51_f64..=1.0
    ) {
        let mut rule = Adaptive::default();
        let history = Plant::new(980.0, |_| worth).run(&mut rule, 40);
        prop_assert_eq!(history[39], (10.0, 0.02));
        prop_assert!(rule.continues(10) && !rule.continues(9));
    }

    #[test]
    fn a_target_within_reach_is_held_without_swinging(needed in 4.0_f64..9.0) {
        let mut rule = Adaptive::default();
        let worth = 0.4;
        let plant = Plant::new(970.0 - needed * REQUESTS as f64 * worth, |_| worth);
        let history = plant.run(&mut rule, 200);
        assert_steady(&history, 150, 1.5, 0.07);
        let (pairs, _) = history[199];
        prop_assert!((pairs - needed).abs() < 2.0, "{pairs} pairs, needed {needed}");
    }

    #[test]
    fn partners_good_only_when_strong_are_followed_only_then(edge in 0.2_f32..0.85) {
        let worth = |score| if score >= edge { 0.9 } else { 0.0 };
        let mut rule = Adaptive::default();
        let plant = Plant::new(300.0, worth);
        let history = plant.run(&mut rule, 400);
        assert_steady(&history, 100, 1.5, 0.07);
        prop_assert!(history[399].0 >= 1.0, "gave up on good partners: {:?}", history[399]);
    }

    #[test]
    fn a_small_budget_goes_to_the_best(budget in 20_usize..110) {
        let mut rule = Adaptive::default();
        let plant = Plant { budget, ..Plant::new(300.0, |_| 0.9) };
        let history = plant.run(&mut rule, 200);
        assert_steady(&history, 100, 0.0, 0.07);
        let (pairs, floor) = history[199];
        prop_assert!(pairs >= 6.5);
        prop_assert!(floor > 0.6, "{floor}");
    }

    #[test]
    fn whatever_happens_both_stay_within_their_bounds(
        min_pairs in 1_usize..5, more in 0_usize..8, min_score in 0.0_f32..=1.0,
        adjustment in 0.01_f32..=1.0, worth in proptest::collection::vec(0.0_f64..=1.0, 1..200)
    ) {
        let max_pairs = min_pairs + more;
        let mut rule = Adaptive::new(AdaptiveParameters {
            target_hit_rate: 0.97, min_pairs, max_pairs, min_score, adjustment,
        }).unwrap();
        let home = f64::from(min_score);
        for worth in worth {
            let (pairs, floor) = Plant::new(worth * 1_000.0, |_| worth).window(&mut rule);
            prop_assert!((0.0..=max_pairs as f64).contains(&pairs));
            prop_assert!(pairs == 0.0 || pairs >= 0.5);
            let range = home.min(0.02) - 1e-6..=home.max(0.9) + 1e-6;
            prop_assert!(range.contains(&floor), "{floor}");
        }
    }
}

#[test]
fn a_floor_that_nobody_passes_comes_down_to_the_lowest() {
    let mut rule = Adaptive::default();
    let waste = window(50, 0, 20, 0);
    for _ in 0..17 {
        rule.observe(&waste);
    }
    assert_eq!(in_force(&rule), (1.0, 0.9), "the first new attempt");
    let nothing = WindowStatistics {
        lookups: 512,
        ..WindowStatistics::default()
    };
    rule.observe(&nothing);
    assert_eq!(in_force(&rule), (1.0, 0.81));
    for _ in 0..20 {
        rule.observe(&nothing);
    }
    assert_eq!(in_force(&rule), (1.0, 0.02));
}

#[test]
fn a_floor_is_not_lowered_while_warms_are_still_under_way() {
    let mut rule = Adaptive {
        floor: 0.9,
        ..Adaptive::default()
    };
    rule.observe(&WindowStatistics {
        lookups: 512,
        warmed: 16,
        ..WindowStatistics::default()
    });
    assert_eq!(in_force(&rule), (6.5, 0.9));
}

#[test]
fn rests_grow_with_failures_and_shrink_with_success() {
    let mut rule = Adaptive::default();
    let history = Plant::new(300.0, |_| 0.0).run(&mut rule, 400);
    let attempts = |history: &[(f64, f64)]| -> Vec<usize> {
        let at = history.iter().enumerate().skip(9);
        at.filter(|(_, held)| held.0 == 1.0)
            .map(|(at, _)| at)
            .collect()
    };
    let gaps: Vec<_> = attempts(&history).windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(gaps[..5], [17, 33, 65, 65, 65]);
    Plant::new(300.0, |_| 0.9).run(&mut rule, 100);
    let again = Plant::new(300.0, |_| 0.0).run(&mut rule, 60);
    let first = attempts(&again)[0];
    let fell = again.iter().position(|held| held.0 == 0.0).unwrap();
    assert_eq!(first - fell, 8);
}

#[test]
fn without_misses_there_is_nothing_to_try_again_for() {
    let mut rule = Adaptive::default();
    let history = Plant::new(990.0, |_| 0.0).run(&mut rule, 300);
    assert!(history[10..].iter().all(|held| held.0 == 0.0));
}

#[test]
fn a_copy_goes_its_own_way_from_what_was_learned() {
    let mut rule = Adaptive::default();
    rule.observe(&window(50, 20, 0, 0));
    let mut copy = rule.boxed_clone();
    assert_eq!(copy.parameters(), rule.parameters());
    copy.observe(&window(50, 20, 0, 0));
    assert_ne!(copy.parameters(), rule.parameters());
}

#[test]
fn a_parameter_out_of_range_is_named() {
    let default = AdaptiveParameters::default();
    let check = |parameters, expected: &str| {
        let refused = Adaptive::new(parameters).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    };
    let parameters = AdaptiveParameters {
        target_hit_rate: 97.0,
        ..default
    };
    check(parameters, "target_hit_rate is 97, allowed is 0 to 1");
    let parameters = AdaptiveParameters {
        min_pairs: 11,
        ..default
    };
    check(parameters, "min_pairs is 11, allowed is 1 to max_pairs");
    let parameters = AdaptiveParameters {
        min_pairs: 0,
        ..default
    };
    check(parameters, "min_pairs");
    let parameters = AdaptiveParameters {
        max_pairs: 0,
        ..default
    };
    check(parameters, "max_pairs");
    let parameters = AdaptiveParameters {
        min_score: 2.0,
        ..default
    };
    check(parameters, "min_score");
    for adjustment in [0.0, -0.1, 1.1, f32::NAN] {
        let parameters = AdaptiveParameters {
            adjustment,
            ..default
        };
        check(parameters, "adjustment");
    }
}
