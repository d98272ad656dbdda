//! The figures behind the charts.

use std::fmt::Write;

use super::super::study::{Preset, Study};
use super::{escaped, grouped, megabytes, percent};

/// One row a preset.
pub(super) fn presets(study: &Study) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table><tr><th>preset</th><th>hit ratio</th><th>misses removed</th>\
         <th>precision</th><th>more L2 reads</th><th>model</th><th></th></tr>\n",
    );
    for (at, preset) in study.presets.iter().enumerate() {
        let Preset {
            name, about, run, ..
        } = preset;
        let class = if study.best == Some(at) {
            " class=\"best\""
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "<tr{class}><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"words\">{}</td></tr>",
            percent(run.l1_hit_ratio),
            percent(run.misses_removed_ratio),
            percent(run.outcomes.precision()),
            percent(run.extra_l2_reads_ratio),
            megabytes(preset.model_bytes),
            escaped(about)
        );
    }
    out.push_str("</table></div>\n");
    out
}

/// One row a run.
pub(super) fn runs(study: &Study) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table class=\"dense\"><tr><th>run</th><th>hit ratio</th><th>misses removed</th>\
         <th>precision</th><th>fetched ahead</th><th>read in time</th><th>too late</th>\
         <th>never read</th><th>more L2 reads</th></tr>\n",
    );
    for run in &study.report.runs {
        let ends = &run.outcomes;
        let best = run.strategy == study.report.recommended && run.strategy != "off";
        let _ = writeln!(
            out,
            "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td></tr>",
            if best { " class=\"best\"" } else { "" },
            run.strategy,
            percent(run.l1_hit_ratio),
            percent(run.misses_removed_ratio),
            match ends.warmed {
                0 => "–".to_owned(),
                _ => percent(ends.precision()),
            },
            grouped(ends.warmed),
            grouped(ends.useful),
            grouped(ends.late),
            grouped(ends.wasted + ends.harmful),
            percent(run.extra_l2_reads_ratio),
        );
    }
    out.push_str("</table></div>\n");
    out
}
