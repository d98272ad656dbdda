//! Which commands there are on the embedded store, with the figures of Redis' `COMMAND`.

/// One command.
#[derive(Debug, Clone, Copy)]
pub(in crate::resp) struct Entry {
    pub(in crate::resp) name: &'static str,
    /// Words, the name counted; negative: at least so many.
    pub(in crate::resp) arity: i64,
    pub(in crate::resp) writes: bool,
    /// First key, last key, step.
    pub(in crate::resp) keys: [i64; 3],
}

impl Entry {
    /// Whether a command of so many words can be one.
    pub(super) fn takes(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 {
            words >= -self.arity
        } else {
            words == self.arity
        }
    }
}

const ONE: [i64; 3] = [1, 1, 1];
const TWO: [i64; 3] = [1, 2, 1];
const ALL: [i64; 3] = [1, -1, 1];
const PAIRS: [i64; 3] = [1, -1, 2];
const NONE: [i64; 3] = [0, 0, 0];

const fn read(name: &'static str, arity: i64, keys: [i64; 3]) -> Entry {
    Entry {
        name,
        arity,
        writes: false,
        keys,
    }
}

const fn write(name: &'static str, arity: i64, keys: [i64; 3]) -> Entry {
    Entry {
        name,
        arity,
        writes: true,
        keys,
    }
}

/// Every command about data.
pub(in crate::resp) const CATALOGUE: &[Entry] = &[
    write("append", 3, ONE),
    write("copy", -3, TWO),
    read("dbsize", 1, NONE),
    write("decr", 2, ONE),
    write("decrby", 3, ONE),
    write("del", -2, ALL),
    read("exists", -2, ALL),
    write("expire", -3, ONE),
    write("expireat", -3, ONE),
    read("expiretime", 2, ONE),
    write("flushall", -1, NONE),
    write("flushdb", -1, NONE),
    read("get", 2, ONE),
    write("getdel", 2, ONE),
    write("getex", -2, ONE),
    read("getrange", 4, ONE),
    write("getset", 3, ONE),
    write("incr", 2, ONE),
    write("incrby", 3, ONE),
    write("incrbyfloat", 3, ONE),
    read("mget", -2, ALL),
    write("mset", -3, PAIRS),
    write("msetnx", -3, PAIRS),
    write("persist", 2, ONE),
    write("pexpire", -3, ONE),
    write("pexpireat", -3, ONE),
    read("pexpiretime", 2, ONE),
    write("psetex", 4, ONE),
    read("pttl", 2, ONE),
    write("rename", 3, TWO),
    write("renamenx", 3, TWO),
    write("set", -3, ONE),
    write("setex", 4, ONE),
    write("setnx", 3, ONE),
    write("setrange", 4, ONE),
    read("strlen", 2, ONE),
    read("substr", 4, ONE),
    read("touch", -2, ALL),
    read("ttl", 2, ONE),
    read("type", 2, ONE),
    write("unlink", -2, ALL),
];
