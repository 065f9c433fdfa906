//! One realistic request, the same for every run: what AI coding agents send, 512 log records of about 870 bytes with
//! 18 attributes each. A share of the records carries a secret.

use telseal::otlp::value::{Value, put_pair};
use telseal::otlp::wire::{put_bytes, put_message, put_tag, put_varint};

/// How many records the request has.
pub(crate) const RECORDS: usize = 512;
const START_UNIX_NANO: u64 = 1_760_000_000_000_000_000;

const TOOLS: [&str; 8] = ["Execute", "Read", "Edit", "Create", "ApplyPatch", "Grep", "WebSearch", "FetchUrl"];
const REPOS: [&str; 6] =
    ["payments-api", "ledger-core", "web-console", "infra-terraform", "data-pipelines", "mobile-ios"];
const TEAMS: [&str; 5] = ["platform", "payments", "mobile", "security", "data"];
const MODELS: [&str; 3] = ["model-large-4", "model-small-4", "onprem-70b"];
const LEVELS: [&str; 3] = ["low", "medium", "high"];

/// The bytes of an `ExportLogsServiceRequest`. Of a hundred records about `secrets_percent` hold a secret.
pub(crate) fn request(secrets_percent: usize) -> Vec<u8> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut out = Vec::new();
    nested(&mut out, 1, |out| {
        nested(out, 1, |out| resource(out, &mut random));
        nested(out, 2, |out| {
            nested(out, 1, |out| {
                put_bytes(out, 1, b"com.example.agent.audit");
                put_bytes(out, 2, b"3.14.1");
            });
            for _ in 0..RECORDS {
                nested(out, 2, |out| record(out, &mut random, secrets_percent));
            }
        });
    });
    out
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
    }

    fn id<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.below(256) as u8)
    }
}

fn nested(out: &mut Vec<u8>, number: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let _ = put_message(out, number, |out| {
        fill(out);
        Ok::<(), std::convert::Infallible>(())
    });
}

fn resource(out: &mut Vec<u8>, random: &mut Random) {
    for (key, value) in [
        ("service.name", "agent-gateway".to_owned()),
        ("service.version", "1.27.3".to_owned()),
        ("service.instance.id", random.hex(32)),
        ("deployment.environment.name", "production".to_owned()),
        ("host.name", "build-217.corp.internal".to_owned()),
        ("org.id", "org_acme".to_owned()),
        ("os.type", "linux".to_owned()),
    ] {
        put_pair(out, 1, key, &Value::Str(&value));
    }
}

/// The command, with a secret in it or without.
fn command_line(random: &mut Random, secret: bool) -> String {
    let repo = random.pick(&REPOS);
    let number = random.below(9999);
    match (secret, random.below(if secret { 4 } else { 8 })) {
        (true, 0) => format!(
            "curl -sS -X POST https://api.internal.example.com/v2/{repo}/orders -H 'Content-Type: application/json' -d \
             '{{\"customer\":\"user{number}@leak.example.com\",\"amount\":{number}}}'"
        ),
        (true, 1) => format!(
            "AWS_ACCESS_KEY_ID=AKIA{} AWS_REGION=eu-west-1 aws s3 sync ./dist s3://artifacts-{repo} --delete",
            random.hex(16).to_uppercase()
        ),
        (true, 2) => format!(
            "psql \"host=db-3.internal dbname=billing\" -c \"update payments set pan='4111111111111111' where id={number}\""
        ),
        (true, _) => format!(
            "git remote set-url origin https://x-access-token:ghp_{}@github.com/example/{repo}.git && git push",
            random.hex(36)
        ),
        (_, 0) => format!("cargo test --workspace --all-features -p {repo} -- --nocapture retries::backoff_{number}"),
        (_, 1) => format!(
            "rg --json -n 'fn handle_(request|response)' src crates/{repo} | head -n {number} | tee /tmp/{repo}.out"
        ),
        (_, 2) => {
            format!("kubectl -n {repo} rollout restart deployment/{repo}-worker && kubectl -n {repo} get pods -w")
        }
        (_, 3) => format!("rm -rf /srv/build/{repo}/target /srv/build/{repo}/.cache/{}", random.hex(16)),
        (_, 4) => format!("docker build -t registry.internal.example.com/{repo}:{number} -f docker/Dockerfile ."),
        (_, 5) => format!("npm ci --prefer-offline && npm run lint -- --max-warnings {number} packages/{repo}"),
        (_, 6) => format!("sed -n '{number},+120p' services/{repo}/src/main/handlers/session_controller.rs"),
        (_, _) => format!("python3 scripts/migrate.py --from {} --to {} --dry-run", random.hex(8), random.hex(8)),
    }
}

fn record(out: &mut Vec<u8>, random: &mut Random, secrets_percent: usize) {
    let secret = random.below(100) < secrets_percent;
    let failed = random.below(12) == 0;
    let (tool, repo) = (random.pick(&TOOLS), random.pick(&REPOS));
    let time = START_UNIX_NANO + random.below(1_000_000_000) as u64;
    for (number, time) in [(1, time), (11, time + 250_000)] {
        put_tag(out, number, 1);
        out.extend_from_slice(&time.to_le_bytes());
    }
    put_tag(out, 2, 0);
    put_varint(out, if failed { 17 } else { 9 });
    put_bytes(out, 3, if failed { b"ERROR" } else { b"INFO" });
    let outcome = if failed { "failed" } else { "completed" };
    let body = format!("tool {tool} {outcome} in {repo} after {} ms, attempt 1", random.below(60_000));
    nested(out, 5, |out| put_bytes(out, 1, body.as_bytes()));
    attributes(out, random, tool, repo, secret);
    put_bytes(out, 9, &random.id::<16>());
    put_bytes(out, 10, &random.id::<8>());
}

fn attributes(out: &mut Vec<u8>, random: &mut Random, tool: &str, repo: &str, secret: bool) {
    let command = command_line(random, secret);
    let texts = [
        ("event.name", "agent.tool.executed".to_owned()),
        ("session.id", format!("ses_{}", random.hex(24))),
        ("user.id", format!("usr_{}", random.hex(12))),
        ("team", random.pick(&TEAMS).to_owned()),
        ("gen_ai.request.model", random.pick(&MODELS).to_owned()),
        ("tool.name", tool.to_owned()),
        ("command.line", command),
        ("command.risk", random.pick(&LEVELS).to_owned()),
        ("command.cwd", format!("/home/agent/work/{repo}/{}", random.hex(8))),
        ("vcs.repository.name", repo.to_owned()),
        ("vcs.ref.head.name", format!("feature/{}-{}", random.pick(&TOOLS), random.below(9999))),
        ("code.file.path", format!("services/{repo}/src/handlers/{}_controller.rs", random.hex(6))),
        ("autonomy.level", random.pick(&LEVELS).to_owned()),
    ];
    for (key, value) in &texts {
        put_pair(out, 6, key, &Value::Str(value));
    }
    for (key, below) in [
        ("tool.duration_ms", 60_000),
        ("command.exit_code", 3),
        ("gen_ai.usage.input_tokens", 128_000),
        ("gen_ai.usage.output_tokens", 8_000),
    ] {
        put_pair(out, 6, key, &Value::Int(random.below(below).try_into().unwrap_or(0)));
    }
    put_pair(out, 6, "tool.success", &Value::Bool(!secret));
}
