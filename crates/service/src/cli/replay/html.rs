//! The report that one sends around: one file, nothing from outside, light and dark, readable by
//! somebody who decides and does not program.

mod charts;
mod plot;
mod tables;
mod words;

use std::fmt::Write;

use super::study::Study;

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub(super) fn page(studies: &[Study]) -> String {
    let title = match studies {
        [one] => format!("What Forewarm would gain on {}", one.name),
        several => format!("What Forewarm would gain on {} recordings", several.len()),
    };
    let title = escaped(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    for study in studies {
        if studies.len() > 1 {
            let _ = writeln!(
                page,
                "<h2 class=\"recording\">{}</h2>",
                escaped(&study.name)
            );
        }
        section(&mut page, study);
    }
    let _ = write!(
        page,
        "<footer>Made by forewarm {} replay. The same recording and settings give the same \
         figures.</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    page
}

fn section(page: &mut String, study: &Study) {
    let _ = writeln!(page, "<p class=\"about\">{}</p>", words::about(study));
    let _ = writeln!(page, "<p class=\"verdict\">{}</p>", words::verdict(study));
    page.push_str("<div class=\"cards\">\n");
    for (figure, label, note) in words::cards(study) {
        let _ = writeln!(
            page,
            "<div class=\"card\"><b>{figure}</b><span>{label}</span><small>{note}</small></div>"
        );
    }
    page.push_str("</div>\n");
    figure(
        page,
        "Hit ratio over time",
        words::OVER_TIME,
        &charts::over_time(study),
    );
    figure(
        page,
        "Hit ratio against the size of L1",
        &words::against_size(study),
        &charts::against_size(study),
    );
    figure(
        page,
        "Precision against coverage",
        words::PRECISION,
        &charts::precision(study),
    );
    let _ = writeln!(page, "<h2>Which preset</h2>\n<p>{}</p>", words::PRESETS);
    page.push_str(&tables::presets(study));
    let _ = writeln!(
        page,
        "<h2>Every strategy and yardstick</h2>\n<p>{}</p>",
        words::STRATEGIES
    );
    page.push_str(&tables::runs(study));
    let _ = writeln!(page, "<h2>What to do next</h2>\n{}", words::next(study));
    let _ = writeln!(
        page,
        "<h2>How far to trust this</h2>\n{}",
        words::trust(study)
    );
}

fn figure(page: &mut String, title: &str, words: &str, svg: &str) {
    let _ = writeln!(
        page,
        "<h2>{title}</h2>\n<p>{words}</p>\n<figure>{svg}</figure>"
    );
}

/// Text as it may stand in the page.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `12.3 %`.
pub(super) fn percent(ratio: f64) -> String {
    // No minus before a nought.
    let percent = ratio * 100.0;
    let percent = if percent.abs() < 0.05 { 0.0 } else { percent };
    format!("{percent:.1} %")
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12.3 MB`.
pub(super) fn megabytes(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_are_written_for_people_and_browsers() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(percent(0.123_4), "12.3 %");
        assert_eq!(percent(-0.000_1), "0.0 %");
        assert_eq!(
            escaped("<a href='x'>&\""),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"
        );
        assert_eq!(megabytes(12_345_678), "12.3 MB");
    }
}
