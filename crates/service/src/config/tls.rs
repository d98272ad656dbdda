//! Certificates: of our own before listeners, and whom to trust at Redis.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use figment::Figment;
use forewarm_infrastructure::l2::{Encryption, encryption_of};
use forewarm_infrastructure::tls::{ClientTls, ServerTls, TlsError, TlsFiles};

use super::check::fault;
use super::error::ConfigError;
use super::section::section;
use super::sections::{Config, Redis};

section! {
    /// TLS towards Redis, for a `rediss://` URL here or in a feed. Sentinels and the nodes of a
    /// cluster are reached the same way. Files are PEM and read at the start.
    pub struct RedisTls {
        /// The authorities that Redis' certificate must come from; unset = those that the system
        /// trusts. The certificate must bear the host's name, or its address, as in the URL.
        ca_file: Option<PathBuf> = None;
        /// A certificate of our own, for a Redis that asks for one.
        cert_file: Option<PathBuf> = None;
        /// Its private key.
        key_file: Option<PathBuf> = None;
    }
}

section! {
    /// TLS on a listener's TCP port, 1.2 or 1.3. Files are PEM and read at the start.
    pub struct ListenerTls {
        /// The certificate, with what it was signed by below it; unset = no TLS.
        cert_file: Option<PathBuf> = None;
        /// Its private key.
        key_file: Option<PathBuf> = None;
        /// Only clients with a certificate of these authorities get in; unset = clients need none.
        client_ca_file: Option<PathBuf> = None;
    }
}

impl Config {
    /// The listeners that other machines can reach and that speak in the clear, by section.
    pub fn reachable_in_the_clear(&self) -> Vec<&'static str> {
        let doors = [
            ("http", &self.http.addr, &self.http.tls),
            ("resp", &self.resp.addr, &self.resp.tls),
        ];
        let open = doors
            .into_iter()
            .filter(|(_, addr, tls)| tls.cert_file.is_none() && !is_local(addr));
        open.map(|(section, ..)| section).collect()
    }
}

/// Whether only this machine can reach an address; one that cannot be resolved is not.
pub(crate) fn is_local(addr: &str) -> bool {
    let found = addr.to_socket_addrs();
    found.is_ok_and(|mut found| found.all(|address| address.ip().is_loopback()))
}

impl RedisTls {
    fn files(&self) -> TlsFiles {
        TlsFiles {
            authorities: self.ca_file.clone(),
            certificate: self.cert_file.clone(),
            key: self.key_file.clone(),
        }
    }
}

impl Redis {
    /// TLS, where the URL asks for it.
    pub(super) fn client_tls(&self) -> Result<Option<ClientTls>, TlsError> {
        match encryption_of(self.url.reveal()) {
            Some(Encryption::Tls) => ClientTls::new(&self.tls.files()).map(Some),
            _ => Ok(None),
        }
    }
}

impl ListenerTls {
    /// TLS, where a certificate is configured.
    pub fn server(&self) -> Result<Option<ServerTls>, TlsError> {
        match (&self.cert_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                ServerTls::new(certificate, key, self.client_ca_file.as_deref()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether a client without a certificate is turned away.
    pub(super) fn knows_clients(&self) -> bool {
        self.cert_file.is_some() && self.client_ca_file.is_some()
    }
}

/// Files that belong together are there together, can be read, and are of use.
pub(super) fn check(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let redis = &config.l2.redis.tls;
    both(&redis.cert_file, &redis.key_file, "l2.redis.tls", figment)?;
    check_redis(config, figment)?;
    for (section, tls) in [
        ("http.tls", &config.http.tls),
        ("resp.tls", &config.resp.tls),
    ] {
        both(&tls.cert_file, &tls.key_file, section, figment)?;
        let lone = tls
            .client_ca_file
            .as_deref()
            .filter(|_| tls.cert_file.is_none());
        if let Some(path) = lone {
            let key = format!("{section}.client_ca_file");
            let problem = format!("{} is set without TLS", path.display());
            return Err(fault(figment, &key, problem, "unset, or with a cert_file"));
        }
        let served = tls.server().map(drop);
        served.map_err(|error| unusable(section, &error, tls.files(), figment))?;
    }
    Ok(())
}

fn check_redis(config: &Config, figment: &Figment) -> Result<(), ConfigError> {
    let (section, tls) = ("l2.redis.tls", &config.l2.redis.tls);
    let feeds = config.feeds.iter().filter_map(|feed| feed.url.as_ref());
    let mut urls = feeds.chain([&config.l2.redis.url]);
    if urls.any(|url| encryption_of(url.reveal()) == Some(Encryption::Tls)) {
        let files = [
            ("ca_file", tls.ca_file.as_deref()),
            ("cert_file", tls.cert_file.as_deref()),
            ("key_file", tls.key_file.as_deref()),
        ];
        let made = ClientTls::new(&tls.files()).map(drop);
        return made.map_err(|error| unusable(section, &error, files, figment));
    }
    // Somebody who names authorities does not want to speak in the clear.
    let set = [
        ("ca_file", &tls.ca_file),
        ("cert_file", &tls.cert_file),
        ("key_file", &tls.key_file),
    ];
    match set.into_iter().find(|(_, path)| path.is_some()) {
        None => Ok(()),
        Some((name, _)) => {
            let problem = format!("is set, but {} is in the clear", config.l2.redis.url);
            let key = format!("{section}.{name}");
            Err(fault(
                figment,
                &key,
                problem,
                "unset, or with a rediss:// URL",
            ))
        }
    }
}

impl ListenerTls {
    fn files(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("cert_file", self.cert_file.as_deref()),
            ("key_file", self.key_file.as_deref()),
            ("client_ca_file", self.client_ca_file.as_deref()),
        ]
    }
}

fn both(
    certificate: &Option<PathBuf>,
    key: &Option<PathBuf>,
    section: &str,
    figment: &Figment,
) -> Result<(), ConfigError> {
    let (lone, missing) = match (certificate, key) {
        (Some(_), None) => ("cert_file", "key_file"),
        (None, Some(_)) => ("key_file", "cert_file"),
        _ => return Ok(()),
    };
    let problem = format!("is set without {section}.{missing}");
    let setting = format!("{section}.{lone}");
    Err(fault(
        figment,
        &setting,
        problem,
        "both, or none of the two",
    ))
}

/// The error at the setting whose file it is about.
fn unusable(
    section: &str,
    error: &TlsError,
    files: [(&'static str, Option<&Path>); 3],
    figment: &Figment,
) -> ConfigError {
    let about = match error {
        TlsError::File { path, .. } | TlsError::Certificate { path, .. } => Some(path.as_path()),
        TlsError::NoRoots => None,
    };
    let named = files
        .iter()
        .find(|(_, path)| path.is_some() && *path == about);
    let key = format!("{section}.{}", named.map_or("ca_file", |(name, _)| name));
    let allowed = "a readable PEM file that is in force today";
    fault(figment, &key, error.to_string(), allowed)
}
