//! Where the primaries are: as configured, as a sentinel says, as the cluster says.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use fred::types::config::{Server, ServerConfig};

use super::wire::{LinkError, Protocol, Reply, Wire};
use crate::l2::redis::{RedisConfig, RedisConfigError};
use crate::tls::ClientTls;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<&Server> for Place {
    fn from(server: &Server) -> Self {
        let host = server.host.trim_start_matches('[').trim_end_matches(']');
        Self {
            host: host.to_owned(),
            port: server.port,
        }
    }
}

/// Who we are to a server. Never shown.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// Who knows the primaries.
#[derive(Debug, Clone)]
pub(super) enum Servers {
    /// One server, where the configuration says.
    Single(Place),
    /// The sentinels, and the name under which they watch.
    Sentinels(Vec<Place>, String),
    /// Nodes of a cluster; those last heard of come first.
    Cluster(Vec<Place>),
}

/// Finds the primaries.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    pub(super) servers: Servers,
    pub(super) credentials: Credentials,
    pub(super) tls: Option<ClientTls>,
    pub(super) limit: Duration,
}

impl Directory {
    pub(super) fn new(redis: &RedisConfig) -> Result<Self, RedisConfigError> {
        let parsed = redis.parse()?;
        let places = |servers: &[Server]| servers.iter().map(Place::from).collect();
        let servers = match &parsed.server {
            ServerConfig::Centralized { server } => Servers::Single(server.into()),
            ServerConfig::Sentinel {
                hosts,
                service_name,
            } => Servers::Sentinels(places(hosts), service_name.clone()),
            ServerConfig::Clustered { hosts, .. } => Servers::Cluster(places(hosts)),
        };
        Ok(Self {
            servers,
            credentials: Credentials {
                username: parsed.username.clone(),
                password: parsed.password.clone(),
            },
            tls: redis.tls().cloned(),
            limit: redis.connect_timeout,
        })
    }

    /// Every primary that serves keys.
    pub(super) async fn primaries(&mut self) -> Result<BTreeSet<Place>, LinkError> {
        match &self.servers {
            Servers::Single(place) => Ok(BTreeSet::from([place.clone()])),
            Servers::Sentinels(..) => Ok(BTreeSet::from([self.master(&mut None).await?])),
            Servers::Cluster(nodes) => {
                let mut failure = LinkError::failed("no node of the cluster is known");
                for node in nodes.clone() {
                    match self.cluster_as_seen_by(&node).await {
                        Ok(primaries) => {
                            self.remember(&primaries);
                            return Ok(primaries);
                        }
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
        }
    }

    async fn cluster_as_seen_by(&self, node: &Place) -> Result<BTreeSet<Place>, LinkError> {
        let mut wire = self.wire(node, Protocol::Two).await?;
        let reply = wire.ask(&[b"CLUSTER", b"SLOTS"]).await?;
        let reply = reply.or_error("CLUSTER SLOTS")?;
        let primaries = primaries_of(&reply, node);
        primaries.ok_or_else(|| LinkError::failed("CLUSTER SLOTS: an unreadable answer"))
    }

    /// The configured nodes may all be gone one day: the present ones are asked first.
    fn remember(&mut self, primaries: &BTreeSet<Place>) {
        if let Servers::Cluster(nodes) = &mut self.servers {
            nodes.retain(|node| !primaries.contains(node));
            nodes.splice(0..0, primaries.iter().cloned());
            nodes.truncate(4_096);
        }
    }

    /// Asks the sentinels in turn for the master's address; the one that answers is kept for the
    /// next time in `sentinel`.
    pub(super) async fn master(&self, sentinel: &mut Option<Wire>) -> Result<Place, LinkError> {
        let Servers::Sentinels(places, name) = &self.servers else {
            return Err(LinkError::failed("there are no sentinels"));
        };
        let mut failure = LinkError::failed("no sentinel is known");
        if let Some(mut wire) = sentinel.take() {
            match ask_for_master(&mut wire, name).await {
                Ok(master) => {
                    *sentinel = Some(wire);
                    return Ok(master);
                }
                Err(error) => failure = error,
            }
        }
        for place in places {
            let asked = async {
                let mut wire = self.wire(place, Protocol::Two).await?;
                let master = ask_for_master(&mut wire, name).await?;
                Ok((wire, master))
            };
            match asked.await {
                Ok((wire, master)) => {
                    *sentinel = Some(wire);
                    return Ok(master);
                }
                Err(error) => failure = error,
            }
        }
        // Whatever a sentinel refuses says nothing about what the server can do.
        Err(LinkError::Failed(format!("no sentinel helps: {failure}")))
    }

    pub(super) async fn wire(&self, place: &Place, protocol: Protocol) -> Result<Wire, LinkError> {
        let tls = self.tls.as_ref();
        Wire::open(place, &self.credentials, tls, protocol, self.limit).await
    }
}

async fn ask_for_master(wire: &mut Wire, name: &str) -> Result<Place, LinkError> {
    let command: [&[u8]; 3] = [b"SENTINEL", b"get-master-addr-by-name", name.as_bytes()];
    match wire.ask(&command).await?.or_error("SENTINEL")? {
        Reply::List(parts) => match (parts.first().and_then(Reply::text), parts.get(1)) {
            (Some(host), Some(port)) => {
                let port = port.text().and_then(|port| port.parse().ok());
                let port = port.ok_or_else(|| LinkError::failed("SENTINEL: no port"))?;
                Ok(Place { host, port })
            }
            _ => Err(LinkError::failed("SENTINEL: an unreadable answer")),
        },
        _ => Err(LinkError::Failed(format!(
            "the sentinels know no master {name:?}"
        ))),
    }
}

/// The primaries in an answer to CLUSTER SLOTS: `[[first, last, [host, port, …], replicas…]…]`.
/// An empty host means the one that was asked.
pub(super) fn primaries_of(reply: &Reply, asked: &Place) -> Option<BTreeSet<Place>> {
    let Reply::List(ranges) = reply else {
        return None;
    };
    let place = |range: &Reply| {
        let Reply::List(range) = range else {
            return None;
        };
        let Some(Reply::List(primary)) = range.get(2) else {
            return None;
        };
        let host = match primary.first()? {
            Reply::Null => String::new(),
            named => named.text()?,
        };
        let Reply::Integer(port) = primary.get(1)? else {
            return None;
        };
        Some(Place {
            host: if host.is_empty() {
                asked.host.clone()
            } else {
                host
            },
            port: u16::try_from(*port).ok()?,
        })
    };
    let primaries: Option<BTreeSet<Place>> = ranges.iter().map(place).collect();
    primaries.filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn place(host: &str, port: u16) -> Place {
        Place {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn the_primaries_of_a_cluster_are_read_and_an_unnamed_host_is_the_one_asked() {
        let node = |host: Option<&'static str>, port| {
            let host = host.map_or(Reply::Null, |host| {
                Reply::Text(Bytes::from_static(host.as_bytes()))
            });
            Reply::List(vec![host, Reply::Integer(port)])
        };
        let range = |nodes: Vec<Reply>| {
            Reply::List([vec![Reply::Integer(0), Reply::Integer(9)], nodes].concat())
        };
        let asked = place("asked", 1);
        let reply = Reply::List(vec![
            range(vec![node(Some("a"), 7000), node(Some("replica"), 7001)]),
            range(vec![node(Some("a"), 7000)]),
            range(vec![node(Some(""), 7002)]),
            range(vec![node(None, 7003)]),
        ]);
        let expected = [place("a", 7000), place("asked", 7002), place("asked", 7003)];
        assert_eq!(primaries_of(&reply, &asked), Some(BTreeSet::from(expected)));
        for unreadable in [
            Reply::Null,
            Reply::List(vec![]),
            Reply::List(vec![Reply::List(vec![Reply::Integer(0)])]),
            Reply::List(vec![range(vec![node(Some("a"), 70_000)])]),
        ] {
            assert_eq!(primaries_of(&unreadable, &asked), None, "{unreadable:?}");
        }
    }

    #[test]
    fn the_places_are_those_of_the_url_and_secrets_do_not_show() {
        let directory = |url: &str| Directory::new(&RedisConfig::new(url)).expect(url);
        let single = directory("redis://u:s3cret@[::1]:7/3");
        assert!(matches!(&single.servers, Servers::Single(p) if *p == place("::1", 7)));
        assert!(!format!("{single:?}").contains("s3cret"));
        let sentinels = directory("redis-sentinel://a:1?sentinelServiceName=m&node=b:2");
        let Servers::Sentinels(places, name) = &sentinels.servers else {
            panic!("{sentinels:?}")
        };
        assert_eq!((places.len(), name.as_str()), (2, "m"));
    }
}
