//! What every rule must hold, whatever it prefers.

use std::collections::HashSet;
use std::time::Duration;

use forewarm_domain::selection::rank;
use forewarm_domain::{Association, Candidate, SelectionStrategy, WindowStatistics};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fixture::{NOW, Neighbours, PAIRS, context, pair, partner, select, select_in};
use crate::{StrategyKind, build_default};

/// A question: partners (each pair once), the network behind them, a cap.
#[derive(Debug)]
struct Question {
    partners: Vec<Association>,
    network: Neighbours,
    cap: usize,
}

impl Question {
    fn ask(&self, rule: &dyn SelectionStrategy) -> Vec<Candidate> {
        select_in(rule, &self.partners, &self.network, self.cap)
    }
}

/// Scores with many ties and many at the default floors.
fn scores() -> impl Strategy<Value = f32> {
    prop_oneof![
        0.0_f32..=1.0,
        prop::sample::select(vec![0.0, 0.2, 0.3, 0.5, 1.0])
    ]
}

fn questions() -> impl Strategy<Value = Question> {
    let partners = vec((0..PAIRS, scores(), 0.0_f32..40.0, 0_u64..120), 0..40);
    let edges = vec((0..PAIRS, 0..PAIRS, scores()), 0..200);
    (partners, edges, 0_usize..20).prop_map(|(partners, edges, cap)| {
        let mut seen = HashSet::new();
        let partners = partners
            .into_iter()
            .filter(|(number, ..)| seen.insert(*number))
            .map(|(number, score, support, age)| Association {
                support,
                last_seen: NOW - Duration::from_secs(age),
                ..partner(number, score)
            })
            .collect();
        Question {
            partners,
            network: Neighbours::new(&edges),
            cap,
        }
    })
}

/// Windows as they come, the impossible and the overwhelming included.
fn windows() -> impl Strategy<Value = Vec<WindowStatistics>> {
    let count = || prop_oneof![0_u64..300, Just(0), Just(u64::MAX)];
    let window = (count(), count(), count(), count(), count(), count()).prop_map(
        |(lookups, hits, useful, late, wasted, over_budget)| WindowStatistics {
            lookups,
            hits,
            warmed: useful.saturating_add(wasted),
            useful,
            late,
            wasted,
            over_budget,
        },
    );
    vec(window, 0..40)
}

/// Every rule after it has lived through `windows`.
fn every_rule(windows: &[WindowStatistics]) -> Vec<Box<dyn SelectionStrategy>> {
    let mut rules: Vec<_> = StrategyKind::ALL.into_iter().map(build_default).collect();
    for rule in &mut rules {
        windows.iter().for_each(|window| rule.observe(window));
    }
    rules
}

/// The least score in force.
fn floor(rule: &dyn SelectionStrategy) -> f32 {
    let parameters = rule.parameters();
    let named = |name| parameters.iter().find(|(n, _)| *n == name);
    let (_, floor) = named("floor").or(named("min_score")).unwrap();
    *floor as f32
}

proptest! {
    #[test]
    fn the_best_come_first_each_once_and_no_more_than_allowed(
        question in questions(), windows in windows()
    ) {
        for rule in every_rule(&windows) {
            let chosen = question.ask(&*rule);
            let name = rule.name();
            prop_assert!(chosen.len() <= question.cap.min(rule.max_pairs()), "{name}");
            let mut ranked = chosen.clone();
            rank(&mut ranked, usize::MAX);
            prop_assert_eq!(&chosen, &ranked, "{}", name);
            let pairs: HashSet<_> = chosen.iter().map(|c| c.pair).collect();
            prop_assert_eq!(pairs.len(), chosen.len(), "{}", name);
            prop_assert!(chosen.iter().all(|c| (0.0..=1.0).contains(&c.score)), "{name}");
        }
    }

    #[test]
    fn the_same_question_gets_the_same_answer(
        question in questions(), other in questions(), windows in windows()
    ) {
        for rule in every_rule(&windows) {
            let (copy, parameters) = (rule.boxed_clone(), rule.parameters());
            let first = question.ask(&*rule);
            other.ask(&*rule);
            prop_assert_eq!(&question.ask(&*rule), &first, "{}", rule.name());
            prop_assert_eq!(&question.ask(&*copy), &first, "{}", rule.name());
            prop_assert_eq!(rule.parameters(), parameters);
        }
    }

    #[test]
    fn the_order_of_the_partners_does_not_matter(
        mut question in questions(), windows in windows()
    ) {
        let rules = every_rule(&windows);
        let answers: Vec<_> = rules.iter().map(|rule| question.ask(&**rule)).collect();
        question.partners.reverse();
        for (rule, answer) in rules.iter().zip(answers) {
            let pairs = |chosen: &[Candidate]| -> Vec<_> {
                chosen.iter().map(|c| (c.pair, c.score)).collect()
            };
            prop_assert_eq!(pairs(&question.ask(&**rule)), pairs(&answer), "{}", rule.name());
        }
    }

    #[test]
    fn who_does_not_read_scores_chooses_the_same_without_them(
        mut question in questions(), windows in windows()
    ) {
        let rules = every_rule(&windows);
        let spared: Vec<_> = rules.iter().filter(|rule| !rule.reads_scores()).collect();
        prop_assert!(spared.iter().any(|rule| rule.name() == "adaptive"));
        let answers: Vec<_> = spared.iter().map(|rule| question.ask(&***rule)).collect();
        for partner in &mut question.partners {
            (partner.score, partner.lift) = (0.0, 0.0);
        }
        for (rule, answer) in spared.iter().zip(answers) {
            prop_assert_eq!(question.ask(&***rule), answer, "{}", rule.name());
        }
    }

    #[test]
    fn a_smaller_cap_gives_the_first_of_what_a_larger_one_gives(
        mut question in questions(), windows in windows(), less in 0_usize..20
    ) {
        for rule in every_rule(&windows) {
            question.cap = 20;
            let all = question.ask(&*rule);
            question.cap = less;
            prop_assert_eq!(question.ask(&*rule), &all[..less.min(all.len())], "{}", rule.name());
        }
    }

    #[test]
    fn what_the_vector_held_is_left_as_it_was(question in questions(), windows in windows()) {
        let mut other = question.partners.iter().rev();
        let mut held: Vec<Candidate> = Vec::new();
        held.extend(other.by_ref().take(3).map(crate::shortlist::as_partner));
        for rule in every_rule(&windows) {
            let mut chosen = held.clone();
            let asked = context(&question.partners, &question.network, question.cap);
            rule.select(&asked, &mut chosen);
            prop_assert_eq!(&chosen[..held.len()], &held[..], "{}", rule.name());
            prop_assert_eq!(&chosen[held.len()..], &question.ask(&*rule)[..], "{}", rule.name());
        }
    }

    #[test]
    fn nobody_below_the_floor_is_chosen(question in questions(), windows in windows()) {
        for rule in every_rule(&windows) {
            // The floor is printed with six digits.
            let floor = floor(&*rule) - 1e-6;
            let weak: HashSet<_> = question.partners.iter().filter(|p| p.score < floor)
                .map(|p| p.pair).collect();
            let question = Question {
                partners: question.partners.clone(), network: Neighbours::default(), cap: 20
            };
            let chosen = question.ask(&*rule);
            prop_assert!(chosen.iter().all(|c| !weak.contains(&c.pair)), "{}", rule.name());
        }
    }

    #[test]
    fn what_does_not_learn_does_not_change(question in questions(), windows in windows()) {
        for (fresh, lived) in every_rule(&[]).iter().zip(every_rule(&windows)) {
            if lived.name() != "adaptive" {
                prop_assert_eq!(fresh.parameters(), lived.parameters());
                prop_assert_eq!(question.ask(&**fresh), question.ask(&*lived));
            }
        }
    }
}

#[test]
fn thresholds_are_inclusive() {
    for rule in every_rule(&[]) {
        let floor = floor(&*rule);
        let at = select(&*rule, &[partner(1, floor)], 10);
        assert_eq!(at.len(), 1, "{}", rule.name());
        assert_eq!(at[0].pair, pair(1));
        let below = select(&*rule, &[partner(1, floor.next_down())], 10);
        assert_eq!(below, [], "{}", rule.name());
    }
}

#[test]
fn every_rule_fills_what_it_may_and_a_cap_of_zero_leaves_nothing() {
    let partners: Vec<_> = (0..40).map(|n| partner(n, 1.0)).collect();
    for rule in every_rule(&[]) {
        let name = rule.name();
        assert!(rule.max_pairs() >= 1, "{name}");
        if name != "adaptive" {
            let all = select(&*rule, &partners, usize::MAX);
            assert_eq!(all.len(), rule.max_pairs(), "{name}");
        }
        assert_eq!(select(&*rule, &partners, 2).len(), 2, "{name}");
        assert_eq!(select(&*rule, &partners, 0), [], "{name}");
    }
}

#[test]
fn a_score_that_is_not_a_number_is_never_chosen() {
    let network = Neighbours::new(&[(2, 3, f32::NAN)]);
    for rule in every_rule(&[]) {
        let partners = [partner(1, f32::NAN), partner(2, 1.0)];
        let chosen = select_in(&*rule, &partners, &network, 10);
        let pairs: Vec<_> = chosen.iter().map(|c| c.pair).collect();
        assert_eq!(pairs, [pair(2)], "{}", rule.name());
    }
}
