//! The embedded store under `kill -9`: whatever was acknowledged is there afterwards, or something newer.
//!
//! A killed process is not a power cut: what the kernel was given survives it. That the store also waits
//! for the disk at every commit is redb's promise (`Durability::Immediate`), not shown here.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::client;
use crate::process::{PATIENCE, Service};

/// Connections that write, the last of them over HTTP.
const WRITERS: usize = 5;
/// Keys of each.
const KEYS: u64 = 16;

/// What the writers know: of each key the last value sent and the last one acknowledged.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    sent: u64,
    acknowledged: u64,
    /// How many were.
    total: u64,
}

impl Known {
    fn acknowledge(&mut self, n: u64) {
        self.acknowledged = n;
        self.total += 1;
    }
}

type Ledger = Arc<Mutex<HashMap<String, Known>>>;

fn key(writer: usize, n: u64) -> String {
    format!("price:eth:w{writer}-{}", n % KEYS)
}

fn start(folder: &Path) -> Service {
    let unused = tempfile::tempdir().expect("a folder");
    Service::start_in(folder, unused, &[])
}

/// One client of the Redis port.
struct Client {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Client {
    fn to(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        let replies = BufReader::new(stream.try_clone().expect("a socket"));
        Self { stream, replies }
    }

    fn send(&mut self, words: &[&str]) -> std::io::Result<()> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.stream.write_all(request.as_bytes())
    }

    /// A simple reply or a bulk string; `None` for null or a broken connection.
    fn reply(&mut self) -> Option<String> {
        let mut line = String::new();
        self.replies.read_line(&mut line).ok()?;
        let line = line.strip_suffix("\r\n")?.to_owned();
        let Some(length) = line.strip_prefix('$') else {
            return Some(line);
        };
        let mut bulk = vec![0; length.parse::<usize>().ok()? + 2];
        self.replies.read_exact(&mut bulk).ok()?;
        bulk.truncate(bulk.len() - 2);
        String::from_utf8(bulk).ok()
    }

    fn get(&mut self, key: &str) -> Option<String> {
        self.send(&["GET", key]).expect("it is taken");
        self.reply()
    }
}

fn note(ledger: &Ledger, key: &str, change: impl FnOnce(&mut Known)) {
    let mut ledger = ledger.lock().expect("nobody panics with it");
    change(ledger.entry(key.to_owned()).or_default());
}

/// Writes four at a time until the connection breaks; every acknowledgement is noted.
fn write_by_resp(addr: &str, writer: usize, from: u64, ledger: &Ledger) {
    let mut client = Client::to(addr);
    for batch in 0.. {
        let numbers = (0..4).map(|n| from + batch * 4 + n);
        for n in numbers.clone() {
            let key = key(writer, n);
            note(ledger, &key, |known| known.sent = n);
            if client.send(&["SET", &key, &n.to_string()]).is_err() {
                return;
            }
        }
        for n in numbers {
            match client.reply().as_deref() {
                Some("+OK") => note(ledger, &key(writer, n), |known| known.acknowledge(n)),
                Some(other) => panic!("SET is answered with {other:?}"),
                None => return,
            }
        }
    }
}

fn write_by_http(addr: &str, writer: usize, from: u64, ledger: &Ledger, stop: &AtomicBool) {
    for n in from.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = key(writer, n);
        note(ledger, &key, |known| known.sent = n);
        let path = key.replacen("price:eth:", "/v1/pairs/eth/", 1);
        let body = json!({"value": n.to_string(), "version": n}).to_string();
        let header = &["content-type: application/json"];
        match client::try_request(addr, "PUT", &path, header, body.as_bytes()) {
            Ok(answer) if answer.status == 204 => {
                note(ledger, &key, |known| known.acknowledge(n));
            }
            Ok(answer) => panic!("PUT is answered with {}: {}", answer.status, answer.text()),
            // Killed before the answer, or with half of it out.
            Err(_) => return,
        }
    }
}

/// So many times: a service on the same folder, writers, SIGKILL at another moment each time. How
/// many writes were acknowledged in all.
fn kill_in_a_loop(rounds: u64) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::default();
    let mut from = 1;
    for round in 0..rounds {
        let mut service = start(folder.path());
        check(&service, &ledger, round);
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (ledger, stop) = (Arc::clone(&ledger), Arc::clone(&stop));
                let (resp, http) = (service.resp.clone(), service.addr.clone());
                thread::spawn(move || match writer {
                    0 => write_by_http(&http, writer, from, &ledger, &stop),
                    _ => write_by_resp(&resp, writer, from, &ledger),
                })
            })
            .collect();
        // Some writes must have been acknowledged, and then any moment will do.
        let before = acknowledged(&ledger, from);
        service.wait_for("an acknowledged write", |_| {
            acknowledged(&ledger, from) >= before + 4
        });
        thread::sleep(Duration::from_millis(round * 37 % 101));
        stop.store(true, Ordering::Relaxed);
        service.signal("-KILL");
        service.ended();
        for writer in writers {
            writer.join().expect("it ends with its connection");
        }
        from += 1_000_000;
    }
    let mut service = start(folder.path());
    check(&service, &ledger, rounds);
    assert_eq!(service.terminate(), Some(0), "{}", service.log());
    let ledger = ledger.lock().expect("nobody panics with it");
    ledger
        .values()
        .map(|known| known.acknowledged % 1_000_000)
        .sum()
}

/// Keys whose last acknowledged value is of this round.
fn acknowledged(ledger: &Ledger, from: u64) -> usize {
    let ledger = ledger.lock().expect("nobody panics with it");
    let of_this_round = ledger.values().filter(|known| known.acknowledged >= from);
    of_this_round.count()
}

/// Every key holds what was acknowledged last, or what was sent after it.
fn check(service: &Service, ledger: &Ledger, round: u64) {
    let mut client = Client::to(&service.resp);
    for (key, known) in ledger.lock().expect("nobody panics with it").iter() {
        let found = client
            .get(key)
            .map(|text| text.parse::<u64>().expect("a number"));
        let kept = found.unwrap_or(0);
        assert!(
            (known.acknowledged..=known.sent).contains(&kept),
            "before round {round} {key} holds {found:?}; {known:?}"
        );
    }
}

#[test]
fn no_acknowledged_write_is_lost_in_twenty_kills() {
    let acknowledged = kill_in_a_loop(20);
    println!("{acknowledged} acknowledged writes, 20 kills");
    assert!(acknowledged >= 80, "{acknowledged}");
}

#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn no_acknowledged_write_is_lost_in_three_hundred_kills() {
    let acknowledged = kill_in_a_loop(300);
    println!("{acknowledged} acknowledged writes, 300 kills");
    assert!(acknowledged >= 1_200, "{acknowledged}");
}
