//! The binary: parse, load, build, run until a signal, drain, exit code.

fn main() {}
