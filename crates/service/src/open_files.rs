//! Files that the process may open, and so connections: with none left nobody is refused politely,
//! L2 is not reached and the probes do not answer.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Backend, Config};

/// Beside the clients' connections: standard streams, listeners, the runtime's own, the store or the
/// connections to Redis (those of the pool, of the link and of the feeds are counted beside it), a
/// snapshot being written.
const OWN: u64 = 64;

/// Raises the limit of open files to what `config` needs, where the system lets us, else lowers
/// what clients may have, with a warning.
pub(crate) fn provide(config: &mut Config) {
    let needed = Needed::of(config);
    let limit = getrlimit(Resource::Nofile);
    let unlimited = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    let mut may = unlimited(limit.current);
    if may < needed.all() {
        let raised = needed.all().min(unlimited(limit.maximum));
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        if raised > may && setrlimit(Resource::Nofile, new).is_ok() {
            may = raised;
        }
    }
    let (http, resp) = needed.within(may);
    if (http, resp) != (needed.http, needed.resp) {
        tracing::warn!(
            open_files = may,
            needed = needed.all(),
            "http.max_connections" = http,
            "resp.max_connections" = resp,
            "the process may open too few files; fewer clients may connect (ulimit -n, LimitNOFILE)"
        );
    }
    config.http.max_connections = usize::try_from(http).unwrap_or(usize::MAX);
    config.resp.max_connections = usize::try_from(resp).unwrap_or(usize::MAX);
}

/// Files by whom they are for.
#[derive(Debug, Clone, Copy)]
struct Needed {
    own: u64,
    http: u64,
    resp: u64,
    /// For each client of the Redis port: its connection, and one to L2 of its own.
    each: u64,
}

impl Needed {
    fn of(config: &Config) -> Self {
        let is_redis = config.l2.backend == Backend::Redis;
        let pools = match is_redis {
            true => 2 * config.l2.redis.pool_size as u64,
            false => 0,
        };
        Self {
            own: OWN + pools + 2 * config.feeds.len() as u64,
            http: config.http.max_connections as u64,
            resp: config.resp.max_connections as u64,
            each: 1 + u64::from(is_redis),
        }
    }

    fn all(self) -> u64 {
        self.own + self.http + self.each * self.resp
    }

    /// How many HTTP and Redis clients may connect when the process may open `may` files. A
    /// quarter of what is there is kept for HTTP, so that the probes are answered.
    fn within(self, may: u64) -> (u64, u64) {
        if may >= self.all() {
            return (self.http, self.resp);
        }
        let left = may.saturating_sub(self.own);
        let http = self.http.min(left / 4).max(1);
        let resp = ((left.saturating_sub(http)) / self.each).clamp(1, self.resp);
        (http, resp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_may_have_never_exceeds_what_may_be_opened() {
        for each in [1, 2] {
            let needed = Needed {
                own: 70,
                http: 1_024,
                resp: 10_000,
                each,
            };
            for may in (100..30_000).step_by(37) {
                let (http, resp) = needed.within(may);
                assert!(http >= 1 && resp >= 1 && http <= 1_024 && resp <= 10_000);
                assert!(70 + http + each * resp <= may, "{may}: {http}, {resp}");
            }
            assert_eq!(needed.within(needed.all()), (1_024, 10_000));
            // All that is there is used.
            let (http, resp) = needed.within(needed.all() - 1);
            assert_eq!((http, resp), (1_024, 9_999));
        }
    }
}
