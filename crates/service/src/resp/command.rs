//! What is known of commands: who answers them, and which keys they write.
//!
//! The table is Redis' own (`COMMAND` of 7.0 and 7.2) as far as it matters here: of a command that
//! is passed on only the keys that it *writes* are wanted, because L1 must forget those. Of a
//! command that the table does not know (a module's, a later server's) every argument is taken for
//! a key that it may write: forgetting too much costs a read of L2, forgetting too little would
//! serve an old value.

use super::request::{Arguments, number};

/// Who answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A read that L1 may answer.
    Cached(Cached),
    /// About the connection itself, answered here.
    Session(Session),
    /// Forewarm's own.
    Own(Own),
    /// Begins, ends or guards a transaction.
    Transaction(Transaction),
    /// Changes the subscriptions of the connection.
    Subscription(Subscription),
    /// Never passed on.
    Refused,
    /// Passed on as it is.
    Passed(Passed),
}

/// Reads of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as Redis names them")]
pub enum Cached {
    Get,
    MGet,
    Exists,
    Ttl,
    PTtl,
    StrLen,
    GetRange,
}

/// About the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as Redis names them")]
pub enum Session {
    Auth,
    Client,
    Command,
    Config,
    Echo,
    Hello,
    Info,
    Ping,
    Quit,
    Reset,
    Select,
}

/// Forewarm's own commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// Why a key is or is not warmed.
    Explain,
    /// What is read after it.
    Correlations,
    /// Whether warming is on.
    Mode,
    /// What was done so far.
    Stats,
    /// Fetch these now.
    Warm,
    /// `FOREWARM.INVALIDATEFROM`
    InvalidateFrom,
}

/// Transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as Redis names them")]
pub enum Transaction {
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
}

/// Subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// One confirmation for each channel or pattern named.
    Subscribe,
    /// The same, or of everything when none is named.
    Unsubscribe,
}

/// A command that L2 carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The keys that it writes.
    pub keys: Keys,
    /// What L1 must know of it beyond its keys.
    pub effect: Effect,
    /// It may wait as long as its caller likes.
    pub waits: bool,
}

/// Where the written keys are among the arguments; the name is argument 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// It writes none.
    None,
    /// From `first` to `last` (negative: counted from the end) in steps.
    At {
        /// The first.
        first: usize,
        /// The last.
        last: isize,
        /// 2 where values lie between.
        step: usize,
    },
    /// As many as the argument at this place says, behind it.
    Counted(usize),
    /// Any argument may be one.
    Any,
}

/// What a passed command does to L1 beyond making its keys stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The key holds the argument at this place afterwards, if the answer is `+OK`: `SET`,
    /// `SETEX`, `PSETEX`.
    Sets,
    /// It empties one database or all, or puts other data in their place.
    Flushes,
    /// It may have changed its keys even if it answers with an error: scripts.
    Uncertain,
}

const fn passed(keys: Keys) -> Command {
    Command::Passed(Passed {
        keys,
        effect: Effect::None,
        waits: false,
    })
}

const fn with(keys: Keys, effect: Effect) -> Command {
    Command::Passed(Passed {
        keys,
        effect,
        waits: false,
    })
}

const fn waiting(keys: Keys) -> Command {
    Command::Passed(Passed {
        keys,
        effect: Effect::None,
        waits: true,
    })
}

const fn at(first: usize, last: isize, step: usize) -> Keys {
    Keys::At { first, last, step }
}

/// Longest name of a command that the table knows.
const LONGEST_NAME: usize = 24;

/// The command of this name, in any case.
pub fn find(name: &[u8]) -> Command {
    let mut upper = [0_u8; LONGEST_NAME];
    let Some(upper) = upper.get_mut(..name.len()) else {
        return passed(Keys::Any);
    };
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    match here(upper) {
        Some(command) => command,
        None => elsewhere(upper),
    }
}

/// Commands that are not, or not only, passed on.
fn here(name: &[u8]) -> Option<Command> {
    Some(match name {
        b"GET" => Command::Cached(Cached::Get),
        b"MGET" => Command::Cached(Cached::MGet),
        b"EXISTS" => Command::Cached(Cached::Exists),
        b"TTL" => Command::Cached(Cached::Ttl),
        b"PTTL" => Command::Cached(Cached::PTtl),
        b"STRLEN" => Command::Cached(Cached::StrLen),
        b"GETRANGE" | b"SUBSTR" => Command::Cached(Cached::GetRange),
        b"AUTH" => Command::Session(Session::Auth),
        b"CLIENT" => Command::Session(Session::Client),
        b"COMMAND" => Command::Session(Session::Command),
        b"CONFIG" => Command::Session(Session::Config),
        b"ECHO" => Command::Session(Session::Echo),
        b"HELLO" => Command::Session(Session::Hello),
        b"INFO" => Command::Session(Session::Info),
        b"PING" => Command::Session(Session::Ping),
        b"QUIT" => Command::Session(Session::Quit),
        b"RESET" => Command::Session(Session::Reset),
        b"SELECT" => Command::Session(Session::Select),
        b"FOREWARM.EXPLAIN" => Command::Own(Own::Explain),
        b"FOREWARM.CORRELATIONS" => Command::Own(Own::Correlations),
        b"FOREWARM.MODE" => Command::Own(Own::Mode),
        b"FOREWARM.STATS" => Command::Own(Own::Stats),
        b"FOREWARM.INVALIDATEFROM" => Command::Own(Own::InvalidateFrom),
        b"FOREWARM.WARM" => Command::Own(Own::Warm),
        b"MULTI" => Command::Transaction(Transaction::Multi),
        b"EXEC" => Command::Transaction(Transaction::Exec),
        b"DISCARD" => Command::Transaction(Transaction::Discard),
        b"WATCH" => Command::Transaction(Transaction::Watch),
        b"UNWATCH" => Command::Transaction(Transaction::Unwatch),
        b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE" => {
            Command::Subscription(Subscription::Subscribe)
        }
        b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" => {
            Command::Subscription(Subscription::Unsubscribe)
        }
        // Streams of replies without an end, and what would take L2 away from everybody.
        b"MONITOR" | b"SYNC" | b"PSYNC" | b"REPLCONF" | b"SHUTDOWN" => Command::Refused,
        _ => return None,
    })
}

/// Commands that are passed on.
fn elsewhere(name: &[u8]) -> Command {
    match name {
        b"SET" => with(at(1, 1, 1), Effect::Sets),
        b"SETEX" | b"PSETEX" => with(at(1, 1, 1), Effect::Sets),
        b"MSET" | b"MSETNX" => passed(at(1, -1, 2)),
        b"DEL" | b"UNLINK" => passed(at(1, -1, 1)),
        b"RENAME" | b"RENAMENX" | b"SMOVE" | b"LMOVE" | b"RPOPLPUSH" => passed(at(1, 2, 1)),
        b"COPY" | b"BITOP" | b"XGROUP" => passed(at(2, 2, 1)),
        b"BLPOP" | b"BRPOP" | b"BZPOPMIN" | b"BZPOPMAX" => waiting(at(1, -2, 1)),
        b"BLMOVE" | b"BRPOPLPUSH" => waiting(at(1, 2, 1)),
        b"LMPOP" | b"ZMPOP" => passed(Keys::Counted(1)),
        b"BLMPOP" | b"BZMPOP" => waiting(Keys::Counted(2)),
        b"EVAL" | b"EVALSHA" | b"FCALL" => Command::Passed(Passed {
            keys: Keys::Counted(2),
            effect: Effect::Uncertain,
            waits: true,
        }),
        b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL_RO" | b"XREAD" | b"XREADGROUP" | b"WAIT"
        | b"WAITAOF" => waiting(Keys::None),
        b"FLUSHDB" | b"FLUSHALL" | b"SWAPDB" | b"REPLICAOF" | b"SLAVEOF" | b"FAILOVER"
        | b"DEBUG" => with(Keys::None, Effect::Flushes),
        // Keys behind options.
        b"SORT" | b"GEORADIUS" | b"GEORADIUSBYMEMBER" | b"MIGRATE" => passed(Keys::Any),
        _ if is_reader(name) => passed(Keys::None),
        _ if writes_its_first(name) => passed(at(1, 1, 1)),
        _ => passed(Keys::Any),
    }
}

/// Whether the command writes exactly its first argument.
fn writes_its_first(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"APPEND",
        b"BITFIELD",
        b"DECR",
        b"DECRBY",
        b"EXPIRE",
        b"EXPIREAT",
        b"GEOADD",
        b"GEOSEARCHSTORE",
        b"GETDEL",
        b"GETEX",
        b"GETSET",
        b"HDEL",
        b"HEXPIRE",
        b"HEXPIREAT",
        b"HGETDEL",
        b"HGETEX",
        b"HINCRBY",
        b"HINCRBYFLOAT",
        b"HMSET",
        b"HPERSIST",
        b"HPEXPIRE",
        b"HPEXPIREAT",
        b"HSET",
        b"HSETEX",
        b"HSETNX",
        b"INCR",
        b"INCRBY",
        b"INCRBYFLOAT",
        b"LINSERT",
        b"LPOP",
        b"LPUSH",
        b"LPUSHX",
        b"LREM",
        b"LSET",
        b"LTRIM",
        b"MOVE",
        b"PERSIST",
        b"PEXPIRE",
        b"PEXPIREAT",
        b"PFADD",
        b"PFMERGE",
        b"RESTORE",
        b"RPOP",
        b"RPUSH",
        b"RPUSHX",
        b"SADD",
        b"SDIFFSTORE",
        b"SETBIT",
        b"SETNX",
        b"SETRANGE",
        b"SINTERSTORE",
        b"SPOP",
        b"SREM",
        b"SUNIONSTORE",
        b"XACK",
        b"XADD",
        b"XAUTOCLAIM",
        b"XCLAIM",
        b"XDEL",
        b"XSETID",
        b"XTRIM",
        b"ZADD",
        b"ZDIFFSTORE",
        b"ZINCRBY",
        b"ZINTERSTORE",
        b"ZPOPMAX",
        b"ZPOPMIN",
        b"ZRANGESTORE",
        b"ZREM",
        b"ZREMRANGEBYLEX",
        b"ZREMRANGEBYRANK",
        b"ZREMRANGEBYSCORE",
        b"ZUNIONSTORE",
        b"PFDEBUG",
        b"RESTORE-ASKING",
    ];
    NAMES.contains(&name)
}

/// Whether the command changes no key.
fn is_reader(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"ACL",
        b"ASKING",
        b"BGREWRITEAOF",
        b"BGSAVE",
        b"BITCOUNT",
        b"BITFIELD_RO",
        b"BITPOS",
        b"CLUSTER",
        b"DBSIZE",
        b"DUMP",
        b"EXPIRETIME",
        b"FUNCTION",
        b"GEODIST",
        b"GEOHASH",
        b"GEOPOS",
        b"GEORADIUSBYMEMBER_RO",
        b"GEORADIUS_RO",
        b"GEOSEARCH",
        b"GETBIT",
        b"HEXISTS",
        b"HEXPIRETIME",
        b"HGET",
        b"HGETALL",
        b"HKEYS",
        b"HLEN",
        b"HMGET",
        b"HPEXPIRETIME",
        b"HPTTL",
        b"HRANDFIELD",
        b"HSCAN",
        b"HSTRLEN",
        b"HTTL",
        b"HVALS",
        b"KEYS",
        b"LASTSAVE",
        b"LATENCY",
        b"LCS",
        b"LINDEX",
        b"LLEN",
        b"LOLWUT",
        b"LPOS",
        b"LRANGE",
        b"MEMORY",
        b"MODULE",
        b"OBJECT",
        b"PEXPIRETIME",
        b"PFCOUNT",
        b"PFSELFTEST",
        b"PUBLISH",
        b"PUBSUB",
        b"RANDOMKEY",
        b"READONLY",
        b"READWRITE",
        b"ROLE",
        b"SAVE",
        b"SCAN",
        b"SCARD",
        b"SCRIPT",
        b"SDIFF",
        b"SINTER",
        b"SINTERCARD",
        b"SISMEMBER",
        b"SLOWLOG",
        b"SMEMBERS",
        b"SMISMEMBER",
        b"SORT_RO",
        b"SPUBLISH",
        b"SRANDMEMBER",
        b"SSCAN",
        b"SUNION",
        b"TIME",
        b"TOUCH",
        b"TYPE",
        b"XINFO",
        b"XLEN",
        b"XPENDING",
        b"XRANGE",
        b"XREVRANGE",
        b"ZCARD",
        b"ZCOUNT",
        b"ZDIFF",
        b"ZINTER",
        b"ZINTERCARD",
        b"ZLEXCOUNT",
        b"ZMSCORE",
        b"ZRANDMEMBER",
        b"ZRANGE",
        b"ZRANGEBYLEX",
        b"ZRANGEBYSCORE",
        b"ZRANK",
        b"ZREVRANGE",
        b"ZREVRANGEBYLEX",
        b"ZREVRANGEBYSCORE",
        b"ZREVRANK",
        b"ZSCAN",
        b"ZSCORE",
        b"ZUNION",
    ];
    NAMES.contains(&name)
}

impl Command {
    /// The keys that it writes when it is passed on with these arguments.
    pub fn written_keys<'a>(self, arguments: Arguments<'a>) -> impl Iterator<Item = &'a [u8]> {
        let keys = match self {
            Self::Passed(passed) => passed.keys,
            _ => Keys::None,
        };
        let (first, last, step) = match keys {
            Keys::None => (1, 0, 1),
            Keys::At { first, last, step } => {
                let end = arguments.len() as isize;
                let last = if last < 0 { end + last } else { last };
                (first, usize::try_from(last).unwrap_or(0), step)
            }
            Keys::Counted(place) => {
                let count = arguments.get(place).and_then(number).unwrap_or(0);
                let count = usize::try_from(count).unwrap_or(0).min(arguments.len());
                (place + 1, place + count, 1)
            }
            Keys::Any => (1, arguments.len(), 1),
        };
        (first..=last)
            .step_by(step)
            .map_while(move |at| arguments.get(at))
    }
}

#[cfg(test)]
mod tests;
