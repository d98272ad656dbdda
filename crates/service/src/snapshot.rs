//! The model's file: read at the start, written now and then and at the end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::{Backend, Config};
use crate::core::Core;

/// Where the model is kept.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    /// The configured file, or one beside the embedded store; none for Redis without a setting.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let beside = || match config.l2.backend {
            Backend::Embedded => Some(config.l2.embedded.path.join("model.snapshot")),
            Backend::Redis => None,
        };
        let path = config.model.snapshot_path.clone().or_else(beside)?;
        Some(Self { path })
    }

    /// Restores what was saved. A file that cannot be used is reported, and the start is cold.
    pub(crate) fn load(&self, core: &Core) {
        let path = self.path.display();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::error!(%path, %error, "cannot read the saved model; starting cold");
                return;
            }
        };
        match core.engine.restore_model(&bytes, core.clock.now()) {
            Ok(pairs) => tracing::info!(%path, pairs, "the model was restored"),
            Err(error) => {
                tracing::error!(%path, %error, "the saved model is unusable; starting cold");
            }
        }
    }

    /// Saves the model; a failure is logged, the file before stays whole.
    pub(crate) async fn save(&self, core: &Core) {
        let bytes = core.engine.save_model(core.clock.now());
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &bytes)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(path = %self.path.display(), %error, "cannot save the model");
    }
}

/// Writes beside the file, then takes its place: readers see the old or the new, whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
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
    fn redis_has_no_file_unless_one_is_named() {
        let mut config = Config::default();
        let beside = Snapshot::of(&config).expect("one");
        assert!(beside.path.ends_with("forewarm-data/model.snapshot"));
        config.l2.backend = Backend::Redis;
        assert!(Snapshot::of(&config).is_none());
        config.model.snapshot_path = Some("here".into());
        assert_eq!(Snapshot::of(&config).expect("one").path, Path::new("here"));
    }
}
