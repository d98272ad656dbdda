//! How fast a recording is played.

use std::time::Duration;

use forewarm_domain::Timestamp;

/// Events a second that are aimed at when no speed is asked for.
const WANTED_RATE: f64 = 3_000.0;

/// From recorded gaps to played ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// A multiple of the recorded speed.
    Multiple(f64),
    /// As recorded, but pauses are cut to this: what follows an event within milliseconds keeps
    /// its distance, which is what warming has to beat.
    Cut(Duration),
}

impl Pace {
    /// The speed asked for, else the cut that brings a sample to the wanted rate.
    pub(super) fn new(speed: Option<f64>, sample: &[Timestamp]) -> Self {
        match speed {
            Some(speed) => Self::Multiple(speed),
            None => Self::Cut(cut(sample)),
        }
    }

    /// How long to wait between two events recorded `gap` apart.
    pub(super) fn wait(self, gap: Duration) -> Duration {
        match self {
            Self::Multiple(speed) => gap.div_f64(speed),
            Self::Cut(most) => gap.min(most),
        }
    }
}

/// The longest cut, at most a second, with which the sample is played fast enough.
fn cut(sample: &[Timestamp]) -> Duration {
    let gaps: Vec<f64> = sample
        .windows(2)
        .map(|pair| pair[1].since(pair[0]).as_secs_f64())
        .collect();
    let wanted = gaps.len() as f64 / WANTED_RATE;
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        let spent: f64 = gaps.iter().map(|gap| gap.min(middle)).sum();
        if spent <= wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    Duration::from_secs_f64(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_cut_until_the_rate_is_reached_and_short_gaps_stay() {
        // Blocks of twelve seconds with ten events 1 ms apart.
        let at = |n: u64| Timestamp::from_millis((n / 10) * 12_000 + n % 10);
        let sample: Vec<Timestamp> = (0..10_000).map(at).collect();
        let pace = Pace::new(None, &sample);
        let millisecond = Duration::from_millis(1);
        let played: Duration = sample
            .windows(2)
            .map(|two| pace.wait(two[1].since(two[0])))
            .sum();
        let rate = sample.len() as f64 / played.as_secs_f64();
        assert!((2_800.0..3_200.0).contains(&rate), "{rate} events/s");
        assert!(pace.wait(millisecond) > Duration::from_micros(250));
    }

    #[test]
    fn a_speed_asked_for_is_kept() {
        let pace = Pace::new(Some(4.0), &[]);
        assert_eq!(
            pace.wait(Duration::from_secs(1)),
            Duration::from_millis(250)
        );
    }
}
