//! Keyspace notifications: the server publishes what happens to keys, if it has been told to.
//!
//! The server is never reconfigured. What it publishes is suited when it covers everything that
//! can replace or remove a string. It says nothing of emptied databases: see
//! [`Check::Flushes`](super::check::Check::Flushes).

use bytes::Bytes;

use super::places::{Directory, Place};
use super::wire::{LinkError, Protocol, Reply, Wire};

/// Generic commands, strings, lists, sets, sorted sets (which have commands that replace a string),
/// expired and evicted keys.
const NEEDED: &str = "g$lszxe";

/// The channels that tell of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channels {
    /// `__keyspace@0__:KEY`: the server filters by prefix.
    ByKey,
    /// `__keyevent@0__:EVENT`, the key is the message: all keys.
    ByEvent,
}

/// A connection to `place` that is told of every change of keys with these prefixes from now on.
pub(super) async fn subscribe(
    directory: &Directory,
    place: &Place,
    prefixes: &[String],
) -> Result<Wire, LinkError> {
    // Under RESP2, which every server speaks.
    let mut wire = directory.wire(place, Protocol::Two).await?;
    let command: [&[u8]; 3] = [b"CONFIG", b"GET", b"notify-keyspace-events"];
    let reply = wire.ask(&command).await?.or_error("CONFIG GET")?;
    let flags = match &reply {
        Reply::List(parts) => parts.get(1).and_then(Reply::text).unwrap_or_default(),
        _ => String::new(),
    };
    let channels = channels(&flags).ok_or_else(|| {
        LinkError::Refused(format!(
            "notify-keyspace-events is {flags:?}, it must have K or E, and A or all of {NEEDED}"
        ))
    })?;
    let patterns = patterns(channels, prefixes);
    let mut command: Vec<&[u8]> = vec![b"PSUBSCRIBE"];
    command.extend(patterns.iter().map(Vec::as_slice));
    wire.send(&command).await?;
    // One command: its answers, one a pattern, come before any message.
    for _ in patterns.iter() {
        wire.answer().await?.or_error("PSUBSCRIBE")?;
    }
    Ok(wire)
}

/// The channels to listen to, when what is published is enough.
fn channels(flags: &str) -> Option<Channels> {
    let enough = flags.contains('A') || NEEDED.chars().all(|flag| flags.contains(flag));
    match (enough, flags.contains('K'), flags.contains('E')) {
        (true, true, _) => Some(Channels::ByKey),
        (true, false, true) => Some(Channels::ByEvent),
        _ => None,
    }
}

fn patterns(channels: Channels, prefixes: &[String]) -> Vec<Vec<u8>> {
    if channels == Channels::ByEvent {
        return vec![b"__keyevent@*__:*".to_vec()];
    }
    if prefixes.is_empty() {
        return vec![b"__keyspace@*__:*".to_vec()];
    }
    let pattern = |prefix: &String| {
        let mut pattern = b"__keyspace@*__:".to_vec();
        for &byte in prefix.as_bytes() {
            if b"*?[]\\".contains(&byte) {
                pattern.push(b'\\');
            }
            pattern.push(byte);
        }
        pattern.push(b'*');
        pattern
    };
    prefixes.iter().map(pattern).collect()
}

/// The key that a message is about, and its database; `None` = about something else.
pub(super) fn changed(message: &[Reply]) -> Option<(Bytes, u16)> {
    let [
        Reply::Text(kind),
        _,
        Reply::Text(channel),
        Reply::Text(said),
    ] = message
    else {
        return None;
    };
    if kind.as_ref() != b"pmessage" {
        return None;
    }
    let by_key = channel.strip_prefix(b"__keyspace@".as_slice());
    let by_event = channel.strip_prefix(b"__keyevent@".as_slice());
    let rest = by_key.or(by_event)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let database = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let after = rest[digits..].strip_prefix(b"__:".as_slice())?;
    let (key, event) = if by_key.is_some() {
        (channel.slice_ref(after), said.as_ref())
    } else {
        (said.clone(), after)
    };
    // A read that missed changes nothing; ours would otherwise invalidate their own fills.
    (event != b"keymiss").then_some((key, database))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_publishes_is_suited_only_if_it_covers_every_change_of_a_string() {
        let check = |flags: &str, expected| assert_eq!(channels(flags), expected, "{flags}");
        check("AKE", Some(Channels::ByKey));
        check("AE", Some(Channels::ByEvent));
        check("g$lszxeK", Some(Channels::ByKey));
        check("g$lshzxetdE", Some(Channels::ByEvent));
        check("", None);
        check("A", None);
        check("Ex", None);
        for missing in NEEDED.chars() {
            let flags = format!("KE{}", NEEDED.replace(missing, ""));
            check(&flags, None);
        }
    }

    #[test]
    fn prefixes_are_matched_literally() {
        let shown = |channels, prefixes: &[&str]| -> Vec<String> {
            let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            patterns(channels, &prefixes)
                .into_iter()
                .map(|pattern| String::from_utf8(pattern).unwrap())
                .collect()
        };
        assert_eq!(shown(Channels::ByKey, &[]), ["__keyspace@*__:*"]);
        assert_eq!(
            shown(Channels::ByKey, &["p:", "a*[b]"]),
            [r"__keyspace@*__:p:*", r"__keyspace@*__:a\*\[b\]*"]
        );
        assert_eq!(shown(Channels::ByEvent, &["p:"]), ["__keyevent@*__:*"]);
    }

    #[test]
    fn a_message_names_the_key_and_its_database() {
        let message = |parts: [&'static str; 4]| {
            let parts = parts.map(|part| Reply::Text(Bytes::from_static(part.as_bytes())));
            changed(&parts)
                .map(|(key, database)| (String::from_utf8(key.to_vec()).unwrap(), database))
        };
        let check = |channel, said, expected: Option<(&str, u16)>| {
            let expected = expected.map(|(key, database)| (key.to_owned(), database));
            assert_eq!(
                message(["pmessage", "*", channel, said]),
                expected,
                "{channel}"
            );
        };
        check("__keyspace@0__:price:a", "set", Some(("price:a", 0)));
        check("__keyspace@12__:a__:b", "expired", Some(("a__:b", 12)));
        check("__keyevent@3__:del", "price:a", Some(("price:a", 3)));
        check("__keyspace@0__:a", "keymiss", None);
        check("__keyevent@0__:keymiss", "a", None);
        check("news", "a", None);
        check("__keyspace@x__:a", "set", None);
        assert_eq!(message(["message", "*", "__keyspace@0__:a", "set"]), None);
    }
}
