//! The planted world of a chain: tokens, the pools that trade them, and who looks at what.

use std::collections::BTreeMap;

use super::random::Random;

const HUBS: [&str; 4] = ["weth", "usdc", "usdt", "dai"];
const VENUES: [&str; 5] = ["uniswap", "sushi", "curve", "balancer", "pancake"];
/// How likely a token trades against each hub.
const HUB_LINKS: [f64; 4] = [1.0, 0.6, 0.35, 0.15];
/// How likely a token also trades against some earlier token.
const SIDE_LINK: f64 = 0.3;
/// How likely a token pair has one venue more.
const NEXT_VENUE: f64 = 0.45;
/// Triangles that the detector checks for one pool.
const TRIANGLES: usize = 4;

/// A chain's pools, the most popular ones first: early tokens have the early pools.
#[derive(Debug)]
pub(super) struct Graph {
    /// `venue:token/token`, lower-case.
    pub(super) names: Vec<String>,
    /// Per pool what the detector reads after an update of it: the pool, the same tokens on
    /// other venues, then both legs of up to four triangles.
    pub(super) follow_ups: Vec<Vec<u32>>,
    tokens: Vec<(u32, u32)>,
    by_token: BTreeMap<u32, Vec<u32>>,
}

impl Graph {
    /// Plants exactly `pools` pools.
    pub(super) fn plant(pools: usize, random: &mut Random) -> Self {
        let mut graph = Self {
            names: Vec::with_capacity(pools),
            follow_ups: Vec::new(),
            tokens: Vec::with_capacity(pools),
            by_token: BTreeMap::new(),
        };
        let mut token = 1;
        while graph.names.len() < pools {
            for (hub, likely) in HUB_LINKS.iter().enumerate() {
                if hub < token as usize && random.chance(*likely) {
                    graph.list(hub as u32, token, pools, random);
                }
            }
            if token as usize > HUBS.len() && random.chance(SIDE_LINK) {
                let other = random.between(HUBS.len(), token as usize - 1) as u32;
                graph.list(other, token, pools, random);
            }
            token += 1;
        }
        graph.follow_ups = (0..pools).map(|pool| graph.looked_at(pool)).collect();
        graph
    }

    /// A route through the market that starts at `pool`: one to three pools (40, 40, 20 %), each
    /// sharing a token with the one before.
    pub(super) fn route(&self, pool: u32, random: &mut Random) -> Vec<u32> {
        let hops = match random.below(10) {
            0..4 => 1,
            4..8 => 2,
            _ => 3,
        };
        let mut route = vec![pool];
        let mut token = self.tokens[pool as usize].1;
        while route.len() < hops {
            let next = &self.by_token[&token];
            // Squared: earlier pools, which are the popular ones, are the likelier legs.
            let draw = random.unit() * random.unit();
            let leg = next[(draw * next.len() as f64) as usize];
            if route.contains(&leg) {
                break;
            }
            let (a, b) = self.tokens[leg as usize];
            token = if a == token { b } else { a };
            route.push(leg);
        }
        route
    }

    fn list(&mut self, a: u32, b: u32, pools: usize, random: &mut Random) {
        for venue in VENUES {
            if self.names.len() == pools {
                return;
            }
            let pool = self.names.len() as u32;
            self.names
                .push(format!("{venue}:{}/{}", symbol(b), symbol(a)));
            self.tokens.push((a, b));
            self.by_token.entry(a).or_default().push(pool);
            self.by_token.entry(b).or_default().push(pool);
            if !random.chance(NEXT_VENUE) {
                return;
            }
        }
    }

    fn looked_at(&self, pool: usize) -> Vec<u32> {
        let (a, b) = self.tokens[pool];
        let mut looked_at = vec![pool as u32];
        // The first pool listed for a token pair is its most liquid one.
        let mut to_a: BTreeMap<u32, u32> = BTreeMap::new();
        for other in &self.by_token[&a] {
            let third = self.across(*other, a);
            if third == b && *other != pool as u32 {
                looked_at.push(*other);
            }
            to_a.entry(third).or_insert(*other);
        }
        let mut triangles = Vec::new();
        for other in &self.by_token[&b] {
            let third = self.across(*other, b);
            if third != a
                && let Some(leg) = to_a.remove(&third)
            {
                triangles.push((leg.min(*other), leg, *other));
            }
        }
        triangles.sort_unstable();
        for (_, first, second) in triangles.into_iter().take(TRIANGLES) {
            looked_at.extend([first, second]);
        }
        looked_at
    }

    fn across(&self, pool: u32, token: u32) -> u32 {
        let (a, b) = self.tokens[pool as usize];
        if a == token { b } else { a }
    }
}

fn symbol(token: u32) -> String {
    match HUBS.get(token as usize) {
        Some(hub) => (*hub).to_owned(),
        None => format!("t{token}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_have_distinct_names_and_are_looked_at_with_what_shares_their_tokens() {
        for pools in [1, 2, 7, 600] {
            let graph = Graph::plant(pools, &mut Random::new(3));
            let names: std::collections::BTreeSet<_> = graph.names.iter().collect();
            assert_eq!(names.len(), pools);
            for (pool, looked_at) in graph.follow_ups.iter().enumerate() {
                assert_eq!(looked_at[0], pool as u32);
                let distinct: std::collections::BTreeSet<_> = looked_at.iter().collect();
                assert_eq!(distinct.len(), looked_at.len(), "{looked_at:?}");
                let (a, b) = graph.tokens[pool];
                for other in looked_at {
                    let (c, d) = graph.tokens[*other as usize];
                    assert!([c, d].contains(&a) || [c, d].contains(&b));
                }
            }
        }
        let graph = Graph::plant(600, &mut Random::new(3));
        let mean = graph.follow_ups.iter().map(Vec::len).sum::<usize>() as f64 / 600.0;
        assert!((3.0..10.0).contains(&mean), "looks at {mean} pools");
    }

    #[test]
    fn a_route_is_a_path_through_shared_tokens() {
        let mut random = Random::new(5);
        let graph = Graph::plant(300, &mut random);
        let mut hops = [0; 4];
        for pool in 0..300 {
            let route = graph.route(pool, &mut random);
            hops[route.len()] += 1;
            for pair in route.windows(2) {
                let (a, b) = graph.tokens[pair[0] as usize];
                let (c, d) = graph.tokens[pair[1] as usize];
                assert!(a == c || a == d || b == c || b == d);
            }
        }
        assert!(hops[1] > 90 && hops[2] > 80 && hops[3] > 30, "{hops:?}");
    }
}
