//! Entries that were trimmed away before a group was given them, found by counting.
//!
//! ```text
//! entries-added ─ what had been added up to where we last knew our place ─ what we were given since
//!     = what was lost, whenever nothing is left to be given, or all that is left is yet to be given
//! ```
//!
//! Between those moments nobody can tell how many lie ahead, and the sum waits. It holds for a group
//! with one reader: where others are given entries too, each hears of a part alone anyway.

use super::info::{Id, StreamInfo};

/// Where a group stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The newest entry that it has been given.
    at: Id,
    /// Entries ever added up to a place where that was known.
    added: u64,
    /// Entries that were given since.
    given: u64,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As far as can be told nothing is missing.
    Whole,
    /// So many entries were added that nobody was given.
    Lost(u64),
    /// The stream is not the one that it was.
    Anew,
}

/// Counts what one reader is given.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    place: Option<Place>,
}

impl Gaps {
    /// The reader was given these, in the order of the stream. Those given before do not count again.
    pub(super) fn given(&mut self, ids: impl Iterator<Item = Id>) {
        let Some(place) = &mut self.place else {
            return;
        };
        for id in ids.filter(|id| *id > place.at).collect::<Vec<_>>() {
            (place.at, place.given) = (id, place.given + 1);
        }
    }

    /// The group has been given everything up to `delivered`, and the stream, asked after that, is
    /// like this.
    pub(super) fn look(&mut self, delivered: Id, stream: &StreamInfo) -> Look {
        let Some(added) = stream.added else {
            return Look::Whole;
        };
        // How many had been added up to `delivered`, lost ones included, where that is certain.
        let known = if delivered >= stream.last {
            Some(added)
        } else if stream.first.is_none_or(|first| first > delivered) {
            Some(added.saturating_sub(stream.length))
        } else {
            None
        };
        let here = |added| Place {
            at: delivered,
            added,
            given: 0,
        };
        match (self.place, known) {
            (Some(place), _) if added < place.added + place.given => {
                self.place = known.map(here);
                Look::Anew
            }
            // Somebody else was given some, or moved the group: begun again where we know.
            (Some(place), _) if place.at != delivered => {
                self.place = known.map(here);
                Look::Whole
            }
            (_, None) => Look::Whole,
            (before, Some(known)) => {
                self.place = Some(here(known));
                let had = before.map_or(known, |place| place.added + place.given);
                match known.saturating_sub(had) {
                    0 => Look::Whole,
                    lost => Look::Lost(lost),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Id {
        Id::parse(&format!("{n}-0")).expect("an id")
    }

    /// Entries `first..=last` of a stream to which `last` were ever added, one an id.
    fn stream(first: u64, last: u64) -> StreamInfo {
        StreamInfo {
            added: Some(last),
            length: last + 1 - first,
            first: (first <= last).then(|| id(first)),
            last: id(last),
        }
    }

    /// A reader that has read up to `n` and knows it.
    fn at(n: u64) -> Gaps {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.look(id(n), &stream(1, n)), Look::Whole);
        gaps
    }

    #[test]
    fn what_was_trimmed_before_it_was_given_is_counted_at_once_where_all_that_is_left_is_new() {
        let mut gaps = at(10);
        // 11 to 15 are gone; 16 to 20 are there.
        assert_eq!(gaps.look(id(10), &stream(16, 20)), Look::Lost(5));
        assert_eq!(gaps.look(id(10), &stream(16, 20)), Look::Whole, "told once");
        gaps.given((16..=20).map(id));
        assert_eq!(gaps.look(id(20), &stream(16, 20)), Look::Whole);
    }

    #[test]
    fn what_was_trimmed_between_two_looks_is_counted_when_the_reader_has_caught_up() {
        let mut gaps = at(10);
        gaps.given((16..=18).map(id));
        assert_eq!(gaps.look(id(18), &stream(16, 20)), Look::Whole, "not yet");
        gaps.given((19..=20).map(id));
        assert_eq!(gaps.look(id(20), &stream(16, 20)), Look::Lost(5));
    }

    #[test]
    fn trimming_what_was_given_is_no_loss() {
        let mut gaps = at(10);
        assert_eq!(gaps.look(id(10), &stream(11, 20)), Look::Whole);
        gaps.given((11..=20).map(id));
        assert_eq!(gaps.look(id(20), &stream(21, 20)), Look::Whole, "empty");
        // All of it gone, read and unread.
        assert_eq!(gaps.look(id(20), &stream(31, 30)), Look::Lost(10));
    }

    #[test]
    fn given_again_is_not_given_twice() {
        let mut gaps = at(10);
        gaps.given((11..=12).map(id));
        gaps.given((11..=12).map(id));
        assert_eq!(gaps.look(id(12), &stream(14, 15)), Look::Lost(1));
    }

    #[test]
    fn a_stream_made_anew_is_told_and_other_readers_and_old_servers_end_the_counting() {
        assert_eq!(at(10).look(id(10), &stream(1, 3)), Look::Anew);
        let mut gaps = at(10);
        assert_eq!(gaps.look(id(15), &stream(1, 20)), Look::Whole);
        assert_eq!(gaps.place, None, "nobody knows how many are 15 to 20");
        assert_eq!(gaps.look(id(20), &stream(1, 20)), Look::Whole);
        assert_eq!(gaps.look(id(20), &stream(23, 25)), Look::Lost(2));
        let mut old = stream(16, 20);
        old.added = None;
        assert_eq!(at(10).look(id(10), &old), Look::Whole);
    }
}
