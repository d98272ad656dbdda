//! Figures with their units, short.

/// `value` as Grafana's `unit` shows it.
pub(super) fn shown(value: f64, unit: &str) -> String {
    match unit {
        "percentunit" => format!("{} %", digits(value * 100.0)),
        "bytes" | "decbytes" => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
        "ops" => format!(
            "{}/s",
            scaled(value, 1000.0, &["", "k", "M"]).replace(' ', "")
        ),
        "µs" if value.abs() >= 1000.0 => format!("{} ms", digits(value / 1000.0)),
        "ms" if value.abs() >= 1000.0 => format!("{} s", digits(value / 1000.0)),
        "µs" | "ms" | "s" => format!("{} {unit}", digits(value)),
        _ => scaled(value, 1000.0, &["", "k", "M", "G"]),
    }
}

fn scaled(value: f64, by: f64, names: &[&str]) -> String {
    let (mut value, mut at) = (value, 0);
    while value.abs() >= by && at + 1 < names.len() {
        value /= by;
        at += 1;
    }
    format!("{} {}", digits(value), names[at])
        .trim_end()
        .to_owned()
}

/// Three digits that matter.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_bear_their_unit() {
        let check = |value, unit, expected| assert_eq!(shown(value, unit), expected);
        check(0.92345, "percentunit", "92.3 %");
        check(0.0, "percentunit", "0 %");
        check(1536.0, "bytes", "1.5 KiB");
        check(12_345.0, "ops", "12.3k/s");
        check(7.0, "ops", "7/s");
        check(0.25, "µs", "0.25 µs");
        check(2500.0, "µs", "2.5 ms");
        check(1234.0, "short", "1.23 k");
        check(-0.5, "short", "-0.5");
    }
}
