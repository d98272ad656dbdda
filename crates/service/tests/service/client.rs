//! HTTP by hand, so that broken requests can be sent too.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The detail of a problem of this status; every other answer fails the test.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(
            problem["title"].is_string() && problem["type"].is_string(),
            "{problem}"
        );
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}

/// One request over a connection of its own.
pub(crate) fn request(
    addr: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    try_request(addr, method, path, headers, body)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

pub(crate) fn try_request(
    addr: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> io::Result<Answer> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut raw = head.into_bytes();
    raw.extend_from_slice(body);
    let mut stream = connect(addr)?;
    // A server that has refused the head may close before the body is through.
    let sent = stream.write_all(&raw);
    read(&mut stream).or_else(|error| sent.and(Err(error)))
}

pub(crate) fn connect(addr: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// A look-up of no keys that is being served but lacks its last bytes, [`LAST`]: the server has
/// asked for the body, so the request is under way for certain.
pub(crate) fn half_request(addr: &str, header: &str) -> TcpStream {
    let mut stream = connect(addr).expect("it listens");
    let head = format!(
        "POST /v1/lookup HTTP/1.1\r\nhost: {addr}\r\nexpect: 100-continue\r\n{header}content-length: 11\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("taken");
    let wanted = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut go_on = vec![0; wanted.len()];
    stream.read_exact(&mut go_on).expect("an interim answer");
    assert_eq!(
        String::from_utf8_lossy(&go_on),
        String::from_utf8_lossy(wanted)
    );
    stream.write_all(b"{\"keys\"").expect("taken");
    stream
}

/// What a [`half_request`] lacks.
pub(crate) const LAST: &[u8] = b":[]}";

/// Reads one answer to the end of the connection.
pub(crate) fn read(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut raw = Vec::new();
    if let Err(error) = stream.read_to_end(&mut raw)
        && raw.is_empty()
    {
        return Err(error);
    }
    let end = raw
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| {
            io::Error::other(format!("no head in {:?}", String::from_utf8_lossy(&raw)))
        })?;
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Ok(Answer {
        status: status.ok_or_else(|| io::Error::other(head.clone()))?,
        headers,
        body: raw[end + 4..].to_vec(),
    })
}
