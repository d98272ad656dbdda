//! The binary `forewarm`.

use std::process::ExitCode;

/// What a miss, a warm and a message of a feed allocate is small and mostly freed by another thread, for which
/// the C library of Linux took a quarter of the time of the threads that answer (docs/adr/0040).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    forewarm_service::cli::main()
}
