//! Whose turn it is to be timed: one call in so many of each kind and thread, as timing each would cost
//! more than it tells.

use std::cell::Cell;
use std::thread::LocalKey;

use forewarm_application::metrics::SAMPLED_ONE_IN;

thread_local! {
    static TRACKED: Cell<u32> = const { Cell::new(0) };
    static LOOKED_UP: Cell<u32> = const { Cell::new(0) };
}

/// Whether this event is timed while it is taken in.
#[inline]
pub(crate) fn is_tracking_timed() -> bool {
    has_turn(&TRACKED)
}

/// Whether this look-up is timed. Counted apart: of a thread that does both in turns it would else
/// always be the same kind.
#[inline]
pub(crate) fn is_look_up_timed() -> bool {
    has_turn(&LOOKED_UP)
}

#[inline]
fn has_turn(calls: &'static LocalKey<Cell<u32>>) -> bool {
    let call = calls.get();
    calls.set(call.wrapping_add(1));
    call.is_multiple_of(SAMPLED_ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thread_that_updates_and_looks_up_in_turns_both_are_timed() {
        let rounds = 10 * SAMPLED_ONE_IN;
        let mut timed = [0; 2];
        for _ in 0..rounds {
            timed[0] += u32::from(is_tracking_timed());
            timed[1] += u32::from(is_look_up_timed());
        }
        assert_eq!(timed, [10, 10]);
    }
}
