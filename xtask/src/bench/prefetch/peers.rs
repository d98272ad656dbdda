//! Published prefetchers and eviction policies on the same recordings, as libCacheSim runs them.
//!
//! Source: libCacheSim (<https://github.com/1a1a11a/libCacheSim>), measured once before this
//! project began. Its prefetchers, Probability Graph (Griffioen & Appleton, USENIX 1994) and
//! Mithril (Yang et al., SoCC 2017), work on LRU only. "Best" is the best of a grid of parameters,
//! picked for each cell in the peer's favour. Miss ratios have three digits.

/// A size of L1 on a recording.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerCell {
    pub(super) input: &'static str,
    /// L1 in percent of the distinct keys.
    pub(super) size: u32,
    /// Policies without prefetch: miss ratios, LRU first.
    pub(super) policies: &'static [(&'static str, f64)],
    /// Prefetchers on LRU.
    pub(super) prefetchers: &'static [Peer],
}

impl PeerCell {
    /// The policy with the lowest miss ratio.
    pub(super) fn best_policy(&self) -> (&'static str, f64) {
        let policies = self.policies.iter().copied();
        policies
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("every cell has LRU")
    }

    fn lru(&self) -> f64 {
        self.policies[0].1
    }

    /// What a prefetcher fetched for each read.
    pub(super) fn fetches(&self, peer: &Peer) -> Fetches {
        match peer.said {
            Said::Fetches(fetches) => Fetches::Measured(fetches),
            Said::Precision(precision) if self.lru() > peer.miss => {
                Fetches::AtLeast((self.lru() - peer.miss) / precision)
            }
            Said::Precision(_) | Said::Nothing => Fetches::Unknown,
        }
    }
}

/// A prefetcher's result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) miss: f64,
    said: Said,
}

/// What is known of its traffic.
#[derive(Debug, Clone, Copy)]
enum Said {
    /// Prefetches for each read.
    Fetches(f64),
    /// The share of its prefetches that was read.
    Precision(f64),
    Nothing,
}

/// Prefetches for each read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fetches {
    Measured(f64),
    /// (miss ratio of LRU − its own) / precision: each miss removed took a useful prefetch. A
    /// lower bound, as useful prefetches also made up for what the others pushed out.
    AtLeast(f64),
    Unknown,
}

const PG: &str = "PG, best";
const MITHRIL: &str = "Mithril";
const MITHRIL_BEST: &str = "Mithril, best";

const fn fetching(name: &'static str, miss: f64, fetches: f64) -> Peer {
    Peer {
        name,
        miss,
        said: Said::Fetches(fetches),
    }
}

const fn precise(name: &'static str, miss: f64, precision: f64) -> Peer {
    Peer {
        name,
        miss,
        said: Said::Precision(precision),
    }
}

const fn silent(name: &'static str, miss: f64) -> Peer {
    Peer {
        name,
        miss,
        said: Said::Nothing,
    }
}

const fn cell(
    input: &'static str,
    size: u32,
    policies: &'static [(&'static str, f64)],
    prefetchers: &'static [Peer],
) -> PeerCell {
    PeerCell {
        input,
        size,
        policies,
        prefetchers,
    }
}

const DEX: &str = "dex_eth_20220420";
const CLOUD: &str = "cloudphysics";
const P3: &str = "arc_p3";
const OLTP: &str = "arc_oltp";
const BITTREX: &str = "bittrex_1m";

#[rustfmt::skip]
pub(super) const CELLS: [PeerCell; 14] = [
    cell(DEX, 1, &[("LRU", 0.590), ("ARC", 0.522)],
        &[precise(PG, 0.514, 0.07), silent(MITHRIL, 0.590), precise(MITHRIL_BEST, 0.584, 0.23)]),
    cell(DEX, 5, &[("LRU", 0.335), ("S3-FIFO", 0.297), ("ARC", 0.307)],
        &[precise(PG, 0.314, 0.12), silent(MITHRIL, 0.335), precise(MITHRIL_BEST, 0.326, 0.50)]),
    cell(DEX, 10, &[("LRU", 0.244), ("S3-FIFO", 0.215), ("W-TinyLFU", 0.228), ("ARC", 0.224)],
        &[fetching(PG, 0.233, 1.11), silent(MITHRIL, 0.244), fetching(MITHRIL_BEST, 0.240, 0.02)]),
    cell(DEX, 20, &[("LRU", 0.164), ("S3-FIFO", 0.147), ("W-TinyLFU", 0.160), ("ARC", 0.152)],
        &[precise(PG, 0.161, 0.31), silent(MITHRIL, 0.164), precise(MITHRIL_BEST, 0.162, 0.61)]),
    cell(CLOUD, 1, &[("LRU", 0.838), ("S3-FIFO", 0.830), ("W-TinyLFU", 0.848), ("ARC", 0.828)],
        &[precise(PG, 0.666, 0.29), precise(MITHRIL, 0.723, 0.69), precise(MITHRIL_BEST, 0.608, 0.38)]),
    cell(CLOUD, 10, &[("LRU", 0.805), ("S3-FIFO", 0.753), ("W-TinyLFU", 0.779), ("ARC", 0.773)],
        &[fetching(PG, 0.482, 1.33), fetching(MITHRIL, 0.697, 0.12), fetching(MITHRIL_BEST, 0.575, 0.48)]),
    cell(CLOUD, 20, &[("LRU", 0.725), ("S3-FIFO", 0.678), ("W-TinyLFU", 0.686), ("ARC", 0.703)],
        &[precise(PG, 0.458, 0.17), precise(MITHRIL, 0.680, 0.81), precise(MITHRIL_BEST, 0.555, 0.61)]),
    cell(P3, 1, &[("LRU", 0.995), ("S3-FIFO", 0.982), ("W-TinyLFU", 0.966), ("ARC", 0.982)],
        &[precise(PG, 0.691, 0.16), precise(MITHRIL, 0.725, 0.38), precise(MITHRIL_BEST, 0.603, 0.23)]),
    cell(P3, 10, &[("LRU", 0.821), ("S3-FIFO", 0.693), ("W-TinyLFU", 0.717), ("ARC", 0.691)],
        &[fetching(PG, 0.414, 3.69), fetching(MITHRIL, 0.646, 0.48), fetching(MITHRIL_BEST, 0.493, 1.30)]),
    cell(P3, 20, &[("LRU", 0.546), ("S3-FIFO", 0.544), ("W-TinyLFU", 0.561), ("ARC", 0.526)],
        &[precise(PG, 0.359, 0.21), precise(MITHRIL, 0.491, 0.64), precise(MITHRIL_BEST, 0.421, 0.45)]),
    cell(OLTP, 1, &[("LRU", 0.645), ("S3-FIFO", 0.578), ("W-TinyLFU", 0.642), ("ARC", 0.595)],
        &[precise(PG, 0.637, 0.16), precise(MITHRIL, 0.632, 0.24), precise(MITHRIL_BEST, 0.567, 0.25)]),
    cell(OLTP, 10, &[("LRU", 0.402), ("S3-FIFO", 0.384), ("W-TinyLFU", 0.435), ("ARC", 0.385)],
        &[silent(PG, 0.402), fetching(MITHRIL, 0.397, 0.07), fetching(MITHRIL_BEST, 0.387, 0.11)]),
    cell(OLTP, 20, &[("LRU", 0.348), ("S3-FIFO", 0.333), ("W-TinyLFU", 0.371), ("ARC", 0.339)],
        &[precise(PG, 0.332, 0.11), precise(MITHRIL, 0.344, 0.38), precise(MITHRIL_BEST, 0.339, 0.38)]),
    cell(BITTREX, 50, &[("LRU", 0.485), ("S3-FIFO", 0.354), ("ARC", 0.485)],
        &[fetching(PG, 0.315, 3.5), silent(MITHRIL, 0.485), fetching(MITHRIL_BEST, 0.364, 1.1)]),
];

/// On the job's recording: a naive table of update → read (the twelve most probable at 0.3 or more),
/// with refresh, on plain LRU: size of L1 in percent, hit ratio.
pub(super) const NAIVE: (&str, [(u32, f64); 4]) = (
    "dex_arb",
    [(5, 0.859), (10, 0.928), (20, 0.962), (50, 0.987)],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefetcher_is_credited_with_less_than_its_gain_took() {
        for cell in CELLS {
            assert_eq!(cell.policies[0].0, "LRU");
            for peer in cell.prefetchers {
                assert!(peer.miss <= cell.lru(), "{} {}", cell.input, peer.name);
                if let Fetches::Measured(fetches) = cell.fetches(peer) {
                    let gain = cell.lru() - peer.miss;
                    assert!(fetches >= gain, "{} {}", cell.input, peer.name);
                }
            }
        }
    }

    #[test]
    fn fetches_are_derived_from_precision_where_they_were_not_counted() {
        let cell = &CELLS[4];
        let mithril = &cell.prefetchers[1];
        let Fetches::AtLeast(fetches) = cell.fetches(mithril) else {
            panic!("its precision is known");
        };
        assert!((fetches - (0.838 - 0.723) / 0.69).abs() < 1e-9);
        assert_eq!(cell.best_policy(), ("ARC", 0.828));
    }
}
