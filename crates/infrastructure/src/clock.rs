//! The one place of this crate that reads the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use forewarm_domain::Timestamp;

/// Now, by the system's clock; [`Timestamp::ZERO`] for a clock set before 1970.
#[allow(clippy::disallowed_methods)] // the file that the rule points to
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |span| span.as_micros());
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
