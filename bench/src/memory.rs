//! Memory of this process for so many tracked pairs with all their partners.

use std::sync::Arc;

use anyhow::Result;

use crate::job::{GROUP, Job};
use crate::row::Row;
use crate::world::{Memory, runtime};
use forewarm_service::Forewarm;

/// One size a process: what one run gives back to the allocator would hide what the next one takes.
pub(crate) fn run(pairs: usize) -> Result<()> {
    runtime()?.block_on(async {
        let forewarm = Forewarm::builder()
            .shared_cache(Arc::new(Memory::full()))
            // L1 holds next to nothing: what grows is the model.
            .set("l1.capacity_bytes=64KiB")
            .set(format!("tracking.max_pairs={pairs}"))
            .build()
            .await?;
        // What does not depend on the pairs is there before: runtime, queues, metrics.
        let names = crate::world::keys(&forewarm, pairs)?;
        let before = resident();
        let job = Job::new(&forewarm, pairs / GROUP, None).await?;
        let after = resident();
        let known = forewarm.stats();
        // The keys of the job's own are one more copy of the names.
        let own: usize = names.iter().map(|key| 80 + key.bytes().len()).sum();
        let each = (after.saturating_sub(before).saturating_sub(own)) as f64 / known.pairs as f64;
        Row::judged(
            format!("memory of the process for {} tracked pairs", known.pairs),
            format!(
                "{:.1} MB, of it {each:.0} B a pair (the model itself says {})",
                after as f64 / 1e6,
                known.model_bytes / known.pairs.max(1)
            ),
            if pairs >= 1_000_000 {
                "≤ 512 B a pair"
            } else {
                "≤ 15 KB a pair"
            },
            each <= if pairs >= 1_000_000 { 512.0 } else { 15_000.0 },
        );
        drop(job);
        forewarm.shutdown().await;
        Ok(())
    })
}

/// Resident memory in bytes.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0_usize) * rustix::param::page_size()
}
