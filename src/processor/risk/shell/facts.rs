//! What the commands' words name: programs, hosts, paths.

use bumpalo::Bump;

use crate::processor::risk::event::{Event, Field};

use super::decode;

/// Programs that a pattern such as `/bin/c?t` may stand for.
pub(super) const PROGRAMS: &[&str] = &[
    "cat", "rm", "nc", "sh", "bash", "curl", "wget", "chmod", "chown", "base64", "python", "python3", "perl", "dd",
    "dash", "zsh", "head", "tail", "tac", "less", "more", "cp", "mv", "ncat", "sudo", "kill", "shred", "mkfs", "tee",
    "sed", "awk", "find", "xxd", "scp", "ssh", "crontab", "useradd", "passwd", "iptables", "nl", "od", "printenv",
    "env",
];

/// Files that a pattern such as `/etc/sh*w` may stand for.
const FILES: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/gshadow",
    "/etc/hosts",
    "/etc/crontab",
    "/root/.ssh/id_rsa",
    "/root/.bash_history",
    "~/.ssh/id_rsa",
    "~/.ssh/id_ed25519",
    "~/.ssh/authorized_keys",
    "~/.aws/credentials",
    "~/.bash_history",
    "~/.netrc",
    "~/.kube/config",
    "~/.npmrc",
    "~/.git-credentials",
    "/proc/self/environ",
    "/var/log/auth.log",
    "/var/log/syslog",
    "~/.docker/config.json",
    "~/.config/gcloud/credentials.db",
    "~/.gnupg/secring.gpg",
];

/// Fills the `cmd.*` fields from the commands that were added last.
pub(super) fn collect<'a>(event: &mut Event<'a>, first: usize, arena: &'a Bump) {
    for place in first..event.commands().len() {
        let command = event.commands()[place];
        event.push(Field::CmdProgram, command.program);
        event.push(Field::CmdArgv, command.text);
        let reader = command.pipes_to.and_then(|place| event.commands().get(place)).map(|reader| reader.program);
        event.push(Field::CmdPipesTo, reader.unwrap_or_default());
        for redirect in command.redirects {
            event.push(Field::CmdRedirect, arena.alloc_str(&[redirect.operator, redirect.target].concat()));
            see_word(event, redirect.target, arena);
        }
        for word in command.argv.iter().skip(1) {
            see_word(event, word, arena);
        }
        see_positional_host(event, command.program, command.argv, arena);
    }
}

/// The well-known file that a pattern stands for, where the pattern says more than a folder.
pub(super) fn one_file(word: &str) -> Option<&'static str> {
    if !word.contains(['?', '*', '[']) || !word.starts_with(['/', '~']) {
        return None;
    }
    let last = word.rsplit('/').next().unwrap_or_default();
    let private = word.contains("/.ssh/") || word.contains("/.aws/") || word.contains("/.gnupg/");
    let says = last.bytes().filter(u8::is_ascii_alphanumeric).count();
    let found = FILES.iter().find(|file| glob(word, file));
    found.filter(|_| private || says > 0).copied()
}

fn see_word<'a>(event: &mut Event<'a>, word: &'a str, arena: &'a Bump) {
    if word.len() < 2 && !matches!(word, "/" | "~") {
        return;
    }
    if let Some((_, rest)) = word.split_once("://") {
        let rest = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        push_host(event, rest.rsplit_once('@').map_or(rest, |(_, host)| host), arena);
    }
    if let Some(at) = word.find("/dev/tcp/").or_else(|| word.find("/dev/udp/")) {
        push_host(event, word[at + 9..].split('/').next().unwrap_or_default(), arena);
    }
    if word.contains('%')
        && !word.contains("://")
        && let Some(text) = decode::percent(word)
    {
        event.push(Field::CmdDecoded, arena.alloc_str(&text));
    }
    if word.contains("://") {
        return;
    }
    let value = word.split_once('=').filter(|(name, _)| !name.contains('/')).map_or(word, |(_, value)| value);
    let value = value.trim_start_matches('@');
    if value.starts_with(['/', '~', '.'])
        || value.starts_with("$HOME")
        || value.starts_with("${HOME")
        || value.contains('/')
    {
        event.push(Field::CmdPath, value);
    }
    if let Some((user_host, _)) =
        word.split_once(':').filter(|(before, _)| before.contains('@') && !before.contains('/'))
    {
        push_host(event, user_host.rsplit('@').next().unwrap_or_default(), arena);
    }
}

/// Programs whose words are hosts without a scheme.
fn see_positional_host<'a>(event: &mut Event<'a>, program: &str, argv: &'a [&'a str], arena: &'a Bump) {
    let takes_hosts = matches!(
        program,
        "nc" | "ncat"
            | "netcat"
            | "telnet"
            | "ssh"
            | "ping"
            | "dig"
            | "nslookup"
            | "host"
            | "curl"
            | "wget"
            | "ftp"
            | "sftp"
            | "socat"
            | "openssl"
            | "http"
            | "xh"
    );
    if !takes_hosts {
        return;
    }
    for word in argv.iter().skip(1).filter(|word| !word.starts_with('-') && !word.contains("://")) {
        for part in word.split([',', '@']).rev().take(2) {
            let part = part
                .trim_start_matches("TCP:")
                .trim_start_matches("tcp:")
                .trim_start_matches("TCP4:")
                .trim_start_matches("UDP:");
            let host = part.split(['/', ':']).next().unwrap_or_default();
            let dotted = host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !part.starts_with('/');
            if (dotted || host == "localhost")
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            {
                push_host(event, host, arena);
            }
        }
    }
}

fn push_host<'a>(event: &mut Event<'a>, host: &'a str, arena: &'a Bump) {
    let host =
        if host.starts_with('[') { host.trim_matches(['[', ']']) } else { host.split(':').next().unwrap_or_default() };
    if let Some(dotted) = dotted(host) {
        event.push(Field::CmdHost, arena.alloc_str(&dotted));
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        event.push(Field::CmdHost, arena.alloc_str(&host.to_ascii_lowercase()));
    } else {
        event.push(Field::CmdHost, host);
    }
}

/// An address written as one number, as in `http://2852039166/` or `0xA9FEA9FE`.
fn dotted(host: &str) -> Option<String> {
    let lower = host.to_ascii_lowercase();
    let number = match lower.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None if lower.len() >= 8 => lower.parse().ok()?,
        None => return None,
    };
    Some(std::net::Ipv4Addr::from(number).to_string())
}

/// A path without `//`, `/./` and `/x/../`.
pub(super) fn straight(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "~" && *last != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') && parts.is_empty() => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    let end = if path.ends_with('/') && !joined.is_empty() { "/" } else { "" };
    if path.starts_with('/') { format!("/{joined}{end}") } else { format!("{joined}{end}") }
}

/// Whether a shell's pattern matches a text; a star does not cross a slash.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    if pattern.len() > 64 {
        return false;
    }
    let (mut p, mut t, mut star) = (0, 0, None);
    loop {
        if t == text.len() {
            return pattern[p.min(pattern.len())..].iter().all(|byte| *byte == b'*');
        }
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') if text[t] != b'/' => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            Some(b'[') => {
                if let Some(len) = class(&pattern[p..], text[t]) {
                    (p, t) = (p + len, t + 1);
                    continue;
                }
            }
            Some(byte) if *byte == text[t] => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            _ => {}
        }
        match star {
            Some((after, at)) if text[at] != b'/' => {
                star = Some((after, at + 1));
                (p, t) = (after, at + 1);
            }
            _ => return false,
        }
    }
}

/// The length of a `[..]` that has this character.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let len = pattern.iter().skip(2).position(|byte| *byte == b']')? + 3;
    let members = &pattern[1..len - 1];
    let ranges = members.windows(3).any(|range| range[1] == b'-' && range[0] <= byte && byte <= range[2]);
    let negated = members.first().is_some_and(|first| matches!(first, b'!' | b'^'));
    ((members.contains(&byte) || ranges) != negated).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(glob("c?t", "cat") && glob("/etc/sh*w", "/etc/shadow") && glob("/etc/p[a-c]sswd", "/etc/passwd"));
        assert!(!glob("/e*", "/etc/passwd") && !glob("c?t", "curt") && !glob("[!c]at", "cat"));
    }

    #[test]
    fn addresses_written_as_one_number_are_read() {
        assert_eq!(dotted("0xA9FEA9FE").as_deref(), Some("169.254.169.254"));
        assert_eq!(dotted("2852039166").as_deref(), Some("169.254.169.254"));
        assert_eq!((dotted("example.com"), dotted("8080")), (None, None));
    }

    #[test]
    fn paths_are_made_straight() {
        assert_eq!(straight("/etc/./x/../shadow"), "/etc/shadow");
        assert_eq!(straight("//etc///passwd"), "/etc/passwd");
        assert_eq!(straight("~/./.ssh/"), "~/.ssh/");
        assert_eq!(straight("/../.."), "/");
    }
}
