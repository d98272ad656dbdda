//! A generated market, played over HTTP: updates as events, reads as demand.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::json;
use ureq::Agent;

use crate::processes::{forewarm, now_ms};

const PAIRS: &str = "400";
const EVENTS: &str = "10000";
/// Events that each thread sends a second, at most: enough for every alert's floor of traffic.
const PAUSE: Duration = Duration::from_millis(4);
/// While L2 is away a read waits for its timeout; the others go on.
const READERS: usize = 3;

/// One line of the market.
#[derive(Debug, Clone)]
struct Event {
    chain: String,
    pair: String,
    update: bool,
}

/// The load; ends when it is dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Every key's spelling in L2.
    pub(crate) keys: Vec<String>,
}

fn market() -> Vec<Event> {
    let mut command = Command::new(forewarm());
    command.args([
        "generate",
        "--pairs",
        PAIRS,
        "--events",
        EVENTS,
        "--chains",
        "ethereum,bsc",
    ]);
    let output = command.output().expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let events = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        Event {
            chain: fields[1].to_owned(),
            pair: fields[2].to_owned(),
            update: fields[3] == "update",
        }
    });
    events.collect()
}

impl Load {
    /// The keys that it will ask for, before it asks.
    pub(crate) fn prepare() -> (Self, impl FnOnce(&mut Self, &str)) {
        let market = market();
        let mut keys: Vec<String> = market
            .iter()
            .map(|one| format!("price:{}:{}", one.chain, one.pair))
            .collect();
        keys.sort();
        keys.dedup();
        let load = Self {
            stop: Arc::default(),
            threads: Vec::new(),
            keys,
        };
        (load, move |load: &mut Self, addr: &str| {
            load.start(&market, addr)
        })
    }

    fn start(&mut self, market: &[Event], addr: &str) {
        for reader in 0..READERS {
            let (stop, market) = (Arc::clone(&self.stop), market.to_vec());
            let base = format!("http://{addr}");
            self.threads
                .push(thread::spawn(move || play(&market, reader, &base, &stop)));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// How often a thread plays the whole market: some minutes, should nobody end it.
const ROUNDS: usize = 8;

/// Every thread plays the whole market, each from another place in it.
fn play(market: &[Event], reader: usize, base: &str, stop: &AtomicBool) {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into();
    let from = reader * market.len() / READERS;
    let round = || market[from..].iter().chain(&market[..from]);
    for event in (0..ROUNDS).flat_map(|_| round()) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let answer = if event.update {
            let body = json!([{"ts_ms": now_ms(), "chain": event.chain, "pair": event.pair}]);
            let call = agent.post(format!("{base}/v1/updates"));
            call.content_type("application/json").send(body.to_string())
        } else {
            let pair = event.pair.replace('/', "%2F").replace(':', "%3A");
            agent
                .get(format!("{base}/v1/pairs/{}/{pair}", event.chain))
                .call()
        };
        // The body is read, so that the connection serves again; what it says is not the point.
        if let Ok(mut answer) = answer {
            let _ = answer.body_mut().read_to_vec();
        }
        sleep(PAUSE);
    }
}
