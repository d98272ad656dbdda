//! The proofs of life of a session: as good as the oldest of its members'.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// When each member was last asked what it then answered.
#[derive(Debug)]
pub(super) struct Proofs {
    asked: Mutex<Vec<Instant>>,
}

impl Proofs {
    pub(super) fn new(members: usize, asked: Instant) -> Self {
        Self {
            asked: Mutex::new(vec![asked; members]),
        }
    }

    /// The moment before which everything has been told.
    pub(super) fn oldest(&self) -> Instant {
        let asked = self.asked.lock();
        *asked.iter().min().expect("a session has members")
    }

    /// A member has answered what it was asked at `asked`; the new proof, if that makes one.
    pub(super) fn answered(&self, member: usize, asked: Instant) -> Option<Instant> {
        let before = self.oldest();
        self.asked.lock()[member] = asked;
        Some(self.oldest()).filter(|proof| *proof > before)
    }

    /// Ends when there has been no proof for `bound`.
    pub(super) async fn silence(&self, bound: Duration) {
        loop {
            let due = self.oldest() + bound;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_proof_is_as_old_as_the_member_that_was_silent_for_longest() {
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        let proofs = Proofs::new(2, start);
        assert_eq!(proofs.answered(0, second(1)), None);
        assert_eq!(proofs.answered(0, second(2)), None);
        assert_eq!(proofs.answered(1, second(1)), Some(second(1)));
        assert_eq!(proofs.oldest(), second(1));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_proof() {
        let start = Instant::now();
        let proofs = Proofs::new(1, start);
        let bound = Duration::from_secs(5);
        let (ended, ()) = tokio::join!(
            async {
                proofs.silence(bound).await;
                Instant::now() - start
            },
            async {
                tokio::time::sleep(Duration::from_secs(4)).await;
                proofs.answered(0, start + Duration::from_secs(3));
            }
        );
        assert_eq!(ended.as_secs(), 8);
    }
}
