//! A client that sees every byte.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use forewarm_infrastructure::testing::RedisServer;
use forewarm_service::resp::frame::Scanner;

use crate::process::{PATIENCE, Service};

/// One connection.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Raw {
    pub(crate) fn to(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        let heard = Vec::new();
        Self { stream, heard }
    }

    pub(crate) fn to_redis(redis: &RedisServer) -> Self {
        Self::to(&format!("127.0.0.1:{}", redis.port()))
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is taken");
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn send(&mut self, words: &[&[u8]]) {
        self.send_bytes(&encoded(words));
    }

    /// The next reply, byte for byte; an error at the end of the connection.
    pub(crate) fn try_read(&mut self) -> io::Result<Vec<u8>> {
        let mut scanner = Scanner::default();
        let mut taken = 0;
        loop {
            let seen = scanner
                .advance(&self.heard[taken..])
                .map_err(io::Error::other)?;
            taken += seen.taken;
            if seen.whole {
                return Ok(self.heard.drain(..taken).collect());
            }
            let mut more = [0; 4096];
            match self.stream.read(&mut more)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.heard.extend(&more[..count]),
            }
        }
    }

    pub(crate) fn read(&mut self) -> String {
        let reply = self.try_read().expect("a reply");
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// One command and its reply.
    pub(crate) fn call(&mut self, words: &[&str]) -> String {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.send(&words);
        self.read()
    }

    /// A command written as words with blanks between them.
    pub(crate) fn line(&mut self, line: &str) -> String {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut heard = std::mem::take(&mut self.heard);
        // A reset says the same.
        let _ = self.stream.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

pub(crate) fn encoded(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// A Redis and a Forewarm before it, which nobody tells of changes unless the settings say so: what
/// L1 holds is then exactly known. `None` where there is no Redis to be had.
pub(crate) fn pair(settings: &[&str]) -> Option<(RedisServer, Service)> {
    let redis = RedisServer::start()?;
    let service = before(&redis, settings);
    Some((redis, service))
}

pub(crate) fn before(redis: &RedisServer, settings: &[&str]) -> Service {
    let url = format!("l2.redis.url={}", redis.url());
    let mut all = vec!["l2.backend=redis", &url, "invalidation.mode=ttl"];
    all.extend(settings);
    Service::start(&all)
}
