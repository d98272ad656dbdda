//! What a client says about its connection: greeting, login, database, name.

use std::io;

use bytes::Bytes;

use super::command::{Command, Effect, Keys, Passed, Session};
use super::connection::{Connection, Flow, Socket};
use super::port::Store;
use super::reply::Protocol;
use super::request::{Arguments, number};
use super::state::State;
use super::upstream::Awaited;
use crate::http::guard::same;

/// Commands about L2 that are passed on as they are.
const ASKED: Passed = Passed {
    keys: Keys::None,
    effect: Effect::None,
    waits: false,
};
/// Databases of the embedded store, as many as a Redis has by default.
const DATABASES: i64 = 16;
/// What a client that asks is told while L2's own version is not known.
const VERSION: &str = "7.0.0";

impl<S: Socket> Connection<'_, S> {
    pub(super) async fn session(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        session: Session,
    ) -> io::Result<Flow> {
        match session {
            Session::Auth => self.auth(arguments),
            Session::Client => self.client(arguments),
            Session::Hello => self.hello(arguments),
            Session::Ping if arguments.len() > 2 => self.wrong_number("ping"),
            Session::Ping => match arguments.get(1) {
                Some(text) => self.reply().bulk(text),
                None => self.reply().simple("PONG"),
            },
            Session::Echo => match (arguments.len(), arguments.get(1)) {
                (2, Some(text)) => self.reply().bulk(text),
                _ => self.wrong_number("echo"),
            },
            Session::Quit => {
                self.reply().ok();
                return Ok(Flow::Close);
            }
            Session::Reset => {
                self.upstream = None;
                let id = self.state.id;
                self.state = State {
                    id,
                    ..State::new(self.port)
                };
                self.reply().simple("RESET");
            }
            Session::Select => return self.select(raw, arguments).await,
            Session::Info => return self.info(raw, arguments).await,
            Session::Command | Session::Config if self.is_redis() => {
                return self
                    .pass(raw, arguments, Command::Passed(ASKED), ASKED)
                    .await;
            }
            Session::Command => self.embedded_command(arguments),
            Session::Config => self.embedded_config(arguments),
        }
        Ok(Flow::On)
    }

    pub(super) fn wrong_number(&mut self, name: &str) {
        let text = format!("ERR wrong number of arguments for '{name}' command");
        self.reply().error(&text);
    }

    /// Whether this user with this password is who may come in.
    fn is_known(&self, user: &[u8], password: &[u8]) -> bool {
        let known = match &self.port.password {
            Some(secret) => same(password, secret.reveal().as_bytes()),
            None => true,
        };
        known && user == b"default"
    }

    fn auth(&mut self, arguments: Arguments<'_>) {
        let (user, password) = match (arguments.len(), arguments.get(1), arguments.get(2)) {
            (2, Some(password), _) => (&b"default"[..], password),
            (3, Some(user), Some(password)) => (user, password),
            _ => return self.wrong_number("auth"),
        };
        if arguments.len() == 2 && self.port.password.is_none() {
            return self.reply().error(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            );
        }
        if self.is_known(user, password) {
            self.state.authenticated = true;
            self.reply().ok();
        } else {
            self.reply()
                .error("WRONGPASS invalid username-password pair or user is disabled.");
        }
    }

    fn hello(&mut self, arguments: Arguments<'_>) {
        let mut protocol = self.state.protocol;
        if let Some(version) = arguments.get(1) {
            protocol = match number(version) {
                Some(2) => Protocol::Resp2,
                Some(3) => Protocol::Resp3,
                Some(_) => return self.reply().error("NOPROTO unsupported protocol version"),
                None => {
                    return self
                        .reply()
                        .error("ERR Protocol version is not an integer or out of range");
                }
            };
        }
        let (mut name, mut at) = (None, 2);
        let mut authenticated = self.state.authenticated;
        while let Some(option) = arguments.get(at) {
            let more = (arguments.get(at + 1), arguments.get(at + 2));
            match more {
                (Some(user), Some(password)) if option.eq_ignore_ascii_case(b"AUTH") => {
                    if !self.is_known(user, password) {
                        return self.reply().error(
                            "WRONGPASS invalid username-password pair or user is disabled.",
                        );
                    }
                    authenticated = true;
                    at += 3;
                }
                (Some(given), _) if option.eq_ignore_ascii_case(b"SETNAME") => {
                    if !is_name(given) {
                        return self.bad_name();
                    }
                    name = Some(given);
                    at += 2;
                }
                _ => {
                    let option = String::from_utf8_lossy(option).into_owned();
                    let text = format!("ERR Syntax error in HELLO option '{option}'");
                    return self.reply().error(&text);
                }
            }
        }
        if !authenticated {
            return self.reply().error(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise \
                 the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the \
                 client and select the RESP protocol version at the same time",
            );
        }
        if protocol != self.state.protocol && self.state.transaction.is_pinned() {
            return self
                .reply()
                .error("ERR HELLO inside a transaction is not available through Forewarm");
        }
        self.state.authenticated = true;
        if protocol != self.state.protocol {
            // L2 would go on answering in the other protocol.
            self.upstream = None;
            self.state.protocol = protocol;
        }
        if let Some(name) = name {
            self.set_name(name);
        }
        self.greet();
    }

    fn greet(&mut self) {
        let version = match &self.port.store {
            Store::Redis(store) => store.server_version(),
            Store::Embedded(_) => None,
        };
        let (id, protocol) = (self.state.id, self.state.protocol);
        let mut reply = self.reply();
        reply.map(7);
        reply.bulk(b"server");
        reply.bulk(b"redis");
        reply.bulk(b"version");
        reply.bulk(version.as_deref().unwrap_or(VERSION).as_bytes());
        reply.bulk(b"proto");
        reply.integer(if protocol == Protocol::Resp3 { 3 } else { 2 });
        reply.bulk(b"id");
        reply.integer(i64::try_from(id).unwrap_or(i64::MAX));
        reply.bulk(b"mode");
        reply.bulk(b"standalone");
        reply.bulk(b"role");
        reply.bulk(b"master");
        reply.bulk(b"modules");
        reply.array(0);
    }

    fn bad_name(&mut self) {
        self.reply()
            .error("ERR Client names cannot contain spaces, newlines or special characters.");
    }

    fn set_name(&mut self, name: &[u8]) {
        self.state.name = (!name.is_empty()).then(|| Bytes::copy_from_slice(name));
    }

    fn client(&mut self, arguments: Arguments<'_>) {
        let Some(what) = arguments.get(1) else {
            return self.wrong_number("client");
        };
        let what = String::from_utf8_lossy(what).to_ascii_lowercase();
        let wanted = match what.as_str() {
            "id" | "getname" | "info" => 2,
            "setname" | "no-evict" | "no-touch" | "reply" => 3,
            "setinfo" => 4,
            _ => {
                let text = format!(
                    "ERR CLIENT {} is not available through Forewarm",
                    what.to_uppercase()
                );
                return self.reply().error(&text);
            }
        };
        if arguments.len() != wanted {
            return self.wrong_number(&format!("client|{what}"));
        }
        let value = arguments.get(2).unwrap_or_default();
        match what.as_str() {
            "id" => {
                let id = i64::try_from(self.state.id).unwrap_or(i64::MAX);
                self.reply().integer(id);
            }
            "getname" => match self.state.name.clone() {
                Some(name) => self.reply().bulk(&name),
                None => self.reply().null(),
            },
            "setname" if !is_name(value) => self.bad_name(),
            "setname" => {
                self.set_name(value);
                self.reply().ok();
            }
            "setinfo" => self.set_info(value, arguments.get(3).unwrap_or_default()),
            "info" => {
                let line = self.info_line();
                self.reply().text(&line);
            }
            "reply" if !value.eq_ignore_ascii_case(b"ON") => self
                .reply()
                .error("ERR CLIENT REPLY OFF and SKIP are not available through Forewarm"),
            _ => self.reply().ok(),
        }
    }

    fn set_info(&mut self, option: &[u8], value: &[u8]) {
        let place = match option.to_ascii_lowercase().as_slice() {
            b"lib-name" => 0,
            b"lib-ver" => 1,
            _ => {
                let option = String::from_utf8_lossy(option).into_owned();
                let text = format!("ERR Unrecognized option '{option}'");
                return self.reply().error(&text);
            }
        };
        if !is_name(value) {
            let option = String::from_utf8_lossy(option).into_owned();
            let text =
                format!("ERR {option} cannot contain spaces, newlines or special characters.");
            return self.reply().error(&text);
        }
        self.state.library[place] = Some(Bytes::copy_from_slice(value));
        self.reply().ok();
    }

    fn info_line(&self) -> String {
        let text = |bytes: &Option<Bytes>| {
            let bytes = bytes.as_deref().unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let state = &self.state;
        let resp = if state.protocol == Protocol::Resp3 {
            3
        } else {
            2
        };
        format!(
            "id={} name={} db={} user=default lib-name={} lib-ver={} resp={resp}\n",
            state.id,
            text(&state.name),
            state.database,
            text(&state.library[0]),
            text(&state.library[1]),
        )
    }

    async fn select(&mut self, raw: &Bytes, arguments: Arguments<'_>) -> io::Result<Flow> {
        let index = arguments.get(1).filter(|_| arguments.len() == 2);
        let wanted = index
            .and_then(number)
            .filter(|index| (0..DATABASES).contains(index));
        if !self.is_redis() {
            match (index, index.and_then(number), wanted) {
                (None, ..) => self.wrong_number("select"),
                (_, None, _) => self
                    .reply()
                    .error("ERR value is not an integer or out of range"),
                (.., None) => self.reply().error("ERR DB index is out of range"),
                (.., Some(index)) => {
                    self.state.database = u16::try_from(index).unwrap_or_default();
                    self.reply().ok();
                }
            }
            return Ok(Flow::On);
        }
        // L2 knows how many databases it has; a client that connects while L2 is away is let in.
        let before = self.out.len();
        if !self.ready().await? {
            if let Some(index) = wanted {
                self.out.truncate(before);
                self.state.database = u16::try_from(index).unwrap_or_default();
                self.reply().ok();
            }
            return Ok(Flow::On);
        }
        self.flush().await?;
        let at = self.port.core.clock.now();
        if let Some(upstream) = &mut self.upstream {
            upstream.queue(Awaited::read(at), |out| arguments.write_to(raw, out));
        }
        let flow = self.settle(None).await?;
        if self.out.starts_with(b"+OK")
            && let Some(index) = index.and_then(number).and_then(|n| u16::try_from(n).ok())
        {
            self.state.database = index;
        }
        Ok(flow)
    }

    /// L2's INFO with a section of ours behind it; ours alone when that is asked for or L2 is away.
    async fn info(&mut self, raw: &Bytes, arguments: Arguments<'_>) -> io::Result<Flow> {
        let sections = || arguments.iter().skip(1);
        let is_ours = |section: &[u8]| section.eq_ignore_ascii_case(b"forewarm");
        let is_all = |section: &[u8]| {
            let section = section.to_ascii_lowercase();
            matches!(section.as_slice(), b"all" | b"everything" | b"default")
        };
        let wants_ours = arguments.len() == 1 || sections().any(|s| is_ours(s) || is_all(s));
        let only_ours = arguments.len() > 1 && sections().all(is_ours);
        let ours = self.port.info_section();
        if only_ours || !self.is_redis() {
            let text = if only_ours {
                ours
            } else {
                format!("{}\r\n{ours}", self.server_section())
            };
            self.reply().text(&text);
            return Ok(Flow::On);
        }
        self.flush().await?;
        if !self.ready().await? {
            self.out.clear();
            self.reply().text(&ours);
            return Ok(Flow::On);
        }
        let at = self.port.core.clock.now();
        if let Some(upstream) = &mut self.upstream {
            upstream.queue(Awaited::read(at), |out| arguments.write_to(raw, out));
        }
        let flow = self.settle(None).await?;
        if wants_ours && let Some(theirs) = whole_text(&self.out) {
            let both = format!("{theirs}\r\n{ours}");
            self.out.clear();
            self.reply().text(&both);
        }
        Ok(flow)
    }

    fn server_section(&self) -> String {
        format!(
            "# Server\r\nredis_version:{VERSION}\r\nredis_mode:standalone\r\nforewarm_l2:{}\r\n",
            self.port.core.shared.backend()
        )
    }
}

/// The text of a reply that is one bulk or verbatim string.
fn whole_text(reply: &[u8]) -> Option<String> {
    let length = memchr::memmem::find(reply, b"\r\n")?;
    let (kind, digits) = reply[..length].split_first()?;
    let size = usize::try_from(number(digits)?).ok()?;
    let text = reply.get(length + 2..length + 2 + size)?;
    let text = match kind {
        b'$' => text,
        b'=' => text.get(4..)?,
        _ => return None,
    };
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Printable, without blanks: what `CLIENT LIST` can show.
fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}
