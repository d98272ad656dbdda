//! First-order Markov prefetch: the baseline that every association prefetcher must beat.

/// For every key, the keys that were read right after it, with their counts.
///
/// After Joseph & Grunwald, "Prefetching using Markov predictors" (ISCA 1997): four
/// successors a key, the least frequent replaced, all of them prefetched, most frequent first.
#[derive(Debug)]
pub(super) struct Markov {
    successors: Vec<[(u32, u32); SUCCESSORS]>,
    previous: Option<u32>,
}

const SUCCESSORS: usize = 4;
const NOBODY: u32 = u32::MAX;

impl Markov {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            successors: vec![[(NOBODY, 0); SUCCESSORS]; keys],
            previous: None,
        }
    }

    /// Learns that `key` was read, after whatever was read before it.
    pub(super) fn read(&mut self, key: u32) {
        let Some(previous) = self.previous.replace(key) else {
            return;
        };
        if previous == key {
            return;
        }
        let row = &mut self.successors[previous as usize];
        if let Some(known) = row.iter_mut().find(|(successor, _)| *successor == key) {
            known.1 += 1;
        } else if let Some(rarest) = row.iter_mut().min_by_key(|(_, count)| *count) {
            *rarest = (key, 1);
        }
        row.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    }

    /// The successors of `key`, most frequent first.
    pub(super) fn successors(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let row = &self.successors[key as usize];
        row.iter()
            .filter(|(_, count)| *count > 0)
            .map(|(successor, _)| *successor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_successors_come_first_and_only_four_are_kept() {
        let mut markov = Markov::new(10);
        for (successor, times) in [(1, 3), (2, 5), (3, 1), (4, 2), (5, 1)] {
            for _ in 0..times {
                markov.read(0);
                markov.read(successor);
            }
        }
        let kept: Vec<u32> = markov.successors(0).collect();
        assert_eq!(
            kept,
            [2, 1, 4, 5],
            "the newcomer takes the place of the rarest"
        );
    }
}
