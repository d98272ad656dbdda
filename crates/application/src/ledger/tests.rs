use super::*;
use crate::ports::Evicted;
use proptest::prelude::*;

fn key(n: u8) -> Key {
    Key::new(vec![n], 0, ChainId::DEFAULT)
}

fn victim(n: u8) -> Evicted {
    Evicted {
        key: key(n),
        unread: false,
        fresh: true,
    }
}

/// A newcomer that pushed out `victims`.
fn newcomer(victims: &[Evicted]) -> Placed {
    Placed {
        placed: true,
        evicted: victims.into(),
        ..Placed::default()
    }
}

fn in_place() -> Placed {
    Placed {
        in_place: true,
        ..newcomer(&[])
    }
}

fn balanced(ledger: &Ledger) -> bool {
    ledger.totals.warmed == ledger.totals.ended() + ledger.still_live() as u64
}

#[test]
fn a_read_warm_is_useful_even_if_its_victim_is_missed() {
    let mut ledger = Ledger::new();
    ledger.landed(&key(1), &newcomer(&[victim(2)]), 10, 5);
    assert_eq!(ledger.missed(&key(2), 12), None);
    assert_eq!(ledger.read(&key(1)).unwrap().1, Outcome::Useful);
    assert!(balanced(&ledger));
}

#[test]
fn a_key_warmed_again_is_as_young_as_its_last_warm() {
    let mut ledger = Ledger::new();
    ledger.landed(&key(1), &newcomer(&[]), 0, 5);
    ledger.landed(&key(2), &newcomer(&[]), 0, 5);
    ledger.read(&key(1));
    ledger.landed(&key(1), &newcomer(&[]), 0, 5);
    assert_eq!(ledger.oldest_unread(), Some(&key(2)));
    assert!(ledger.unread_by_age().eq([&key(2), &key(1)]));
    ledger.lost(&key(2));
    assert_eq!(ledger.oldest_unread(), Some(&key(1)));
    for _ in 0..1_000 {
        ledger.read(&key(1));
        ledger.landed(&key(1), &newcomer(&[]), 0, 5);
    }
    assert!(ledger.order.len() <= 70, "{}", ledger.order.len());
    ledger.read(&key(1));
    assert_eq!(ledger.oldest_unread(), None);
}

#[test]
fn what_put_an_outdated_copy_right_takes_no_room_and_is_never_given_up() {
    let mut ledger = Ledger::new();
    ledger.landed(&key(1), &in_place(), 0, 5);
    assert_eq!((ledger.unread(), ledger.still_live()), (0, 1));
    assert_eq!(ledger.unread_since_before(100), None);
    assert_eq!(ledger.read(&key(1)).unwrap().1, Outcome::Useful);
}

#[test]
fn a_newcomer_is_given_up_once_it_has_lain_unread_for_long_enough() {
    let mut ledger = Ledger::new();
    ledger.landed(&key(1), &newcomer(&[]), 10, 5);
    ledger.landed(&key(2), &newcomer(&[]), 11, 5);
    assert_eq!(ledger.unread_since_before(10), None, "it landed at 10");
    assert_eq!(ledger.unread_since_before(11), Some(&key(1)));
    ledger.read(&key(1));
    assert_eq!(ledger.unread_since_before(11), None, "the next is younger");
}

#[test]
fn an_unread_warm_is_harmful_only_if_its_victim_returns_in_time() {
    for (return_at, expected) in [(15, Outcome::Harmful), (16, Outcome::Wasted)] {
        // The victim returns before the warm is lost …
        let mut ledger = Ledger::new();
        ledger.landed(&key(1), &newcomer(&[victim(2)]), 10, 5);
        let mut outcome = None;
        ledger.advance(return_at, |ended| outcome = Some(ended.1));
        outcome = outcome.or(ledger.missed(&key(2), return_at).map(|ended| ended.1));
        outcome = outcome.or(ledger.lost(&key(1)).map(|ended| ended.1));
        assert_eq!(
            outcome,
            Some(expected),
            "victim back at {return_at}, then lost"
        );
        // … or after.
        let mut ledger = Ledger::new();
        ledger.landed(&key(1), &newcomer(&[victim(2)]), 10, 5);
        assert_eq!(
            ledger.lost(&key(1)),
            None,
            "pending while the watch is open"
        );
        assert_eq!(ledger.still_live(), 1);
        let mut outcome = ledger.missed(&key(2), return_at).map(|ended| ended.1);
        ledger.advance(return_at, |ended| outcome = Some(ended.1));
        assert_eq!(
            outcome,
            Some(expected),
            "lost, then victim back at {return_at}"
        );
        assert!(balanced(&ledger));
    }
}

#[test]
fn evicting_a_stale_or_unread_entry_is_no_harm() {
    let mut ledger = Ledger::new();
    let stale = Evicted {
        fresh: false,
        ..victim(2)
    };
    let unread = Evicted {
        unread: true,
        ..victim(3)
    };
    ledger.landed(&key(1), &newcomer(&[stale, unread]), 0, 100);
    assert!(ledger.watching() == 0);
    assert_eq!(ledger.lost(&key(1)).unwrap().1, Outcome::Wasted);
}

proptest! {
    /// Any order of calls: the books balance and the watches stay bounded.
    #[test]
    fn every_warm_ends_in_exactly_one_outcome(
        calls in prop::collection::vec((0_u8..6, 0_u8..12, 0_u8..12), 1..300)
    ) {
        let mut ledger = Ledger::new();
        let mut counted = Outcomes::default();
        for (lookup, (call, a, b)) in calls.iter().enumerate() {
            let lookup = lookup as u64;
            let mut ended = Vec::new();
            match call {
                0 => {
                    let victims = [victim(*b), victim(b.wrapping_add(1))];
                    let placed = match b % 3 {
                        0 => in_place(),
                        _ => newcomer(&victims),
                    };
                    ended.extend(ledger.landed(&key(*a), &placed, lookup, 7));
                }
                1 => ended.extend(ledger.read(&key(*a))),
                2 => ended.extend(ledger.lost(&key(*a))),
                3 => ended.extend(ledger.missed(&key(*a), lookup)),
                4 => ended.push(ledger.late(&key(*a))),
                _ => ledger.advance(lookup, |e| ended.push(e)),
            }
            for (_, outcome) in ended {
                counted.count(outcome);
            }
            prop_assert!(balanced(&ledger), "{:?}", ledger.totals);
            prop_assert_eq!(ledger.unread(), ledger.unread_by_age().count());
        }
        ledger.advance(u64::MAX, |(_, outcome)| counted.count(outcome));
        prop_assert!(ledger.pending.is_empty() && ledger.watching() == 0);
        counted.warmed = ledger.totals.warmed;
        prop_assert_eq!(counted, ledger.totals);
    }
}

#[test]
fn a_warm_of_a_key_whose_loss_is_not_yet_reported_ends_the_older_one() {
    let mut ledger = Ledger::new();
    ledger.landed(&key(1), &newcomer(&[]), 0, 5);
    let ended = ledger.landed(&key(1), &newcomer(&[]), 1, 5);
    assert_eq!(ended[..], [(ChainId::DEFAULT, Outcome::Wasted)]);
    assert!(balanced(&ledger));
}

#[test]
fn watches_are_bounded_when_nobody_reads() {
    let mut ledger = Ledger::new();
    for n in 0..MOST_WATCHES as u64 + 100 {
        let name = |kind: u8| {
            let mut bytes = n.to_le_bytes().to_vec();
            bytes.push(kind);
            Key::new(bytes, 0, ChainId::DEFAULT)
        };
        let victim = Evicted {
            key: name(1),
            ..victim(0)
        };
        ledger.landed(&name(0), &newcomer(&[victim]), 0, 1_000);
        ledger.lost(&name(0));
    }
    assert!(ledger.closing.len() <= MOST_WATCHES && ledger.watches.len() <= MOST_WATCHES);
    assert_eq!(ledger.totals().wasted, 100);
    assert!(balanced(&ledger));
}
