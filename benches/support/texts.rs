//! Texts to scan: what developers and their agents write, with and without secrets, and what is made to be slow.

/// Texts without a finding, together at least so many bytes: no two lines are the same.
pub(crate) fn clean(bytes: usize) -> Vec<String> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut out = Vec::new();
    let mut total = 0;
    while total < bytes {
        let text = line(&mut random);
        total += text.len();
        out.push(text);
    }
    out
}

/// The same, and of a hundred texts so many hold a secret.
fn dirty(bytes: usize, percent: usize) -> Vec<String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut texts = clean(bytes);
    for text in &mut texts {
        if random.below(100) < percent {
            text.push_str(&secret(&mut random));
        }
    }
    texts
}

const BYTES: usize = 256 * 1024;

/// What developers write, by name.
pub(crate) fn ordinary() -> Vec<(&'static str, Vec<String>)> {
    vec![("clean", clean(BYTES)), ("5 % with a secret", dirty(BYTES, 5))]
}

/// What texts are made of that were written to be slow: near misses of each kind of detector, and layers of notations.
pub(crate) const ADVERSARIAL: &[&str] = &[
    "password=",
    "ghp_",
    "a@",
    "://a:b@",
    "4111-",
    "7",
    "eyJ",
    "-----BEGIN",
    "token: x ",
    "phone 1 ",
    "curl -u ",
    "DE89 ",
    "\\u0041",
    "\\\"",
    "%41",
    "%2541",
    "aGVsbG8gd29ybGQs",
    "YUdWc2JHOGdkMjl5YkdRcw",
    "{\"a\":[",
    "{\"password\":\"x\"},",
];

/// So many bytes of such a piece, in one text.
pub(crate) fn adversarial(piece: &str, times: usize) -> Vec<String> {
    vec![piece.repeat(times * BYTES / 4 / piece.len())]
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
    }

    fn word(&mut self) -> &'static str {
        const WORDS: &[&str] = &[
            "request", "handler", "session", "retry", "backoff", "ledger", "commit", "branch", "build", "deploy",
            "index", "schema", "query", "worker", "stream", "buffer", "parser", "client", "server", "config", "update",
            "delete", "insert", "cache", "metric", "trace", "span", "batch", "group", "policy", "invoice", "payment",
            "account", "region", "cluster", "volume", "image", "render", "layout", "button", "dialog", "matrix",
            "vector",
        ];
        WORDS[self.below(WORDS.len())]
    }
}

fn line(random: &mut Random) -> String {
    let (a, b, c) = (random.word(), random.word(), random.word());
    let (n, m) = (random.below(9999), random.below(99));
    match random.below(12) {
        0 => format!(
            "2026-11-{:02}T10:{m:02}:07.{n:03}Z INFO {a}_{b}: finished {c} {n} in {m} ms, {n} rows, status=ok",
            m % 28 + 1
        ),
        1 => format!("    let {a}_{b} = self.{c}.{a}(&{b}, {n})?; // {c} of the {a}, see {b}.rs:{m}"),
        2 => format!("commit {} Merge branch '{a}/{b}-{n}' into main", random.hex(40)),
        3 => format!("at {a}.{b}.{c}({a}{b}.java:{n}) [{c}-{m}.{n}.jar:?]"),
        4 => format!(
            r#"{{"level":"info","msg":"{a} {b} {c}","count":{n},"ratio":0.{m},"path":"/srv/{a}/{b}/{c}.json","ok":true}}"#
        ),
        5 => format!(
            "GET /api/v{m}/{a}/{n}/{b}?limit={m}&order={c} HTTP/1.1\" 200 {n} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\""
        ),
        6 => format!(
            "{}-{}-4{}-a{}-{}: {a} {b} moved to {c}",
            random.hex(8),
            random.hex(4),
            random.hex(3),
            random.hex(3),
            random.hex(12)
        ),
        7 => format!(
            "\"{a}-{b}\": {{\"version\": \"{m}.{n}.1\", \"resolved\": \"https://packages.some.host/{a}/-/{b}-{m}.{n}.1.tgz\"}},"
        ),
        8 => format!(
            "We moved the {a} into the {b}, so that the {c} no longer waits for it; the {b} of {a} {n} shows the difference."
        ),
        9 => format!("drwxr-xr-x {m} root root {n} Nov 21 10:{m:02} {a}_{b}_{c}"),
        10 => format!("+++ b/src/{a}/{b}.rs @@ -{n},{m} +{n},{m} @@ impl {c} for {a} where T: Send + Sync"),
        _ => format!("SELECT {a}_id, count(*) FROM {b} WHERE {c} > {n} GROUP BY {a}_id ORDER BY 2 DESC LIMIT {m};"),
    }
}

fn secret(random: &mut Random) -> String {
    let (word, n) = (random.word(), random.below(999));
    match random.below(6) {
        0 => format!(" {word}.{n}@mail.example.org"),
        1 => format!(" token ghp_{}", "aB3".repeat(12)),
        2 => " card 4111 1111 1111 1111".to_owned(),
        3 => format!(" DB_PASSWORD=hunter{n}x"),
        4 => format!(" AKIA{}", random.hex(16).to_uppercase().replace(['0', '1', '8', '9'], "Q")),
        _ => format!(" postgres://app:s3cr{n}t@db/{word}"),
    }
}

/// Some of what the detectors look for, as expressions.
pub(crate) const PATTERNS: &[&str] = &[
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{82}\b",
    r"\bglpat-[A-Za-z0-9_-]{20}\b",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\bsk-ant-[A-Za-z0-9_-]{20,}",
    r"\bsk-(?:proj-)?[A-Za-z0-9_-]{20,}",
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{24,}",
    r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    r"\bSK[0-9a-f]{32}\b",
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}",
    r"\bhf_[A-Za-z]{34}\b",
    r"\bdop_v1_[0-9a-f]{64}\b",
    r"\bAIza[A-Za-z0-9_-]{35}\b",
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    r"\bEAAC[A-Za-z0-9]{20,}",
    r"\bhvs\.[A-Za-z0-9_-]{24,}",
    r"\bdckr_pat_[A-Za-z0-9_-]{27}",
    r"\bshpat_[0-9a-fA-F]{32}\b",
    r"\bglsa_[A-Za-z0-9]{32}_[0-9a-f]{8}\b",
    r"\bNRAK-[A-Z0-9]{27}\b",
    r"\blin_api_[A-Za-z0-9]{40}\b",
    r"\bsbp_[0-9a-f]{40}\b",
    r"\bAGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",
    r"\bhttps://hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+",
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"(?i)\b[a-z][a-z0-9+.-]*://[^\s:@/]*:[^\s@/]+@",
    r"(?i)\bauthorization:\s*(?:bearer|basic)\s+\S+",
    r#"(?i)(?:password|passwd|secret|token|api_?key)["']?\s*[:=]\s*["']?[^\s"']{6,}"#,
    r"(?i)--(?:password|token|secret)[ =]\S+",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"\b(?:4[0-9]{3}|5[1-5][0-9]{2}|6011)[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}\b",
    r"\b3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}\b",
    r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
    r"\b[A-Z]{2}[0-9]{2}[ ]?[A-Z0-9]{4}[ ]?[0-9]{4}[ ]?[0-9]{4}",
    r"(?i)\b(?:phone|tel)\b.{0,20}\+?[0-9][0-9 ()-]{7,}[0-9]",
    r"(?i)\bpassport\b.{0,20}[A-Z]?[0-9]{7,9}\b",
];
