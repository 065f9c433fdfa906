//! Secrets in the arguments of commands and in files of their own form: `curl -u`, `sshpass -p`, `mysql -p`, `.netrc`,
//! `.pgpass`, `docker login -p`, Docker's `config.json`, PuTTY's keys, hashes of passwords, recovery phrases.

use std::ops::Range;

use memchr::memmem;

use crate::processor::redact::detector::bytes::{before, run_end, run_end_within, word_starts};
use crate::processor::redact::detector::{
    Class, Confidence, Detector, Family, Find, Finder, SECRET, Verdict, assignment, mask_len,
};

const fn secret(
    id: &'static str,
    title: &'static str,
    anchors: &'static [&'static str],
    find: Finder,
    hits: &'static [&'static str],
    misses: &'static [&'static str],
) -> Detector {
    Detector {
        id,
        title,
        class: Class::Secret,
        family: Family::GenericSecret,
        confidence: Confidence::High,
        profiles: SECRET,
        find: Find::Anchors(anchors, find),
        context: &[],
        hits,
        misses,
    }
}

pub(super) static CURL: Detector = secret(
    "curl-credentials",
    "the password in `curl -u user:password`",
    &["curl ", "wget ", "http "],
    curl,
    &["curl -s -u admin:«hunter2» https://x", "curl --user 'bob:«s3cr3t»' x"],
    &["curl -u admin https://x", "curl -u \"$USER:$PASS\" x", "curl -fsSL https://x:8080/"],
);

pub(super) static COMMAND: Detector = secret(
    "command-password",
    "passwords given to commands: `sshpass -p`, `mysql -p`, `docker login -p`, `redis-cli -a`",
    &[
        "sshpass ",
        "mysql ",
        "mysqldump ",
        "mysqladmin ",
        "mariadb ",
        "docker login",
        "podman login",
        "helm registry login",
        "redis-cli ",
        "ldapsearch ",
        "az login",
        "sqlcmd ",
    ],
    command,
    &[
        "sshpass -p «hunter2» ssh host",
        "mysql -u root -p«hunter2» db",
        "docker login -u bob -p «pw123456» x.io",
        "redis-cli -h x -a «pw» ping",
    ],
    &["mysql -u root -p db", "docker login -u bob --password-stdin", "sshpass -p $PW ssh host", "mysql -P 3306"],
);

pub(super) static SQL: Detector = secret(
    "sql-password",
    "passwords in SQL: `PASSWORD '…'`, `IDENTIFIED BY '…'`",
    &["password '", "identified by '", "identified by \"", "password \\'"],
    sql,
    &["ALTER USER app WITH PASSWORD '«hunter2»';", "CREATE USER x IDENTIFIED BY '«pw»'"],
    &["PASSWORD '$PW'", "the password 'your password'"],
);

fn sql(text: &[u8], at: usize) -> Verdict {
    let quote = run_end_within(text, at, 16, |byte| !matches!(byte, b'\'' | b'"'));
    Verdict::of(argument(text, quote))
}

pub(super) static NETRC: Detector = secret(
    "netrc-password",
    "passwords in `.netrc` files",
    &["machine ", "login "],
    netrc,
    &["machine api.example.com login bob password «hunter2»", "login bob\n  password «x9y8z7»\n"],
    &["the machine is on", "login and password are required"],
);

pub(super) static PGPASS: Detector = secret(
    "pgpass-password",
    "passwords in `.pgpass` files",
    &[":5432:", ":5433:"],
    pgpass,
    &["db.internal:5432:orders:app:«hunter2»\n"],
    &["127.0.0.1:5432:5432", "- 5432:5432"],
);

pub(super) static DOCKER_AUTH: Detector = secret(
    "docker-auth",
    "credentials in Docker's `config.json`, `.dockerconfigjson` and `.npmrc`",
    &["\"auth\"", "\\\"auth\\\"", "_auth=", "_auth ="],
    docker_auth,
    &["\"auth\": \"«Ym9iOmh1bnRlcjJwYXNz»\"", "//r.example/:_auth=«Ym9iOmh1bnRlcjJwYXNz»"],
    &["\"auth\": true", "\"auth\": \"basic\"", "\"auth\": {}"],
);

pub(super) static PUTTY: Detector = secret(
    "putty-private-key",
    "private keys of PuTTY",
    &["Private-Lines:"],
    putty,
    &["Private-Lines: 1\n«AAAAgQCx7Zq9»\nPrivate-MAC: 00"],
    &["Public-Lines: 1\nAAAA\n"],
);

pub(super) static PASSWORD_HASH: Detector = Detector {
    family: Family::KnownSecret,
    ..secret(
        "password-hash",
        "hashes of passwords: crypt, bcrypt, scrypt, Argon2, PBKDF2, LDAP",
        &[
            "$2a$",
            "$2b$",
            "$2y$",
            "$1$",
            "$5$",
            "$6$",
            "$y$",
            "$7$",
            "$apr1$",
            "$argon2",
            "$scrypt$",
            "pbkdf2_sha256$",
            "pbkdf2:sha256:",
            "scrypt:32768:",
            "{SSHA",
            "{CRYPT}",
        ],
        password_hash,
        &[
            "bob:«$2b$12$KIXQ0Y8jvQd8lG9r1y1H0uJ8bS1cY3d5e7f9g1h3i5j7k9l1m3n5o»:x",
            "root:«$6$rounds=5000$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/»:19000",
            "«$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b1dWRWJTmaaJObG»",
        ],
        &["awk '{print $1$2}'", "$2a$10$", "cost $6$7"],
    )
};

pub(super) static SEED_PHRASE: Detector = Detector {
    confidence: Confidence::Medium,
    ..secret(
        "recovery-phrase",
        "recovery phrases of wallets, behind a word for them",
        &["mnemonic", "seed phrase", "recovery phrase", "seed_phrase", "recovery_phrase"],
        seed_phrase,
        &["mnemonic: «legal winner thank year wave sausage worth useful legal winner thank yellow»"],
        &["mnemonic: a word that helps", "the mnemonic is mov"],
    )
};

/// How far an argument is looked for on its line.
const LINE_LEN_MAX: usize = 256;

fn line(text: &[u8], at: usize) -> Range<usize> {
    at..run_end_within(text, at, LINE_LEN_MAX, |byte| !matches!(byte, b'\n' | b'\r' | b'|' | b';'))
}

/// The value of an argument at `at`: quoted or up to a space; nothing for references and masks.
fn argument(text: &[u8], at: usize) -> Option<Range<usize>> {
    let quote = text.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let start = at + usize::from(quote.is_some());
    let end = run_end_within(text, start, LINE_LEN_MAX, |byte| match quote {
        Some(quote) => byte != quote && byte != b'\n',
        None => !matches!(byte, 0..=b' ' | b'"' | b'\'' | b'`' | b'\\' | b'|' | b';' | b'&'),
    });
    let value = text.get(start..end).filter(|value| !value.is_empty())?;
    let harmless = mask_len(value) == value.len() || assignment::is_stand_in(value) || value[0] == b'$';
    (!harmless).then_some(start..end)
}

/// Where the value of an option of a command starts: behind `-u `, or right behind `-p`. All names start with a space.
fn option(text: &[u8], line: &Range<usize>, names: &[&str]) -> Option<usize> {
    let line_text = &text[line.clone()];
    memchr::memchr_iter(b' ', line_text).find_map(|at| {
        let stands = |name: &&&str| line_text[at..].starts_with(name.as_bytes());
        names.iter().find(stands).map(|name| line.start + at + name.len())
    })
}

fn curl(text: &[u8], at: usize) -> Verdict {
    let line = line(text, at);
    let find = || {
        let value = argument(text, option(text, &line, &[" -u ", " --user ", " --user=", " --proxy-user ", " -U "])?)?;
        let colon = value.start + memchr::memchr(b':', &text[value.clone()])? + 1;
        let secret = &text[colon..value.end];
        let harmless = secret.is_empty() || mask_len(secret) == secret.len() || assignment::is_stand_in(secret);
        (!harmless).then_some(colon..value.end)
    };
    if word_starts(text, at) { Verdict::of(find()) } else { Verdict::NO }
}

fn command(text: &[u8], at: usize) -> Verdict {
    let line = line(text, at);
    if !word_starts(text, at) {
        return Verdict::NO;
    }
    let head = &text[at..run_end_within(text, at, 16, |byte| !matches!(byte, b' ' | b'\t'))];
    let joined = matches!(head, b"mysql" | b"mysqldump" | b"mysqladmin" | b"mariadb");
    let names: &[&str] = match head {
        _ if joined => &[" -p"],
        b"redis-cli" => &[" -a ", " --pass "],
        b"ldapsearch" => &[" -w "],
        b"sqlcmd" => &[" -P "],
        _ => &[" -p ", " --password "],
    };
    let Some(start) = option(text, &line, names) else { return Verdict::NO };
    if joined && !text.get(start).is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'-' | b'r' | b'o')) {
        return Verdict::NO;
    }
    Verdict::of(argument(text, start).filter(|value| text[value.start] != b'-'))
}

/// `login NAME password VALUE`, on one line or two.
fn netrc(text: &[u8], at: usize) -> Verdict {
    if !word_starts(text, at) {
        return Verdict::NO;
    }
    let end = text.len().min(at + LINE_LEN_MAX);
    let find = || {
        let login = at + memmem::find(&text[at..end], b"login ")? + "login ".len();
        let name = run_end_within(text, login, 96, |byte| byte > b' ');
        let gap = run_end_within(text, name, 16, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let value = text[gap..].strip_prefix(b"password ").map(|_| gap + "password ".len())?;
        let found = (gap > name).then(|| argument(text, value)).flatten()?;
        (!super::value::is_word(&text[found.clone()])).then_some(found)
    };
    Verdict::of(find())
}

/// `host:port:database:user:password`.
fn pgpass(text: &[u8], at: usize) -> Verdict {
    let field = |at: usize| run_end_within(text, at, 64, |byte| !matches!(byte, 0..=b' ' | b':' | b'"' | b'\''));
    let database = field(at + ":5432:".len());
    let user = field(database + 1);
    let fits =
        text.get(database) == Some(&b':') && text.get(user) == Some(&b':') && database > at + 6 && user > database + 1;
    if !fits || !before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'*') {
        return Verdict::NO;
    }
    Verdict::of(argument(text, user + 1))
}

fn docker_auth(text: &[u8], at: usize) -> Verdict {
    let name = at + run_end(&text[at..], 0, |byte| !matches!(byte, b':' | b'='));
    let start = run_end_within(text, name, 8, |byte| matches!(byte, b':' | b'=' | b' ' | b'"' | b'\\'));
    let end = run_end(text, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    let long = end - start >= 12 && end - start <= 4096 && name - at <= 12;
    if long
        && super::basic::is_pair(
            &text[start..run_end(text, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))],
        )
    {
        return Verdict::Hit(start..end);
    }
    Verdict::NO
}

/// The lines of base64 between the count and the next header.
fn putty(text: &[u8], at: usize) -> Verdict {
    let count = run_end_within(text, at + "Private-Lines:".len(), 8, |byte| byte == b' ' || byte.is_ascii_digit());
    let start = run_end_within(text, count, 4, |byte| matches!(byte, b'\r' | b'\n' | b'\\' | b'n' | b'r'));
    let end = memmem::find(&text[start..], b"Private-").map_or(text.len(), |at| start + at);
    let end = start + text[start..end].trim_ascii_end().len();
    if end > start { Verdict::Hit(start..end) } else { Verdict::NO }
}

const HASH_LEN_MIN: usize = 28;
const HASH_LEN_MAX: usize = 512;

fn password_hash(text: &[u8], at: usize) -> Verdict {
    let inside = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'$' | b'.' | b'/' | b'=' | b',' | b'+' | b'-' | b'_' | b'{' | b'}')
    };
    let colons = text[at..].starts_with(b"pbkdf2:") || text[at..].starts_with(b"scrypt:");
    let end = run_end_within(text, at, HASH_LEN_MAX, |byte| inside(byte) || (colons && byte == b':'));
    let hash = &text[at..end];
    let last = hash.rsplit(|byte| matches!(byte, b'$' | b'}')).next().unwrap_or_default();
    let random = last.iter().any(u8::is_ascii_digit) && last.iter().any(u8::is_ascii_alphabetic);
    if hash.len() >= HASH_LEN_MIN && last.len() >= 20 && random && !hash.contains(&b'\\') {
        return Verdict::Hit(at..end);
    }
    Verdict::NO
}

/// Twelve, fifteen, eighteen, twenty-one or twenty-four short words in small letters.
fn seed_phrase(text: &[u8], at: usize) -> Verdict {
    let word = run_end_within(text, at, 16, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b' '));
    let start = run_end_within(text, word, 6, |byte| matches!(byte, b':' | b'=' | b' ' | b'"' | b'\''));
    let (mut end, mut words, mut next) = (start, 0, start);
    while words < 24 {
        let to = run_end_within(text, next, 9, |byte| byte.is_ascii_lowercase());
        if !(3..=8).contains(&(to - next)) {
            break;
        }
        (end, words) = (to, words + 1);
        if text.get(to) != Some(&b' ') {
            break;
        }
        next = to + 1;
    }
    if start > word && matches!(words, 12 | 15 | 18 | 21 | 24) { Verdict::Hit(start..end) } else { Verdict::NO }
}
