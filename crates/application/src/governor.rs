//! The governor: how many L2 reads warming may spend, and when it must stop.
//!
//! **Budget** (net, in keys): at any time, L2 reads ≤ the reads that the same L1 without warming
//! would have made so far + max(64, b × those). A warm that stands in for a demand miss costs
//! nothing; only what is fetched in vain is paid for.
//!
//! **Price**: a fetch must be worth it. Each is expected to be read in time with some
//! probability; what is less probable than the price is not sent. The price is the larger of two,
//! plus a third:
//!
//! - worth: a fetch that is read one time in ten costs nine reads in vain. This is what the budget
//!   says of its owner's wish: twice the budget halves it;
//! - scarcity: the price rises as the allowance is used up, so that it is spent on the best
//!   candidates without knowing their distribution, and up to what a budget of b can pay for: a fetch
//!   that is read one time in 1 + b;
//! - pollution: what fetches push out of L1 is demanded now and then; measured against the ghost,
//!   less what they happen to keep in.
//!
//! The *allowance* is the budget times the square root of the share of misses that are left: extra
//! reads are for the misses still to be removed. Where warming removes most of them it goes on
//! with the precise ones; where it removes few, all of the budget may be tried.
//!
//! **Turn-down**: the same reads are looked up in a ghost of the unwarmed L1. When warming
//! has lost more of them than chance explains, it is switched off for a while, longer each
//! time, and then tried again.

mod price;

use std::fmt;

use forewarm_domain::Trigger;

use price::{Pollution, Recent};

/// Extra L2 reads that are always allowed, so that a service without demand can begin.
pub const FREE_READS: u64 = 64;
/// Reads that a full L1 keeps back: what was warmed also changes the order in which entries leave, and
/// no count of victims knows the few reads that this costs.
const RESERVE: f64 = 8.0;
/// Where all of the budget is spent that is no longer a few: 37 were seen, 0.7 % of it.
const RESERVED_SHARE: f64 = 0.01;
const MOST_RESERVED: f64 = 56.0;

/// Below this budget nothing is pushed out of L1 for a warm. Once another entry has left than would have
/// without warming, the two never agree again, and what either then misses more is chance: it was seen
/// to come to 0.24 % of the reads.
const EXACT: f64 = 0.01;

/// Paired look-ups (real and ghost) that make one judgement.
const JUDGEMENT: u64 = 512;
/// The longest pause, in judgements.
const LONGEST_PAUSE: u32 = 64;

/// Why warming is turned down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TurnedDown {
    /// L1 missed more with warming than without.
    WorseThanOff {
        /// Misses of the judged look-ups with warming.
        with_warming: u64,
        /// Misses of the same look-ups in the ghost.
        without: u64,
    },
}

impl fmt::Display for TurnedDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::WorseThanOff {
            with_warming,
            without,
        } = self;
        write!(
            f,
            "of the last look-ups L1 missed {with_warming} with warming and {without} without"
        )
    }
}

/// What warming may yet make demand read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Risk {
    /// Keys that L1 would still hold without warming.
    pub open: usize,
    /// Entries that L1 can take in without pushing one out.
    pub room: usize,
}

impl Risk {
    /// L1 has room for all.
    pub const NONE: Self = Self {
        open: 0,
        room: usize::MAX,
    };
}

/// The books of the budget and the state of the turn-down.
#[derive(Debug, Clone)]
pub struct Governor {
    /// Extra reads allowed, as a share of what `off` would read; `None` = unlimited.
    extra: Option<f64>,
    /// L2 reads that `off` would have made.
    off_reads: f64,
    /// L2 reads made, by demand and by warming.
    reads: u64,
    recent: Recent,
    pollution: Pollution,
    judged: u64,
    misses: u64,
    off_misses: u64,
    /// Judged look-ups on which the two disagreed.
    differing: u64,
    lately: Lately,
    turned_down: Option<TurnedDown>,
    /// Judgements left to pause, and the length of the next pause.
    pause: u32,
    next_pause: u32,
}

impl Governor {
    /// A governor with `extra` as budget (0.25 = 25 % more reads than `off`).
    pub fn new(extra: Option<f64>) -> Self {
        Self {
            extra,
            off_reads: 0.0,
            reads: 0,
            recent: Recent::default(),
            pollution: Pollution::default(),
            judged: 0,
            misses: 0,
            off_misses: 0,
            differing: 0,
            lately: Lately::default(),
            turned_down: None,
            pause: 0,
            next_pause: 1,
        }
    }

    /// `off` would have read `keys` keys from L2 (a fraction when the ghost is sampled).
    pub fn off_would_read(&mut self, keys: f64) {
        self.off_reads += keys;
        self.recent.off(keys);
    }

    /// A demand read fetched `keys` keys. Never refused.
    pub fn demand_reads(&mut self, keys: u64) {
        self.reads += keys;
        self.recent.missed += keys as f64;
    }

    /// Asks for `wanted` warm reads; the answer is how many may be sent, and they count as
    /// made.
    ///
    /// A warm into a full L1 may push out what demand will have to read again, so what is at
    /// risk already, and one key more for each warm that finds no room, must fit in the budget.
    pub fn grant(&mut self, wanted: usize, risk: Risk) -> usize {
        let granted = match self.left(risk) {
            Some(left) => {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let roomy = left.min(risk.room);
                wanted.min(roomy + (left - roomy) / 2)
            }
            None => wanted,
        };
        self.reads += granted as u64;
        self.recent.warmed += granted as f64;
        self.pollution.sent(granted);
        granted
    }

    /// `granted` reads were not sent after all.
    pub fn give_back(&mut self, granted: usize) {
        self.reads = self.reads.saturating_sub(granted as u64);
    }

    /// L2 reads made so far.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// L2 reads that `off` would have made so far.
    #[cfg(test)]
    pub(crate) fn off_reads(&self) -> f64 {
        self.off_reads
    }

    /// Look-ups of the judgement under way on which L1 and the ghost disagreed.
    #[cfg(test)]
    pub(crate) fn differing(&self) -> u64 {
        self.differing
    }

    /// Reads left in the budget when those at risk are made; `None` = unlimited.
    pub fn left(&self, risk: Risk) -> Option<u64> {
        let extra = self.extra?;
        let allowance = (extra * self.off_reads).max(FREE_READS as f64);
        let limit = self.off_reads + allowance;
        let reserve = if risk.room < FREE_READS as usize {
            RESERVE + (RESERVED_SHARE * (allowance - FREE_READS as f64)).min(MOST_RESERVED)
        } else {
            0.0
        };
        Some((limit - self.reads as f64 - risk.open as f64 - reserve).max(0.0) as u64)
    }

    /// Share of the extra reads in use, 0 to 1 (more when demand itself went past it).
    pub fn used_ratio(&self) -> f64 {
        let Some(extra) = self.extra else { return 0.0 };
        let allowance = (extra * self.off_reads).max(FREE_READS as f64);
        ((self.reads as f64 - self.off_reads) / allowance).max(0.0)
    }

    /// The least expected usefulness that a fetch must have now, in [0, 0.95].
    pub fn price(&self) -> f32 {
        price::of_a_fetch(self.extra, &self.recent, &self.pollution)
    }

    /// One look-up as it went, and whether it would have hit without warming. It stands for `weight` of them (a sampled ghost).
    pub fn judge(&mut self, trigger: Trigger, off_hit: bool, weight: f64) {
        let hit = trigger != Trigger::Miss;
        match (trigger, off_hit) {
            (Trigger::Miss, true) => self.pollution.displaced += weight,
            (Trigger::Hit, false) => self.pollution.displaced -= weight,
            _ => {}
        }
        self.judged += 1;
        self.misses += u64::from(!hit);
        self.off_misses += u64::from(!off_hit);
        self.differing += u64::from(hit != off_hit);
        if self.judged >= JUDGEMENT {
            self.conclude();
        }
    }

    /// Whether warms may push something out of L1. Where the budget is next to nothing they may only
    /// put outdated copies right, which changes nothing in the order in which entries leave, and
    /// come into an L1 that is not half full yet.
    pub fn may_displace(&self) -> bool {
        self.extra.is_none_or(|extra| extra >= EXACT)
    }

    /// How many unread warms L1 may hold, of which `share` entries are their share. Only where warming
    /// has lately won more look-ups than chance explains may they be `most`, if that is more;
    /// otherwise half of the share has to do.
    pub fn unread_allowed(&self, share: usize, most: usize) -> usize {
        if self.lately.better() {
            share.max(most)
        } else {
            (share / 2).max(1)
        }
    }

    /// Why warming is turned down now, if it is.
    pub fn turned_down(&self) -> Option<TurnedDown> {
        self.turned_down
    }

    /// A sign test on the look-ups that differ, over the judgements of late: three standard
    /// deviations more lost than won. A single judgement says little: what a burst of look-ups
    /// loses, the next may win back.
    fn conclude(&mut self) {
        self.lately.fade();
        self.lately.lost += self.misses as f64;
        self.lately.won += self.off_misses as f64;
        self.lately.differing += self.differing as f64;
        (self.judged, self.misses, self.off_misses, self.differing) = (0, 0, 0, 0);
        if self.pause > 0 {
            self.pause -= 1;
            if self.pause == 0 {
                // What was lost before the pause is no evidence against what comes after it.
                self.lately = Lately::default();
                self.turned_down = None;
            }
        } else if self.lately.worse() {
            self.turned_down = Some(TurnedDown::WorseThanOff {
                with_warming: self.lately.lost as u64,
                without: self.lately.won as u64,
            });
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        } else if self.lately.lost < self.lately.won {
            self.next_pause = (self.next_pause / 2).max(1);
        }
    }
}

/// Look-ups judged lately, older judgements weighing less.
#[derive(Debug, Clone, Copy, Default)]
struct Lately {
    /// Misses with warming, and without.
    lost: f64,
    won: f64,
    differing: f64,
}

impl Lately {
    /// What a judgement keeps of the ones before: some 16 of them count.
    const KEPT: f64 = 15.0 / 16.0;

    fn fade(&mut self) {
        self.lost *= Self::KEPT;
        self.won *= Self::KEPT;
        self.differing *= Self::KEPT;
    }

    fn better(&self) -> bool {
        self.won - self.lost > 3.0 * self.differing.sqrt()
    }

    fn worse(&self) -> bool {
        self.lost - self.won > 3.0 * self.differing.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn went(hit: bool) -> Trigger {
        if hit { Trigger::Hit } else { Trigger::Miss }
    }

    #[test]
    fn a_service_without_demand_may_spend_its_free_reads_and_no_more() {
        let mut governor = Governor::new(Some(0.25));
        assert_eq!(governor.grant(40, Risk::NONE), 40);
        assert_eq!(governor.grant(40, Risk::NONE), 24);
        assert_eq!(governor.grant(1, Risk::NONE), 0);
    }

    #[test]
    fn a_budget_of_zero_still_lets_a_warm_stand_in_for_a_miss() {
        let mut governor = Governor::new(Some(0.0));
        governor.grant(1_000, Risk::NONE);
        governor.off_would_read(10.0);
        assert_eq!(governor.grant(100, Risk::NONE), 10);
    }

    #[test]
    fn where_all_is_spent_a_fetch_must_be_as_likely_to_be_read_as_the_budget_pays_for() {
        let price_of_the_last = |extra| {
            let mut governor = Governor::new(Some(extra));
            governor.off_would_read(1_000.0);
            governor.demand_reads(1_000);
            governor.grant(usize::MAX, Risk::NONE);
            governor.price()
        };
        assert_eq!(price_of_the_last(0.25), 0.75);
        assert_eq!(price_of_the_last(1.0), 0.5);
        assert_eq!(price_of_the_last(4.0), 0.2);
    }

    #[test]
    fn what_is_at_risk_is_kept_in_reserve() {
        let grant = |open, room| Governor::new(Some(0.25)).grant(100, Risk { open, room });
        assert_eq!(grant(0, 1_000), 64);
        assert_eq!(grant(0, 0), 28, "each may cost a read more");
        assert_eq!(grant(0, 10), 33);
        assert_eq!(grant(60, 1_000), 4);
        assert_eq!(grant(100, 0), 0);
    }

    #[test]
    fn losing_reads_turns_warming_down_and_winning_does_not() {
        let feed = |hit: fn(u64) -> bool, off: fn(u64) -> bool| {
            let mut governor = Governor::new(None);
            (0..JUDGEMENT).for_each(|n| governor.judge(went(hit(n)), off(n), 1.0));
            governor.turned_down().is_some()
        };
        assert!(feed(|n| n % 2 == 0, |n| n % 2 == 0 || n % 5 == 0));
        assert!(!feed(|n| n % 2 == 0 || n % 5 == 0, |n| n % 2 == 0));
        assert!(
            !feed(|n| n % 2 == 0, |n| n % 2 == 1),
            "as many won as lost is noise"
        );
    }

    #[test]
    fn a_budget_of_next_to_nothing_pushes_nothing_out() {
        let displaces = |extra| Governor::new(extra).may_displace();
        assert!(displaces(None) && displaces(Some(0.01)));
        assert!(!displaces(Some(0.0)) && !displaces(Some(0.009)));
    }

    #[test]
    fn unread_warms_get_more_room_only_where_they_win() {
        let mut governor = Governor::new(None);
        assert_eq!(governor.unread_allowed(20, 32), 10, "nothing is proven");
        assert_eq!(governor.unread_allowed(0, 32), 1);
        (0..JUDGEMENT).for_each(|n| governor.judge(went(n % 2 == 0), n % 2 == 1, 1.0));
        assert_eq!(governor.unread_allowed(20, 32), 10, "won as many as lost");
        (0..JUDGEMENT).for_each(|n| governor.judge(went(n % 2 == 0), false, 1.0));
        assert_eq!(governor.unread_allowed(20, 32), 32);
        assert_eq!(governor.unread_allowed(40, 32), 40);
        (0..8 * JUDGEMENT).for_each(|_| governor.judge(Trigger::Miss, true, 1.0));
        assert_eq!(governor.unread_allowed(40, 32), 20);
    }

    #[test]
    fn a_pause_ends_and_repeats_longer_while_it_stays_bad() {
        let mut governor = Governor::new(None);
        let mut paused = Vec::new();
        for _ in 0..40 {
            let down = governor.turned_down().is_some();
            paused.push(down);
            // While paused both look-ups agree; while warming it loses.
            (0..JUDGEMENT).for_each(|_| governor.judge(went(down), true, 1.0));
        }
        let active = paused.iter().filter(|down| !**down).count();
        assert!(
            (3..=8).contains(&active),
            "{active} judgements of 40 spent losing"
        );
    }

    proptest! {
        /// The budget holds at every moment, whatever is asked and in whatever order.
        #[test]
        fn the_budget_is_never_exceeded_by_a_grant(
            extra in 0.0_f64..2.0, calls in prop::collection::vec((0_u8..3, 0_u64..50), 1..200)
        ) {
            let mut governor = Governor::new(Some(extra));
            let (mut off, mut reads) = (0_u64, 0_u64);
            for (call, n) in calls {
                match call {
                    0 => { governor.off_would_read(n as f64); off += n; }
                    // Demand itself misses no more than off here: warming only removes misses.
                    1 => { let n = n.min(off.saturating_sub(reads)); governor.demand_reads(n); reads += n; }
                    _ => reads += governor.grant(n as usize, Risk::NONE) as u64,
                }
                let limit = off as f64 + (extra * off as f64).max(64.0);
                prop_assert!(reads as f64 <= limit, "{reads} reads, limit {limit}");
            }
        }
    }
}
