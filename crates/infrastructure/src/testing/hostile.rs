//! Whatever a stranger may hand in, one function each: for fuzzers, for property tests, and to replay
//! the corpus in `fuzz/corpus`. None of them may panic, nor use more memory than its reader promises.

use std::io::Cursor;
use std::path::Path;

use bytes::Bytes;
use forewarm_domain::model::snapshot;
use forewarm_domain::{Estimator, Model, ModelConfig, PairName, Timestamp};

use crate::codec::KeyCodec;
use crate::feeds::parse_updates;
use crate::trace::TraceReader;

/// Events of one request, as the service's default has it.
const MOST_EVENTS: usize = 10_000;

/// A recording: CSV or NDJSON, plain, gzip or zstandard. How many events it has, bad lines passed over.
pub fn trace(bytes: &[u8]) -> usize {
    let codec = KeyCodec::default();
    let count = |skip_bad_lines| {
        let reader = Cursor::new(bytes.to_vec());
        let name = Path::new("hostile");
        let events = TraceReader::from_bytes(name, reader, &codec, skip_bad_lines);
        events.map_or(0, |events| events.filter(Result::is_ok).count())
    };
    let (strict, lenient) = (count(false), count(true));
    assert!(
        strict <= lenient,
        "{strict} events, {lenient} without the bad lines"
    );
    lenient
}

/// The body of `POST /v1/updates`. How many events are taken.
pub fn updates(bytes: &[u8]) -> usize {
    let events = parse_updates(bytes, &KeyCodec::default(), MOST_EVENTS).unwrap_or_default();
    assert!(events.len() <= MOST_EVENTS);
    events.iter().flatten().count()
}

/// A saved model, as it is and with its checksum put right. How many pairs it holds.
pub fn snapshot(bytes: &[u8]) -> usize {
    let codec = KeyCodec::default();
    let load = |bytes: &[u8]| {
        let mut model = Model::new(ModelConfig {
            max_pairs: 1_000,
            ..ModelConfig::default()
        });
        let key_of = |bytes: Bytes, database| codec.key_from_bytes(bytes, database);
        let loaded = snapshot::load(&mut model, bytes, Timestamp::from_millis(1), &key_of);
        assert!(
            loaded.is_ok() || model.is_empty(),
            "a part of it was taken over"
        );
        let again = snapshot::save(&model, &Estimator::default(), Timestamp::from_millis(2));
        let mut twin = Model::new(ModelConfig::default());
        let reloaded = snapshot::load(&mut twin, &again, Timestamp::from_millis(2), &key_of);
        reloaded.expect("what we save we can load");
        loaded.map_or(0, |loaded| loaded.pairs)
    };
    let resealed = bytes
        .len()
        .checked_sub(8)
        .map(|end| snapshot::sealed(bytes[..end].to_vec()));
    load(bytes).max(resealed.map_or(0, |resealed| load(&resealed)))
}

/// A key template in the first line, keys and names in the rest. Whether it is a template.
pub fn template(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let text = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let Ok(codec) = KeyCodec::new(&text) else {
        return false;
    };
    for line in lines {
        let key = codec.key_from_bytes(Bytes::copy_from_slice(line), 0);
        let (chain, address) = codec.pair(&key);
        assert_eq!(key.bytes(), line, "a key is its exact bytes");
        if let Ok(name) = PairName::new(&chain, &address) {
            let built = codec.key(&name);
            let (again, same) = codec.pair(&built);
            if codec.has_chain() {
                assert_eq!(
                    (again.as_str(), same.as_str()),
                    (name.chain(), name.address())
                );
            }
        }
    }
    true
}
