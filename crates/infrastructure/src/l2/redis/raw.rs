//! Connections that carry a client's commands to Redis as they are.
//!
//! The pooled connections of the store are shared, so nothing may be done on them that leaves a
//! trace in the connection: transactions, subscriptions, a protocol or a database of one's own.
//! For that a client gets a connection of its own, greeted with the store's own credentials.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::ports::SharedCacheError;
use fred::interfaces::ClientLike;
use fred::types::config::{Server, ServerConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::RedisStore;
use super::config::RedisConfigError;
use crate::tls::Link;

/// A command that waits has no limit: a server that is gone must be noticed by other means.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Longest answer to a greeting: `HELLO 3` of a server with many modules stays far below.
const MAX_GREETING_BYTES: usize = 64 << 10;

/// In what state a connection is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Greeting {
    /// The database that is selected.
    pub database: u16,
    /// RESP3 in place of RESP2.
    pub resp3: bool,
    /// The name that the server's `CLIENT LIST` shows.
    pub name: Option<Bytes>,
}

impl RedisStore {
    /// Opens a connection for one client, logged in and greeted. Answers within the connect
    /// timeout. A cluster is refused: its commands go to different nodes.
    pub async fn dial(&self, greeting: &Greeting) -> Result<Link, SharedCacheError> {
        let server = self.primary()?;
        let after = self.config.connect_timeout;
        let connecting = async {
            let address = (&*server.host, server.port);
            let stream = TcpStream::connect(address).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
            let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
            let link = Link::new(stream, &server.host, self.config.tls()).await;
            let mut link = link.map_err(unreachable)?;
            self.greet(&mut link, greeting).await?;
            Ok(link)
        };
        timeout(after, connecting)
            .await
            .unwrap_or(Err(SharedCacheError::Timeout { after }))
    }

    /// The same, once the server has given a sign of life: the system of one that is frozen takes
    /// connections, too.
    pub(super) async fn dial_alive(&self, greeting: &Greeting) -> Result<Link, SharedCacheError> {
        let mut link = self.dial(greeting).await?;
        let after = self.config.connect_timeout;
        let asking = async {
            link.write_all(b"*1\r\n$4\r\nPING\r\n")
                .await
                .map_err(unreachable)?;
            link.flush().await.map_err(unreachable)?;
            read_answers(&mut link, 1).await
        };
        timeout(after, asking)
            .await
            .unwrap_or(Err(SharedCacheError::Timeout { after }))?;
        Ok(link)
    }

    /// The version that the server told, once a connection stands.
    pub fn server_version(&self) -> Option<String> {
        let version = self.default.client()?.server_version()?;
        Some(format!(
            "{}.{}.{}",
            version.major, version.minor, version.patch
        ))
    }

    /// The server that takes writes, as far as is known now.
    fn primary(&self) -> Result<Server, SharedCacheError> {
        let parsed = self.config.parse().map_err(refused)?;
        match parsed.server {
            ServerConfig::Centralized { server } => Ok(server),
            ServerConfig::Sentinel { .. } => {
                let connected = self
                    .default
                    .client()
                    .map(|client| client.active_connections());
                let primary = connected.and_then(|servers| servers.into_iter().next());
                primary.ok_or_else(|| SharedCacheError::Unavailable {
                    reason: "the sentinels have not named a primary yet".to_owned(),
                })
            }
            ServerConfig::Clustered { .. } => Err(SharedCacheError::Refused {
                reason: "this command needs a connection of its own, which a cluster does not have"
                    .to_owned(),
            }),
        }
    }

    async fn greet(&self, stream: &mut Link, greeting: &Greeting) -> Result<(), SharedCacheError> {
        let parsed = self.config.parse().map_err(refused)?;
        let user = parsed.username.as_deref().unwrap_or("default").as_bytes();
        let password = parsed.password.as_deref().map(str::as_bytes);
        let mut words = Vec::new();
        let mut answers = 0;
        let mut say = |command: &[&[u8]]| {
            write_command(&mut words, command);
            answers += 1;
        };
        match (greeting.resp3, password) {
            (true, Some(password)) => say(&[b"HELLO", b"3", b"AUTH", user, password]),
            (true, None) => say(&[b"HELLO", b"3"]),
            (false, Some(password)) if parsed.username.is_some() => {
                say(&[b"AUTH", user, password]);
            }
            (false, Some(password)) => say(&[b"AUTH", password]),
            (false, None) => {}
        }
        if greeting.database != 0 {
            say(&[b"SELECT", greeting.database.to_string().as_bytes()]);
        }
        if let Some(name) = &greeting.name {
            say(&[b"CLIENT", b"SETNAME", name]);
        }
        if answers == 0 {
            return Ok(());
        }
        stream.write_all(&words).await.map_err(unreachable)?;
        stream.flush().await.map_err(unreachable)?;
        read_answers(stream, answers).await
    }
}

/// Reads answers until as many have come as were asked for; the first error ends it.
async fn read_answers(stream: &mut Link, mut answers: usize) -> Result<(), SharedCacheError> {
    let mut heard = Vec::new();
    while answers > 0 {
        if stream.read_buf(&mut heard).await.map_err(unreachable)? == 0 {
            return Err(unreachable(io::ErrorKind::UnexpectedEof.into()));
        }
        if heard.len() > MAX_GREETING_BYTES {
            return Err(SharedCacheError::Corrupt {
                reason: format!("a greeting of more than {MAX_GREETING_BYTES} bytes"),
            });
        }
        while let Some((answer, end)) = answer(&heard)? {
            if let Err(reason) = answer {
                return Err(SharedCacheError::Refused { reason });
            }
            heard.drain(..end);
            answers -= 1;
        }
    }
    Ok(())
}

/// Success, or the server's words.
type Answer = Result<(), String>;

/// The first whole answer, as success or the server's words, and its length.
fn answer(heard: &[u8]) -> Result<Option<(Answer, usize)>, SharedCacheError> {
    let odd = |what: &str| SharedCacheError::Corrupt {
        reason: format!("the answer to a greeting {what}"),
    };
    let (mut at, mut open) = (0, 1_usize);
    let mut said = Ok(());
    while open > 0 {
        let Some(length) = memchr::memmem::find(&heard[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &heard[at..at + length];
        at += length + 2;
        open -= 1;
        let (&kind, rest) = line.split_first().ok_or_else(|| odd("is an empty line"))?;
        let count = || -> Result<usize, SharedCacheError> {
            let digits = std::str::from_utf8(rest).ok();
            let count: i64 = digits
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| odd("has a length that is no number"))?;
            Ok(usize::try_from(count.clamp(0, 1 << 20)).unwrap_or(0))
        };
        match kind {
            b'-' => said = Err(String::from_utf8_lossy(rest).into_owned()),
            b'$' | b'=' => {
                at += count()? + 2;
                if at > heard.len() {
                    return Ok(None);
                }
            }
            b'*' | b'~' => open += count()?,
            b'%' => open += 2 * count()?,
            b'+' | b':' | b'#' | b',' | b'_' => {}
            _ => return Err(odd("is not of the protocol")),
        }
    }
    Ok(Some((said, at)))
}

fn write_command(words: &mut Vec<u8>, command: &[&[u8]]) {
    words.extend(format!("*{}\r\n", command.len()).bytes());
    for part in command {
        words.extend(format!("${}\r\n", part.len()).bytes());
        words.extend(*part);
        words.extend(b"\r\n");
    }
}

fn unreachable(error: io::Error) -> SharedCacheError {
    // The system's words without `(os error 111)`, as elsewhere.
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default();
    SharedCacheError::Unavailable {
        reason: reason.to_lowercase(),
    }
}

fn refused(error: RedisConfigError) -> SharedCacheError {
    SharedCacheError::Refused {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole_and_an_error_keeps_the_servers_words() {
        let check = |heard: &str, expected: Option<Result<(), &str>>| {
            for end in 0..heard.len() {
                let part = answer(&heard.as_bytes()[..end]).unwrap();
                assert_eq!(part, None, "{:?}", &heard[..end]);
            }
            let whole = answer(heard.as_bytes()).unwrap();
            let expected = expected.map(|said| (said.map_err(str::to_owned), heard.len()));
            assert_eq!(whole, expected, "{heard:?}");
        };
        check("+OK\r\n", Some(Ok(())));
        check("-WRONGPASS no\r\n", Some(Err("WRONGPASS no")));
        check(
            "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*1\r\n%1\r\n+a\r\n:1\r\n",
            Some(Ok(())),
        );
        assert!(answer(b"?\r\n").is_err());
        assert!(answer(b"$x\r\n").is_err());
    }
}
