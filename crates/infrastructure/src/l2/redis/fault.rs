//! The seam: the client's errors become ours here and go no further.

use std::time::Duration;

use forewarm_application::ports::SharedCacheError;
use fred::error::{Error, ErrorKind};

/// Our kind for the client's error; `after` is the limit that a timeout means.
pub(crate) fn fault(error: &Error, after: Duration) -> SharedCacheError {
    let reason = error.details().to_owned();
    // The client files the server's own words under several kinds; the words decide.
    match code(&reason) {
        Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" | "MOVED" | "ASK") => {
            return SharedCacheError::Unavailable { reason };
        }
        Some(_) => return SharedCacheError::Refused { reason },
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
    }
}
