//! Alerts that judge a figure of the traffic of a chain: percentiles and ratios.

mod table;

use super::encoding::Series;
use super::inputs::{CHAINS, INSTANCES, Place};
use super::timeline::{Minute, growing, minutes, missing, resetting};
use super::{Case, Check, Labels, case, elsewhere, fires_at, silent};

/// An alert and the figures to try it with.
#[derive(Clone, Copy)]
struct Judged {
    alert: &'static str,
    input: fn(Place, &[Minute]) -> Vec<Series>,
    /// All is well.
    healthy: f64,
    /// Just short of the threshold.
    near: f64,
    /// Just past it, so that the whole window must be at fault.
    fault: f64,
    /// So bad that two equal instances are at fault together when only one is.
    awful: f64,
    /// The fault's figure in the description.
    shown: &'static str,
    /// Events a second, all instances, from which it judges.
    floor: f64,
    /// Minutes of a rate.
    window: usize,
    /// Minutes of fault, after health, until the condition holds.
    crossing: usize,
    /// Minutes that it must hold.
    pending: usize,
    /// Goes on firing for five minutes.
    keeps: bool,
    /// The series that is not there before the first good (or bad) event, when that is a fault.
    never: Option<&'static str>,
    /// A label besides job and chain.
    label: Option<(&'static str, &'static str)>,
}

/// Minutes of health before a fault: longer than any window, doubled.
const BEFORE: usize = 40;

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    let suites = table::JUDGED.iter();
    suites
        .map(|judged| (judged.alert, judged.cases()))
        .collect()
}

impl Judged {
    fn cases(&self) -> Vec<Case> {
        let mut cases = vec![
            self.fires_on_its_fault(),
            self.is_silent_just_short_of_its_threshold(),
            self.is_silent_when_idle_or_absent(),
            self.counts_from_the_least_traffic_on(),
            self.is_not_misled_by_a_missed_scrape(),
            self.is_not_misled_by_a_restart(),
            self.weighs_instances_by_their_traffic(),
            self.adds_instances_up(),
            self.follows_growing_traffic(),
        ];
        cases.extend(self.never.map(|never| self.fires_before_the_first(never)));
        cases
    }

    fn fires_before_the_first(&self, never: &str) -> Case {
        let length = self.window + self.pending + 2;
        let faulty = minutes(length, self.fault, self.usual());
        let mut series = self.both(&faulty, &faulty);
        series.retain(|it| !it.name.contains(never));
        case(
            "fires where nothing good was ever counted",
            series,
            vec![Check::Fires {
                minute: length,
                who: vec![self.who(CHAINS[0])],
            }],
        )
    }

    /// Traffic of one instance, well above the floor.
    fn usual(&self) -> f64 {
        10.0 * self.floor
    }

    fn who(&self, chain: &'static str) -> Labels {
        let mut who = vec![("job", "forewarm".to_owned()), ("chain", chain.to_owned())];
        who.extend(self.label.map(|(name, value)| (name, value.to_owned())));
        who
    }

    /// The first chain on both instances.
    fn both(&self, a: &[Minute], b: &[Minute]) -> Vec<Series> {
        let chain = CHAINS[0];
        let places = INSTANCES.map(|instance| Place { instance, chain });
        let [mut all, b] = [(places[0], a), (places[1], b)].map(|(at, it)| (self.input)(at, it));
        all.extend(b);
        all
    }

    fn fires_on_its_fault(&self) -> Case {
        let usual = self.usual();
        let firing = BEFORE + self.crossing + self.pending;
        let recovery = firing + 10;
        let mut faulty = minutes(BEFORE, self.healthy, usual);
        faulty.extend(minutes(recovery - BEFORE, self.fault, usual));
        faulty.extend(minutes(20, self.healthy, usual));
        let near = minutes(faulty.len(), self.near, usual);
        let mut series = self.both(&faulty, &faulty);
        for instance in INSTANCES {
            let chain = CHAINS[1];
            series.extend((self.input)(Place { instance, chain }, &near));
        }
        let who = self.who(CHAINS[0]);
        let mut checks = fires_at(firing, std::slice::from_ref(&who));
        checks.push(Check::Says {
            minute: firing,
            who: who.clone(),
            value: self.shown,
        });
        if self.keeps {
            checks.push(Check::Fires {
                minute: recovery + 5,
                who: vec![who],
            });
        } else {
            checks.extend(silent(&[recovery + 3]));
        }
        checks.extend(silent(&[recovery + 8]));
        case(
            "on one of two chains, fires on its fault after its time, and ends",
            series,
            checks,
        )
    }

    fn is_silent_just_short_of_its_threshold(&self) -> Case {
        let length = BEFORE + 2 * self.pending;
        let near = minutes(length, self.near, self.usual());
        case(
            "is silent just short of its threshold",
            self.both(&near, &near),
            silent(&[self.window + self.pending + 2, length]),
        )
    }

    fn is_silent_when_idle_or_absent(&self) -> Case {
        let length = BEFORE + 2 * self.pending;
        let little = minutes(length, self.fault, 0.4 * self.floor);
        let mut series = self.both(&little, &little);
        // The other chain is there, without any traffic; a third is not there at all.
        let none = minutes(length, self.fault, 0.0);
        for instance in INSTANCES {
            let chain = CHAINS[1];
            series.extend((self.input)(Place { instance, chain }, &none));
        }
        let faulty = minutes(length, self.fault, self.usual());
        series.extend(elsewhere(self.both(&faulty, &faulty)));
        case(
            "is silent with less traffic than counts, with none, without series, and for other jobs",
            series,
            silent(&[self.window + self.pending + 2, length]),
        )
    }

    fn counts_from_the_least_traffic_on(&self) -> Case {
        let least = 0.6 * self.floor;
        // 1.2 times the floor, once so much of the window is filled.
        let reached = (self.window as f64 / 1.2).ceil() as usize;
        let mut timeline = minutes(BEFORE, self.fault, 0.0);
        timeline.extend(minutes(self.window + self.pending + 10, self.fault, least));
        case(
            "fires from the least traffic that counts on, when both instances have it together",
            self.both(&timeline, &timeline),
            fires_at(BEFORE + reached + self.pending, &[self.who(CHAINS[0])]),
        )
    }

    fn is_not_misled_by_a_missed_scrape(&self) -> Case {
        let fires = self.window + self.pending + 2;
        let faulty = minutes(fires + 5, self.fault, self.usual());
        let faulty = missing(faulty, fires - 4);
        case(
            "a missed scrape does not start its clock again",
            self.both(&faulty, &faulty),
            vec![Check::Fires {
                minute: fires,
                who: vec![self.who(CHAINS[0])],
            }],
        )
    }

    fn is_not_misled_by_a_restart(&self) -> Case {
        let fires = self.window + self.pending + 2;
        let faulty = minutes(fires + 5, self.fault, self.usual());
        let restarted = resetting(faulty.clone(), fires - 4);
        let mut series = self.both(&faulty, &restarted);
        let near = minutes(fires + 5, self.near, self.usual());
        let near = resetting(near, fires - 4);
        for instance in INSTANCES {
            let chain = CHAINS[1];
            series.extend((self.input)(Place { instance, chain }, &near));
        }
        case(
            "a restart neither ends the fault of one chain nor makes one of another's",
            series,
            vec![Check::Fires {
                minute: fires,
                who: vec![self.who(CHAINS[0])],
            }],
        )
    }

    fn weighs_instances_by_their_traffic(&self) -> Case {
        let length = BEFORE + self.pending + self.window;
        let faulty = minutes(length, self.fault, self.usual());
        let healthy = minutes(length, self.healthy, 20.0 * self.usual());
        case(
            "is silent when an instance with little traffic is at fault and one with much is not",
            self.both(&faulty, &healthy),
            silent(&[length]),
        )
    }

    fn adds_instances_up(&self) -> Case {
        let length = BEFORE + self.pending + self.window;
        let awful = minutes(length, self.awful, self.usual());
        let healthy = minutes(length, self.healthy, self.usual());
        case(
            "fires when one of two equal instances is bad enough for both",
            self.both(&awful, &healthy),
            vec![Check::Fires {
                minute: length,
                who: vec![self.who(CHAINS[0])],
            }],
        )
    }

    /// Both sides of a ratio must look back equally far: on growing traffic a longer look back
    /// sees less.
    fn follows_growing_traffic(&self) -> Case {
        let length = self.window + self.pending + 5;
        let faulty = growing(length, self.fault, self.usual());
        let mut series = self.both(&faulty, &faulty);
        let near = growing(length, self.near, self.usual());
        for instance in INSTANCES {
            let chain = CHAINS[1];
            series.extend((self.input)(Place { instance, chain }, &near));
        }
        case(
            "on growing traffic, fires on its fault and is silent just short of it",
            series,
            vec![Check::Fires {
                minute: length,
                who: vec![self.who(CHAINS[0])],
            }],
        )
    }
}
