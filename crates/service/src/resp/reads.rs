//! Reads that L1 may answer, beyond the plain hits of [`hits`](super::hits).

use std::io;

use bytes::{Buf, Bytes};
use forewarm_application::engine::{Found, Level, LookupError};
use forewarm_application::metrics::SAMPLED_ONE_IN;
use forewarm_application::ports::Ending;
use forewarm_domain::{Key, Timestamp};
use tokio::time::Instant;

use super::command::{Cached, Command, Effect, Keys, Passed};
use super::connection::{Connection, FLUSH_BYTES, Flow, Socket};
use super::hits::get_request;
use super::port::Store;
use super::reply::bulk;
use super::request::{Arguments, number};

/// GETs that came together and are read from L2 together, at most.
const RUN: usize = 128;

/// A read that is passed on: it writes nothing.
const READ: Passed = Passed {
    keys: Keys::None,
    effect: Effect::None,
    waits: false,
};

impl<S: Socket> Connection<'_, S> {
    /// Answers a GET that L1 could not, and with the same round trip those that came with it.
    pub(super) async fn misses(&mut self, first: Key) -> io::Result<Flow> {
        let port = self.port;
        let now = port.core.clock.now();
        let mut run: Vec<(Key, Option<Bytes>)> = vec![(first, None)];
        let (mut at, mut bytes) = (0, 0);
        while run.len() < RUN
            && bytes < FLUSH_BYTES
            && let Some((name, length)) = get_request(&self.input[at..])
        {
            let key = port.key(name, self.state.database);
            if !port.core.may_cache(&key) {
                break;
            }
            at += length;
            let value = look(port, &key, now).map(|found| found.value);
            bytes += value.as_ref().map_or(0, Bytes::len);
            run.push((key, value));
        }
        self.input.advance(at);
        let missing: Vec<Key> = run
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        let started = Instant::now();
        let fetched = port.core.engine.fetch(&missing, now).await;
        if let Some(first) = missing
            .first()
            .filter(|_| self.turn.is_multiple_of(SAMPLED_ONE_IN))
        {
            let (chain, took) = (first.chain(), started.elapsed());
            port.core.metrics.lookup_duration(chain, Level::L2, took);
        }
        let mut fetched = fetched.map(Vec::into_iter);
        for (key, hit) in run {
            let found = match (hit, &mut fetched) {
                (Some(value), _) => Ok(Some(value)),
                (None, Ok(found)) => Ok(found.next().flatten().map(|found| found.value)),
                (None, Err(error)) => Err(error.clone()),
            };
            if self.say_value(&key, found).await? == Flow::Close {
                return Ok(Flow::Close);
            }
            if self.out.len() > FLUSH_BYTES {
                self.flush().await?;
            }
        }
        Ok(Flow::On)
    }

    /// The answer to one GET.
    async fn say_value(
        &mut self,
        key: &Key,
        found: Result<Option<Bytes>, LookupError>,
    ) -> io::Result<Flow> {
        match found {
            Ok(Some(value)) => bulk(&mut self.out, &value),
            // L2 has the key, as something else: it says so itself.
            Ok(None) if self.holds_other_type(key) => {
                return self.pass_read(&[b"GET", key.bytes()]).await;
            }
            Ok(None) => self.reply().null(),
            Err(LookupError::SharedCache(error)) => self.l2_error(&error),
        }
        Ok(Flow::On)
    }

    fn holds_other_type(&self, key: &Key) -> bool {
        match &self.port.store {
            Store::Redis(store) => store.holds_other_type(key),
            Store::Embedded(_) => false,
        }
    }

    /// A read as the client asked for it.
    pub(super) async fn cached_read(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        read: Cached,
    ) -> io::Result<Flow> {
        if read == Cached::Get
            && arguments.len() == 2
            && let Some(key) = self.cacheable(arguments.get(1))
        {
            return self.get(&key).await;
        }
        let answered = match read {
            Cached::MGet if arguments.len() > 1 => self.mget(arguments).await?,
            Cached::Exists if arguments.len() > 1 => self.exists(arguments),
            Cached::Ttl | Cached::PTtl if arguments.len() == 2 => {
                self.time_to_live(arguments, read == Cached::PTtl)
            }
            Cached::StrLen if arguments.len() == 2 => self.length(arguments),
            Cached::GetRange if arguments.len() == 4 => self.range(arguments),
            _ => false,
        };
        if answered {
            return Ok(Flow::On);
        }
        // L1 does not know, or the command is wrong: L2 has the last word.
        if self.is_redis() {
            self.learn_read(arguments, read);
            return self.pass(raw, arguments, Command::Passed(READ), READ).await;
        }
        self.embedded(arguments).await;
        Ok(Flow::On)
    }

    /// A read that L1 was not asked for trains all the same.
    fn learn_read(&self, arguments: Arguments<'_>, read: Cached) {
        let port = self.port;
        let now = port.core.clock.now();
        let keys = match read {
            Cached::MGet | Cached::Exists => arguments.len(),
            _ => 2,
        };
        for name in arguments.iter().take(keys).skip(1) {
            let key = port.key(name, self.state.database);
            if port.core.may_cache(&key) {
                let _ = port.core.engine.observe_read(&key, now, now);
            }
        }
    }

    async fn get(&mut self, key: &Key) -> io::Result<Flow> {
        let now = self.port.core.clock.now();
        let found = match look(self.port, key, now) {
            Some(found) => Ok(Some(found.value)),
            None => {
                let keys = std::slice::from_ref(key);
                let fetched = self.port.core.engine.fetch(keys, now).await;
                fetched.map(|mut found| found.pop().flatten().map(|found| found.value))
            }
        };
        self.say_value(key, found).await
    }

    async fn mget(&mut self, arguments: Arguments<'_>) -> io::Result<bool> {
        let port = self.port;
        let names = arguments.iter().skip(1);
        let keys: Vec<Key> = names
            .map(|name| port.key(name, self.state.database))
            .collect();
        if !keys.iter().all(|key| port.core.may_cache(key)) {
            return Ok(false);
        }
        let now = port.core.clock.now();
        let mut found: Vec<Option<Bytes>> = Vec::with_capacity(keys.len());
        found.extend(keys.iter().map(|key| Some(look(port, key, now)?.value)));
        let missing: Vec<usize> = (0..keys.len()).filter(|at| found[*at].is_none()).collect();
        if !missing.is_empty() {
            let wanted: Vec<Key> = missing.iter().map(|at| keys[*at].clone()).collect();
            match port.core.engine.fetch(&wanted, now).await {
                Ok(fetched) => {
                    for (at, one) in missing.into_iter().zip(fetched) {
                        found[at] = one.map(|found| found.value);
                    }
                }
                Err(LookupError::SharedCache(error)) => {
                    self.l2_error(&error);
                    return Ok(true);
                }
            }
        }
        self.reply().array(found.len());
        for value in found {
            match value {
                Some(value) => self.reply().bulk(&value),
                None => self.reply().null(),
            }
            if self.out.len() > FLUSH_BYTES {
                self.flush().await?;
            }
        }
        Ok(true)
    }

    /// Only where L1 has every key: what it lacks may still be there.
    fn exists(&mut self, arguments: Arguments<'_>) -> bool {
        let held = self.held(arguments.iter().skip(1));
        if let Some(found) = &held {
            let count = found.len() as i64;
            self.reply().integer(count);
        }
        held.is_some()
    }

    fn time_to_live(&mut self, arguments: Arguments<'_>, millis: bool) -> bool {
        let Some(found) = self.held_one(arguments) else {
            return false;
        };
        let left = match (found.ending, found.ttl) {
            (Ending::Default, _) => -1,
            (Ending::Source, Some(ttl)) => {
                let ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
                if millis { ms } else { (ms + 500) / 1_000 }
            }
            _ => return false,
        };
        self.reply().integer(left);
        true
    }

    fn length(&mut self, arguments: Arguments<'_>) -> bool {
        let Some(found) = self.held_one(arguments) else {
            return false;
        };
        self.reply().integer(found.value.len() as i64);
        true
    }

    fn range(&mut self, arguments: Arguments<'_>) -> bool {
        let bounds = (
            arguments.get(2).and_then(number),
            arguments.get(3).and_then(number),
        );
        let (Some(start), Some(end)) = bounds else {
            return false;
        };
        let Some(found) = self.held_one(arguments) else {
            return false;
        };
        self.reply().bulk(slice(&found.value, start, end));
        true
    }

    fn held_one(&self, arguments: Arguments<'_>) -> Option<Found> {
        self.held(arguments.iter().skip(1).take(1))?.pop()
    }

    /// What L1 has of these keys, if it has all of them. A demand read only then: L2 is not asked
    /// for values that nobody wants whole.
    fn held<'k>(&self, names: impl Iterator<Item = &'k [u8]>) -> Option<Vec<Found>> {
        let port = self.port;
        let now = port.core.clock.now();
        let mut keys = Vec::new();
        for name in names {
            let key = self.cacheable(Some(name))?;
            if !port.core.engine.holds(&key, now) {
                return None;
            }
            keys.push(key);
        }
        // One that goes between the two looks is asked of L2, its miss counted.
        keys.iter().map(|key| look(port, key, now)).collect()
    }

    fn cacheable(&self, name: Option<&[u8]>) -> Option<Key> {
        let key = self.port.key(name?, self.state.database);
        self.port.core.may_cache(&key).then_some(key)
    }

    /// Asks L2 for what the client has asked, where the words are not at hand any more.
    async fn pass_read(&mut self, words: &[&[u8]]) -> io::Result<Flow> {
        if !self.ready().await? {
            return Ok(Flow::On);
        }
        let at = self.port.core.clock.now();
        if let Some(upstream) = &mut self.upstream {
            upstream.queue(super::upstream::Awaited::read(at), |out| {
                out.extend(format!("*{}\r\n", words.len()).bytes());
                for word in words {
                    bulk(out, word);
                }
            });
        }
        self.settle(None).await
    }
}

/// A demand read of L1. Past what the learner can hear, hits are not learned from.
#[inline]
pub(super) fn look(port: &super::port::Port, key: &Key, now: Timestamp) -> Option<Found> {
    if port.pace.learns(now) {
        port.core.engine.get_local(key, now)
    } else {
        port.core.engine.get_local_unlearned(key, now)
    }
}

/// The part of a value between two places, both included; negative ones count from the end.
pub(super) fn slice(value: &[u8], start: i64, end: i64) -> &[u8] {
    let length = value.len() as i64;
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let place = |at: i64| if at < 0 { (length + at).max(0) } else { at };
    let (start, end) = (place(start), place(end).min(length - 1));
    if start > end || length == 0 {
        return &[];
    }
    &value[start as usize..=end as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_as_redis_cuts_it() {
        let check = |start, end, expected: &str| {
            assert_eq!(slice(b"This is a string", start, end), expected.as_bytes());
        };
        check(0, 3, "This");
        check(-3, -1, "ing");
        check(0, -1, "This is a string");
        check(10, 100, "string");
        check(5, 2, "");
        check(-1, -5, "");
        check(-100, 3, "This");
        check(100, 200, "");
        assert_eq!(slice(b"", 0, -1), b"");
        assert_eq!(slice(b"ab", i64::MIN, i64::MAX), b"ab");
    }
}
