//! The binary `forewarm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    forewarm_service::cli::main()
}
