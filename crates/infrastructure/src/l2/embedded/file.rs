//! The store's one file: opening it, and turning redb's errors and panics into ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::quiet::catch_quietly;
use forewarm_application::ports::SharedCacheError;
use forewarm_domain::Key;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, TableDefinition,
    WriteTransaction,
};

/// Values by [`table_key`].
pub(super) const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// Blobs by name.
pub(super) const BLOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("blobs");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT_NAME: &str = "format";
const FORMAT: u64 = 1;
const FILE_NAME: &str = "forewarm.redb";

/// Why the embedded store can't be opened; each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("cannot {doing} {}: check that the path is right, that this user may read and write it, and that the disk has room", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// `create the folder`, `open`, …
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another process: stop that one, or give this one a folder of its own (l2.embedded.path)", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Not a store of ours, or damaged.
    #[error("{} is damaged or not a forewarm store ({reason}): move it away to start with an empty one, or restore a copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by a version of another format.
    #[error("{} has format {found}, this version reads {FORMAT}: run the version that wrote it, or move the file away to start with an empty one", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            path,
            doing,
            source,
        }
    }
}

/// What goes wrong inside a transaction.
pub(super) enum Fault {
    Redb(redb::Error),
    Ours(SharedCacheError),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct File {
    database: Database,
    path: PathBuf,
}

impl File {
    pub(super) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        fs::create_dir_all(folder)
            .map_err(|error| OpenError::io(folder, "create the folder", error))?;
        let path = folder.join(FILE_NAME);
        // redb trusts what it reads past its header; in a damaged file that can panic.
        let opened = catch_quietly(|| {
            let database = redb::Builder::new()
                .set_cache_size(cache_bytes)
                .create(&path)
                .map_err(|error| open_error(&path, error))?;
            let file = Self {
                database,
                path: path.clone(),
            };
            file.prepare()?;
            Ok(file)
        });
        opened.unwrap_or_else(|panic| {
            let reason = panic_text(panic.as_ref());
            Err(OpenError::Damaged { path, reason })
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the format, or makes the tables of a new file.
    fn prepare(&self) -> Result<(), OpenError> {
        let path = || self.path.clone();
        let found = self.format().map_err(|error| match error {
            redb::Error::Io(error) => OpenError::io(&self.path, "read", error),
            error => OpenError::Damaged {
                path: path(),
                reason: error.to_string(),
            },
        })?;
        if found != FORMAT {
            return Err(OpenError::OtherFormat {
                path: path(),
                found,
            });
        }
        Ok(())
    }

    fn format(&self) -> Result<u64, redb::Error> {
        match self.database.begin_read()?.open_table(META) {
            Ok(meta) => Ok(meta.get(FORMAT_NAME)?.map_or(0, |format| format.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => {
                let transaction = self.begin_write()?;
                transaction.open_table(META)?.insert(FORMAT_NAME, FORMAT)?;
                transaction.open_table(VALUES)?;
                transaction.open_table(BLOBS)?;
                transaction.commit()?;
                Ok(FORMAT)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // Opening after a crash then takes 0.4 ms in place of 160 ms and grows no further.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// Runs `work` on a consistent view.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, SharedCacheError> {
        self.guard(|| work(&self.database.begin_read()?))
    }

    /// Runs `work` and commits it durably, or not at all.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, SharedCacheError> {
        self.guard(|| {
            let transaction = self.begin_write()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    fn guard<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, SharedCacheError> {
        match catch_quietly(work) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Fault::Ours(error))) => Err(error),
            Ok(Err(Fault::Redb(error))) => Err(self.store_error(&error)),
            Err(panic) => Err(self.corrupt(&panic_text(panic.as_ref()))),
        }
    }

    /// A value that is there and can't be believed.
    pub(super) fn damaged(&self, what: &str, reason: String) -> Fault {
        Fault::Ours(self.corrupt(&format!("{what}: {reason}")))
    }

    fn corrupt(&self, reason: &str) -> SharedCacheError {
        let reason = format!("{}: {reason}", self.path.display());
        SharedCacheError::Corrupt { reason }
    }

    fn store_error(&self, error: &redb::Error) -> SharedCacheError {
        let reason = format!("{}: {error}", self.path.display());
        match error {
            redb::Error::Corrupted(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableDoesNotExist(_) => SharedCacheError::Corrupt { reason },
            // redb closes itself after a failed write; only a restart opens it again.
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                SharedCacheError::Unavailable { reason }
            }
            _ => SharedCacheError::Refused { reason },
        }
    }
}

/// Database number, big-endian, then the exact bytes: two databases never meet.
pub(super) fn table_key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + key.bytes().len());
    bytes.extend(key.database().to_be_bytes());
    bytes.extend(key.bytes());
    bytes
}

fn open_error(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse { path }
        }
        DatabaseError::UpgradeRequired(found) => {
            let reason = format!("file format {found} of its database, too old to be read");
            OpenError::Damaged { path, reason }
        }
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Io {
                path,
                doing: "open",
                source: error,
            }
        }
        error => OpenError::Damaged {
            path,
            reason: error.to_string(),
        },
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("its pages contradict each other").to_owned()
}
