//! Client tracking: the server pushes the names of changed keys (RESP3, broadcasting mode).

use super::places::{Directory, Place};
use super::wire::{LinkError, Protocol, Reply, Wire};

/// A connection to `place` that is told of every change of keys with these prefixes from now on.
pub(super) async fn subscribe(
    directory: &Directory,
    place: &Place,
    prefixes: &[String],
) -> Result<Wire, LinkError> {
    let mut wire = directory.wire(place, Protocol::Three).await?;
    let mut command: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", b"ON", b"BCAST"];
    for prefix in prefixes {
        command.extend([b"PREFIX".as_slice(), prefix.as_bytes()]);
    }
    wire.ask(&command).await?.or_error("CLIENT TRACKING")?;
    Ok(wire)
}

/// The changed keys in a push; `Some(None)` = all of them; `None` = the push says something else.
pub(super) fn changed(push: &[Reply]) -> Option<Option<&[Reply]>> {
    let [Reply::Text(kind), what] = push else {
        return None;
    };
    match (kind.as_ref(), what) {
        (b"invalidate", Reply::List(keys)) => Some(Some(keys)),
        (b"invalidate", Reply::Null) => Some(None),
        _ => None,
    }
}
