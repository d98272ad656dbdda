//! L2 as a map, with a call log, faults by script and a gate that holds answers back.

use std::collections::{HashMap, VecDeque};

use async_trait::async_trait;
use bytes::Bytes;
use forewarm_domain::{Key, Version};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::ports::{Kept, SharedCache, SharedCacheError, Stored};

/// What was asked of L2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    GetMany(Vec<Key>),
    Put(Key),
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Refused,
    /// Never answers.
    Silent,
    /// Answers with one value too few.
    Short,
}

#[derive(Debug, Default)]
struct State {
    values: HashMap<Key, Stored>,
    calls: Vec<Call>,
    faults: VecDeque<Fault>,
    gated: bool,
}

/// L2. A read takes its values at once and answers when the gate lets it; a write is applied
/// at once, too, unless it is refused.
#[derive(Debug)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    gate: Semaphore,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            gate: Semaphore::new(0),
        }
    }
}

pub(crate) fn stored(text: &str, version: Option<u64>) -> Stored {
    Stored {
        value: Bytes::copy_from_slice(text.as_bytes()),
        version: version.map(Version),
        ttl: None,
    }
}

impl Shelf {
    /// Another process writes.
    pub(crate) fn set(&self, key: &Key, text: &str, version: Option<u64>) {
        self.set_stored(key, stored(text, version));
    }

    pub(crate) fn set_stored(&self, key: &Key, stored: Stored) {
        self.state.lock().values.insert(key.clone(), stored);
    }

    pub(crate) fn text(&self, key: &Key) -> Option<String> {
        let state = self.state.lock();
        let stored = state.values.get(key)?;
        Some(String::from_utf8_lossy(&stored.value).into_owned())
    }

    /// What goes wrong with the next calls.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.extend(faults);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.lock().calls)
    }

    /// From now on calls wait for [`Self::release_all`].
    pub(crate) fn hold(&self) {
        self.state.lock().gated = true;
    }

    /// Calls made from now on do not wait; those that wait go on waiting.
    pub(crate) fn ungate(&self) {
        self.state.lock().gated = false;
    }

    pub(crate) fn release_all(&self) {
        self.state.lock().gated = false;
        self.gate.add_permits(1_000);
    }

    /// Takes back what the gate still let through.
    pub(crate) fn shut(&self) {
        self.state.lock().gated = false;
        self.gate.forget_permits(usize::MAX >> 4);
    }

    /// Nothing more goes wrong.
    pub(crate) fn forget_script(&self) {
        self.state.lock().faults.clear();
    }

    /// Until so many calls have been made.
    pub(crate) async fn called(&self, times: usize) {
        while self.state.lock().calls.len() < times {
            tokio::task::yield_now().await;
        }
    }

    fn begin(&self, call: Call) -> (Fault, bool) {
        let mut state = self.state.lock();
        state.calls.push(call);
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        (fault, state.gated)
    }

    async fn answer(&self, fault: Fault, gated: bool) -> Result<(), SharedCacheError> {
        if gated {
            self.gate.acquire().await.expect("never closed").forget();
        }
        match fault {
            Fault::None | Fault::Short => Ok(()),
            Fault::Silent => std::future::pending().await,
            Fault::Refused => Err(SharedCacheError::Refused {
                reason: "by script".to_owned(),
            }),
        }
    }
}

#[async_trait]
impl SharedCache for Shelf {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        let (fault, gated) = self.begin(Call::GetMany(keys.to_vec()));
        let mut values: Vec<_> = {
            let state = self.state.lock();
            keys.iter().map(|k| state.values.get(k).cloned()).collect()
        };
        self.answer(fault, gated).await?;
        if fault == Fault::Short {
            values.pop();
        }
        Ok(values)
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let (fault, gated) = self.begin(Call::Put(key.clone()));
        if fault != Fault::Refused {
            self.set_stored(key, stored.clone());
        }
        self.answer(fault, gated).await?;
        Ok(Kept::This)
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        Ok(self.state.lock().values.remove(key).is_some())
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "shelf"
    }
}
