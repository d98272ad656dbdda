//! Forewarm's own commands, and its section of INFO.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use forewarm_domain::{ChainMode, Key, Mode};

use super::command::Own;
use super::connection::{Connection, Socket};
use super::port::Port;
use super::reply::Reply;
use super::request::{Arguments, number};
use crate::explain::{Source, account, rounded};

/// Partners listed unless the client says how many.
const LISTED: usize = 10;
/// Most keys of one `FOREWARM.WARM`.
const MOST_WARMED: usize = 1_000;

impl<S: Socket> Connection<'_, S> {
    pub(super) async fn own(&mut self, arguments: Arguments<'_>, own: Own) {
        match own {
            Own::Explain => self.explain(arguments),
            Own::Correlations => self.correlations(arguments),
            Own::Mode => self.mode(arguments),
            Own::Stats => self.stats(),
            Own::Warm => self.warm(arguments),
            Own::InvalidateFrom => self.invalidate_from(arguments),
        }
    }

    fn named_key(&self, arguments: Arguments<'_>) -> Option<Key> {
        let name = arguments.get(1)?;
        Some(self.port.key(name, self.state.database))
    }

    /// `FOREWARM.EXPLAIN key`: what `GET /v1/explain` tells. Looks through the model on the
    /// connection's own thread: a question for people, not for every request.
    fn explain(&mut self, arguments: Arguments<'_>) {
        let Some(key) = self.named_key(arguments).filter(|_| arguments.len() == 2) else {
            return self.wrong_number("forewarm.explain");
        };
        let account = account(&self.port.core, &key);
        let mut reply = self.reply();
        reply.map(9);
        reply.bulk(b"key");
        reply.bulk(key.bytes());
        reply.bulk(b"words");
        reply.bulk(account.words.as_bytes());
        reply.bulk(b"in_l1");
        reply.integer(i64::from(account.in_l1));
        reply.bulk(b"mode");
        reply.bulk(account.mode.as_bytes());
        reply.bulk(b"strategy");
        reply.bulk(account.strategy.as_bytes());
        reply.bulk(b"price");
        reply.double(account.price);
        reply.bulk(b"against");
        reply.array(account.against.len());
        for reason in &account.against {
            reply.bulk(reason.as_bytes());
        }
        reply.bulk(b"partners");
        reply.array(account.partners.len());
        for one in &account.partners {
            reply.map(11);
            figures(&mut reply, &one.figures);
            reply.bulk(b"expected");
            reply.double(one.expected);
            reply.bulk(b"came_true");
            reply.bulk(marks(&one.came_true).as_bytes());
            reply.bulk(b"state");
            reply.bulk(one.state.as_bytes());
        }
        reply.bulk(b"pointed_at_by");
        reply.array(account.pointed_at_by.len());
        for one in &account.pointed_at_by {
            reply.map(8);
            figures(&mut reply, one);
        }
    }

    /// `FOREWARM.CORRELATIONS key [N]`: what is read after it, strongest first.
    fn correlations(&mut self, arguments: Arguments<'_>) {
        let limit = match arguments.get(2) {
            None => Some(LISTED),
            Some(text) => number(text).and_then(|n| usize::try_from(n).ok()),
        };
        let key = self.named_key(arguments).filter(|_| arguments.len() <= 3);
        let Some(key) = key else {
            return self.wrong_number("forewarm.correlations");
        };
        let Some(limit) = limit else {
            return self
                .reply()
                .error("ERR value is not an integer or out of range");
        };
        let now = self.port.core.clock.now();
        let known = self.port.core.engine.correlations(&key, limit, now);
        let mut reply = self.reply();
        reply.array(known.len());
        for one in known {
            reply.map(7);
            reply.bulk(b"key");
            reply.bulk(one.key.bytes());
            reply.bulk(b"after");
            reply.bulk(one.source.as_bytes());
            reply.bulk(b"score");
            reply.double(rounded(one.score));
            reply.bulk(b"probability");
            reply.double(rounded(one.probability));
            reply.bulk(b"support");
            reply.double(rounded(one.support));
            reply.bulk(b"lift");
            reply.double(rounded(one.lift));
            reply.bulk(b"lag_ms");
            reply.double((one.lag.as_secs_f64() * 1e6).round() / 1e3);
        }
    }

    /// `FOREWARM.MODE [off|shadow|on]`: the mode in force, or a new one for everything.
    fn mode(&mut self, arguments: Arguments<'_>) {
        let engine = &self.port.core.engine;
        match (arguments.len(), arguments.get(1)) {
            (1, _) => {
                let mode = engine.rollout().default.mode;
                self.reply().bulk(mode.name().as_bytes());
            }
            (2, Some(word)) => {
                let word = String::from_utf8_lossy(word).to_lowercase();
                match word.parse::<Mode>() {
                    Ok(mode) => {
                        engine.set_mode(None, ChainMode::everywhere(mode));
                        tracing::info!(%mode, "the mode was changed over the Redis protocol");
                        self.reply().ok();
                    }
                    Err(error) => self.reply().error(&format!("ERR {error}")),
                }
            }
            _ => self.wrong_number("forewarm.mode"),
        }
    }

    /// `FOREWARM.STATS`: the figures of the INFO section as a map.
    fn stats(&mut self) {
        let figures = self.port.figures();
        let mut reply = self.reply();
        reply.map(figures.len());
        for (name, value) in figures {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }

    /// `FOREWARM.WARM key…`: asks for what is read after each of them to be warmed; of how many
    /// that was queued.
    fn warm(&mut self, arguments: Arguments<'_>) {
        if arguments.len() < 2 {
            return self.wrong_number("forewarm.warm");
        }
        if arguments.len() - 1 > MOST_WARMED {
            let text = format!("ERR {} keys, at most {MOST_WARMED}", arguments.len() - 1);
            return self.reply().error(&text);
        }
        let port = self.port;
        let names = arguments.iter().skip(1);
        let keys = names.map(|name| port.key(name, self.state.database));
        let queued = keys.filter(|key| port.core.request_warm(key)).count();
        self.reply().integer(queued as i64);
    }
}

impl<S: Socket> Connection<'_, S> {
    /// `FOREWARM.INVALIDATEFROM chain block`: the chain was reorganised from that block on; how many
    /// keys are no longer served.
    fn invalidate_from(&mut self, arguments: Arguments<'_>) {
        let (3, Some(chain), Some(block)) = (arguments.len(), arguments.get(1), arguments.get(2))
        else {
            return self.wrong_number("forewarm.invalidatefrom");
        };
        let Some(block) = number(block).and_then(|n| u64::try_from(n).ok()) else {
            return self
                .reply()
                .error("ERR value is not an integer or out of range");
        };
        if chain.is_empty() {
            return self.reply().error("ERR the chain has no name");
        }
        let chain = String::from_utf8_lossy(chain);
        let reorg = self.port.core.invalidate_from(&chain, block);
        self.reply().integer(reorg.keys as i64);
    }
}

/// The eight figures of one pair about another.
fn figures(reply: &mut Reply<'_>, of: &Source) {
    reply.bulk(b"key");
    reply.bulk(of.key.bytes());
    reply.bulk(b"after");
    reply.bulk(of.after.as_bytes());
    let numbers = [
        ("score", of.score),
        ("probability", of.probability),
        ("support", of.support),
        ("lift", of.lift),
        ("lag_ms", of.lag_ms),
    ];
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.double(number);
    }
    reply.bulk(b"followed");
    reply.bulk(marks(&of.followed).as_bytes());
}

/// Answers as text, newest first: `yes no yes`.
fn marks(answers: &[bool]) -> String {
    let words = answers.iter().map(|yes| if *yes { "yes" } else { "no" });
    words.collect::<Vec<_>>().join(" ")
}

impl Port {
    /// What INFO and `FOREWARM.STATS` tell.
    pub(super) fn figures(&self) -> Vec<(&'static str, String)> {
        let core = &self.core;
        let status = core.engine.status(core.clock.now());
        let (hits, misses) = status.demand;
        let asked = (hits + misses).max(1);
        let ratio = hits as f64 / asked as f64;
        let outcomes = status.outcomes;
        vec![
            ("forewarm_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("forewarm_l2", core.shared.backend().to_owned()),
            (
                "forewarm_mode",
                core.engine.rollout().default.mode.to_string(),
            ),
            ("forewarm_strategy", status.strategy.to_owned()),
            ("forewarm_l1_hits", hits.to_string()),
            ("forewarm_l1_misses", misses.to_string()),
            ("forewarm_l1_hit_ratio", format!("{ratio:.4}")),
            ("forewarm_l1_entries", status.l1.entries.to_string()),
            ("forewarm_l1_bytes", status.l1.weight.to_string()),
            ("forewarm_l1_capacity_bytes", status.l1.capacity.to_string()),
            ("forewarm_pairs_tracked", status.pairs.to_string()),
            ("forewarm_pairs_warmed", status.pairs_warmed.to_string()),
            ("forewarm_warms_useful", outcomes.useful.to_string()),
            ("forewarm_warms_late", outcomes.late.to_string()),
            ("forewarm_warms_wasted", outcomes.wasted.to_string()),
            ("forewarm_warms_harmful", outcomes.harmful.to_string()),
            (
                "forewarm_budget_used_ratio",
                format!("{:.4}", status.budget_used_ratio),
            ),
            (
                "forewarm_clients",
                self.counts.connected.load(Ordering::Relaxed).to_string(),
            ),
            (
                "forewarm_clients_refused",
                self.counts.refused.load(Ordering::Relaxed).to_string(),
            ),
        ]
    }

    /// The section of INFO.
    pub(super) fn info_section(&self) -> String {
        let mut text = String::from("# Forewarm\r\n");
        for (name, value) in self.figures() {
            write!(text, "{name}:{value}\r\n").expect("a String takes every write");
        }
        text
    }
}
