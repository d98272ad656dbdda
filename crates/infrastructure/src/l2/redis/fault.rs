//! The seam: the client's errors become ours here and go no further.

use std::time::Duration;

use forewarm_application::ports::SharedCacheError;
use fred::error::{Error, ErrorKind};

/// The client's words when a node of a cluster has sent a command elsewhere, which it may not follow
/// (see [`RedisConfig::client`](super::RedisConfig)).
const REDIRECTED: &str = "Too many redirections.";
/// Ours: nobody has carried the command out, and the client knows the cluster anew.
const MOVING: &str = "the key is moving between nodes of the cluster";

/// Whether a node of a cluster has sent the command elsewhere.
pub(super) fn is_redirected(error: &SharedCacheError) -> bool {
    matches!(error, SharedCacheError::Unavailable { reason } if reason == MOVING)
}

/// Our kind for the client's error; `after` is the limit that a timeout means.
pub(crate) fn fault(error: &Error, after: Duration) -> SharedCacheError {
    let reason = text(error);
    // The client files the server's own words under several kinds; the words decide.
    match code(&reason) {
        Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" | "MOVED" | "ASK") => {
            return SharedCacheError::Unavailable { reason };
        }
        // Redis has no code of its own for it, and it passes.
        Some("ERR") if reason.contains("max number of clients") => {
            return SharedCacheError::Unavailable { reason };
        }
        Some(_) => return SharedCacheError::Refused { reason },
        None if reason == REDIRECTED => {
            let reason = MOVING.to_owned();
            return SharedCacheError::Unavailable { reason };
        }
        None => {}
    }
    match error.kind() {
        ErrorKind::Timeout => SharedCacheError::Timeout { after },
        ErrorKind::InvalidCommand
        | ErrorKind::InvalidArgument
        | ErrorKind::Config
        | ErrorKind::Url
        | ErrorKind::Auth => SharedCacheError::Refused { reason },
        ErrorKind::Parse | ErrorKind::NotFound | ErrorKind::Protocol => {
            SharedCacheError::Corrupt { reason }
        }
        _ => SharedCacheError::Unavailable { reason },
    }
}

/// The client's words for people. Its errors of the system and of URLs are debug text
/// (`Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }`, `InvalidPort`).
pub(crate) fn text(error: &Error) -> String {
    let details = error.details();
    let quoted = ["message: \"", "error: \""]
        .iter()
        .find_map(|field| details.split_once(field)?.1.rsplit_once('"'));
    if let Some((message, _)) = quoted
        && *error.kind() == ErrorKind::IO
    {
        return uncapitalized(&message.replace("\\\"", "\""));
    }
    if let Some(reason) = untrusted(details) {
        return format!("the server's certificate is not accepted: {reason}");
    }
    let name = details
        .strip_prefix("Kind(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(details);
    if matches!(error.kind(), ErrorKind::IO | ErrorKind::Url) && is_camel_case(name) {
        return words(name);
    }
    details.to_owned()
}

/// What is wrong with the certificate in
/// `Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }`.
fn untrusted(details: &str) -> Option<String> {
    let (_, rest) = details.split_once("InvalidCertificate(")?;
    let (reason, _) = rest.rsplit_once(')')?;
    Some(if is_camel_case(reason) {
        words(reason)
    } else {
        reason.to_owned()
    })
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `ConnectionRefused` → `connection refused`.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

fn uncapitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(rest).collect()
    })
}

/// The first word of an error that the server sent (`WRONGTYPE Operation against …`).
fn code(reason: &str) -> Option<&str> {
    let (first, _) = reason.split_once(' ')?;
    let is_code = first.len() > 2 && first.bytes().all(|b| b.is_ascii_uppercase());
    is_code.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_whether_trying_again_may_help() {
        let after = Duration::from_millis(7);
        let check = |kind: ErrorKind, details: &'static str, retryable: bool| {
            let mapped = fault(&Error::new(kind, details), after);
            assert_eq!(mapped.is_retryable(), retryable, "{mapped}");
            mapped
        };
        let timeout = check(ErrorKind::Timeout, "Request timed out.", true);
        assert_eq!(timeout, SharedCacheError::Timeout { after });
        check(ErrorKind::IO, "Connection refused (os error 111)", true);
        check(ErrorKind::Canceled, "Canceled.", true);
        check(
            ErrorKind::Unknown,
            "LOADING Redis is loading the dataset in memory",
            true,
        );
        check(
            ErrorKind::Unknown,
            "ERR max number of clients reached",
            true,
        );
        let moving = check(ErrorKind::Routing, REDIRECTED, true);
        assert!(is_redirected(&moving));
        check(
            ErrorKind::Unknown,
            "OOM command not allowed when used memory > 'maxmemory'.",
            false,
        );
        check(
            ErrorKind::Unknown,
            "READONLY You can't write against a read only replica.",
            false,
        );
        check(
            ErrorKind::InvalidArgument,
            "WRONGTYPE Operation against a key",
            false,
        );
        check(ErrorKind::Parse, "Could not convert to i64.", false);
        check(ErrorKind::Auth, "NOAUTH Authentication required.", false);
        check(
            ErrorKind::Auth,
            "WRONGPASS invalid username-password pair or user is disabled.",
            false,
        );
    }

    #[test]
    fn no_debug_text_reaches_people() {
        let shown = |error: std::io::Error| text(&Error::from(error));
        let refused = std::io::Error::from_raw_os_error(111);
        assert_eq!(shown(refused), "connection refused");
        let of_kind = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert_eq!(shown(of_kind), "unexpected eof");
        let custom = std::io::Error::other("Failed to look up \"host\"");
        assert_eq!(shown(custom), "failed to look up \"host\"");
        let url = Error::new(ErrorKind::Url, "InvalidPort");
        assert_eq!(text(&url), "invalid port");
        let servers = Error::new(ErrorKind::Unknown, "OOM command not allowed");
        assert_eq!(text(&servers), "OOM command not allowed");
    }
}
