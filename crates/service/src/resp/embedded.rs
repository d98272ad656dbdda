//! Strings on the embedded store, with Redis' semantics and texts.
//!
//! A command becomes a [`Plan`]: the keys and what is done with their records. A plan that writes
//! is carried out by the store's one writer as a single durable step, so that INCR, MSETNX or
//! RENAME are atomic whoever else writes. What is not in the table is unknown, as a Redis would
//! say.

mod catalogue;
mod expiry;
mod extended;
mod numbers;
mod options;
mod strings;

use bytes::Bytes;
use forewarm_application::engine::Written;
use forewarm_application::ports::{SharedCacheError, Stored};
use forewarm_domain::{Key, Timestamp};
use forewarm_infrastructure::l2::{EmbeddedStore, Record};

use super::connection::{Connection, Socket};
use super::port::Store;
use super::request::{Arguments, number};
pub(super) use catalogue::{CATALOGUE, Entry};

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// `+OK`, or another fixed word.
    Word(&'static str),
    Integer(i64),
    Bulk(Bytes),
    Null,
    Array(Vec<Answer>),
    Error(String),
}

/// What the records of a plan's keys become, and the answer.
type Act = Box<dyn FnOnce(Timestamp, &mut [Option<Record>]) -> Answer + Send>;

/// A command, understood.
pub(super) struct Plan {
    /// Its keys, each once, with the databases that they are in.
    pub(super) keys: Vec<(Bytes, u16)>,
    pub(super) writes: bool,
    pub(super) act: Act,
}

/// Why a command is not carried out, as the client is told.
pub(super) type Refusal = String;

pub(super) fn not_an_integer() -> Refusal {
    "ERR value is not an integer or out of range".to_owned()
}

pub(super) fn syntax_error() -> Refusal {
    "ERR syntax error".to_owned()
}

/// What a command needs to know beyond its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) database: u16,
    /// A value may grow no larger.
    pub(super) largest: usize,
}

/// The command as a plan; `None` for what the table does not know.
fn plan(name: &str, words: &[Bytes], context: Context) -> Option<Result<Plan, Refusal>> {
    strings::plan(name, words, context)
        .or_else(|| numbers::plan(name, words, context))
        .or_else(|| expiry::plan(name, words, context))
}

impl Plan {
    fn new(
        keys: Vec<(Bytes, u16)>,
        writes: bool,
        act: impl FnOnce(Timestamp, &mut [Option<Record>]) -> Answer + Send + 'static,
    ) -> Self {
        let act = Box::new(act);
        Self { keys, writes, act }
    }

    /// Looks at one key.
    pub(super) fn read(
        key: &Bytes,
        context: Context,
        act: impl FnOnce(Timestamp, Option<&Record>) -> Answer + Send + 'static,
    ) -> Self {
        let keys = vec![(key.clone(), context.database)];
        Self::new(keys, false, move |now, records| {
            act(now, records[0].as_ref())
        })
    }

    /// Changes one key.
    pub(super) fn change(
        key: &Bytes,
        context: Context,
        act: impl FnOnce(Timestamp, &mut Option<Record>) -> Answer + Send + 'static,
    ) -> Self {
        let keys = vec![(key.clone(), context.database)];
        Self::new(keys, true, move |now, records| act(now, &mut records[0]))
    }

    /// Several keys; `act` gets the place of each word's record, a key that stands twice having
    /// one.
    pub(super) fn several(
        words: Vec<Bytes>,
        context: Context,
        writes: bool,
        act: impl FnOnce(Timestamp, &[usize], &mut [Option<Record>]) -> Answer + Send + 'static,
    ) -> Self {
        let mut keys: Vec<(Bytes, u16)> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        let places: Vec<usize> = words
            .into_iter()
            .map(|word| {
                *seen.entry(word.clone()).or_insert_with(|| {
                    keys.push((word, context.database));
                    keys.len() - 1
                })
            })
            .collect();
        Self::new(keys, writes, move |now, records| act(now, &places, records))
    }
}

/// Carries a command out on records of several kinds, for [`fuzz`](super::request::fuzz).
pub(super) fn exercise(arguments: Arguments<'_>, largest: usize) {
    let name = String::from_utf8_lossy(arguments.get(0).unwrap_or_default()).to_lowercase();
    let known = CATALOGUE.iter().find(|entry| entry.name == name);
    if known.is_none_or(|entry| !entry.takes(arguments.len())) {
        return;
    }
    let words: Vec<Bytes> = arguments.iter().map(Bytes::copy_from_slice).collect();
    let now = Timestamp::from_millis(1_700_000_000_000);
    for (value, expires) in [(None, None), (Some("12"), None), (Some("text"), Some(now))] {
        let context = Context {
            database: 0,
            largest,
        };
        let Some(Ok(plan)) = plan(&name, &words, context) else {
            return;
        };
        let record = value.map(|value| Record {
            value: value.into(),
            expires,
        });
        let mut records = vec![record; plan.keys.len()];
        let _ = (plan.act)(now, &mut records);
    }
}

impl<S: Socket> Connection<'_, S> {
    /// Carries a command out on the embedded store.
    pub(super) async fn embedded(&mut self, arguments: Arguments<'_>) {
        let Store::Embedded(store) = &self.port.store else {
            return;
        };
        let name = String::from_utf8_lossy(arguments.get(0).unwrap_or_default()).to_lowercase();
        let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == name) else {
            let text = unknown_command(arguments);
            return self.reply().error(&text);
        };
        if !entry.takes(arguments.len()) {
            return self.wrong_number(&name);
        }
        let answer = match name.as_str() {
            "flushdb" | "flushall" => self.flush_store(store, arguments, &name).await,
            "dbsize" => match store.count(self.state.database).await {
                Ok(count) => Ok(Answer::Integer(i64::try_from(count).unwrap_or(i64::MAX))),
                Err(error) => Err(error),
            },
            _ => self.carry_out(store, &name, arguments).await,
        };
        match answer {
            Ok(answer) => self.say(answer),
            Err(error) => self.l2_error(&error),
        }
    }

    async fn carry_out(
        &self,
        store: &EmbeddedStore,
        name: &str,
        arguments: Arguments<'_>,
    ) -> Result<Answer, SharedCacheError> {
        let words: Vec<Bytes> = arguments.iter().map(Bytes::copy_from_slice).collect();
        let context = Context {
            database: self.state.database,
            largest: self.port.limits.max_request_bytes,
        };
        let plan = match plan(name, &words, context) {
            Some(Ok(plan)) => plan,
            Some(Err(refusal)) => return Ok(Answer::Error(refusal)),
            None => return Ok(Answer::Error(unknown_command(arguments))),
        };
        let keys: Vec<Key> = plan
            .keys
            .iter()
            .map(|(bytes, database)| self.port.key(bytes, *database))
            .collect();
        if !plan.writes {
            let mut records = store.records(&keys).await?;
            return Ok((plan.act)(self.port.core.clock.now(), &mut records));
        }
        self.write(store, keys, plan.act).await
    }

    /// One atomic step on the store; L1 is right before the answer is known.
    async fn write(
        &self,
        store: &EmbeddedStore,
        keys: Vec<Key>,
        act: Act,
    ) -> Result<Answer, SharedCacheError> {
        let core = &self.port.core;
        let announced: Vec<_> = keys
            .iter()
            .map(|key| core.engine.announce_write(key.clone()))
            .collect();
        let step = store.update(&keys, move |now, records| {
            let before = records.to_vec();
            let answer = act(now, records);
            let written = before.iter().zip(records.iter());
            let written: Vec<Written> = written
                .map(|(before, after)| written_as(before.as_ref(), after.as_ref(), now))
                .collect();
            (answer, written)
        });
        let (answer, written) = step.await?;
        let now = core.clock.now();
        let began = core.tracking_begins(keys.first());
        for (one, written) in announced.into_iter().zip(written) {
            if core.may_cache(one.key()) {
                one.end(written, now);
            }
        }
        if let Some(began) = began {
            core.tracking_ends(began, keys.len());
        }
        Ok(answer)
    }

    async fn flush_store(
        &self,
        store: &EmbeddedStore,
        arguments: Arguments<'_>,
        name: &str,
    ) -> Result<Answer, SharedCacheError> {
        let how = arguments.get(1).map(<[u8]>::to_ascii_uppercase);
        let known = matches!(how.as_deref(), None | Some(b"ASYNC" | b"SYNC"));
        if !known || arguments.len() > 2 {
            return Ok(Answer::Error(syntax_error()));
        }
        let database = (name == "flushdb").then_some(self.state.database);
        let cleared = store.clear(database).await;
        // Whether it was or not: nothing that was there may be served.
        self.port.core.engine.flush();
        cleared.map(|()| Answer::Word("OK"))
    }

    fn say(&mut self, answer: Answer) {
        match answer {
            Answer::Word(word) => self.reply().simple(word),
            Answer::Integer(number) => self.reply().integer(number),
            Answer::Bulk(bytes) => self.reply().bulk(&bytes),
            Answer::Null => self.reply().null(),
            Answer::Error(text) => self.reply().error(&text),
            Answer::Array(answers) => {
                self.reply().array(answers.len());
                for answer in answers {
                    self.say(answer);
                }
            }
        }
    }

    /// `COMMAND`, `COMMAND COUNT`, `COMMAND INFO`, `COMMAND DOCS`, `COMMAND LIST`.
    pub(super) fn embedded_command(&mut self, arguments: Arguments<'_>) {
        let what = arguments.get(1).unwrap_or_default().to_ascii_lowercase();
        match what.as_slice() {
            b"" => {
                self.reply().array(CATALOGUE.len());
                for entry in CATALOGUE {
                    self.say_entry(entry);
                }
            }
            b"count" => self.reply().integer(CATALOGUE.len() as i64),
            b"list" => {
                self.reply().array(CATALOGUE.len());
                for entry in CATALOGUE {
                    self.reply().bulk(entry.name.as_bytes());
                }
            }
            b"info" => {
                self.reply().array(arguments.len() - 2);
                for name in arguments.iter().skip(2) {
                    let name = name.to_ascii_lowercase();
                    match CATALOGUE.iter().find(|entry| entry.name.as_bytes() == name) {
                        Some(entry) => self.say_entry(entry),
                        None => self.reply().null(),
                    }
                }
            }
            b"docs" => self.reply().map(0),
            other => {
                let other = String::from_utf8_lossy(other).into_owned();
                let text = format!("ERR unknown subcommand '{other}'. Try COMMAND HELP.");
                self.reply().error(&text);
            }
        }
    }

    fn say_entry(&mut self, entry: &Entry) {
        let mut reply = self.reply();
        reply.array(6);
        reply.bulk(entry.name.as_bytes());
        reply.integer(entry.arity);
        reply.array(1);
        reply.simple(if entry.writes { "write" } else { "readonly" });
        for number in entry.keys {
            reply.integer(number);
        }
    }

    /// `CONFIG GET pattern…`: what clients ask at connect.
    pub(super) fn embedded_config(&mut self, arguments: Arguments<'_>) {
        let is_get = arguments
            .get(1)
            .is_some_and(|what| what.eq_ignore_ascii_case(b"GET"));
        if !is_get || arguments.len() < 3 {
            let text = unknown_command(arguments);
            return self.reply().error(&text);
        }
        let bulk = self.port.limits.max_request_bytes.to_string();
        let clients = self.port.limits.max_connections.to_string();
        let known = [
            ("appendonly", "no"),
            ("databases", "16"),
            ("maxclients", clients.as_str()),
            ("maxmemory", "0"),
            ("maxmemory-policy", "noeviction"),
            ("proto-max-bulk-len", bulk.as_str()),
            ("save", ""),
            ("timeout", "0"),
        ];
        let patterns: Vec<Vec<u8>> = arguments
            .iter()
            .skip(2)
            .map(<[u8]>::to_ascii_lowercase)
            .collect();
        let wanted = |name: &str| {
            patterns
                .iter()
                .any(|pattern| fits(pattern, name.as_bytes()))
        };
        let found: Vec<_> = known.into_iter().filter(|(name, _)| wanted(name)).collect();
        let mut reply = self.reply();
        reply.map(found.len());
        for (name, value) in found {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
}

/// What L1 is to hold after a record has become another.
fn written_as(before: Option<&Record>, after: Option<&Record>, now: Timestamp) -> Written {
    match after {
        _ if before == after => Written::Nothing,
        Some(record) if record.expires.is_none_or(|end| end > now) => Written::Value(Stored {
            value: record.value.clone(),
            version: None,
            ttl: record.expires.map(|end| end.since(now)),
        }),
        _ => Written::Changed,
    }
}

/// A pattern with `*` and `?`, as configuration names are asked for.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // The last `*` is remembered: when what follows it does not fit, it takes one byte more.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Redis' own words about a command that it does not know.
fn unknown_command(arguments: Arguments<'_>) -> String {
    let shown = |bytes: &[u8], most: usize| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned()
    };
    let name = shown(arguments.get(0).unwrap_or_default(), 128);
    let mut args = String::new();
    for word in arguments.iter().skip(1) {
        if args.len() >= 128 {
            break;
        }
        let left = 128 - args.len();
        args.push_str(&format!("'{}' ", shown(word, left)));
    }
    format!("ERR unknown command '{name}', with args beginning with: {args}")
}

/// A count in a command's words.
pub(super) fn integer(word: &Bytes) -> Result<i64, Refusal> {
    number(word).ok_or_else(not_an_integer)
}

#[cfg(test)]
mod tests;
