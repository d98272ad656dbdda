//! The order of a key's values.

/// The source's version of a value: larger is newer.
///
/// The unit is the source's (block number, sequence, stream id); Forewarm only compares versions of
/// one key with each other. A value without a version is ordered by the fences of
/// invalidation alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Whether a value of version `new` may take the place of one of version `held`.
///
/// A known version is never replaced by an older or equal one; when either is unknown the
/// newcomer wins, because its caller has already passed the invalidation fence.
pub fn supersedes(new: Option<Version>, held: Option<Version>) -> bool {
    match (new, held) {
        (Some(new), Some(held)) => new > held,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strictly_newer_version_replaces_a_known_one() {
        let v = |n| Some(Version(n));
        assert!(supersedes(v(2), v(1)));
        assert!(!supersedes(v(1), v(1)));
        assert!(!supersedes(v(1), v(2)));
        assert!(supersedes(None, v(2)));
        assert!(supersedes(v(1), None));
    }
}
