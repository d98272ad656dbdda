//! A change that is told twice, by whoever made it or passed it on and by L2, is written once.
//!
//! ```text
//! its own line, then L2's news   the news is left out
//! L2's news, then its own line   the news is held back, and everything after it, until the own line
//!                                claims it, or ECHO is over: then it was somebody else's change
//! ```
//!
//! One own line stands for one piece of news: a key that others change at the same time keeps their
//! changes. Time is that of the stream's lines, by the clock of the Forewarm that told them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use forewarm_domain::{Op, Timestamp};

use super::source::{Line, Teller};

/// Two lines this far apart may be of one change.
const ECHO: Duration = Duration::from_secs(1);
/// Keyspace notifications tell of `SETEX` twice, as `set` and `expire`, in one breath.
const BREATH: Duration = Duration::from_millis(2);
/// Lines held back; past it the oldest goes out, claimed or not.
const MOST_HELD: usize = 1 << 16;
/// Keys whose last changes are remembered; past it those of the last second alone, or none.
const MOST_KEYS: usize = 100_000;
/// Own lines of one key that wait for L2's news: Redis merges those of one turn.
const MOST_OWED: usize = 64;

/// What is known of a key's last changes.
#[derive(Debug, Default)]
struct Recent {
    /// When own lines came of which L2 has not told.
    owed: VecDeque<Timestamp>,
    /// Numbers of the lines held back.
    held: Vec<u64>,
    /// When L2 last told.
    news: Option<Timestamp>,
}

impl Recent {
    fn forget_before(&mut self, now: Timestamp) {
        while self.owed.front().is_some_and(|at| now.since(*at) >= ECHO) {
            self.owed.pop_front();
        }
        self.news = self.news.filter(|at| now.since(*at) < ECHO);
    }

    fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.held.is_empty() && self.news.is_none()
    }
}

#[derive(Debug)]
struct Held {
    /// `None`: claimed.
    line: Option<Line>,
    /// News that may still be claimed, and since when.
    news_since: Option<Timestamp>,
}

/// The lines on their way through, at most [`MOST_HELD`] of them.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    held: VecDeque<Held>,
    /// The number of the first of `held`.
    first: u64,
    recent: HashMap<(u16, Bytes), Recent>,
    now: Timestamp,
}

impl Echoes {
    /// Takes the next line; whether a change turned out to have been told twice, in which case one of
    /// the two lines is never [`released`](Self::released).
    pub(super) fn take(&mut self, line: Line) -> bool {
        // A feed's time is somebody else's.
        if line.teller != Teller::Feed {
            self.now = self.now.max(line.at);
        }
        if line.op != Op::Update {
            self.pass(line, None);
            return false;
        }
        if self.recent.len() >= MOST_KEYS {
            let now = self.now;
            self.recent.retain(|_, recent| {
                recent.forget_before(now);
                !recent.is_empty()
            });
            if self.recent.len() >= MOST_KEYS {
                self.recent.clear();
            }
        }
        let recent = self
            .recent
            .entry((line.database, line.key.clone()))
            .or_default();
        recent.forget_before(self.now);
        if line.teller == Teller::L2 {
            let repeated = recent.news.is_some_and(|at| self.now.since(at) < BREATH);
            recent.news = Some(self.now);
            if repeated || recent.owed.pop_front().is_some() {
                return true;
            }
            recent.held.push(self.first + self.held.len() as u64);
            self.pass(line, Some(self.now));
            return false;
        }
        // The latest is the likeliest.
        let claimed = recent.held.pop();
        if claimed.is_none() {
            if recent.owed.len() >= MOST_OWED {
                recent.owed.pop_front();
            }
            recent.owed.push_back(self.now);
        }
        self.pass(line, None);
        let held = claimed.and_then(|number| {
            let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
            self.held.get_mut(place)
        });
        if let Some(held) = held {
            (held.line, held.news_since) = (None, None);
            return true;
        }
        false
    }

    fn pass(&mut self, line: Line, news_since: Option<Timestamp>) {
        self.held.push_back(Held {
            line: Some(line),
            news_since,
        });
    }

    /// The next line that is sure to be written, in the order in which they came.
    pub(super) fn released(&mut self) -> Option<Line> {
        loop {
            let front = self.held.front()?;
            let waits = front
                .news_since
                .is_some_and(|since| self.now.since(since) < ECHO);
            if waits && self.held.len() <= MOST_HELD {
                return None;
            }
            if let Some(line) = self.pop() {
                return Some(line);
            }
        }
    }

    /// The next line, now that no more come.
    pub(super) fn rest(&mut self) -> Option<Line> {
        while !self.held.is_empty() {
            if let Some(line) = self.pop() {
                return Some(line);
            }
        }
        None
    }

    fn pop(&mut self) -> Option<Line> {
        let held = self.held.pop_front()?;
        if let (Some(line), Some(_)) = (&held.line, held.news_since)
            && let Some(recent) = self.recent.get_mut(&(line.database, line.key.clone()))
        {
            recent.held.retain(|number| *number != self.first);
        }
        self.first += 1;
        held.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &'static str, op: Op, at_ms: u64, teller: Teller) -> Line {
        Line {
            at: Timestamp::from_millis(at_ms),
            key: Bytes::from_static(key.as_bytes()),
            op,
            version: None,
            valued: false,
            database: 0,
            teller,
        }
    }

    /// Lines as `KEY@MS`: `w` a write here, `f` of a feed, `i` news of L2, `r` a read; what is
    /// written of them, `/` where it was known before the end; and how many were told twice.
    fn check(lines: &str, written: &str, twice: usize) {
        let mut echoes = Echoes::default();
        let (mut out, mut told_twice) = (Vec::new(), 0);
        let shown = |line: &Line| {
            let teller = match (line.op, line.teller) {
                (Op::Update, Teller::Here) => 'w',
                (Op::Update, Teller::Feed) => 'f',
                (Op::Update, Teller::L2) => 'i',
                _ => 'r',
            };
            let key = std::str::from_utf8(&line.key).expect("ours");
            format!("{teller}{key}@{}", line.at.as_millis())
        };
        for text in lines.split_whitespace() {
            let (name, at) = text[1..].split_once('@').expect("ours");
            let key = if name == "k" { "k" } else { "l" };
            let (op, teller) = match &text[..1] {
                "w" => (Op::Update, Teller::Here),
                "f" => (Op::Update, Teller::Feed),
                "i" => (Op::Update, Teller::L2),
                _ => (Op::Read, Teller::Here),
            };
            let line = line(key, op, at.parse().expect("ours"), teller);
            told_twice += usize::from(echoes.take(line));
            while let Some(line) = echoes.released() {
                out.push(shown(&line));
            }
        }
        out.push("/".to_owned());
        while let Some(line) = echoes.rest() {
            out.push(shown(&line));
        }
        assert_eq!(out.join(" "), written, "of {lines}");
        assert_eq!(told_twice, twice, "of {lines}");
    }

    #[test]
    fn news_just_after_a_change_is_its_echo_and_a_second_later_it_is_not() {
        check("wk@0 ik@999 rk@1500", "wk@0 rk@1500 /", 1);
        check("wk@0 ik@1000 rk@2500", "wk@0 ik@1000 rk@2500 /", 0);
    }

    #[test]
    fn news_just_before_a_change_is_held_back_until_that_claims_it() {
        check("ik@0 wk@1", "wk@1 /", 1);
        check("rl@0 ik@1 rl@2 wk@3 rl@4", "rl@0 rl@2 wk@3 rl@4 /", 1);
        // The write began before it was heard of.
        check("ik@5 wk@4", "wk@4 /", 1);
    }

    #[test]
    fn news_that_nobody_claims_is_a_change_of_its_own_in_its_place() {
        check(
            "ik@0 rl@500 rl@1000 wk@1001",
            "ik@0 rl@500 rl@1000 wk@1001 /",
            0,
        );
        check("ik@0 rl@1", "/ ik@0 rl@1", 0);
        check("ik@0 wl@1", "/ ik@0 wl@1", 0);
    }

    #[test]
    fn one_own_line_stands_for_one_piece_of_news() {
        // What others change ten times a second is ten changes, not one.
        check(
            "ik@0 ik@100 ik@200 rl@1200",
            "ik@0 ik@100 ik@200 rl@1200 /",
            0,
        );
        check("wk@0 ik@1 ik@100 rl@1100", "wk@0 ik@100 rl@1100 /", 1);
        check("ik@0 ik@100 wk@101 rl@1000", "ik@0 wk@101 rl@1000 /", 1);
        check("wk@0 wk@1 ik@2 ik@10", "wk@0 wk@1 /", 2);
    }

    #[test]
    fn one_command_that_is_told_in_one_breath_as_two_events_is_one_change() {
        check("wk@0 ik@1 ik@2", "wk@0 /", 2);
        check("ik@0 ik@1 wk@2", "wk@2 /", 2);
        check("ik@0 ik@1", "/ ik@0", 1);
    }

    #[test]
    fn the_clock_of_a_feed_moves_nobodys_time() {
        check("ik@0 fk@60000 fl@60000", "fk@60000 fl@60000 /", 1);
        check(
            "rl@49999 fk@0 ik@50000 rl@50001",
            "rl@49999 fk@0 rl@50001 /",
            1,
        );
    }

    #[test]
    fn what_is_held_back_is_bounded_and_then_goes_out_in_order() {
        let mut echoes = Echoes::default();
        assert!(!echoes.take(line("k", Op::Update, 0, Teller::L2)));
        for _ in 1..MOST_HELD {
            assert!(!echoes.take(line("l", Op::Read, 1, Teller::Here)));
        }
        assert_eq!(echoes.released(), None);
        echoes.take(line("l", Op::Read, 1, Teller::Here));
        let first = echoes.released().expect("there is no more room");
        assert_eq!(first.op, Op::Update);
        // Written, it can be claimed no more; what follows is held back by nothing.
        assert!(!echoes.take(line("k", Op::Update, 2, Teller::Here)));
        assert_eq!(
            std::iter::from_fn(|| echoes.released()).count(),
            MOST_HELD + 1
        );
        for key in 0..3 * MOST_KEYS {
            let mut one = line("k", Op::Update, 3, Teller::Here);
            one.key = Bytes::from(key.to_string());
            echoes.take(one);
            while echoes.released().is_some() {}
            assert!(echoes.recent.len() <= MOST_KEYS);
        }
    }
}
