//! `scan`: a market interrupted by long scans over keys that nobody reads again.

use forewarm_domain::Op;

use super::{Emitted, Source};

/// Between the reads of a scan.
const READ_US: u64 = 200;
/// Events of the market for each read of a scan.
const MARKET_EVENTS: u64 = 3;

/// After every 3 × `length` events of the market, `length` reads of new keys, 0.2 ms apart; the
/// market's clock stands still meanwhile.
pub(super) struct Scan<S> {
    market: S,
    length: u64,
    market_events: u64,
    /// Reads of the current scan still to come.
    remaining: u64,
    next_pair: u32,
    now_us: u64,
    /// What the scans have delayed the market by.
    delay_us: u64,
}

impl<S: Source> Scan<S> {
    /// Scans of `length` keys, named from `first_pair` on.
    pub(super) fn new(market: S, first_pair: u32, length: u64) -> Self {
        Self {
            market,
            length,
            market_events: 0,
            remaining: 0,
            next_pair: first_pair,
            now_us: 0,
            delay_us: 0,
        }
    }
}

impl<S: Source> Source for Scan<S> {
    fn next(&mut self, emitted: u64) -> Emitted {
        if self.remaining > 0 {
            self.remaining -= 1;
            self.delay_us += READ_US;
            self.now_us += READ_US;
            let pair = self.next_pair;
            self.next_pair += 1;
            return Emitted {
                at_us: self.now_us,
                pair,
                op: Op::Read,
            };
        }
        let event = self.market.next(emitted);
        self.market_events += 1;
        if self
            .market_events
            .is_multiple_of(MARKET_EVENTS * self.length)
        {
            self.remaining = self.length;
        }
        self.now_us = event.at_us + self.delay_us;
        Emitted {
            at_us: self.now_us,
            ..event
        }
    }
}
