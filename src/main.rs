//! The binary: hands the command line to the library and ends with the exit code it gives back.

use std::process::ExitCode;

/// musl's own allocator is slow where many threads allocate.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    telseal::cli::main().into()
}
