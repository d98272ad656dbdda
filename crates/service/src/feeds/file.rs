//! A recording as a live feed: at recorded speed, a multiple of it, or as fast as it goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forewarm_application::trace::TraceEvent;
use forewarm_domain::{Op, Timestamp};
use forewarm_infrastructure::feeds::FeedEvent;
use forewarm_infrastructure::trace::TraceReader;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use crate::core::{Core, Taken};
use crate::service::StartError;

/// Lines read ahead.
const AHEAD: usize = 4_096;

/// Plays the recording in the background, its times moved so that it begins now. A file that
/// cannot be read is an error of the start; standard input is waited for where nobody waits.
pub(crate) fn start(
    core: Arc<Core>,
    path: PathBuf,
    speed: f64,
) -> Result<JoinHandle<()>, StartError> {
    let (lines, played) = mpsc::channel(AHEAD);
    let shown = path.display().to_string();
    if path.as_os_str() == "-" {
        let codec = core.codec.clone();
        spawn_blocking(move || match TraceReader::open(&path, &codec, true) {
            Ok(reader) => read(reader, &lines),
            Err(error) => tracing::error!(%error, "the feed is unreadable"),
        });
    } else {
        let reader = TraceReader::open(&path, &core.codec, true).map_err(|source| {
            let path = shown.clone();
            StartError::Feed {
                path,
                source: source.into(),
            }
        })?;
        spawn_blocking(move || read(reader, &lines));
    }
    Ok(tokio::spawn(async move {
        let events = play(&core, played, speed).await;
        tracing::info!(path = %shown, events, "the recording has ended");
    }))
}

fn read(mut reader: TraceReader, lines: &mpsc::Sender<TraceEvent>) {
    for event in reader.by_ref() {
        match event {
            Ok(event) => {
                if lines.blocking_send(event).is_err() {
                    return;
                }
            }
            Err(error) => tracing::error!(%error, "the recording is unreadable from here"),
        }
    }
    if reader.skipped() > 0 {
        tracing::warn!(
            lines = reader.skipped(),
            "malformed lines of the recording were skipped"
        );
    }
}

async fn play(core: &Core, mut lines: mpsc::Receiver<TraceEvent>, speed: f64) -> u64 {
    let started = Instant::now();
    let mut first: Option<Timestamp> = None;
    let mut events = 0;
    while let Some(line) = lines.recv().await {
        let into = line.at.since(*first.get_or_insert(line.at));
        if speed > 0.0 {
            let due = Duration::from_secs_f64(into.as_secs_f64() / speed);
            sleep_until(started + due).await;
        }
        let event = FeedEvent {
            key: line.key,
            // In a feed a line without `op` is an update.
            op: if line.op == Op::Access {
                Op::Update
            } else {
                line.op
            },
            at: core.clock.now(),
            version: line.version,
            block: None,
            value: line.value,
        };
        deliver(core, event, speed).await;
        events += 1;
    }
    events
}

/// A full queue holds an unpaced recording up; a paced one drops, as a live source would.
async fn deliver(core: &Core, event: FeedEvent, speed: f64) {
    loop {
        let taken = core.take(event.clone());
        match taken {
            Ok(Taken::Dropped) if speed == 0.0 => sleep(Duration::from_millis(1)).await,
            // An event of now is never refused for its time.
            Ok(_) | Err(_) => return,
        }
    }
}
