//! The saved model: read at the start, written now and then and at the end, in a file, in L2, or in
//! both.

mod shared;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::config::{Backend, Config};
use crate::core::Core;
use shared::InL2;

/// Where the model is kept.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    path: Option<PathBuf>,
    shared: Option<InL2>,
}

impl Snapshot {
    /// The configured file, or one beside the embedded store (none for Redis without a setting), and
    /// the configured key of L2; `None` where there is neither.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let beside = || match config.l2.backend {
            Backend::Embedded => Some(config.l2.embedded.path.join("model.snapshot")),
            Backend::Redis => None,
        };
        let path = config.model.snapshot_path.clone().or_else(beside);
        let shared = InL2::of(config);
        (path.is_some() || shared.is_some()).then_some(Self { path, shared })
    }

    /// Restores what was saved: the file's, else L2's. What cannot be used is reported, and the start
    /// is cold. Must not be called on one of the runtime's own threads.
    pub(crate) fn load(&self, core: &Core, runtime: &Handle) {
        if let Some(path) = &self.path
            && restore_file(core, path)
        {
            return;
        }
        if let Some(shared) = &self.shared {
            match runtime.block_on(shared.read(core)) {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    restore(core, &bytes, &shared.name());
                }
                Err(reason) => {
                    let key = shared.name();
                    tracing::error!(%key, %reason, "cannot read the model from L2; starting cold");
                }
            }
        }
    }

    /// Saves the model; a failure is logged, what was saved before stays whole.
    pub(crate) async fn save(&self, core: &Core) {
        let bytes = core.engine.save_model(core.clock.now());
        if let Some(shared) = &self.shared
            && let Err(reason) = shared.write(core, &bytes).await
        {
            tracing::error!(key = %shared.name(), %reason, "cannot save the model in L2");
        }
        let Some(path) = self.path.clone() else {
            return;
        };
        let shown = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || replace(&path, &bytes)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(path = %shown, %error, "cannot save the model");
    }
}

/// Whether there was a file that could be used.
fn restore_file(core: &Core, path: &Path) -> bool {
    let shown = path.display().to_string();
    match fs::read(path) {
        Ok(bytes) => {
            let restored = restore(core, &bytes, &shown);
            if !restored && let Some(kept) = put_aside(path) {
                tracing::warn!(path = %shown, kept = %kept.display(), "it is put aside, and not overwritten");
            }
            restored
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            tracing::error!(path = %shown, %error, "cannot read the saved model; starting cold");
            false
        }
    }
}

/// Renames a file that cannot be used, in place of one that was put aside before, so that the next save
/// does not take its place: it may be a later version's, or worth a look. Its new name.
fn put_aside(path: &Path) -> Option<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".refused");
    fs::rename(path, &aside).ok()?;
    Some(aside.into())
}

fn restore(core: &Core, bytes: &[u8], from: &str) -> bool {
    match core.engine.restore_model(bytes, core.clock.now()) {
        Ok(pairs) => {
            tracing::info!(%from, pairs, "the model was restored");
            true
        }
        Err(error) => {
            tracing::error!(%from, %error, "the saved model is unusable; starting cold");
            false
        }
    }
}

/// Writes beside the file, then takes its place: readers see the old or the new, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_its_folder_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep").join("model.snapshot");
        replace(&path, b"one, and long").expect("written");
        replace(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("readable"), b"two");
        let left = fs::read_dir(path.parent().expect("it has one")).expect("readable");
        assert_eq!(left.count(), 1);
    }

    #[test]
    fn redis_has_no_file_unless_one_is_named_and_may_have_a_key_alone() {
        let path = |config: &Config| Snapshot::of(config).and_then(|snapshot| snapshot.path);
        let mut config = Config::default();
        assert!(path(&config).is_some_and(|path| path.ends_with("forewarm-data/model.snapshot")));
        config.l2.backend = Backend::Redis;
        assert!(Snapshot::of(&config).is_none());
        config.model.l2_key = Some("forewarm:model".to_owned());
        assert!(Snapshot::of(&config).is_some_and(|snapshot| snapshot.path.is_none()));
        config.model.snapshot_path = Some("here".into());
        assert_eq!(path(&config).as_deref(), Some(Path::new("here")));
    }
}
