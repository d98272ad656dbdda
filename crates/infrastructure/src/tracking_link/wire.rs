//! One connection to one server: commands out, replies and pushes in, in their order.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use redis_protocol::{resp2, resp3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::places::{Credentials, Place};
use crate::tls::{ClientTls, Link};

/// The longest message that is taken: some 150,000 keys in one. Past it the link is made anew, which
/// empties L1: cheaper by then than to name every key.
const LONGEST_MESSAGE: usize = 8 << 20;
/// Read at once; what arrives together is worked off before anybody else's turn.
const CHUNK: usize = 64 << 10;
/// What the server's CLIENT LIST calls us.
const NAME: &[u8] = b"forewarm-invalidation";

/// Why a link does not stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    /// The server cannot do it, or we may not; asking again will not help.
    #[error("{0}")]
    Refused(String),
    /// Anything that may pass.
    #[error("{0}")]
    Failed(String),
}

impl LinkError {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }

    /// What an error reply means for a command that the link needs.
    pub(super) fn of_reply(command: &str, text: &str) -> Self {
        let reason = format!("{command}: {text}");
        let passing = text.contains("max number of clients");
        match text.split(' ').next() {
            Some("NOPERM" | "NOPROTO") => Self::Refused(reason),
            Some("ERR") if !passing => Self::Refused(reason),
            _ => Self::Failed(reason),
        }
    }
}

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Two,
    Three,
}

/// What a server says, both protocols alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Text(Bytes),
    Error(String),
    Integer(i64),
    Null,
    List(Vec<Reply>),
    /// Said unasked.
    Push(Vec<Reply>),
    /// Of no interest.
    Other,
}

impl Reply {
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The reply unless it is an error.
    pub(super) fn or_error(self, command: &str) -> Result<Self, LinkError> {
        match self {
            Self::Error(text) => Err(LinkError::of_reply(command, &text)),
            reply => Ok(reply),
        }
    }
}

impl From<resp2::types::BytesFrame> for Reply {
    fn from(frame: resp2::types::BytesFrame) -> Self {
        use resp2::types::BytesFrame as Frame;
        match frame {
            Frame::SimpleString(text) | Frame::BulkString(text) => Self::Text(text),
            Frame::Error(text) => Self::Error(text.to_string()),
            Frame::Integer(number) => Self::Integer(number),
            Frame::Array(parts) => Self::List(parts.into_iter().map(Self::from).collect()),
            Frame::Null => Self::Null,
        }
    }
}

impl From<resp3::types::BytesFrame> for Reply {
    fn from(frame: resp3::types::BytesFrame) -> Self {
        use resp3::types::BytesFrame as Frame;
        let all = |parts: Vec<Frame>| parts.into_iter().map(Self::from).collect();
        match frame {
            Frame::SimpleString { data, .. }
            | Frame::BlobString { data, .. }
            | Frame::VerbatimString { data, .. } => Self::Text(data),
            Frame::SimpleError { data, .. } => Self::Error(data.to_string()),
            Frame::BlobError { data, .. } => {
                Self::Error(String::from_utf8_lossy(&data).into_owned())
            }
            Frame::Number { data, .. } => Self::Integer(data),
            Frame::Null => Self::Null,
            Frame::Array { data, .. } => Self::List(all(data)),
            Frame::Push { data, .. } => Self::Push(all(data)),
            _ => Self::Other,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Link,
    buffer: BytesMut,
    protocol: Protocol,
    limit: Duration,
}

impl Wire {
    /// Connects and says who we are, within `limit`; each later command has as long.
    pub(super) async fn open(
        place: &Place,
        credentials: &Credentials,
        tls: Option<&ClientTls>,
        protocol: Protocol,
        limit: Duration,
    ) -> Result<Self, LinkError> {
        let connecting = TcpStream::connect((place.host.as_str(), place.port));
        let stream = in_time(limit, connecting).await?;
        let stream = stream.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let stream = in_time(limit, Link::new(stream, &place.host, tls)).await?;
        let stream = stream.map_err(lost)?;
        let mut wire = Self {
            stream,
            buffer: BytesMut::new(),
            protocol,
            limit,
        };
        wire.greet(credentials).await?;
        Ok(wire)
    }

    async fn greet(&mut self, credentials: &Credentials) -> Result<(), LinkError> {
        let (user, password) = (&credentials.username, &credentials.password);
        let user_bytes = user.as_deref().unwrap_or("default").as_bytes();
        if self.protocol == Protocol::Three {
            let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
            if let Some(password) = password {
                hello.extend([b"AUTH", user_bytes, password.as_bytes()]);
            }
            hello.extend([b"SETNAME".as_slice(), NAME]);
            self.ask(&hello).await?.or_error("HELLO 3")?;
            return Ok(());
        }
        if let Some(password) = password {
            let mut auth: Vec<&[u8]> = vec![b"AUTH"];
            // A server that knows no users knows no second argument either.
            auth.extend(user.is_some().then_some(user_bytes));
            auth.push(password.as_bytes());
            if let Reply::Error(text) = self.ask(&auth).await? {
                return Err(LinkError::Failed(format!("AUTH: {text}")));
            }
        }
        // A name is a courtesy: a server that refuses it (a sentinel) is as good without.
        self.ask(&[b"CLIENT", b"SETNAME", NAME]).await?;
        Ok(())
    }

    /// Sends one command.
    pub(super) async fn send(&mut self, command: &[&[u8]]) -> Result<(), LinkError> {
        let mut out = format!("*{}\r\n", command.len()).into_bytes();
        for part in command {
            out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        let sending = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await
        };
        in_time(self.limit, sending).await?.map_err(lost)
    }

    /// Sends one command and waits for the next thing said; for use before anything is said unasked.
    pub(super) async fn ask(&mut self, command: &[&[u8]]) -> Result<Reply, LinkError> {
        self.send(command).await?;
        self.answer().await
    }

    /// The next thing said, in time.
    pub(super) async fn answer(&mut self) -> Result<Reply, LinkError> {
        in_time(self.limit, self.receive()).await?
    }

    /// Waits for the next thing said. May be given up and called again: nothing is lost.
    pub(super) async fn receive(&mut self) -> Result<Reply, LinkError> {
        loop {
            if let Some(reply) = self.buffered()? {
                return Ok(reply);
            }
            if self.buffer.len() > LONGEST_MESSAGE {
                let reason = format!("a message of more than {LONGEST_MESSAGE} bytes");
                return Err(LinkError::Failed(reason));
            }
            self.buffer.reserve(CHUNK);
            let mut room = (&mut self.buffer).limit(CHUNK);
            match self.stream.read_buf(&mut room).await {
                Ok(0) => return Err(LinkError::failed("the server closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// The next thing said of what has arrived.
    pub(super) fn buffered(&mut self) -> Result<Option<Reply>, LinkError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let decoded = match self.protocol {
            Protocol::Two => resp2::decode::decode_bytes_mut(&mut self.buffer)
                .map(|decoded| decoded.map(|(frame, ..)| Reply::from(frame))),
            Protocol::Three => resp3::decode::complete::decode_bytes_mut(&mut self.buffer)
                .map(|decoded| decoded.map(|(frame, ..)| Reply::from(frame))),
        };
        decoded.map_err(|error| LinkError::Failed(format!("unreadable: {}", error.details())))
    }
}

fn lost(error: io::Error) -> LinkError {
    LinkError::Failed(crate::l2::redis::text(&error.into()))
}

async fn in_time<T>(limit: Duration, wait: impl Future<Output = T>) -> Result<T, LinkError> {
    let answer = timeout(limit, wait).await;
    answer.map_err(|_| LinkError::Failed(format!("no answer within {limit:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_will_not_pass_is_a_refusal() {
        let check = |text: &str, refused: bool| {
            let error = LinkError::of_reply("HELLO 3", text);
            assert_eq!(matches!(error, LinkError::Refused(_)), refused, "{text}");
            assert!(error.to_string().contains("HELLO 3"), "{error}");
        };
        check("ERR unknown command 'HELLO'", true);
        check("NOPROTO unsupported protocol version", true);
        check("NOPERM this user has no permissions", true);
        check("ERR max number of clients reached", false);
        check("LOADING Redis is loading the dataset in memory", false);
        check("NOAUTH Authentication required.", false);
        check("WRONGPASS invalid username-password pair", false);
        check(
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set",
            false,
        );
    }
}
