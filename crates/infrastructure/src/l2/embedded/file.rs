//! The store's one file: opening it, and turning redb's errors and panics into ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use std::time::Duration;

use super::quiet::catch_quietly;
use forewarm_application::ports::SharedCacheError;
use forewarm_domain::{Key, Timestamp};
use parking_lot::RwLock;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, TableDefinition,
    WriteTransaction,
};

use crate::clock;

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
    /// The message and its causes, in one line.
    fn full_text(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

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

/// What a transaction ended with.
struct Failure {
    error: SharedCacheError,
    /// redb refuses everything until the file is opened anew.
    broken: bool,
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct File {
    open: RwLock<Open>,
    path: PathBuf,
    cache_bytes: usize,
}

/// The database, as often as it had to be opened.
///
/// After a failed access of the disk (it is full, say) redb refuses everything until the file has been
/// opened anew. What was committed is there then, what was not is not.
#[derive(Debug)]
struct Open {
    /// `None` while it could not be opened again.
    database: Option<Database>,
    /// How many times it was opened.
    times: u64,
    /// Why it could not be, and when that was tried last.
    trouble: Option<(SharedCacheError, Timestamp)>,
}

/// Between two attempts to open the file again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

impl File {
    pub(super) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        fs::create_dir_all(folder)
            .map_err(|error| OpenError::io(folder, "create the folder", error))?;
        let path = folder.join(FILE_NAME);
        let open = Open {
            database: Some(database(&path, cache_bytes)?),
            times: 1,
            trouble: None,
        };
        Ok(Self {
            open: RwLock::new(open),
            path,
            cache_bytes,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a consistent view; once more if the file had to be opened anew for it.
    pub(super) fn read<T>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, SharedCacheError> {
        let read = || self.with(|database| self.guard(|| work(&database.begin_read()?)));
        let outcome = match read() {
            (Err(failure), times) if failure.broken && self.reopen(times) => read().0,
            (outcome, _) => outcome,
        };
        outcome.map_err(|failure| failure.error)
    }

    /// Runs `work` and commits it durably, or not at all. When the disk fails the file is opened
    /// anew, so that reads go on and the next write may succeed.
    pub(super) fn write<T, W>(&self, work: W) -> Result<T, SharedCacheError>
    where
        W: FnOnce(&WriteTransaction) -> Result<T, Fault>,
    {
        let mut work = Some(work);
        let write = |work: &mut Option<W>| {
            self.with(|database| {
                self.guard(|| {
                    let transaction = begin_write(database)?;
                    let work = work
                        .take()
                        .expect("it is tried again only if it was not taken");
                    let done = work(&transaction)?;
                    transaction.commit()?;
                    Ok(done)
                })
            })
        };
        let (mut outcome, times) = write(&mut work);
        if outcome.as_ref().is_err_and(|failure| failure.broken)
            && self.reopen(times)
            && work.is_some()
        {
            // What had closed the database before is no failure of this write.
            outcome = write(&mut work).0;
        }
        outcome.map_err(|failure| failure.error)
    }

    /// What `work` says of the open database, and how many times that had been opened.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> (Result<T, Failure>, u64) {
        let open = self.open.read();
        let outcome = match (&open.database, &open.trouble) {
            (Some(database), _) => work(database),
            (None, Some((error, _))) => Err(Failure {
                error: error.clone(),
                broken: true,
            }),
            (None, None) => unreachable!("it is closed for a reason only"),
        };
        (outcome, open.times)
    }

    /// Opens the file anew, unless somebody else has since it was opened for the `times`th time or
    /// has just tried in vain; whether it is worth another try.
    fn reopen(&self, times: u64) -> bool {
        let mut open = self.open.write();
        if open.times != times {
            return open.database.is_some();
        }
        let now = clock::now();
        if let Some((_, tried)) = &open.trouble
            // A clock that was set back waits no longer than one that was not.
            && (*tried..*tried + AGAIN_AFTER).contains(&now)
        {
            return false;
        }
        // Its lock on the file goes first.
        drop(open.database.take());
        match database(&self.path, self.cache_bytes) {
            Ok(database) => {
                (open.database, open.trouble) = (Some(database), None);
                open.times += 1;
                true
            }
            Err(error) => {
                let reason = error.full_text();
                open.trouble = Some((SharedCacheError::Unavailable { reason }, now));
                false
            }
        }
    }

    fn guard<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Failure> {
        let (error, broken) = match catch_quietly(work) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Ours(error))) => (error, false),
            Ok(Err(Fault::Redb(error))) => {
                use redb::Error::{DatabaseClosed, Io, PreviousIo};
                let broken = matches!(error, Io(_) | PreviousIo | DatabaseClosed);
                (self.store_error(&error), broken)
            }
            Err(panic) => (self.corrupt(&panic_text(panic.as_ref())), false),
        };
        Err(Failure { error, broken })
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
            // redb closes itself after a failed access of the disk; it is opened again above.
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                SharedCacheError::Unavailable { reason }
            }
            _ => SharedCacheError::Refused { reason },
        }
    }
}

/// Opens the file, or makes it, and checks its format.
fn database(path: &Path, cache_bytes: usize) -> Result<Database, OpenError> {
    let open = || {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(cache_bytes);
        // Opening it for writing changes it; one of another format is to be left as it is. A file that
        // cannot be read this way (it is new, or has to be repaired) is looked at afterwards.
        if let Ok(file) = builder.open_read_only(path) {
            check_format(format(&file), path)?;
        }
        let opened = builder.create(path);
        let database = opened.map_err(|error| open_error(path, error))?;
        if check_format(format(&database), path)?.is_none() {
            check_format(make_tables(&database).map(Some), path)?;
        }
        Ok(database)
    };
    // redb trusts what it reads past its header; in a damaged file that can panic.
    catch_quietly(open).unwrap_or_else(|panic| {
        Err(OpenError::Damaged {
            path: path.to_owned(),
            reason: panic_text(panic.as_ref()),
        })
    })
}

/// Passes on the format, if there is any and it is ours.
fn check_format(
    format: Result<Option<u64>, redb::Error>,
    path: &Path,
) -> Result<Option<u64>, OpenError> {
    match format {
        Ok(Some(found)) if found != FORMAT => Err(OpenError::OtherFormat {
            path: path.to_owned(),
            found,
        }),
        Ok(format) => Ok(format),
        Err(redb::Error::Io(error)) => Err(OpenError::io(path, "read", error)),
        Err(error) => Err(OpenError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The format that the file says it has; `None` = it is new and has no tables yet.
fn format(database: &impl ReadableDatabase) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => {
            let format = meta.get(FORMAT_NAME)?;
            Ok(Some(format.map_or(0, |format| format.value())))
        }
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make_tables(database: &Database) -> Result<u64, redb::Error> {
    let transaction = begin_write(database)?;
    transaction.open_table(META)?.insert(FORMAT_NAME, FORMAT)?;
    transaction.open_table(VALUES)?;
    transaction.open_table(BLOBS)?;
    transaction.commit()?;
    Ok(FORMAT)
}

fn begin_write(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    // Opening after a crash then takes 0.4 ms in place of 160 ms and grows no further.
    transaction.set_quick_repair(true);
    Ok(transaction)
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
