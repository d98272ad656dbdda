//! The learned model as bytes: saved, restored and merged.
//!
//! Format, little-endian: the magic `FWMODEL`, a version byte, the body, and FNV-1a 64 of all
//! before it. Body: the totals of both kinds and the seconds of stream they were counted
//! over; the number of pairs; for each pair its database, key bytes, its counts as a target and,
//! for each kind, its windows and partners (index into the pairs, support, chance, lag in ms). All
//! counts are as of the moment of saving; loading adds them to what is known, as of now. From
//! version 2 on the bytes end in what the [`Estimator`] has learned, after their number.

use bytes::Bytes;

use super::Model;
use crate::co_occurrence::SourceKind;
use crate::compact::compact;
use crate::key::Key;
use crate::pair::PairId;
use crate::time::Timestamp;
use crate::usefulness::Estimator;

const MAGIC: &[u8; 7] = b"FWMODEL";
const VERSION: u8 = 2;
/// Longest key that a snapshot may hold.
const MAX_KEY_BYTES: usize = 64 * 1024;

/// No count comes near: a million events a second for eleven days. Larger ones, added up, would become
/// infinite, and the model that took them in could never be saved in a form that loads.
const MOST: f32 = 1e12;

/// Why a snapshot is refused. Nothing of it has been taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It does not begin like one.
    #[error("not a model snapshot: it does not begin with {:?}", "FWMODEL")]
    NotASnapshot,
    /// It was written by a newer release.
    #[error("model snapshot has format version {found}, this release reads up to {VERSION}")]
    TooNew {
        /// Its version.
        found: u8,
    },
    /// Its checksum does not match.
    #[error("model snapshot is damaged: the checksum does not match")]
    Checksum,
    /// The checksum matches and yet it makes no sense.
    #[error("model snapshot is damaged at byte {at}: {what}")]
    Malformed {
        /// Where.
        at: usize,
        /// What was expected.
        what: &'static str,
    },
}

/// What a snapshot brought.
#[derive(Debug)]
pub struct Loaded {
    /// Pairs that it held.
    pub pairs: usize,
    /// What its estimator had learned; `None` when it is of an older release, or of one with other
    /// clues.
    pub estimator: Option<Estimator>,
}

/// Model and estimator as bytes, as of `now`. About 12 bytes a partner and 40 a pair, plus the keys
/// and 11 KB.
pub fn save(model: &Model, estimator: &Estimator, now: Timestamp) -> Vec<u8> {
    let now = now.max(model.clock);
    let moment = model.decay.at(now);
    let mut out = Vec::with_capacity(64 + model.len() * 256);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    let pairs: Vec<(PairId, &Key)> = model.pairs().collect();
    let mut numbers = vec![u32::MAX; model.states.len()];
    for (number, (id, _)) in pairs.iter().enumerate() {
        numbers[id.index()] = number as u32;
    }
    for count in &model.sources {
        out.extend_from_slice(&count.get(moment).to_le_bytes());
    }
    out.extend_from_slice(&model.elapsed.get(moment).to_le_bytes());
    out.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    for (id, key) in pairs {
        out.extend_from_slice(&key.database().to_le_bytes());
        out.extend_from_slice(&(key.bytes().len() as u32).to_le_bytes());
        out.extend_from_slice(key.bytes());
        let state = &model.states[id.index()];
        for count in [&state.entered[0], &state.entered[1], &state.covered] {
            out.extend_from_slice(&count.get(moment).to_le_bytes());
        }
        for row in &state.rows {
            out.extend_from_slice(&row.windows(now, &model.decay).to_le_bytes());
            let parts: Vec<_> = row
                .parts(now, &model.decay, &model.partners)
                .filter(|(pair, ..)| model.pairs.is_live(*pair))
                .collect();
            out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
            for (pair, support, chance, lag_ms) in parts {
                out.extend_from_slice(&numbers[pair.index()].to_le_bytes());
                for value in [support, chance, lag_ms] {
                    out.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
    let mut learned = Vec::new();
    estimator.write_to(&mut learned);
    out.extend_from_slice(&(learned.len() as u32).to_le_bytes());
    out.extend_from_slice(&learned);
    sealed(out)
}

/// A snapshot's bytes with their checksum behind them. Damage shows by it; whoever means harm can
/// compute it as well.
pub fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let sum = fnv1a(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    body
}

/// How many pairs a snapshot holds, when nothing is wrong with it.
pub fn pairs(bytes: &[u8]) -> Result<usize, SnapshotError> {
    Ok(Saved::parse(bytes)?.pairs.len())
}

/// Adds a snapshot to `model`; what its estimator had learned is the caller's to take over. `key_of` makes a key of its
/// bytes and database.
///
/// What does not fit the model's bounds is left out: the pairs saved first come first.
pub fn load(
    model: &mut Model,
    bytes: &[u8],
    now: Timestamp,
    key_of: &dyn Fn(Bytes, u16) -> Key,
) -> Result<Loaded, SnapshotError> {
    let saved = Saved::parse(bytes)?;
    model.set_clock(now);
    let now = model.clock;
    let moment = model.decay.at(now);
    for (count, saved) in model.sources.iter_mut().zip(saved.totals) {
        count.add(saved, moment);
    }
    model.elapsed.add(saved.elapsed, moment);
    model.reads_seen = true;
    let room = model.config.max_pairs;
    let ids: Vec<Option<PairId>> = saved
        .pairs
        .iter()
        .map(|pair| {
            let key = key_of(compact(pair.key), pair.database);
            let known = model.pairs.get(&key);
            known.or_else(|| (model.len() < room).then(|| model.intern(&key)))
        })
        .collect();
    let max_partners = model.config.max_partners;
    let decay = model.decay;
    for (pair, id) in saved.pairs.iter().zip(&ids) {
        let Some(id) = id else { continue };
        let state = &mut model.states[id.index()];
        for (count, saved) in state.entered.iter_mut().zip(pair.entered) {
            count.add(saved, moment);
        }
        state.covered.add(pair.covered, moment);
        for kind in SourceKind::ALL {
            let saved = &pair.rows[kind.index()];
            let parts = saved
                .partners
                .iter()
                .filter_map(|&(number, support, chance, lag_ms)| {
                    Some((ids[number as usize]?, support, chance, lag_ms))
                });
            let row = &mut state.rows[kind.index()];
            let partners = &mut model.partners;
            row.merge(saved.windows, parts, now, &decay, max_partners, partners);
        }
    }
    model.last_closed = now;
    model.began.get_or_insert(now);
    Ok(Loaded {
        pairs: saved.pairs.len(),
        estimator: saved.estimator,
    })
}

#[derive(Debug)]
struct Saved<'a> {
    totals: [f32; 2],
    elapsed: f32,
    pairs: Vec<SavedPair<'a>>,
    estimator: Option<Estimator>,
}

#[derive(Debug)]
struct SavedPair<'a> {
    key: &'a [u8],
    database: u16,
    entered: [f32; 2],
    covered: f32,
    rows: [SavedRow; 2],
}

#[derive(Debug, Default)]
struct SavedRow {
    windows: f32,
    partners: Vec<(u32, f32, f32, f32)>,
}

impl<'a> Saved<'a> {
    /// Checks everything before anything is taken over. Memory is bounded by the input's size.
    fn parse(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        if bytes.len() < MAGIC.len() + 9 || !bytes.starts_with(MAGIC) {
            return Err(SnapshotError::NotASnapshot);
        }
        let found = bytes[MAGIC.len()];
        if found == 0 {
            return Err(SnapshotError::NotASnapshot);
        }
        if found > VERSION {
            return Err(SnapshotError::TooNew { found });
        }
        let (body, sum) = bytes.split_at(bytes.len() - 8);
        if fnv1a(body).to_le_bytes() != sum {
            return Err(SnapshotError::Checksum);
        }
        let mut reader = Reader {
            body,
            at: MAGIC.len() + 1,
        };
        let totals = [reader.count()?, reader.count()?];
        let elapsed = reader.count()?;
        let pairs = reader.u32()?;
        let mut saved = Self {
            totals,
            elapsed,
            pairs: Vec::new(),
            estimator: None,
        };
        for _ in 0..pairs {
            saved.pairs.push(reader.pair(pairs)?);
        }
        if found > 1 {
            let length = reader.u32()? as usize;
            saved.estimator = Estimator::read_from(reader.take(length)?);
        }
        if reader.at != body.len() {
            return Err(reader.malformed("nothing more"));
        }
        Ok(saved)
    }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn pair(&mut self, pairs: u32) -> Result<SavedPair<'a>, SnapshotError> {
        let database = u16::from_le_bytes(self.array()?);
        let length = self.u32()? as usize;
        if length > MAX_KEY_BYTES {
            return Err(self.malformed("a key of at most 64 KiB"));
        }
        let key = self.take(length)?;
        let entered = [self.count()?, self.count()?];
        let covered = self.count()?;
        let mut rows: [SavedRow; 2] = Default::default();
        for row in &mut rows {
            row.windows = self.count()?;
            for _ in 0..self.u32()? {
                let number = self.u32()?;
                if number >= pairs {
                    return Err(self.malformed("the number of a pair"));
                }
                row.partners
                    .push((number, self.count()?, self.count()?, self.count()?));
            }
        }
        Ok(SavedPair {
            key,
            database,
            entered,
            covered,
            rows,
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], SnapshotError> {
        let end = self
            .at
            .checked_add(length)
            .filter(|&end| end <= self.body.len());
        let Some(end) = end else {
            return Err(self.malformed("more bytes"));
        };
        let taken = &self.body[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take gives what was asked for"))
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number from 0 to [`MOST`].
    fn count(&mut self) -> Result<f32, SnapshotError> {
        let count = f32::from_le_bytes(self.array()?);
        if (0.0..=MOST).contains(&count) {
            Ok(count)
        } else {
            Err(self.malformed("a count"))
        }
    }

    fn malformed(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Malformed { at: self.at, what }
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainId;
    use crate::event::{Event, Op};
    use crate::model::ModelConfig;
    use proptest::prelude::*;

    fn key(n: u64) -> Key {
        Key::new(format!("k{n}"), 3, ChainId::DEFAULT)
    }

    fn key_of(bytes: Bytes, database: u16) -> Key {
        Key::new(bytes, database, ChainId::DEFAULT)
    }

    fn learned(rounds: u64) -> (Model, Timestamp) {
        let mut model = Model::new(ModelConfig::default());
        for round in 0..rounds {
            for (n, op, lag) in [(1, Op::Update, 0), (2, Op::Read, 3), (3, Op::Read, 4)] {
                let at = Timestamp::from_millis(round * 5_000 + lag);
                model.observe(
                    &Event {
                        key: key(n),
                        op,
                        at,
                    },
                    at,
                );
            }
        }
        let now = Timestamp::from_millis(rounds * 5_000);
        model.advance(now, 1_000);
        (model, now)
    }

    fn saved(model: &Model, now: Timestamp) -> Vec<u8> {
        save(model, &Estimator::default(), now)
    }

    /// Format 1 was the same without the estimator.
    #[test]
    fn a_snapshot_of_the_first_format_is_read() {
        let (model, now) = learned(30);
        let mut bytes = saved(&model, now);
        let mut learned_part = Vec::new();
        Estimator::default().write_to(&mut learned_part);
        bytes.truncate(bytes.len() - 8 - 4 - learned_part.len());
        bytes[MAGIC.len()] = 1;
        let sum = fnv1a(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let mut restored = Model::new(ModelConfig::default());
        let loaded = load(&mut restored, &bytes, now, &key_of).expect("an older format");
        assert_eq!(loaded.pairs, 3);
        assert!(loaded.estimator.is_none());
        assert_eq!(scores(&restored, now).len(), 2);
    }

    fn scores(model: &Model, now: Timestamp) -> Vec<(Bytes, f32, f32)> {
        let mut out = Vec::new();
        let id = model.id(&key(1)).expect("known");
        model.associations(id, SourceKind::Update, now, &mut out);
        let mut named: Vec<_> = out
            .iter()
            .map(|a| {
                (
                    model.key(a.pair).expect("live").bytes().clone(),
                    a.score,
                    a.support,
                )
            })
            .collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    }

    #[test]
    fn a_restored_model_says_what_the_saved_one_said() {
        let (model, now) = learned(30);
        let mut restored = Model::new(ModelConfig::default());
        let loaded = load(&mut restored, &saved(&model, now), now, &key_of).expect("our own");
        assert_eq!(loaded.pairs, 3);
        assert!(loaded.estimator.is_some());
        assert_eq!(pairs(&saved(&model, now)), Ok(3));
        let (before, after) = (scores(&model, now), scores(&restored, now));
        assert_eq!(before.len(), 2);
        for (a, b) in before.iter().zip(&after) {
            assert_eq!(a.0, b.0);
            // Counts are rounded, scores depend on them.
            let alike = |a: f32, b: f32| (a - b).abs() < 1e-4 * a;
            assert!(alike(a.1, b.1) && alike(a.2, b.2), "{a:?} {b:?}");
        }
    }

    #[test]
    fn merging_adds_up() {
        let (model, now) = learned(30);
        let bytes = saved(&model, now);
        let (mut merged, _) = learned(30);
        load(&mut merged, &bytes, now, &key_of).unwrap();
        let (one, two) = (scores(&model, now)[0].2, scores(&merged, now)[0].2);
        assert!((two - 2.0 * one).abs() < 0.01, "{one} and {two}");
    }

    #[test]
    fn a_smaller_model_takes_what_fits() {
        let (model, now) = learned(30);
        let mut small = Model::new(ModelConfig {
            max_pairs: 2,
            ..ModelConfig::default()
        });
        load(&mut small, &saved(&model, now), now, &key_of).unwrap();
        assert_eq!(small.len(), 2);
        assert_eq!(scores(&small, now).len(), 1);
    }

    proptest! {
        /// Any damage is refused with an error, and nothing is taken over.
        #[test]
        fn damage_is_refused(at in 0_usize..400, bit in 0_u8..8, cut in 0_usize..400) {
            let (model, now) = learned(5);
            let whole = saved(&model, now);
            let mut flipped = whole.clone();
            let at = at % flipped.len();
            flipped[at] ^= 1 << bit;
            let mut fresh = Model::new(ModelConfig::default());
            prop_assert!(load(&mut fresh, &flipped, now, &key_of).is_err());
            let cut = cut % whole.len();
            prop_assert!(load(&mut fresh, &whole[..cut], now, &key_of).is_err());
            prop_assert!(fresh.is_empty());
        }

        /// Bytes that a stranger made, checksum included, never panic.
        #[test]
        fn strange_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = MAGIC.to_vec();
            bytes.push(VERSION);
            bytes.extend(body);
            let sum = fnv1a(&bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            let mut model = Model::new(ModelConfig::default());
            let _ = load(&mut model, &bytes, Timestamp::ZERO, &key_of);
        }
    }
}
