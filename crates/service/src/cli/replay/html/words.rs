//! The sentences.

use super::super::study::{Preset, Study};
use super::{escaped, grouped, megabytes, percent};

pub(super) const OVER_TIME: &str = "The share of reads that L1, the copy in the application's own \
memory, answers without asking the shared cache (L2). Each point is its own stretch of the recording.";

pub(super) const PRECISION: &str = "To the right: more misses go away. Up: less is fetched in vain. \
Filled points are Forewarm's strategies; hollow ones are two older rules, for comparison: markov \
fetches what followed the last time, popularity what is read most.";

pub(super) const PRESETS: &str = "A preset is a name on the command line (<code>--preset NAME</code>). \
The tick marks the one that removes the most misses here. “More L2 reads” is the price: reads of the \
shared cache beyond those without warming.";

pub(super) const STRATEGIES: &str = "Every strategy under the settings given, and yardsticks: off is \
the same L1 without warming, lru the simplest cache, refresh fetches again what L1 holds when it \
changes; oracle picks perfectly among what Forewarm has learned, oracle-unlimited reads the future. \
Nobody can have the oracles; the distance to them is what is left to gain.";

/// The recording in a sentence.
pub(super) fn about(study: &Study) -> String {
    let trace = &study.report.trace;
    format!(
        "{} events ({} reads, {} updates) of {} keys over {}; L1 holds {} of the keys.",
        grouped(trace.events as u64),
        grouped(trace.reads as u64),
        grouped(trace.updates as u64),
        grouped(trace.distinct_keys as u64),
        span(trace.span_ms),
        grouped(study.report.l1_entries as u64),
    )
}

fn span(ms: u64) -> String {
    let seconds = ms as f64 / 1e3;
    match seconds {
        s if s >= 2.0 * 86_400.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 2.0 * 3_600.0 => format!("{:.1} hours", s / 3_600.0),
        s if s >= 120.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{s:.1} seconds"),
    }
}

fn best(study: &Study) -> Option<&Preset> {
    study.best.map(|best| &study.presets[best])
}

/// What the reader came for.
pub(super) fn verdict(study: &Study) -> String {
    let off = &study.report.runs[0];
    if off.reads == 0 {
        return "There is <b>no read</b> in this recording, so there is nothing that warming could \
                make faster in it. Record the reads too."
            .to_owned();
    }
    let Some(best) = best(study) else {
        return format!(
            "On this traffic <b>warming does not pay</b>: no preset removes a hundredth of the misses, \
             and less is noise. L1 alone answers {} of the reads; leave warming off.",
            percent(off.l1_hit_ratio)
        );
    };
    let run = &best.run;
    let fewer = (off.reads - off.l1_hits).saturating_sub(run.reads - run.l1_hits);
    let cost = if run.extra_l2_reads_ratio > 0.0005 {
        format!("for {} more reads of L2", percent(run.extra_l2_reads_ratio))
    } else {
        "without any more reads of L2".to_owned()
    };
    format!(
        "With the preset <b>{}</b> L1 answers <b>{}</b> of the reads instead of {}: \
         {} of the waits for the shared cache go away ({} fewer in this recording), {cost}.",
        best.name,
        percent(run.l1_hit_ratio),
        percent(off.l1_hit_ratio),
        percent(run.misses_removed_ratio),
        grouped(fewer),
    )
}

/// Figure, label, note.
pub(super) fn cards(study: &Study) -> Vec<(String, &'static str, String)> {
    let off = &study.report.runs[0];
    let Some(best) = best(study) else {
        let ratio = percent(off.l1_hit_ratio);
        return vec![(
            ratio,
            "of the reads answered by L1",
            "without warming".to_owned(),
        )];
    };
    let run = &best.run;
    let l1 = study
        .value_bytes
        .map(|bytes| bytes as usize * study.report.l1_entries);
    let memory = match l1 {
        Some(bytes) => format!("beside L1's own {} of values", megabytes(bytes)),
        None => "for what is learned, beside L1 itself".to_owned(),
    };
    vec![
        (
            percent(run.misses_removed_ratio),
            "of the misses removed",
            format!(
                "L1 hit ratio {} → {}",
                percent(off.l1_hit_ratio),
                percent(run.l1_hit_ratio)
            ),
        ),
        (
            percent(run.extra_l2_reads_ratio),
            "more reads of L2",
            format!(
                "{} in place of {}",
                grouped(run.l2_reads),
                grouped(off.l2_reads)
            ),
        ),
        (
            percent(run.outcomes.precision()),
            "of the fetches were read in time",
            format!(
                "{} of {}",
                grouped(run.outcomes.useful),
                grouped(run.outcomes.warmed)
            ),
        ),
        (megabytes(best.model_bytes), "more memory", memory),
    ]
}

/// The size chart's caption, with the size that L1 would need without warming.
pub(super) fn against_size(study: &Study) -> String {
    let mut text =
        "More memory also raises the hit ratio; the green line says what warming is worth \
                    at each size."
            .to_owned();
    let wanted = study.report.l1_entries;
    let point = study.sizes.iter().find(|size| size.entries >= wanted);
    let Some(point) = point.filter(|_| study.best.is_some()) else {
        return text;
    };
    let larger = study.sizes.iter().find(|size| size.off >= point.warmed);
    let here = format!("With {} entries and warming", grouped(point.entries as u64));
    text.push_str(&match larger {
        Some(larger) if larger.entries > point.entries => format!(
            " {here} L1 answers as much as {} would without.",
            grouped(larger.entries as u64)
        ),
        Some(_) => String::new(),
        None => format!(
            " {here} L1 answers more ({}) than the largest L1 tried here does without ({}).",
            percent(point.warmed),
            percent(study.sizes.last().map_or(0.0, |last| last.off))
        ),
    });
    text
}

/// The next commands.
pub(super) fn next(study: &Study) -> String {
    let Some(best) = best(study) else {
        return "<p>Nothing. If the traffic changes, record it again: \
                <code>forewarm record --out traffic.csv.gz</code>.</p>"
            .to_owned();
    };
    format!(
        "<ol><li>Run it beside the live traffic without touching it, for a week:\
         <pre><code>forewarm serve --preset shadow --config forewarm.toml</code></pre>\
         <code>GET /v1/shadow</code> then says what it would have gained, on today's traffic.</li>\
         <li>Switch it on for a part of the pairs, then for all: \
         <code>--preset {}</code>, with <code>rollout.percent</code>. \
         <code>forewarm rollout back</code> ends it at once.</li>\
         <li>Search settings for this stream: \
         <code>forewarm replay {} --tune</code>.</li></ol>",
        best.name,
        escaped(match study.name.as_str() {
            "-" => "FILE",
            name => name,
        })
    )
}

/// What the figures do not say.
pub(super) fn trust(study: &Study) -> String {
    let mut text = String::from(
        "<ul><li>It is a backtest: the past of this recording. Traffic that changes in kind gives \
         other figures; shadow mode measures today's.</li>\
         <li>Forewarm learns while the recording plays, from nothing: the first stretch is worse than \
         what follows.</li>\
         <li>Every entry counts as one, whatever the size of its value, and expires only if \
         <code>l1.default_ttl</code> was set.</li>",
    );
    let trace = &study.report.trace;
    if trace.updates == 0 {
        text.push_str(
            "<li>The recording has no updates: that L1's copies go stale, which costs a cache without \
             warming the most, is not in it.</li>",
        );
    }
    if trace.events < 10_000 {
        text.push_str(
            "<li><b>The recording is short.</b> Below some ten thousand events chance speaks \
             loudly.</li>",
        );
    }
    text.push_str("</ul>");
    text
}
