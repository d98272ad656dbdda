//! What must hold of a configuration as a whole.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use figment::Figment;
use forewarm_infrastructure::l2::encryption_of;
use forewarm_infrastructure::telemetry::Collector;

use super::error::ConfigError;
use super::layers::origin;
use super::section::Section;
use super::sections::{Backend, Config, FeedFields, FeedKind, InvalidationMode};
use super::tls;
use super::units::{Secret, ServerUrl};

/// Refuses values out of range and limits that contradict each other.
pub(super) fn check(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    check_ranges(config, figment)?;
    check_limits(config, figment)?;
    check_staleness(config, figment)?;
    check_texts(config, figment)?;
    check_feeds(config, figment)?;
    tls::check(config, figment)?;
    check_exposure(config, figment)
}

/// Reads passwords and tokens that are kept in files.
pub(super) fn read_secret_files(config: &mut Config, figment: &Figment) -> Result<(), ConfigError> {
    let redis = &mut config.l2.redis;
    if let Some(path) = &redis.password_file {
        redis.password = Some(read_secret(path, "l2.redis.password_file", figment)?);
    }
    if let Some(path) = &config.resp.password_file {
        config.resp.password = Some(read_secret(path, "resp.password_file", figment)?);
    }
    if let Some(path) = &config.http.token_file {
        config.http.token = Some(read_secret(path, "http.token_file", figment)?);
    }
    Ok(())
}

fn read_secret(path: &Path, key: &str, figment: &Figment) -> Result<Secret, ConfigError> {
    let fault = |problem: String| fault(figment, key, problem, "a readable file with one secret");
    let text = std::fs::read_to_string(path)
        .map_err(|error| fault(format!("cannot read {}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(fault(format!("{} is empty", path.display()))),
        secret => Ok(Secret::new(secret)),
    }
}

pub(super) fn fault(figment: &Figment, key: &str, problem: String, allowed: &str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        origin: origin(figment, key),
        problem,
        allowed: allowed.to_owned(),
    }
}

fn check_ranges(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let mut outside = None;
    config.visit("", &mut |setting| {
        if !setting.within && outside.is_none() {
            outside = Some(setting);
        }
    });
    if let Some(setting) = outside {
        let problem = format!("{} is out of range", setting.value.unwrap_or_default());
        return Err(fault(figment, &setting.key, problem, &setting.allowed));
    }
    let extra = config.warming.budget.extra_l2_reads;
    if !extra.is_valid() {
        let problem = format!("{:?} is out of range", extra.share().unwrap_or_default());
        let key = "warming.budget.extra_l2_reads";
        return Err(fault(figment, key, problem, "0.0 to 100.0 or `unlimited`"));
    }
    Ok(())
}

/// Partners kept ≥ warm cap ≥ the strategy's maximum ≥ its minimum.
fn check_limits(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let kept = ("tracking.max_partners", config.tracking.max_partners);
    let cap = (
        "warming.max_pairs_per_warm",
        config.warming.max_pairs_per_warm,
    );
    let strategy = config.warming.strategy_maximum();
    let least = (
        "warming.adaptive.min_pairs",
        config.warming.adaptive.min_pairs,
    );
    let most = (
        "warming.adaptive.max_pairs",
        config.warming.adaptive.max_pairs,
    );
    for (larger, smaller) in [(kept, cap), (cap, strategy), (most, least)] {
        if larger.1 < smaller.1 {
            return Err(ConfigError::Disagree {
                larger: larger.0.to_owned(),
                larger_value: larger.1,
                larger_origin: origin(figment, larger.0),
                smaller: smaller.0.to_owned(),
                smaller_value: smaller.1,
                smaller_origin: origin(figment, smaller.0),
            });
        }
    }
    Ok(())
}

/// A single late answer must not stop L1; and a read may join another that began a demand timeout ago,
/// or a little more where that is a warm.
fn check_staleness(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    if config.l2.backend != Backend::Redis || config.invalidation.mode == InvalidationMode::Ttl {
        return Ok(());
    }
    let bound = config.invalidation.max_staleness.0;
    let least = [
        (
            "twice invalidation.ping_interval",
            config.invalidation.ping_interval.0 * 2,
        ),
        ("twice l2.demand_timeout", config.l2.demand_timeout.0 * 2),
    ];
    for (name, least) in least {
        if bound < least {
            let problem = format!("{bound:?} is less than {name}, {least:?}");
            let key = "invalidation.max_staleness";
            return Err(fault(figment, key, problem, &format!("at least {name}")));
        }
    }
    Ok(())
}

fn check_texts(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let template = &config.keys.template;
    if let Err(error) = forewarm_infrastructure::KeyCodec::new(template) {
        let problem = format!("{template:?}: {error}");
        let allowed = "text with {address} once and {chain} at most once";
        return Err(fault(figment, "keys.template", problem, allowed));
    }
    let prefix = &config.telemetry.prefix;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !prefix.chars().all(is_name) || prefix.starts_with(|c: char| !c.is_ascii_alphabetic()) {
        let problem = format!("{prefix:?} cannot begin a metric's name");
        let allowed = "letters, digits and `_`, a letter first";
        return Err(fault(figment, "telemetry.prefix", problem, allowed));
    }
    let level = &config.telemetry.log_level;
    if let Err(error) = level.parse::<tracing_subscriber::filter::Targets>() {
        let problem = format!("{level:?}: {error}");
        let allowed = "error, warn, info, debug, trace, or module=level pairs";
        return Err(fault(figment, "telemetry.log_level", problem, allowed));
    }
    let collector = config
        .telemetry
        .otlp_endpoint
        .as_deref()
        .map(Collector::new);
    if let Some(Err(error)) = collector {
        let allowed = "http://host[:port], or https";
        let key = "telemetry.otlp_endpoint";
        return Err(fault(figment, key, error.to_string(), allowed));
    }
    check_url(&config.l2.redis.url, "l2.redis.url", figment)
}

fn check_url(url: &ServerUrl, key: &str, figment: &Figment) -> Result<(), ConfigError> {
    if encryption_of(url.reveal()).is_some() {
        return Ok(());
    }
    let allowed = "redis://[user:password@]host[:port][/database], redis-sentinel://… or \
                   redis-cluster://…; rediss for TLS";
    Err(fault(figment, key, format!("{url} is not usable"), allowed))
}

fn check_feeds(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let mut stdin = 0;
    for (index, feed) in config.feeds.iter().enumerate() {
        if let Some(url) = &feed.url {
            check_url(url, &format!("feeds[{index}].url"), figment)?;
        }
        let missing = |what: &str, allowed: &str| {
            let key = format!("feeds[{index}].{what}");
            Err(fault(figment, &key, "is missing".to_owned(), allowed))
        };
        match feed.kind {
            FeedKind::File if feed.path.is_none() => return missing("path", "a trace file"),
            FeedKind::RedisStream if feed.stream.is_empty() => {
                return missing("stream", "a stream's key");
            }
            FeedKind::RedisStream if feed.group.is_empty() => {
                return missing("group", "a group's name");
            }
            FeedKind::RedisStream => check_fields(&feed.fields, index, figment)?,
            FeedKind::Stdin => stdin += 1,
            _ => {}
        }
    }
    if stdin > 1 {
        let problem = format!("{stdin} feeds read standard input");
        return Err(fault(figment, "feeds", problem, "one `stdin` feed at most"));
    }
    Ok(())
}

/// Two fields of one name would each be read as the other.
fn check_fields(fields: &FeedFields, index: usize, figment: &Figment) -> Result<(), ConfigError> {
    let mut names: Vec<(String, String)> = Vec::new();
    let mut fault_found = None;
    fields.visit("", &mut |setting| {
        let name = setting.value.unwrap_or_default();
        let taken = names.iter().find(|(_, known)| *known == name);
        let problem = match taken {
            _ if name == "\"\"" => Some("is empty".to_owned()),
            Some((other, _)) => Some(format!("{name} is the name of `{other}` too")),
            None => None,
        };
        if let Some(problem) = problem {
            fault_found.get_or_insert((format!("feeds[{index}].fields.{}", setting.key), problem));
        }
        names.push((setting.key, name));
    });
    match fault_found {
        Some((key, problem)) => Err(fault(figment, &key, problem, "a name of its own")),
        None => Ok(()),
    }
}

/// Nobody beyond this machine gets in without a secret, unless that is asked for.
fn check_exposure(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let doors = [
        Door {
            section: "http",
            addr: &config.http.addr,
            secret: config.http.token.as_ref(),
            secret_name: "token",
            open: config.http.allow_unauthenticated || config.http.tls.knows_clients(),
        },
        Door {
            section: "resp",
            addr: &config.resp.addr,
            secret: config.resp.password.as_ref(),
            secret_name: "password",
            open: config.resp.allow_unauthenticated || config.resp.tls.knows_clients(),
        },
    ];
    doors.iter().try_for_each(|door| door.check(figment))
}

/// An address that others may reach.
struct Door<'a> {
    section: &'static str,
    addr: &'a str,
    secret: Option<&'a Secret>,
    secret_name: &'static str,
    open: bool,
}

impl Door<'_> {
    fn check(&self, figment: &Figment) -> Result<(), ConfigError> {
        let key = format!("{}.addr", self.section);
        let addresses: Vec<SocketAddr> = match self.addr.to_socket_addrs() {
            Ok(found) => found.collect(),
            Err(error) => {
                let problem = format!("{:?} is no address: {error}", self.addr);
                return Err(fault(figment, &key, problem, "host:port"));
            }
        };
        if self.secret.is_some_and(|secret| secret.reveal().is_empty()) {
            let key = format!("{}.{}", self.section, self.secret_name);
            let allowed = "a text of at least one character, or unset";
            return Err(fault(figment, &key, "is empty".to_owned(), allowed));
        }
        let local = addresses.iter().all(|address| address.ip().is_loopback());
        if local || self.secret.is_some() || self.open {
            return Ok(());
        }
        Err(ConfigError::Exposed {
            section: self.section,
            secret: self.secret_name,
            addr: self.addr.to_owned(),
            origin: origin(figment, &key),
        })
    }
}

impl Config {
    /// Checks a configuration that was put together by hand: ranges, and limits that must agree.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check(self, &Figment::new())
    }
}
