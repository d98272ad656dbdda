//! `aggressive`: wide and early, partners of partners included.

use std::mem;
use std::sync::Mutex;

use forewarm_domain::{Association, Candidate, Reason, SelectionContext, SelectionStrategy};

use crate::parameter::{InvalidParameter, readable, require_pairs, require_score};
use crate::shortlist::{append_best, at_or_above, rank_from};

/// How many of the strongest partners are followed to theirs: the reads of the network are
/// bounded, and a weak first step leaves a product that seldom passes the floor.
const FOLLOWED: usize = 4;

/// The parameters of [`Aggressive`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AggressiveParameters {
    /// The least score along the whole path, 0 to 1, inclusive; default 0.2.
    pub min_score: f32,
    /// The most pairs chosen, at least 1; default 12.
    pub max_pairs: usize,
}

impl Default for AggressiveParameters {
    fn default() -> Self {
        Self {
            min_score: 0.2,
            max_pairs: 12,
        }
    }
}

/// Partners, and the partners of the four strongest.
///
/// A second hop scores the product of its two steps; a pair reached in several ways keeps its
/// best score. The source is chosen only as its own partner, never by a second hop. Costs at
/// most four reads of the network and the comparison of their associations with the shortlist.
#[derive(Debug, Default)]
pub struct Aggressive {
    parameters: AggressiveParameters,
    spare: Spare,
}

impl Aggressive {
    /// The rule, or which parameter it cannot have.
    pub fn new(parameters: AggressiveParameters) -> Result<Self, InvalidParameter> {
        require_score("min_score", parameters.min_score)?;
        require_pairs("max_pairs", parameters.max_pairs)?;
        Ok(Self {
            parameters,
            spare: Spare::default(),
        })
    }

    /// Offers the partners of `first` to the shortlist that begins at `start`.
    fn follow(
        &self,
        first: Candidate,
        context: &SelectionContext<'_>,
        seconds: &[Association],
        (chosen, start): (&mut Vec<Candidate>, usize),
    ) {
        for second in seconds {
            let score = first.score * second.score;
            let passes = score >= self.parameters.min_score && second.pair != context.source;
            if !passes {
                continue;
            }
            let candidate = Candidate {
                pair: second.pair,
                score,
                reason: Reason::SecondHop,
            };
            let known = chosen[start..].iter_mut().find(|c| c.pair == second.pair);
            match known {
                Some(known) if known.score >= score => {}
                Some(known) => *known = candidate,
                None => chosen.push(candidate),
            }
        }
    }
}

impl SelectionStrategy for Aggressive {
    fn name(&self) -> &'static str {
        "aggressive"
    }

    fn max_pairs(&self) -> usize {
        self.parameters.max_pairs
    }

    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        let limit = context.cap.min(self.parameters.max_pairs);
        if limit == 0 {
            return;
        }
        let start = chosen.len();
        // Whom to follow does not depend on the cap: a smaller cap gives a prefix.
        let kept = limit.max(FOLLOWED);
        let direct = at_or_above(context.partners, self.parameters.min_score);
        append_best(chosen, kept, direct);
        let mut firsts = [None; FOLLOWED];
        for (first, candidate) in firsts.iter_mut().zip(&chosen[start..]) {
            *first = Some(*candidate);
        }
        let mut seconds = self.spare.take();
        for first in firsts.into_iter().flatten() {
            seconds.clear();
            context.network.partners(first.pair, &mut seconds);
            self.follow(first, context, &seconds, (chosen, start));
            // What falls off is behind `kept` others, and comes back if it is reached by a
            // better path.
            rank_from(chosen, start, kept);
        }
        self.spare.give_back(seconds);
        chosen.truncate(start + limit);
    }

    fn parameters(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("min_score", readable(self.parameters.min_score)),
            ("max_pairs", self.parameters.max_pairs as f64),
        ]
    }

    fn boxed_clone(&self) -> Box<dyn SelectionStrategy> {
        Box::new(Self {
            parameters: self.parameters,
            spare: Spare::default(),
        })
    }
}

/// A vector kept between selections so that they need not allocate. It carries nothing from
/// one to the next; a selection that finds it taken (by another thread) makes its own.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<Association>>);

impl Spare {
    fn take(&self) -> Vec<Association> {
        let kept = self.0.try_lock();
        kept.map(|mut kept| mem::take(&mut *kept))
            .unwrap_or_default()
    }

    fn give_back(&self, used: Vec<Association>) {
        if let Ok(mut kept) = self.0.try_lock() {
            *kept = used;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Neighbours, SOURCE, numbers, partner, select_in};

    fn check(
        partners: &[Association],
        edges: &[(usize, usize, f32)],
        expected: &[(usize, f32, Reason)],
    ) {
        let rule = Aggressive::default();
        let chosen = select_in(&rule, partners, &Neighbours::new(edges), 12);
        let reasons = chosen.iter().map(|c| c.reason);
        let got: Vec<_> = numbers(&chosen)
            .into_iter()
            .zip(reasons)
            .map(|((pair, score), reason)| (pair, score, reason))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_partners_partner_scores_the_product() {
        check(
            &[partner(1, 0.5)],
            &[(1, 2, 0.5), (2, 3, 1.0)],
            &[(1, 0.5, Reason::Partner), (2, 0.25, Reason::SecondHop)],
        );
    }

    #[test]
    fn a_path_below_the_floor_ends_and_one_at_it_does_not() {
        check(
            &[partner(1, 0.5)],
            &[(1, 2, 0.4), (1, 3, 0.39)],
            &[(1, 0.5, Reason::Partner), (2, 0.2, Reason::SecondHop)],
        );
    }

    #[test]
    fn a_pair_reached_twice_keeps_its_best_score_and_that_reason() {
        check(
            &[partner(1, 1.0), partner(2, 0.25), partner(3, 0.5)],
            &[(1, 2, 0.75), (1, 3, 0.25), (1, 4, 0.5), (3, 4, 1.0)],
            &[
                (1, 1.0, Reason::Partner),
                (2, 0.75, Reason::SecondHop),
                (3, 0.5, Reason::Partner),
                (4, 0.5, Reason::SecondHop),
            ],
        );
    }

    #[test]
    fn the_source_is_chosen_only_as_its_own_partner() {
        check(
            &[partner(1, 1.0)],
            &[(1, SOURCE, 1.0)],
            &[(1, 1.0, Reason::Partner)],
        );
        check(
            &[partner(1, 1.0), partner(SOURCE, 0.25)],
            &[(1, SOURCE, 1.0)],
            &[(1, 1.0, Reason::Partner), (SOURCE, 0.25, Reason::Partner)],
        );
    }

    #[test]
    fn only_the_four_strongest_are_followed() {
        let partners: Vec<_> = (1..=5).map(|n| partner(n, 1.0 - n as f32 / 16.0)).collect();
        let edges: Vec<_> = (1..=5).map(|n| (n, n + 10, 0.5)).collect();
        let chosen = select_in(
            &Aggressive::default(),
            &partners,
            &Neighbours::new(&edges),
            12,
        );
        let hops = chosen.iter().filter(|c| c.reason == Reason::SecondHop);
        let hops: Vec<_> = numbers(hops).into_iter().map(|(pair, _)| pair).collect();
        assert_eq!(hops, [11, 12, 13, 14]);
    }

    #[test]
    fn a_smaller_cap_gives_a_prefix() {
        // The best of all, a tie with a lower id, is found through the fourth.
        let partners: Vec<_> = (1..=6).map(|n| partner(n, 1.0)).collect();
        let mut edges: Vec<_> = (1..=4).map(|n| (n, n + 10, 0.75)).collect();
        edges.push((4, 0, 1.0));
        let network = Neighbours::new(&edges);
        let all = select_in(&Aggressive::default(), &partners, &network, 12);
        assert!(all.len() > 6, "{all:?}");
        for cap in 0..=all.len() {
            let fewer = select_in(&Aggressive::default(), &partners, &network, cap);
            assert_eq!(fewer, all[..cap]);
        }
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let refused = |min_score, max_pairs| {
            let parameters = AggressiveParameters {
                min_score,
                max_pairs,
            };
            Aggressive::new(parameters).unwrap_err().name
        };
        assert_eq!(refused(-1.0, 12), "min_score");
        assert_eq!(refused(0.2, 0), "max_pairs");
    }
}
