//! What a member is asked for a proof of life, and what its answers must say.

use std::collections::BTreeSet;

use super::places::{Place, primaries_of};
use super::wire::{LinkError, Reply};

/// A question with its right answer.
#[derive(Debug)]
pub(super) enum Check {
    /// The connection is alive, and everything said before has arrived.
    Alive,
    /// The cluster's primaries are still those that the session is on.
    Primaries(BTreeSet<Place>, Place),
    /// Nobody has emptied a database since: keyspace notifications do not tell. With how often
    /// anybody had when last asked.
    Flushes(u64),
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Fine, but everything may have changed.
    AllChanged,
    /// The server lives, but is held up by a script: not a proof, and no reason to go.
    Busy,
}

impl Check {
    pub(super) fn command(&self) -> &'static [&'static [u8]] {
        match self {
            Self::Alive => &[b"PING"],
            Self::Primaries(..) => &[b"CLUSTER", b"SLOTS"],
            Self::Flushes(_) => &[b"INFO", b"commandstats"],
        }
    }

    pub(super) fn judge(&mut self, reply: Reply) -> Result<Verdict, LinkError> {
        if matches!(&reply, Reply::Error(text) if text.starts_with("BUSY ")) {
            return Ok(Verdict::Busy);
        }
        match self {
            Self::Alive => {
                let reply = reply.or_error("PING")?;
                // Subscribed under RESP2 the answer is a list.
                let word = match &reply {
                    Reply::List(parts) => parts.first().and_then(Reply::text),
                    reply => reply.text(),
                };
                if word.is_some_and(|word| word.eq_ignore_ascii_case("pong")) {
                    return Ok(Verdict::Fine);
                }
                Err(LinkError::Failed(format!("PING: {reply:?} for an answer")))
            }
            Self::Primaries(expected, asked) => {
                let reply = reply.or_error("CLUSTER SLOTS")?;
                match primaries_of(&reply, asked) {
                    Some(primaries) if primaries == *expected => Ok(Verdict::Fine),
                    _ => Err(LinkError::failed("the cluster's primaries have changed")),
                }
            }
            Self::Flushes(before) => {
                let now = flushes(&reply.or_error("INFO")?);
                let now = now.ok_or_else(|| LinkError::failed("INFO: an unreadable answer"))?;
                let same = now == std::mem::replace(before, now);
                Ok(if same {
                    Verdict::Fine
                } else {
                    Verdict::AllChanged
                })
            }
        }
    }
}

/// How many times databases were emptied or swapped, by `INFO commandstats`.
pub(super) fn flushes(reply: &Reply) -> Option<u64> {
    let text = reply.text()?;
    let commands = ["flushall", "flushdb", "swapdb"].map(|name| format!("cmdstat_{name}:calls="));
    let mut total = 0;
    for line in text.lines() {
        let calls = commands
            .iter()
            .find_map(|name| line.strip_prefix(name.as_str()));
        if let Some(calls) = calls {
            total += calls.split(',').next()?.parse::<u64>().ok()?;
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn only_an_answer_to_ping_is_a_sign_of_life() {
        let judge = |reply| Check::Alive.judge(reply);
        assert_eq!(judge(text("PONG")), Ok(Verdict::Fine));
        assert_eq!(judge(Reply::List(vec![text("pong")])), Ok(Verdict::Fine));
        let error = |text: &str| Reply::Error(text.to_owned());
        let busy = "BUSY Redis is busy running a script";
        assert_eq!(judge(error(busy)), Ok(Verdict::Busy));
        let loading = judge(error("LOADING Redis is loading the dataset"));
        assert!(matches!(loading, Err(LinkError::Failed(_))), "{loading:?}");
        assert!(judge(Reply::Null).is_err() && judge(text("OK")).is_err());
    }

    #[test]
    fn a_flush_shows_in_the_servers_own_count_and_so_does_a_reset_of_it() {
        let stats = "# Commandstats\r\ncmdstat_flushall:calls=2,usec=1\r\ncmdstat_get:calls=9,usec=1\r\n\
                     cmdstat_swapdb:calls=1,usec=1\r\n";
        assert_eq!(flushes(&text(stats)), Some(3));
        assert_eq!(flushes(&text("# Commandstats\r\n")), Some(0));
        assert_eq!(flushes(&Reply::Null), None);
        let mut check = Check::Flushes(3);
        assert_eq!(check.judge(text(stats)), Ok(Verdict::Fine));
        assert_eq!(
            check.judge(text("cmdstat_flushdb:calls=4,usec=1\r\n")),
            Ok(Verdict::AllChanged)
        );
        assert_eq!(check.judge(text("")), Ok(Verdict::AllChanged));
        assert_eq!(check.judge(text("")), Ok(Verdict::Fine));
    }
}
