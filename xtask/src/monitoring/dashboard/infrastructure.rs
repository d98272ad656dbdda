//! `warming-infrastructure`: the user's four rows and twelve panels, then what it pays, what runs
//! out and what it depends on.

mod beyond;
mod user;

use super::{Design, Row};

pub(super) const DESIGN: Design = Design {
    uid: super::MAIN,
    title: "Warming Infrastructure",
    description: "Forewarm: cache, tracking and warming, what warming is worth, and what will run out.",
    tags: &["warming", "cache", "performance"],
    from: "now-1h",
    refresh: "5s",
    one_chain: false,
    rows: &[
        Row {
            title: "Overview",
            panels: user::OVERVIEW,
        },
        Row {
            title: "Cache Performance",
            panels: user::CACHE,
        },
        Row {
            title: "Warming Performance",
            panels: user::WARMING,
        },
        Row {
            title: "Error Rates & Alerts",
            panels: user::ERRORS,
        },
        Row {
            title: "Does it pay?",
            panels: beyond::PAYS,
        },
        Row {
            title: "Capacity",
            panels: beyond::CAPACITY,
        },
        Row {
            title: "What it depends on",
            panels: beyond::DEPENDENCIES,
        },
    ],
};
