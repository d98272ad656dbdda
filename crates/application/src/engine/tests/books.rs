//! What the books must agree on between any two steps.

use forewarm_domain::{Attempt, Key, Timestamp};
use proptest::prelude::*;

use super::super::Engine;

/// `read`: the keys that warms have read from L2 so far; `keys`: all that there are.
pub(super) fn check(
    engine: &Engine,
    read: u64,
    keys: impl Iterator<Item = Key>,
) -> Result<(), TestCaseError> {
    let attempts = |end| engine.attempts.totals()[end as usize].1;
    let warmed = engine.ledger.lock().totals().warmed;
    prop_assert_eq!(attempts(Attempt::Warmed), warmed);
    let landed = [
        Attempt::Warmed,
        Attempt::NotFound,
        Attempt::Stale,
        Attempt::TimedOut,
        Attempt::Failed,
    ];
    let landed: u64 = landed.into_iter().map(attempts).sum();
    prop_assert_eq!(landed, read, "each key read ends in one way");
    for key in keys {
        // Whatever its time to live: an entry leaves the books when it leaves L1.
        let unread = engine.ledger.lock().is_unread(&key);
        let held = engine.l1.peek(&key, Timestamp::ZERO).is_some();
        prop_assert!(held || !unread, "{key:?} is live and not in L1");
    }
    Ok(())
}
