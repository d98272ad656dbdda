//! What strangers may hand in: the corpus of the fuzzers, the corpus changed at random, and random bytes.
//! Nothing panics, and nothing takes more memory than its reader says.
#![allow(
    unsafe_code,
    reason = "a counting allocator has to implement GlobalAlloc"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use forewarm_infrastructure::testing::hostile;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn took(bytes: usize) {
    // A thread that is ending has no counter any more, and nobody asks.
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(bytes));
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

fn gave_back(bytes: usize) {
    let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(bytes)));
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        gave_back(layout.size());
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        took(size);
        gave_back(layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `call` held at once beyond what was held before it.
fn most_memory(call: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    call();
    MOST.get() - before
}

/// One kind of input.
struct Target {
    name: &'static str,
    read: fn(&[u8]) -> usize,
    /// Memory for so many bytes of input.
    bound: fn(usize) -> usize,
}

const TRACE: Target = Target {
    name: "trace",
    read: hostile::trace,
    // Twice the longest line, the decompressors' tables, a copy of the input; and zstandard's window.
    bound: |input| (8 << 20) + input + zstd_window(),
};
const UPDATES: Target = Target {
    name: "updates",
    read: hostile::updates,
    bound: |input| (1 << 20) + 64 * input + 256 * 10_000,
};
const SNAPSHOT: Target = Target {
    name: "snapshot",
    read: hostile::snapshot,
    // Two models at once have some 1.4 MiB each before they hold anything.
    bound: |input| (8 << 20) + 64 * input,
};
const TEMPLATE: Target = Target {
    name: "template",
    read: |bytes| usize::from(hostile::template(bytes)),
    bound: |input| (1 << 20) + 64 * input,
};

const fn zstd_window() -> usize {
    // A buffer that grows by doubling, with the old one still there.
    3 * (128 << 20)
}

impl Target {
    fn corpus(&self) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        let files = fs::read_dir(folder.join(self.name)).expect("the corpus");
        let read = |file: std::io::Result<fs::DirEntry>| {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("it has one").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("readable"))
        };
        let mut corpus: Vec<_> = files.map(read).collect();
        corpus.sort();
        assert!(corpus.len() >= 10, "{} files", corpus.len());
        corpus
    }

    fn check(&self, bytes: &[u8]) -> usize {
        let mut read = 0;
        let most = most_memory(|| read = (self.read)(bytes));
        let bound = (self.bound)(bytes.len());
        assert!(
            most <= bound,
            "{} bytes of input took {most}, more than {bound}",
            bytes.len()
        );
        read
    }

    /// All of the corpus as it is: how much of each file is read, where that is anything.
    fn replay(&self, expected: &[(&str, usize)]) {
        let corpus = self.corpus();
        let read = corpus
            .iter()
            .map(|(name, bytes)| (name.as_str(), self.check(bytes)));
        let read: Vec<_> = read.filter(|(_, count)| *count > 0).collect();
        assert_eq!(read, expected, "{}", self.name);
    }

    /// Files of the corpus with pieces changed, cut out, doubled and joined, and bytes of no origin.
    fn disturb(&self, cases: u32) {
        let corpus: Vec<Vec<u8>> = self.corpus().into_iter().map(|(_, bytes)| bytes).collect();
        let small = corpus.iter().filter(|bytes| bytes.len() <= 4_096);
        let small: Vec<Vec<u8>> = small.cloned().collect();
        let one = || select(small.clone());
        let disturbed = (one(), one(), prop::collection::vec(change(), 1..6)).prop_map(
            |(mut bytes, other, changes)| {
                for change in changes {
                    change.apply(&mut bytes, &other);
                }
                bytes
            },
        );
        let input = prop_oneof![
            6 => disturbed,
            1 => prop::collection::vec(any::<u8>(), 0..600),
        ];
        let config = ProptestConfig {
            cases,
            source_file: Some(file!()),
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&input, |bytes| {
            self.check(&bytes);
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{}: {failure}", self.name);
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index, usize),
    Double(Index, usize),
    Insert(Index, Vec<u8>),
    Join(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), 1_usize..40).prop_map(|(at, length)| Change::Cut(at, length)),
        (at(), 1_usize..80).prop_map(|(at, length)| Change::Double(at, length)),
        (at(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, new)| Change::Insert(at, new)),
        (at(), at()).prop_map(|(at, from)| Change::Join(at, from)),
    ]
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>, other: &[u8]) {
        let place = |at: Index, length: usize| at.index(length + 1);
        match self {
            Self::Set(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Self::Flip(at, bit) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Set(..) | Self::Flip(..) => {}
            Self::Cut(at, length) => {
                let from = place(at, bytes.len());
                bytes.drain(from..(from + length).min(bytes.len()));
            }
            Self::Double(at, length) => {
                let from = place(at, bytes.len());
                let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
                bytes.splice(from..from, piece);
            }
            Self::Insert(at, new) => {
                let at = place(at, bytes.len());
                bytes.splice(at..at, new);
            }
            Self::Join(at, from) => {
                bytes.truncate(place(at, bytes.len()));
                bytes.extend(&other[place(from, other.len())..]);
            }
        }
    }
}

#[test]
fn the_corpus_of_recordings_is_read_as_far_as_it_goes() {
    TRACE.replay(&[
        ("csv", 2),
        ("csv_crlf_bom", 2),
        ("csv_quotes", 1),
        ("csv_unknown_columns", 1),
        ("gzip", 2),
        ("gzip_cut", 38),
        ("gzip_one_long_line", 1),
        ("gzip_two_members", 3),
        ("ndjson", 2),
        ("ndjson_bad_lines", 4),
        ("zstd", 1),
        ("zstd_skippable", 2),
        ("zstd_wrong_checksum", 1),
    ]);
}

#[test]
fn the_corpus_of_updates_is_read_as_far_as_it_goes() {
    UPDATES.replay(&[("array", 2), ("lines", 2), ("repeated_field", 1)]);
}

#[test]
fn the_corpus_of_saved_models_is_read_or_refused_whole() {
    SNAPSHOT.replay(&[
        ("many_partners", 80),
        ("same_key_twice", 2),
        ("two_pairs", 2),
    ]);
}

#[test]
fn the_corpus_of_key_templates_is_read_or_refused() {
    TEMPLATE.replay(&[
        ("chain_last", 1),
        ("default", 1),
        ("no_chain", 1),
        ("percent", 1),
        ("unicode", 1),
    ]);
}

#[test]
fn disturbed_recordings_neither_panic_nor_fill_the_memory() {
    TRACE.disturb(1_500);
}

#[test]
fn disturbed_updates_neither_panic_nor_fill_the_memory() {
    UPDATES.disturb(5_000);
}

#[test]
fn disturbed_models_neither_panic_nor_fill_the_memory() {
    SNAPSHOT.disturb(1_500);
}

#[test]
fn disturbed_templates_neither_panic_nor_fill_the_memory() {
    TEMPLATE.disturb(8_000);
}

#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn half_a_million_disturbed_inputs_neither_panic_nor_fill_the_memory() {
    TRACE.disturb(100_000);
    UPDATES.disturb(150_000);
    SNAPSHOT.disturb(100_000);
    TEMPLATE.disturb(150_000);
}
