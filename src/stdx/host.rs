//! What is known about the machine without asking anybody: read from the kernel's files and the build itself.

use std::fs;

/// Where Linux keeps the host name, first what is in force, then what was set at boot.
const NAME_FILES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

/// The name of this host, or `None` where no file says it.
#[must_use]
pub fn name() -> Option<String> {
    NAME_FILES.iter().find_map(|path| first_line(&fs::read_to_string(path).ok()?))
}

fn first_line(text: &str) -> Option<String> {
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The processor architecture, by the semantic conventions' word for `host.arch`.
#[must_use]
pub const fn arch() -> &'static str {
    match std::env::consts::ARCH.as_bytes() {
        b"x86_64" => "amd64",
        b"aarch64" => "arm64",
        b"arm" => "arm32",
        b"powerpc" => "ppc32",
        b"powerpc64" => "ppc64",
        _ => std::env::consts::ARCH,
    }
}

/// The operating system, by the semantic conventions' word for `os.type`.
#[must_use]
pub const fn os() -> &'static str {
    match std::env::consts::OS.as_bytes() {
        b"macos" => "darwin",
        _ => std::env::consts::OS,
    }
}

#[cfg(test)]
mod tests {
    use super::{arch, first_line, os};

    #[test]
    fn a_host_name_is_one_trimmed_line() {
        assert_eq!(first_line("build-7\n"), Some("build-7".into()));
        assert_eq!(first_line("  \n"), None);
        assert_eq!(first_line(""), None);
    }

    #[test]
    fn words_are_those_of_the_semantic_conventions() {
        assert!(!["x86_64", "aarch64"].contains(&arch()));
        assert_ne!(os(), "macos");
    }
}
