//! The binary: hands the command line to the library and ends with the exit code it gives back.

use std::process::ExitCode;

fn main() -> ExitCode {
    telseal::cli::main().into()
}
