//! TLS on the ports and towards Redis: real handshakes, certificates made by the test.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use forewarm_infrastructure::testing::{RedisServer, free_port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::{PATIENCE, Service, run, wait_for};

/// An authority, and what it signed: a server's and a client's certificate with their keys.
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("signed");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("the folder takes it");
        };
        write("ca.pem", &authority.pem());
        for (name, names) in [
            (
                "server",
                vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            ),
            ("client", vec!["a client".to_owned()]),
        ] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(names).expect("names");
            // OpenSSL takes a certificate that bears its authority's name for a self-signed one.
            params.distinguished_name.push(DnType::CommonName, name);
            let signed = params.signed_by(&key, &authority).expect("signed");
            write(&format!("{name}.pem"), &signed.pem());
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `section.setting=path`.
    fn setting(&self, setting: &str, name: &str) -> String {
        format!("{setting}={}", self.path(name).display())
    }

    /// The settings of a listener.
    fn listener(&self, section: &str) -> [String; 2] {
        [
            self.setting(&format!("{section}.tls.cert_file"), "server.pem"),
            self.setting(&format!("{section}.tls.key_file"), "server.key"),
        ]
    }

    /// A client that trusts the authority, with or without a certificate of its own.
    fn connect(
        &self,
        addr: &str,
        own: bool,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        for found in CertificateDer::pem_file_iter(self.path("ca.pem")).expect("a PEM") {
            roots
                .add(found.expect("a certificate"))
                .expect("an authority");
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has both")
            .with_root_certificates(roots);
        let config = if own {
            let chain =
                vec![CertificateDer::from_pem_file(self.path("client.pem")).expect("a PEM")];
            let key = PrivateKeyDer::from_pem_file(self.path("client.key")).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("they fit")
        } else {
            builder.with_no_client_auth()
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(session, socket))
    }
}

fn borrowed(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

/// One GET; everything until the server closes.
fn fetch(mut stream: impl Read + Write, path: &str) -> io::Result<String> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// Sends commands inline and reads as many bytes as the answer has.
fn say(mut stream: impl Read + Write, words: &[u8], answer: &[u8]) -> io::Result<()> {
    stream.write_all(words)?;
    stream.flush()?;
    let mut heard = vec![0; answer.len()];
    stream.read_exact(&mut heard)?;
    if heard != answer {
        let heard = String::from_utf8_lossy(&heard[..heard.len().min(200)]).into_owned();
        return Err(io::Error::other(format!("{heard:?} was answered")));
    }
    Ok(())
}

#[test]
fn the_http_port_speaks_tls_and_nothing_else() {
    let certificates = Certificates::new();
    let service = Service::start(&borrowed(&certificates.listener("http")));
    assert!(
        service.log().contains("listening on https://"),
        "{}",
        service.log()
    );
    // Somebody who connects and says nothing holds nobody up.
    let _silent = TcpStream::connect(&service.addr).expect("a connection");
    let encrypted = certificates
        .connect(&service.addr, false)
        .expect("a connection");
    let answer = fetch(encrypted, "/healthz").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let clear = TcpStream::connect(&service.addr).expect("a connection");
    let answer = fetch(clear, "/healthz").unwrap_or_default();
    assert!(
        !answer.contains("HTTP/1.1 200"),
        "answered in the clear: {answer}"
    );
}

#[test]
fn the_commands_reach_a_tls_port_whose_authority_they_are_told_and_no_other() {
    let certificates = Certificates::new();
    let service = Service::start(&borrowed(&certificates.listener("http")));
    let server = format!("https://{}", service.addr);
    let ca = certificates.path("ca.pem");
    let trusting = ["--ca", ca.to_str().expect("UTF-8")];
    let show = ["rollout", "show", "--server", &server];
    let told = run(&[&show[..], &trusting].concat());
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert_eq!(String::from_utf8_lossy(&told.stdout), "all chains: on\n");
    assert_eq!(run(&show).status.code(), Some(69), "nobody vouches for it");
    let nowhere = run(&[&show[..], &["--ca", "nowhere.pem"]].concat());
    assert_eq!(nowhere.status.code(), Some(66), "{nowhere:?}");
    // A stream without an end, too.
    let out = certificates.path("x.csv");
    let out = out.to_str().expect("UTF-8");
    let record = ["record", "--out", out, "--from", &server, "--for", "300ms"];
    let told = run(&[&record[..], &trusting].concat());
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(
        String::from_utf8_lossy(&told.stderr).contains("lost: 0"),
        "{told:?}"
    );
}

#[test]
fn a_port_that_others_reach_in_the_clear_is_warned_of_and_one_with_tls_is_not() {
    let certificates = Certificates::new();
    let [cert, key] = certificates.listener("http");
    let service = Service::start(&[
        "http.addr=0.0.0.0:0",
        "http.token=t",
        &cert,
        &key,
        "resp.addr=0.0.0.0:0",
        "resp.password=p",
    ]);
    service_log_has(&service, "resp.tls");
    assert!(!service.log().contains("http.tls"), "{}", service.log());
}

fn service_log_has(service: &Service, part: &str) {
    wait_for(part, service, |service| service.log().contains(part));
}

#[test]
fn the_redis_port_speaks_tls_with_large_values_and_survives_who_does_not() {
    let certificates = Certificates::new();
    let service = Service::start(&borrowed(&certificates.listener("resp")));
    let mut clear = TcpStream::connect(&service.resp).expect("a connection");
    clear.set_read_timeout(Some(PATIENCE)).expect("it has one");
    clear.write_all(b"PING\r\n").expect("sent");
    let mut heard = Vec::new();
    let _ = clear.read_to_end(&mut heard);
    assert!(!heard.starts_with(b"+PONG"), "answered in the clear");

    let mut stream = certificates
        .connect(&service.resp, false)
        .expect("a connection");
    // Larger than any buffer on the way: what TLS keeps back must go out too.
    let value = vec![b'v'; 5 << 20];
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len());
    say(
        &mut stream,
        &[head.as_bytes(), &value, b"\r\n"].concat(),
        b"+OK\r\n",
    )
    .expect("stored");
    let head = format!("${}\r\n", value.len());
    let answer = [head.as_bytes(), &value, b"\r\n"].concat();
    say(&mut stream, b"GET k\r\n", &answer).expect("read");
    say(
        &mut stream,
        &b"PING\r\n".repeat(1_000),
        &b"+PONG\r\n".repeat(1_000),
    )
    .expect("pipelined");
}

#[test]
fn redis_cli_talks_to_the_port_over_tls() {
    let certificates = Certificates::new();
    let service = Service::start(&borrowed(&certificates.listener("resp")));
    let (_, port) = service.resp.rsplit_once(':').expect("host:port");
    let ca = certificates.path("ca.pem");
    let output = Command::new("redis-cli")
        .args(["-h", "localhost", "-p", port, "--tls", "--cacert"])
        .arg(ca)
        .args(["SET", "a", "b"])
        .output();
    match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !in_ci,
                "redis-cli is not installed, and CI must not skip tests"
            );
            eprintln!("SKIPPED: redis-cli is not installed");
        }
        output => {
            let output = output.expect("it runs");
            let said = String::from_utf8_lossy(&output.stdout);
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(said.trim(), "OK", "{error}");
        }
    }
}

#[test]
fn where_client_certificates_are_asked_for_nobody_else_gets_in() {
    let certificates = Certificates::new();
    let mut settings = [certificates.listener("http"), certificates.listener("resp")].concat();
    settings.push(certificates.setting("http.tls.client_ca_file", "ca.pem"));
    settings.push(certificates.setting("resp.tls.client_ca_file", "ca.pem"));
    let service = Service::start(&borrowed(&settings));
    let known = |addr: &str| certificates.connect(addr, true).expect("a connection");
    let unknown = |addr: &str| certificates.connect(addr, false).expect("a connection");
    let answer = fetch(known(&service.addr), "/healthz").expect("let in");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        fetch(unknown(&service.addr), "/healthz").is_err(),
        "http let a stranger in"
    );
    say(known(&service.resp), b"PING\r\n", b"+PONG\r\n").expect("let in");
    let stranger = say(unknown(&service.resp), b"PING\r\n", b"+PONG\r\n");
    assert!(stranger.is_err(), "resp let a stranger in");
}

/// A Redis with a port in the clear, for the test itself, and one with TLS.
fn redis_with_tls(certificates: &Certificates) -> Option<(RedisServer, u16)> {
    let port = free_port();
    let path = |name: &str| certificates.path(name).display().to_string();
    let (cert, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let tls_port = port.to_string();
    let server = RedisServer::start_with(&[
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "yes",
    ])?;
    Some((server, port))
}

#[test]
fn redis_is_reached_over_tls_by_the_pool_the_link_and_the_clients_own_connections() {
    let certificates = Certificates::new();
    let Some((redis, port)) = redis_with_tls(&certificates) else {
        return;
    };
    let service = Service::start(&borrowed(&[
        "l2.backend=redis".to_owned(),
        format!("l2.redis.url=rediss://localhost:{port}"),
        certificates.setting("l2.redis.tls.ca_file", "ca.pem"),
        certificates.setting("l2.redis.tls.cert_file", "client.pem"),
        certificates.setting("l2.redis.tls.key_file", "client.key"),
    ]));
    wait_for("the invalidation link", &service, |service| {
        service.metric("arbitrage_invalidation_link_up", &[]) > 0.0
    });
    let mut client = TcpStream::connect(&service.resp).expect("a connection");
    client.set_read_timeout(Some(PATIENCE)).expect("it has one");
    let mut ask = |words: &[u8], answer: &[u8]| say(&mut client, words, answer).expect("answered");
    // The pool, then a connection of the client's own.
    ask(b"SET a 1\r\n", b"+OK\r\n");
    ask(b"GET a\r\n", b"$1\r\n1\r\n");
    ask(b"MULTI\r\n", b"+OK\r\n");
    ask(b"INCR a\r\n", b"+QUEUED\r\n");
    ask(b"EXEC\r\n", b"*1\r\n:2\r\n");
    ask(b"GET a\r\n", b"$1\r\n2\r\n");
    // The link: what somebody else writes is heard of.
    redis.command(&["SET", "a", "3"]).expect("written");
    wait_for("the news of another's write", &mut client, |client| {
        say(&mut *client, b"GET a\r\n", b"$1\r\n3\r\n").is_ok()
    });
    // Nothing of it went over the port in the clear.
    let clients = redis.command(&["CLIENT", "LIST"]).expect("answered");
    let clear = format!("laddr=127.0.0.1:{} ", redis.port());
    let ours = clients.lines().filter(|line| line.contains(&clear)).count();
    assert_eq!(
        ours, 1,
        "only the test itself is connected in the clear:\n{clients}"
    );
}

#[test]
fn a_redis_that_is_not_trusted_is_not_talked_to() {
    let certificates = Certificates::new();
    let Some((redis, port)) = redis_with_tls(&certificates) else {
        return;
    };
    let others = Certificates::new();
    let service = Service::start(&borrowed(&[
        "l2.backend=redis".to_owned(),
        "l2.demand_timeout=300ms".to_owned(),
        format!("l2.redis.url=rediss://localhost:{port}"),
        others.setting("l2.redis.tls.ca_file", "ca.pem"),
    ]));
    let answer = service.get("/v1/pairs/eth/a");
    assert_eq!(answer.status, 503, "{}", answer.text());
    let mut client = TcpStream::connect(&service.resp).expect("a connection");
    client.set_read_timeout(Some(PATIENCE)).expect("it has one");
    client.write_all(b"SET secret 1\r\n").expect("sent");
    let mut heard = [0; 1];
    client.read_exact(&mut heard).expect("an answer");
    assert_eq!(&heard, b"-");
    let known = redis.command(&["EXISTS", "secret"]).expect("answered");
    assert_eq!(known.trim(), ":0");
    wait_for("the reason in the readiness", &service, |service| {
        let readiness = service.readiness();
        let told = |text: &serde_json::Value| {
            let text = text.as_str().unwrap_or_default();
            text.contains("the server's certificate is not accepted: bad signature")
        };
        told(&readiness["l2"]["error"]) && told(&readiness["invalidation_link"]["trouble"])
    });
}

#[test]
fn a_check_names_the_setting_whose_file_is_missing_foreign_or_alone() {
    let certificates = Certificates::new();
    let refused = |settings: &[String], parts: &[&str]| {
        let mut arguments = vec!["config", "check"];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let output = run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{settings:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    };
    let [cert, key] = certificates.listener("resp");
    refused(
        std::slice::from_ref(&cert),
        &["resp.tls.cert_file", "resp.tls.key_file"],
    );
    refused(
        std::slice::from_ref(&key),
        &["resp.tls.key_file", "resp.tls.cert_file"],
    );
    let missing = "resp.tls.key_file=/nowhere/key.pem".to_owned();
    refused(
        &[cert.clone(), missing],
        &["resp.tls.key_file", "/nowhere/key.pem"],
    );
    // A key in the certificate's place is named, its content is not.
    let swapped = certificates.setting("resp.tls.cert_file", "server.key");
    refused(
        &[swapped, key.clone()],
        &["resp.tls.cert_file", "server.key"],
    );
    let foreign = certificates.setting("resp.tls.key_file", "client.key");
    refused(&[cert, foreign], &["resp.tls.cert_file"]);
    let alone = certificates.setting("http.tls.client_ca_file", "ca.pem");
    refused(&[alone], &["http.tls.client_ca_file", "without TLS"]);
    let clear = certificates.setting("l2.redis.tls.ca_file", "ca.pem");
    refused(&[clear], &["l2.redis.tls.ca_file", "in the clear"]);
    let output = run(&[
        "config",
        "check",
        "--set",
        "l2.redis.url=rediss://:s3cret@h:1",
        "--set",
        "l2.redis.tls.ca_file=/nowhere/ca.pem",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("l2.redis.tls.ca_file") && !said.contains("s3cret"),
        "{said}"
    );
}

#[test]
fn the_health_command_asks_over_tls_with_the_authority_given() {
    let certificates = Certificates::new();
    let service = Service::start(&borrowed(&certificates.listener("http")));
    let (_, port) = service.addr.rsplit_once(':').expect("host:port");
    let server = format!("https://localhost:{port}");
    let ca = certificates.path("ca.pem").display().to_string();
    let asked = run(&["health", "--server", &server, "--ca", &ca]);
    assert!(
        asked.status.success(),
        "{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    let stranger = run(&["health", "--server", &server, "--timeout", "5s"]);
    let said = String::from_utf8_lossy(&stranger.stderr);
    assert_eq!(stranger.status.code(), Some(69), "{said}");
    assert!(said.contains("is not ready"), "{said}");
}

#[test]
fn a_port_open_to_others_needs_a_secret_or_client_certificates_and_encryption_alone_is_neither() {
    let certificates = Certificates::new();
    let checked = |section: &str, further: &[String]| {
        let addr = format!("{section}.addr=0.0.0.0:0");
        let mut arguments = vec!["config", "check", "--set", &addr];
        for setting in further {
            arguments.extend(["--set", setting]);
        }
        run(&arguments).status.code()
    };
    for section in ["http", "resp"] {
        let mut settings = certificates.listener(section).to_vec();
        assert_eq!(checked(section, &settings), Some(64), "{section}: anybody");
        settings.push(certificates.setting(&format!("{section}.tls.client_ca_file"), "ca.pem"));
        assert_eq!(
            checked(section, &settings),
            Some(0),
            "{section}: known clients"
        );
    }
}
