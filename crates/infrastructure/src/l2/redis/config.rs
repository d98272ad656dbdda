//! How Redis is reached.

use std::fmt;
use std::time::Duration;

use super::fault::text;
use crate::tls::ClientTls;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, ServerConfig, TcpConfig,
    TlsConfig, TlsConnector, TlsHostMapping,
};

/// The schemes in the clear, with the same encrypted.
const SCHEMES: [(&str, &str); 6] = [
    ("redis", "rediss"),
    ("redis-sentinel", "rediss-sentinel"),
    ("redis-cluster", "rediss-cluster"),
    ("valkey", "valkeys"),
    ("valkey-sentinel", "valkeys-sentinel"),
    ("valkey-cluster", "valkeys-cluster"),
];

/// What the URL's scheme asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// `redis://` and its kin.
    None,
    /// `rediss://` and its kin.
    Tls,
}

/// The scheme of a Redis URL; `None` when it is none of them.
pub fn encryption_of(url: &str) -> Option<Encryption> {
    let (scheme, _) = url.split_once("://")?;
    SCHEMES.iter().find_map(|&(plain, encrypted)| match scheme {
        _ if scheme == plain => Some(Encryption::None),
        _ if scheme == encrypted => Some(Encryption::Tls),
        _ => None,
    })
}

/// Where Redis is, who we are there, and how long anything may take.
///
/// `Debug` shows neither the password nor the URL's credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://[user[:password]@]host[:port][/database]`,
    /// `redis-sentinel://host:port[/database]?sentinelServiceName=NAME[&node=host:port]…` or
    /// `redis-cluster://host:port[?node=host:port]…`; `rediss://`, `rediss-sentinel://` and
    /// `rediss-cluster://` for the same over TLS.
    pub url: String,
    /// Takes precedence over the URL's.
    pub username: Option<String>,
    /// Takes precedence over the URL's, and keeps it out of shell histories and logs.
    pub password: Option<String>,
    /// Whom to trust and who we are, for a `rediss` URL; without it such a URL is refused.
    pub tls: Option<ClientTls>,
    /// Connections per database. Default 2: one carries some 100,000 commands/s, the second
    /// keeps a large answer from holding up the rest.
    pub pool_size: usize,
    /// For one attempt to connect, greeting included. Default 1 s.
    pub connect_timeout: Duration,
    /// For one command or batch. Default 500 ms; never zero.
    pub command_timeout: Duration,
    /// The pause after the first failed attempt to connect, doubled with each. Default 50 ms.
    pub reconnect_min: Duration,
    /// The longest such pause. Default 2 s.
    pub reconnect_max: Duration,
    /// Commands that may wait for their answer per connection; past that they fail at once.
    /// Default 10,000.
    pub max_in_flight: usize,
}

/// Why a Redis configuration can never work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisConfigError {
    /// The URL says nothing that can be connected to.
    #[error("the redis url {url:?} is not usable: {reason}")]
    Url {
        /// The URL without its credentials.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A number is out of range.
    #[error("the redis setting {name} is {value}, it must be {allowed}")]
    Range {
        /// The field.
        name: &'static str,
        /// Its value.
        value: String,
        /// The range.
        allowed: &'static str,
    },
}

impl RedisConfig {
    /// The defaults, for a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            tls: None,
            pool_size: 2,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_millis(500),
            reconnect_min: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(2),
            max_in_flight: 10_000,
        }
    }

    /// The URL as it may be shown: credentials and query replaced by `***`.
    pub fn shown_url(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        let rest = match rest.rsplit_once('@') {
            Some((_, host)) => format!("***@{host}"),
            None => rest.to_owned(),
        };
        // A sentinel's password travels in the query.
        let rest = match rest.split_once('?') {
            Some((host, query)) if query.to_lowercase().contains("password") => {
                format!("{host}?***")
            }
            _ => rest,
        };
        format!("{scheme}://{rest}")
    }

    pub(crate) fn is_clustered(&self) -> bool {
        let scheme = self.url.split("://").next().unwrap_or_default();
        scheme.ends_with("-cluster")
    }

    /// TLS, if the URL asks for it.
    pub(crate) fn tls(&self) -> Option<&ClientTls> {
        let wanted = encryption_of(&self.url) == Some(Encryption::Tls);
        self.tls.as_ref().filter(|_| wanted)
    }

    /// The URL with the scheme of its kind in the clear: TLS is set up apart from it, with the
    /// authorities that were configured.
    fn plain_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return self.url.clone();
        };
        let plain = SCHEMES.iter().find(|(_, tls)| *tls == scheme);
        format!("{}://{rest}", plain.map_or(scheme, |(plain, _)| plain))
    }

    /// The URL's database number: that of every key which names none. 0 where the URL has none.
    pub fn database(&self) -> Result<u16, RedisConfigError> {
        Ok(u16::from(self.parse()?.database.unwrap_or(0)))
    }

    fn bad_url(&self, reason: impl Into<String>) -> RedisConfigError {
        let (url, reason) = (self.shown_url(), reason.into());
        RedisConfigError::Url { url, reason }
    }

    pub(crate) fn parse(&self) -> Result<Config, RedisConfigError> {
        let encryption = encryption_of(&self.url).ok_or_else(|| {
            self.bad_url(
                "it must begin with redis://, redis-sentinel:// or redis-cluster://, or the same \
                 with rediss for TLS",
            )
        })?;
        let tls = match encryption {
            Encryption::None => None,
            Encryption::Tls => {
                let tls = self.tls.as_ref();
                Some(tls.ok_or_else(|| self.bad_url("TLS has not been set up"))?)
            }
        };
        let mut parsed =
            Config::from_url(&self.plain_url()).map_err(|error| self.bad_url(text(&error)))?;
        parsed.tls = tls.map(|tls| TlsConfig {
            connector: TlsConnector::Rustls(tls.connector()),
            hostnames: TlsHostMapping::None,
        });
        if let Some(username) = &self.username {
            parsed.username = Some(username.clone());
        }
        if let Some(password) = &self.password {
            parsed.password = Some(password.clone());
        }
        if let ServerConfig::Clustered { .. } = parsed.server
            && parsed.database.is_some_and(|database| database != 0)
        {
            return Err(self.bad_url("a cluster has database 0 only"));
        }
        Ok(parsed)
    }

    /// Everything as the client wants it, for one database.
    pub(crate) fn client(&self, database: u16) -> Result<ClientSettings, RedisConfigError> {
        let positive = |name, span: Duration| {
            let value = format!("{span:?}");
            let allowed = "longer than 0";
            let error = RedisConfigError::Range {
                name,
                value,
                allowed,
            };
            if span.is_zero() { Err(error) } else { Ok(()) }
        };
        positive("command_timeout", self.command_timeout)?;
        positive("connect_timeout", self.connect_timeout)?;
        if !(1..=256).contains(&self.pool_size) {
            return Err(RedisConfigError::Range {
                name: "pool_size",
                value: self.pool_size.to_string(),
                allowed: "1 to 256",
            });
        }
        let mut server = self.parse()?;
        // Never gives up on the first attempt either: the service starts without its L2.
        server.fail_fast = false;
        if !self.is_clustered() {
            let number = u8::try_from(database).map_err(|_| RedisConfigError::Range {
                name: "database",
                value: database.to_string(),
                allowed: "0 to 255",
            })?;
            server.database = Some(number);
        }
        let performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: self.connect_timeout,
            internal_command_timeout: self.connect_timeout,
            // A command is written once. One that was under way when the connection broke has
            // failed; written again later, a SET would undo somebody's newer one.
            max_command_attempts: 1,
            // The client would take the answer to its ASKING for that to whatever is under way on the
            // same connection, and end its task when a command has no attempt left. Commands that
            // are sent elsewhere are made again by whoever has sent them.
            max_redirections: 0,
            max_command_buffer_len: self.max_in_flight,
            // A wrong password may be put right on the server.
            reconnect_on_auth_error: true,
            tcp: TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            },
            ..ConnectionConfig::default()
        };
        let ms = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX).max(1);
        let policy =
            ReconnectPolicy::new_exponential(0, ms(self.reconnect_min), ms(self.reconnect_max), 2);
        Ok(ClientSettings {
            server,
            performance,
            connection,
            policy,
        })
    }
}

/// The client's own configuration.
pub(crate) struct ClientSettings {
    pub(crate) server: Config,
    pub(crate) performance: PerformanceConfig,
    pub(crate) connection: ConnectionConfig,
    pub(crate) policy: ReconnectPolicy,
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.shown_url())
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("tls", &self.tls)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout", &self.connect_timeout)
            .field("command_timeout", &self.command_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_configuration_or_its_errors_shows_a_secret() {
        let check = |url: &str| {
            let mut config = RedisConfig::new(url);
            config.password = Some("s3cret".to_owned());
            let mut texts = format!("{config:?} {}", config.shown_url());
            if let Err(error) = config.client(0) {
                texts.push_str(&format!("{error} {error:?}"));
            }
            assert!(!texts.contains("s3cret"), "{texts}");
        };
        check("redis://user:s3cret@localhost:6379");
        check("redis://user:s3cret@local host:notaport");
        check("redis://:s3cret/@x@localhost/99999");
        check("http://:s3cret@localhost");
        check("rediss://:s3cret@localhost");
        check("redis-sentinel://h:1/0?sentinelServiceName=m&sentinelPassword=s3cret");
        check("redis-sentinel://h:1/0?sentinelPassword=s3cret");
        check("redis-cluster://u:s3cret@h:1?node=bad");
    }

    #[test]
    fn the_three_kinds_of_url_are_understood_and_others_refused_with_the_reason() {
        let server = |url: &str| RedisConfig::new(url).client(0).map(|s| s.server.server);
        assert!(matches!(
            server("redis://h:1/3"),
            Ok(ServerConfig::Centralized { .. })
        ));
        assert!(matches!(
            server("redis-sentinel://h:1?sentinelServiceName=main"),
            Ok(ServerConfig::Sentinel { .. })
        ));
        assert!(matches!(
            server("redis-cluster://h:1?node=g:2"),
            Ok(ServerConfig::Clustered { .. })
        ));
        assert_eq!(RedisConfig::new("redis://h:1/3").database(), Ok(3));
        let reason = |url: &str| server(url).unwrap_err().to_string();
        // Never in the clear because somebody forgot a setting.
        for scheme in ["rediss", "rediss-sentinel", "rediss-cluster", "valkeys"] {
            assert!(
                reason(&format!("{scheme}://h:1")).contains("TLS"),
                "{scheme}"
            );
        }
        assert!(reason("h:1").contains("must begin with redis://"));
        assert!(reason("redis-sentinel://h:1").contains("service name"));
    }

    #[test]
    fn a_command_always_has_a_limit_and_the_connection_comes_back_for_ever() {
        let mut config = RedisConfig::new("redis://h");
        let settings = config.client(5).unwrap();
        assert_eq!(
            settings.performance.default_command_timeout,
            config.command_timeout
        );
        assert_eq!(settings.policy.max_attempts(), 0);
        assert_eq!(settings.server.database, Some(5));
        config.command_timeout = Duration::ZERO;
        assert!(
            config
                .client(0)
                .is_err_and(|e| e.to_string().contains("command_timeout"))
        );
    }
}
