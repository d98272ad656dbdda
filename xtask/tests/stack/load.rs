//! A generated market, played over HTTP: updates as events, reads as demand.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::json;
use ureq::Agent;

use crate::processes::{forewarm, now_ms};

const PAIRS: &str = "400";
const EVENTS: &str = "10000";
/// Between two events: some hundreds a second, enough for every alert's floor of traffic.
const PAUSE: Duration = Duration::from_millis(2);
const READERS: usize = 4;

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
            load.start(market, addr)
        })
    }

    /// One thread goes through the market and tells of updates; reads are handed to readers, and
    /// dropped while all of them wait for an L2 that is away. So updates go on, as a feed does.
    fn start(&mut self, market: Vec<Event>, addr: &str) {
        let base = format!("http://{addr}");
        let (asked, to_read) = sync_channel::<Event>(READERS);
        let to_read = Arc::new(Mutex::new(to_read));
        for _ in 0..READERS {
            let (base, to_read) = (base.clone(), Arc::clone(&to_read));
            self.threads.push(thread::spawn(move || {
                let agent = agent();
                loop {
                    let next = to_read.lock().expect("no reader panics").recv();
                    let Ok(event) = next else { return };
                    let pair = event.pair.replace('/', "%2F").replace(':', "%3A");
                    finish(
                        agent
                            .get(format!("{base}/v1/pairs/{}/{pair}", event.chain))
                            .call(),
                    );
                }
            }));
        }
        let stop = Arc::clone(&self.stop);
        self.threads.push(thread::spawn(move || {
            let agent = agent();
            for event in (0..ROUNDS).flat_map(|_| &market) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if event.update {
                    let one =
                        json!([{"ts_ms": now_ms(), "chain": event.chain, "pair": event.pair}]);
                    let call = agent.post(format!("{base}/v1/updates"));
                    finish(call.content_type("application/json").send(one.to_string()));
                } else {
                    let _ = asked.try_send(event.clone());
                }
                sleep(PAUSE);
            }
        }));
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

/// How often the market is played: some minutes, should nobody end it.
const ROUNDS: usize = 12;

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into()
}

/// Reads the body, so that the connection serves again; what it says is not the point.
fn finish(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) {
    if let Ok(mut answer) = answer {
        let _ = answer.body_mut().read_to_vec();
    }
}
