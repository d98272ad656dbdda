//! What may happen, as data: a schedule is a list of steps, each made of one number, so that a failing
//! one is shrunk by leaving steps out and by making numbers smaller.

use forewarm_domain::Mode;
use proptest::prelude::*;

/// Keys that exist.
pub(super) const KEYS: u32 = 10;

/// Where the engine finds itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// L2 keeps versions, and of two the newer; the feed tells them.
    pub(super) versions: bool,
    /// L2 tells of changes over a link.
    pub(super) linked: bool,
    /// Absences are remembered.
    pub(super) negative: bool,
    /// Most of the budget is gone.
    pub(super) tight: bool,
}

/// How a feed tells of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Untold,
    Key,
    Value,
}

/// One step. A place in a queue counts from its front and wraps around; where there is nothing, nothing
/// happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Pass {
        ms: u64,
    },
    /// Operations begin; each runs until it waits for L2.
    Read {
        key: u32,
    },
    ReadMany {
        keys: [u32; 3],
    },
    Put {
        key: u32,
    },
    /// A write that somebody carries out on L2 and announces, as the Redis port does.
    Announce {
        key: u32,
    },
    Warm,
    /// Calls of L2: it takes one up (and reads or writes now), its answer arrives, is an error before or
    /// after the fact, or never comes.
    Serve {
        call: usize,
    },
    Answer {
        call: usize,
    },
    Refuse {
        call: usize,
    },
    Break {
        call: usize,
    },
    LoseAnswer {
        call: usize,
    },
    /// The caller of an operation goes away.
    Cancel {
        operation: usize,
    },
    /// Another process writes, and a feed tells of it: perhaps before L2 has it.
    Elsewhere {
        key: u32,
        news: News,
        ahead: bool,
    },
    RemoveElsewhere {
        key: u32,
    },
    /// L2 gets a write that the feed told ahead of.
    CatchUp {
        write: usize,
    },
    /// A message of the feed arrives, in any order, perhaps not for the last time; or is lost.
    Feed {
        message: usize,
        again: bool,
    },
    LoseFeed {
        message: usize,
    },
    /// The next message of the link arrives, perhaps not for the last time.
    Hear {
        again: bool,
    },
    Probe,
    /// The link breaks; that is noticed; it is made anew; its bound passes.
    Cut,
    Notice,
    Subscribe,
    Lapse,
    Invalidate {
        key: u32,
    },
    Flush,
    Learn,
    Request {
        key: u32,
    },
    Tick,
    Switch {
        mode: Mode,
        percent: u8,
    },
    /// The process dies and another takes its place: L1 is empty, what it had asked of L2 may yet happen.
    Crash,
}

impl Step {
    fn of(word: u32) -> Self {
        let (kind, rest) = (word % 128, word / 128);
        let key = rest % KEYS;
        let place = (rest % 16) as usize;
        match kind {
            0..=5 => Self::Pass {
                ms: u64::from(rest % 400),
            },
            6..=20 => Self::Read { key },
            21..=25 => Self::ReadMany {
                keys: [key, rest / 16 % KEYS, rest / 256 % KEYS],
            },
            26..=31 => Self::Put { key },
            32..=35 => Self::Announce { key },
            36..=45 => Self::Warm,
            46..=51 => Self::Serve { call: place },
            52..=70 => Self::Answer { call: place },
            71 => Self::Refuse { call: place },
            72 => Self::Break { call: place },
            73..=74 => Self::LoseAnswer { call: place },
            75..=76 => Self::Cancel { operation: place },
            77..=86 => Self::Elsewhere {
                key,
                news: [News::Untold, News::Key, News::Value][(rest / 16 % 3) as usize],
                ahead: rest / 64 % 4 == 3,
            },
            87 => Self::RemoveElsewhere { key },
            88..=89 => Self::CatchUp { write: place },
            90..=96 => Self::Feed {
                message: place,
                again: rest / 16 % 4 == 3,
            },
            97 => Self::LoseFeed { message: place },
            98..=104 => Self::Hear {
                again: rest % 8 == 7,
            },
            105..=107 => Self::Probe,
            108 => Self::Cut,
            109 => Self::Notice,
            110..=111 => Self::Subscribe,
            112 => Self::Lapse,
            113 => Self::Invalidate { key },
            114 if rest % 4 == 0 => Self::Flush,
            114..=121 => Self::Learn,
            122..=124 => Self::Request { key },
            125 => Self::Tick,
            126 => Self::Switch {
                mode: [Mode::On, Mode::On, Mode::Shadow, Mode::Off][place % 4],
                percent: (rest / 16 % 101) as u8,
            },
            _ if rest % 4 == 0 => Self::Crash,
            _ => Self::Learn,
        }
    }
}

/// Where and what.
pub(super) fn schedules(longest: usize) -> impl Strategy<Value = (Setting, Vec<Step>)> {
    let setting = any::<[bool; 4]>().prop_map(|[versions, linked, negative, tight]| Setting {
        versions,
        linked,
        negative,
        tight,
    });
    let step = any::<u32>().prop_map(Step::of);
    (setting, prop::collection::vec(step, 1..longest))
}
