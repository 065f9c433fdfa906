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

/// Where Linux says how much memory the process may take: cgroup v2, and v1. Of a container these are its own.
const LIMIT_FILES: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// The memory that the process may take, in bytes; `None` where nobody set a limit.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    let own = own_cgroups().into_iter();
    let files = LIMIT_FILES.iter().map(|&file| file.to_owned()).chain(own);
    files.filter_map(|path| limit(&fs::read_to_string(path).ok()?)).min()
}

/// The files of the cgroup that this very process is in, which outside of a container lies below the others.
fn own_cgroups() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    text.lines().filter_map(limit_file).collect()
}

/// `0::/user.slice` is of v2, `7:memory:/docker/1` of v1.
fn limit_file(line: &str) -> Option<String> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?.trim_end_matches('/'));
    match controllers {
        "" => Some(format!("/sys/fs/cgroup{path}/memory.max")),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            Some(format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"))
        }
        _ => None,
    }
}

/// `max`, and the largest number of pages that v1 can write, are no limits.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
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
    use super::*;

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

    #[test]
    fn limits_are_numbers_and_no_limit_is_none() {
        assert_eq!(limit("67108864\n"), Some(64 << 20));
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit_file("0::/a/b").as_deref(), Some("/sys/fs/cgroup/a/b/memory.max"));
        let v1 = Some("/sys/fs/cgroup/memory/a/memory.limit_in_bytes");
        assert_eq!(limit_file("4:cpu,memory:/a").as_deref(), v1);
        assert_eq!(limit_file("5:pids:/a"), None);
    }
}
