//! The one place of this crate that reads the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forewarm_domain::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Past this difference the system's clock is believed again (it was set, or the machine slept).
const TOLERANCE: Duration = Duration::from_millis(500);

/// The time of day, anchored to a clock that does not jump.
///
/// [`now`](Self::now) costs one monotonic clock read. [`follow`](Self::follow), called about
/// once a second, takes over what happened to the system's clock meanwhile.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// The same moment, in nanoseconds of the system's monotonic clock.
    started_raw: u64,
    /// The time of day at `started`, in microseconds since the epoch.
    anchor: AtomicU64,
    /// What was passed over, in microseconds.
    skipped: AtomicU64,
}

impl Clock {
    /// Starts now.
    #[allow(clippy::disallowed_methods)] // the file that the rule points to
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            started_raw: nanos(ClockId::Monotonic),
            anchor: AtomicU64::new(time_of_day().as_micros()),
            skipped: AtomicU64::new(0),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let skipped = Duration::from_micros(self.skipped.load(Ordering::Relaxed));
        self.time_of_day() + skipped
    }

    /// Now, as of the processor's last tick: 1–10 ms ago, and at a quarter of what
    /// [`now`](Self::now) costs (6 ns in place of 25, and other work goes on beside it). A processor
    /// that is taken away from this machine may delay the tick; who needs a bound leaves
    /// [`ROUGHLY`](Self::ROUGHLY) of room, or asks `now`.
    #[inline]
    pub fn roughly(&self) -> Timestamp {
        let running = nanos(ClockId::MonotonicCoarse).saturating_sub(self.started_raw);
        let before = self.anchor.load(Ordering::Relaxed) + self.skipped.load(Ordering::Relaxed);
        Timestamp::from_micros(before + running / 1_000)
    }

    /// What [`roughly`](Self::roughly) may be behind: five ticks of the slowest kernel.
    pub const ROUGHLY: Duration = Duration::from_millis(50);

    /// Passes over `span`: from here on it is that much later than the time of day. For recordings
    /// that are played faster than they were made.
    pub fn skip(&self, span: Duration) {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.skipped.fetch_add(span, Ordering::Relaxed);
    }

    fn time_of_day(&self) -> Timestamp {
        Timestamp::from_micros(self.anchor.load(Ordering::Relaxed)) + self.running()
    }

    /// How long this clock has been running.
    pub fn running(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the system's clock has moved away by more than half a second, and then whether it
    /// was set back.
    pub fn stepped(&self) -> Option<bool> {
        let (ours, theirs) = (self.time_of_day(), time_of_day());
        let stepped = ours.since(theirs).max(theirs.since(ours)) > TOLERANCE;
        stepped.then_some(theirs < ours)
    }

    /// Takes over the system's clock where it has [moved away](Self::stepped).
    pub fn follow(&self) {
        if self.stepped().is_some() {
            let theirs = time_of_day();
            let anchor = theirs - self.running();
            self.anchor.store(anchor.as_micros(), Ordering::Relaxed);
        }
    }
}

#[inline]
fn nanos(clock: ClockId) -> u64 {
    let read = clock_gettime(clock);
    let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(read.tv_nsec).unwrap_or(0)
}

#[allow(clippy::disallowed_methods)] // the file that the rule points to
fn time_of_day() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |span| span.as_micros());
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_systems_time_and_follows_when_that_is_set() {
        let clock = Clock::start();
        assert!(time_of_day().since(clock.now()) < Duration::from_millis(400));
        let right = clock.anchor.load(Ordering::Relaxed);
        assert_eq!(clock.stepped(), None);
        clock.anchor.store(right - 3_600_000_000, Ordering::Relaxed);
        assert_eq!(clock.stepped(), Some(false));
        clock.follow();
        assert!(clock.anchor.load(Ordering::Relaxed).abs_diff(right) < 400_000);
        clock.anchor.store(right + 3_600_000_000, Ordering::Relaxed);
        assert_eq!(clock.stepped(), Some(true));
        clock.follow();
        assert!(clock.anchor.load(Ordering::Relaxed).abs_diff(right) < 400_000);
    }

    #[test]
    fn the_rough_time_is_the_time_some_ticks_ago_and_never_ahead() {
        let clock = Clock::start();
        clock.skip(Duration::from_secs(60));
        for _ in 0..1_000 {
            let rough = clock.roughly();
            let now = clock.now();
            assert!(rough <= now, "{rough:?} is after {now:?}");
            assert!(now.since(rough) < Duration::from_secs(1));
        }
    }

    #[test]
    fn what_was_skipped_stays_skipped_when_the_systems_time_is_followed() {
        let clock = Clock::start();
        clock.skip(Duration::from_secs(3_600));
        clock.follow();
        clock.skip(Duration::from_secs(1));
        clock.follow();
        let ahead = clock.now().since(time_of_day());
        assert!(ahead.abs_diff(Duration::from_secs(3_601)) < Duration::from_millis(400));
    }
}
