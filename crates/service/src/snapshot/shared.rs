//! The model in L2: parts of bounded size, then a list of contents that names them.
//!
//! The contents are written last, so a reader finds the old model or the new one, whole. The parts
//! before are removed after; a reader that was just reading them begins again.

use std::time::Duration;

use bytes::Bytes;
use forewarm_application::ports::{SharedCacheError, Stored};
use forewarm_domain::{ChainId, Key};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::config::Config;
use crate::core::Core;

/// A part's size: a write of it holds nobody up.
const PART_BYTES: usize = 256 << 10;
/// Parts read in one round trip.
const PARTS_AT_ONCE: usize = 8;
/// A model that nobody has saved for so long has forgotten all it knew anyway.
const LIFETIME: Duration = Duration::from_secs(86_400);
/// How long the start waits for L2, and how often it asks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// Begun again so often when the parts were replaced under the reader's hands.
const ATTEMPTS: u32 = 5;

/// The list of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    generation: String,
    parts: usize,
    bytes: usize,
}

/// Where in L2 the model is kept.
#[derive(Debug, Clone)]
pub(super) struct InL2 {
    key: String,
    most: usize,
}

impl InL2 {
    pub(super) fn of(config: &Config) -> Option<Self> {
        Some(Self {
            key: config.model.l2_key.clone()?,
            most: config.model.l2_max_bytes.as_usize(),
        })
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        format!("L2's {}", self.key)
    }

    fn key(&self, core: &Core, rest: &str) -> Key {
        let text = format!("{}{rest}", self.key);
        Key::new(text, core.codec.database(), ChainId::DEFAULT)
    }

    fn part(&self, core: &Core, generation: &str, number: usize) -> Key {
        self.key(core, &format!(":{generation}:{number}"))
    }

    /// The list of contents; `None` = nobody has saved anything.
    async fn contents(&self, core: &Core) -> Result<Option<Contents>, SharedCacheError> {
        let found = core.shared.get_many(&[self.key(core, "")]).await?;
        let stored = found.into_iter().next().flatten();
        Ok(stored.and_then(|stored| serde_json::from_slice(&stored.value).ok()))
    }

    /// The whole model; `None` when there is none. Waits a few seconds for an L2 that is not there yet.
    pub(super) async fn read(&self, core: &Core) -> Result<Option<Vec<u8>>, String> {
        let mut waited = Duration::ZERO;
        let mut attempts = 0;
        loop {
            let failed = match self.contents(core).await {
                Ok(None) => return Ok(None),
                Ok(Some(contents)) => {
                    let most = self.most;
                    if contents.bytes > most || contents.parts > most.div_ceil(PART_BYTES) {
                        let bytes = contents.bytes;
                        return Err(format!(
                            "it has {bytes} bytes, more than model.l2_max_bytes"
                        ));
                    }
                    match self.assemble(core, &contents).await {
                        Ok(Some(bytes)) => return Ok(Some(bytes)),
                        Ok(None) => {
                            attempts += 1;
                            "a part is missing".to_owned()
                        }
                        Err(error) => error.to_string(),
                    }
                }
                Err(error) if error.is_retryable() => error.to_string(),
                Err(error) => return Err(error.to_string()),
            };
            if waited >= PATIENCE || attempts >= ATTEMPTS {
                return Err(failed);
            }
            sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    async fn assemble(
        &self,
        core: &Core,
        contents: &Contents,
    ) -> Result<Option<Vec<u8>>, SharedCacheError> {
        let numbers: Vec<usize> = (0..contents.parts).collect();
        let mut bytes = Vec::with_capacity(contents.bytes);
        for numbers in numbers.chunks(PARTS_AT_ONCE) {
            let keys: Vec<Key> = numbers
                .iter()
                .map(|number| self.part(core, &contents.generation, *number))
                .collect();
            for stored in core.shared.get_many(&keys).await? {
                let Some(stored) = stored else {
                    return Ok(None);
                };
                bytes.extend_from_slice(&stored.value);
            }
        }
        Ok((bytes.len() == contents.bytes).then_some(bytes))
    }

    /// Writes the parts, then the contents, and then removes the parts of the model before.
    pub(super) async fn write(&self, core: &Core, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() > self.most {
            let length = bytes.len();
            return Err(format!(
                "it has {length} bytes, more than model.l2_max_bytes"
            ));
        }
        let before = self
            .contents(core)
            .await
            .map_err(|error| error.to_string())?;
        let generation = format!(
            "{:x}-{:x}",
            core.clock.now().as_micros(),
            std::process::id()
        );
        let mut parts = 0;
        for part in bytes.chunks(PART_BYTES) {
            let key = self.part(core, &generation, parts);
            self.put(core, &key, Bytes::copy_from_slice(part)).await?;
            parts += 1;
        }
        let contents = Contents {
            generation,
            parts,
            bytes: bytes.len(),
        };
        let list = serde_json::to_vec(&contents).expect("numbers and text are always JSON");
        self.put(core, &self.key(core, ""), list.into()).await?;
        let before = before.filter(|before| before.parts <= self.most.div_ceil(PART_BYTES));
        for before in before
            .into_iter()
            .filter(|before| before.generation != contents.generation)
        {
            for number in 0..before.parts {
                // What cannot be removed now expires by itself.
                let _ = core
                    .shared
                    .remove(&self.part(core, &before.generation, number))
                    .await;
            }
        }
        Ok(())
    }

    async fn put(&self, core: &Core, key: &Key, value: Bytes) -> Result<(), String> {
        let stored = Stored {
            value,
            version: None,
            ttl: Some(LIFETIME),
        };
        let written = core.shared.put(key, &stored).await;
        written.map(drop).map_err(|error| error.to_string())
    }
}
