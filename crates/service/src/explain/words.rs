//! The paragraph.

use std::fmt::Write;

use super::{Account, Row, Source};

/// Partners described each in a sentence; the others are in the figures.
const DESCRIBED: usize = 3;

/// What is known, what would be done about it and why not, in whole sentences.
pub(super) fn paragraph(account: &Account) -> String {
    let mut text = String::new();
    let name = format!("{}/{}", account.chain, account.pair);
    if !account.known {
        let _ = write!(
            text,
            "{name} is not known: it has not been updated or read since the start, or so long ago \
             that it was forgotten. Nothing is warmed for it, and it is not warmed for others."
        );
        return text;
    }
    let held = if account.in_l1 { "is" } else { "is not" };
    let _ = write!(text, "{name} {held} in L1 now.");
    for event in ["update", "read"] {
        let partners: Vec<&Row> = account
            .partners
            .iter()
            .filter(|row| row.figures.after == event)
            .collect();
        if !partners.is_empty() {
            followed_by(&mut text, event, &partners);
        }
    }
    decision(&mut text, account);
    pointed_at(&mut text, account);
    text
}

/// What follows one kind of event.
fn followed_by(text: &mut String, event: &str, partners: &[&Row]) {
    let count = partners.len();
    let those = match count {
        1 => "pair is",
        10.. => "pairs or more are",
        _ => "pairs are",
    };
    let _ = write!(
        text,
        " After {} of it {count} {those} known to be read",
        a(event)
    );
    let _ = text.write_str(if count == 1 {
        ":"
    } else {
        ", the surest first:"
    });
    for (at, row) in partners.iter().take(DESCRIBED).enumerate() {
        let _ = write!(
            text,
            "{} {}",
            if at > 0 { ";" } else { "" },
            described(&row.figures)
        );
        let came = row.came_true.iter().filter(|came| **came).count();
        if !row.came_true.is_empty() {
            let _ = write!(
                text,
                ", and of the last {} predictions {came} came true",
                row.came_true.len()
            );
        }
        let _ = write!(text, " ({})", row.state);
    }
    let more = count.saturating_sub(DESCRIBED);
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text.push('.');
}

/// One pair with its figures: "eth/x in 87 % of the cases, 40 times as often as by chance, 3 ms later".
fn described(figures: &Source) -> String {
    let yes = figures.followed.iter().filter(|yes| **yes).count();
    let mut text = format!(
        "{}/{} in {:.0} % of the cases, {} by chance, {} later on average",
        figures.chain,
        figures.pair,
        figures.probability * 100.0,
        times(figures.lift),
        after(figures.lag_ms),
    );
    if !figures.followed.is_empty() {
        let _ = write!(text, ", {yes} of the last {} times", figures.followed.len());
    }
    text
}

fn decision(text: &mut String, account: &Account) {
    if !account.against.is_empty() {
        let _ = write!(
            text,
            " Nothing would be fetched now: {}.",
            account.against.join("; ")
        );
    } else if account.would_warm > 0 {
        let these = if account.would_warm == 1 {
            "partner"
        } else {
            "partners"
        };
        let _ = write!(
            text,
            " If the event came now, {} would fetch {} {these} ahead",
            account.strategy, account.would_warm
        );
        let more = account.second_hops;
        if more > 0 {
            let _ = write!(text, ", and {more} partners of partners");
        }
        text.push('.');
    } else if !account.partners.is_empty() {
        let all_here = account.partners.iter().all(|row| row.state == "in L1");
        text.push_str(if all_here {
            " There is nothing to fetch: L1 has all of them."
        } else {
            " Nothing would be fetched now, for the reasons given with each pair."
        });
    }
}

fn pointed_at(text: &mut String, account: &Account) {
    match account.pointed_at_by.first() {
        Some(first) => {
            let count = account.pointed_at_by.len();
            let many = if count >= 10 {
                "10 pairs or more".to_owned()
            } else {
                format!("{count} pairs")
            };
            let others = if count == 1 {
                "one other pair".to_owned()
            } else {
                many
            };
            let _ = write!(
                text,
                " It is itself a candidate after events of {others}, most surely after {} of {}/{} \
                 (score {}, {:.0} % of the cases).",
                a(first.after),
                first.chain,
                first.pair,
                first.score,
                first.probability * 100.0
            );
        }
        None => text.push_str(" No other pair's events point to it, so it is not fetched ahead."),
    }
    if account.pairs_searched < account.pairs_known {
        let _ = write!(
            text,
            " ({} of {} pairs were looked through for that.)",
            account.pairs_searched, account.pairs_known
        );
    }
}

fn a(event: &str) -> String {
    match event {
        "update" => "an update".to_owned(),
        other => format!("a {other}"),
    }
}

fn times(lift: f64) -> String {
    if lift >= 1.5 {
        format!("{lift:.0} times as often as")
    } else {
        "hardly more often than".to_owned()
    }
}

fn after(lag_ms: f64) -> String {
    if lag_ms >= 1_000.0 {
        format!("{:.1} s", lag_ms / 1e3)
    } else if lag_ms >= 1.0 {
        format!("{lag_ms:.0} ms")
    } else {
        "less than 1 ms".to_owned()
    }
}
