//! What a stream feed has done and how far behind it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const UNKNOWN: u64 = u64::MAX;

/// Counters of a stream feed; read at any time, from any thread.
#[derive(Debug)]
pub struct StreamStats {
    delivered: AtomicU64,
    bad: AtomicU64,
    claimed: AtomicU64,
    gaps: AtomicU64,
    lost: AtomicU64,
    lag: AtomicU64,
    behind_ms: AtomicU64,
    up: AtomicBool,
    progress: AtomicBool,
    logged: Mutex<Option<Instant>>,
}

impl Default for StreamStats {
    fn default() -> Self {
        Self {
            delivered: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lag: AtomicU64::new(UNKNOWN),
            behind_ms: AtomicU64::new(UNKNOWN),
            up: AtomicBool::new(false),
            progress: AtomicBool::new(false),
            logged: Mutex::new(None),
        }
    }
}

impl StreamStats {
    /// Events handed over.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Entries that were no event; skipped.
    pub fn bad(&self) -> u64 {
        self.bad.load(Relaxed)
    }

    /// Entries delivered a second time: left unacknowledged by this or another consumer.
    pub fn claimed(&self) -> u64 {
        self.claimed.load(Relaxed)
    }

    /// How often entries were found to be missing: trimmed or deleted before they were read.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Relaxed)
    }

    /// Entries known to be missing.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Entries of the stream that the group has not been given, by the server's count (Redis 7
    /// and later); `None` until known.
    pub fn lag(&self) -> Option<u64> {
        Some(self.lag.load(Relaxed)).filter(|&lag| lag != UNKNOWN)
    }

    /// How old the newest entry was, by its id, when it was handed over; `None` before the first.
    pub fn behind(&self) -> Option<Duration> {
        let ms = Some(self.behind_ms.load(Relaxed)).filter(|&ms| ms != UNKNOWN);
        ms.map(Duration::from_millis)
    }

    /// Whether the stream is being read.
    pub fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }

    pub(super) fn add_delivered(&self, events: usize) {
        self.delivered.fetch_add(events as u64, Relaxed);
    }

    pub(super) fn add_bad(&self) {
        self.bad.fetch_add(1, Relaxed);
    }

    pub(super) fn add_claimed(&self, entries: usize) {
        self.claimed.fetch_add(entries as u64, Relaxed);
    }

    pub(super) fn add_gap(&self, lost: u64) {
        self.gaps.fetch_add(1, Relaxed);
        self.lost.fetch_add(lost, Relaxed);
    }

    pub(super) fn set_lag(&self, lag: Option<u64>) {
        self.lag.store(lag.unwrap_or(UNKNOWN), Relaxed);
    }

    pub(super) fn set_behind(&self, behind: Duration) {
        let ms = u64::try_from(behind.as_millis()).unwrap_or(UNKNOWN - 1);
        self.behind_ms.store(ms, Relaxed);
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.store(up, Relaxed);
        if up {
            self.progress.store(true, Relaxed);
        }
    }

    /// Whether it came up since the last time this was asked.
    pub(super) fn take_progress(&self) -> bool {
        self.progress.swap(false, Relaxed)
    }

    /// At most one log line a second; the counters tell the rest.
    pub(super) fn may_log(&self) -> bool {
        let (mut logged, now) = (self.logged.lock(), Instant::now());
        let may = logged.is_none_or(|at| now - at >= Duration::from_secs(1));
        if may {
            *logged = Some(now);
        }
        may
    }
}
