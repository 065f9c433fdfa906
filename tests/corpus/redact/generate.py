#!/usr/bin/env python3
"""Writes the labelled corpus of `redact`: findings.ndjson and benign.ndjson, the same ones each time.

Each line is {"id", "text", "labels": [{"start", "end", "family"}]}, positions in Unicode code points. The contexts are
written by hand; what stands in them is made up, valid by its format or check sum and nobody's.
"""
import base64, hashlib, json, pathlib, random, re, uuid

R = random.Random(20261122)
HERE = pathlib.Path(__file__).parent
DIGIT, HEX = "0123456789", "0123456789abcdef"
LOWER, UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SETS = {"d": DIGIT, "h": HEX, "H": HEX.upper(), "l": LOWER + DIGIT, "u": UPPER + DIGIT, "a": LOWER + UPPER + DIGIT,
        "w": LOWER + UPPER + DIGIT + "_-", "b": LOWER + UPPER + DIGIT + "+/", "B": UPPER + LOWER}


def run(kind, n):
    while True:
        s = "".join(R.choice(SETS[kind]) for _ in range(n))
        if n < 12 or kind in "dB" or (any(c.isdigit() for c in s) and s[0].isalnum() and s[-1].isalnum()):
            return s


def fill(fmt):
    """`{a36}` becomes 36 letters and digits, and so on."""
    return re.sub(r"\{([dhHluawbB])(\d+)\}", lambda m: run(m[1], int(m[2])), fmt)


def uid():
    return str(uuid.UUID(int=R.getrandbits(128), version=4))


# --- values -----------------------------------------------------------------------------------------------------------
KNOWN = """ghp_{a36} gho_{a36} ghs_{a36} github_pat_{a22}_{a59} glpat-{a20} glrt-{a20} gldt-{a20} xoxb-{d12}-{d13}-{a24}
xapp-1-A{u10}-{d13}-{h64} sk-ant-api03-{a93}AA sk-proj-{a48}T3BlbkFJ{a48} sk-{a20}T3BlbkFJ{a20} sk-or-v1-{h64} AKIA{u16} ASIA{u16}
AIza{w35} GOCSPX-{w28} ya29.a0{w80} sk_live_{a24} sk_test_{a24} rk_live_{a24} whsec_{a32} SG.{w22}.{w43} npm_{a36}
pypi-AgEIcHlwaS5vcmc{w70} dckr_pat_{w27} hf_{B34} fk-{w43} NRAK-{u27} glsa_{a32}_{h8} glc_{a60} dop_v1_{h64} hvs.{w95}
{a14}.atlasv1.{w67} {d10}:AA{w33} lin_api_{a40} ntn_{d11}{a35} figd_{w40} PMAK-{h24}-{h34} shpat_{h32} sq0atp-{w22} dapi{h32}
pul-{h40} dp.pt.{a43} tskey-auth-{a12}CNTRL-{a32} lsv2_pt_{h32}_{h10} gsk_{a52} xai-{a80} pplx-{a48} r8_{a37} nvapi-{w64}
cfut_{a48} HRKU-AA{w58} ATATT3xFfGF0{w180} rubygems_{h48} sntryu_{h64} squ_{h40} CCIPAT_{a22}_{h40} xkeysib-{h64}-{a16} key-{h32}
{h32}-us14 sbp_{h40} re_{a8}_{a24} nfp_{a36} tvly-dev-{a32} phx_{a43} pcsk_{a6}_{a63} AGE-SECRET-KEY-1{u58} dt0c01.{u24}.{u64}
SK{h32} pscale_tkn_{a43} vck_{a40} tgp_v1_{w43} jina_{h32}{w28} EZAK{a54} ABSK{b120}""".split()
WORDS = "harbor maple falcon river copper lantern meadow orbit pepper quartz saddle timber velvet walnut zephyr".split()
FIRST = "ana jorge mina peter yuki omar lena david sofia raj".split()
LAST = "meyer okafor tanaka lopez novak silva brandt haddad ivanova cole".split()
HOSTS = "example.com mail.example.org corp.example.net acme.io shop.example.co.uk uni.example.edu".split()


def known():
    return "known-secret", fill(R.choice(KNOWN))


def password():
    word = R.choice(WORDS)
    return "generic-secret", R.choice([word + str(R.randint(10, 9999)) + R.choice("!#*_"), run("a", 14), word.title() + "-" + run("a", 8),
                                       "P" + run("a", 9) + "!", run("h", 32), run("w", 24)])


def luhn_digit(head):
    for last in DIGIT:
        total = 0
        for i, c in enumerate(reversed(head + last)):
            d = int(c) * (2 if i % 2 else 1)
            total += d - 9 if d > 9 else d
        if total % 10 == 0:
            return last


def card():
    prefix, n = R.choice([("4", 16), ("51", 16), ("53", 16), ("55", 16), ("2223", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16), ("3530", 16), ("36", 14)])
    head = prefix + run("d", n - 1 - len(prefix))
    number = head + luhn_digit(head)
    if n == 16:
        groups = [number[i:i + 4] for i in range(0, 16, 4)]
    elif n == 15:
        groups = [number[:4], number[4:10], number[10:]]
    else:
        groups = [number[:4], number[4:10], number[10:]]
    return "payment-card", R.choice([number, " ".join(groups), "-".join(groups), number])


def iban():
    country, shape = R.choice([("DE", "{d18}"), ("GB", "NWBK{d14}"), ("FR", "{d10}{u11}{d2}"), ("NL", "ABNA{d10}"), ("ES", "{d20}"), ("IT", "X{d10}{u12}"),
                               ("CH", "{d17}"), ("BE", "{d12}"), ("PL", "{d24}"), ("SE", "{d20}"), ("NO", "{d11}"), ("AT", "{d16}"), ("PT", "{d21}"), ("IE", "AIBK{d14}"), ("MT", "MALT{d5}{u18}")])
    rest = fill(shape)
    number = int("".join(str(int(c, 36)) for c in rest + country + "00"))
    code = f"{country}{98 - number % 97:02}{rest}"
    return "iban", R.choice([code, " ".join(code[i:i + 4] for i in range(0, len(code), 4))])


def ssn():
    area = R.choice([a for a in range(1, 900) if a != 666])
    return "us-ssn", f"{area:03}-{R.randint(1, 99):02}-{R.randint(1, 9999):04}"


def email():
    one, two = R.choice(FIRST), R.choice(LAST)
    return "email", R.choice([f"{one}.{two}", f"{one[0]}{two}", f"{one}+{R.choice(WORDS)}", f"{two}{R.randint(1, 99)}", f"{one}_{two}"]) + "@" + R.choice(HOSTS)


def phone():
    a, b, c = R.randint(201, 989), R.randint(200, 999), R.randint(0, 9999)
    a = a + 1 if a % 100 == 11 else a
    b = b + 1 if b % 100 == 11 else b
    return "phone", R.choice([f"+1 {a} {b} {c:04}", f"+1-{a}-{b}-{c:04}", f"({a}) {b}-{c:04}", f"{a}-{b}-{c:04}", f"+44 20 7946 {c:04}", f"+49 30 {run('d', 7)}"])


def bearer():
    return "generic-secret", run("w", R.choice([24, 40, 64]))


def jwt():
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return "known-secret", ".".join([part({"alg": "HS256", "typ": "JWT"}), part({"sub": str(R.randint(1, 10**9)), "exp": 1790000000 + R.randint(0, 10**6)}), run("w", 43)])


def pem():
    kind = R.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"])
    lines = "\n".join(run("b", 64) for _ in range(R.randint(3, 8)))
    return "known-secret", f"-----BEGIN {kind}-----\n{lines}\n{run('b', 32)}\n-----END {kind}-----"


def basic():
    return "generic-secret", base64.b64encode(f"{R.choice(FIRST)}:{run('a', 12)}".encode()).decode()


# --- contexts with findings -------------------------------------------------------------------------------------------
K, P, C, I, S, E, F, B, J, M, A = known, password, card, iban, ssn, email, phone, bearer, jwt, pem, basic
CONTEXTS = [
    ("export API_TOKEN=§", K), ("Bash(command=\"curl -s -H 'X-Api-Key: §' https://api.example.com/v1/me\")", K), ("§", K), ("using key § for the upload", K),
    ("{\"tool_name\":\"Bash\",\"tool_input\":{\"command\":\"export KEY=§ && ./run.sh\"}}", K), ("env:\n  - name: SERVICE_TOKEN\n    value: §\n", K),
    ("[2026-11-22T01:02:03Z] WARN retrying with credential § (attempt 2)", K), ("client = Client(\"§\")", K), ("const client = new Api('§');", K),
    ("+    token: §\n-    token: ${TOKEN}", K), ("https://hooks.example.com/in?key=§&format=json", K), ("| prod | § | 2026-01-04 |", K), ("# old one was §, rotated", K),
    ("fatal: Authentication failed for token §", K), ("key = \\\"§\\\"\\nregion = \\\"eu\\\"", K), ("docker run -e KEY=§ -p 8080:8080 app:1.4.2", K), ("auth <§> accepted", K),
    ("\u001b[32mtoken\u001b[0m: \u001b[1m§\u001b[0m", K), ("git clone https://oauth2:§@gitlab.example.com/team/app.git", K), ("my key is §.", K), ("Clé d’accès : § — à changer", K), ("密钥是 §，请保密", K),
    ("DB_PASSWORD=§", P), ("export ADMIN_PASSWORD='§'", P), ("password: §\n", P), ("{\"username\":\"app\",\"password\":\"§\"}", P), ("  \"client_secret\": \"§\",", P),
    ("spring.datasource.password=§", P), ("PGPASSWORD=§ psql -h db -U app orders", P), ("mysql://app:§@db.internal:3306/orders", P), ("postgres://svc:§@10.0.0.5:5432/app?sslmode=disable", P),
    ("redis://:§@cache:6379/0", P), ("amqp://guest:§@mq:5672/%2f", P), ("mongodb+srv://root:§@cluster0.example.net/test", P), ("app login --username bob --password §", P),
    ("conn = psycopg2.connect(host=\"db\", user=\"app\", password=\"§\")", P), ("Server=db;Database=x;User Id=sa;Password=§;Encrypt=true", P), ("<add key=\"ApiPassword\" value=\"x\"/><password>§</password>", P),
    ("resource \"db\" \"x\" {\n  username = \"app\"\n  password = \"§\"\n}", P), ("kind: Secret\nstringData:\n  db-password: §\n", P), ("curl -u admin:§ https://x.example.com/api", P), ("sshpass -p § ssh deploy@host", P),
    ("machine git.example.com login bot password §\n", P), ("ALTER USER app WITH PASSWORD '§';", P), ("passwd = \"§\"  # TODO move to vault", P), ("let db_password = \"§\";", P), ("ENV JWT_SECRET=§", P),
    ("\"SecretAccessKey\": \"§\"", lambda: ("known-secret", run("b", 40))), ("aws_secret_access_key = §\nregion = eu-west-1", lambda: ("known-secret", run("b", 40))), ("  secret_key: '§'", P), ("auth_token=\"§\"", P),
    ("Authorization: Bearer §\n", B), ("-H 'Authorization: Bearer §' -d '{}'", B), ("{\"headers\":{\"Authorization\":\"Bearer §\",\"Accept\":\"*/*\"}}", B), ("Authorization: Basic §\n", A), ("headers = {\"Authorization\": \"Basic §\"}", A),
    ("Cookie: session=§\n", B), ("x-api-key: §\n", B), ("--header \"X-Auth-Token: §\"", B),
    ("token §", J), ("{\"id_token\":\"§\"}", J), ("set-cookie jwt §", J), ("Authorization: Bearer §", J),
    ("cat id_rsa\n§\n", M), ("tls.key: |\n§\n", M),
    ("payment with § was declined", C), ("{\"card_number\":\"§\",\"brand\":\"visa\"}", C), ("INSERT INTO cards VALUES (7, '§', '09/29');", C), ("pan=§ amount=1200 EUR", C), ("card: §\nholder: A. Meyer", C), ("Customer says the number is §, please charge it", C),
    ("assert validate(\"§\") is True", C), ("\"cc\": §,", lambda: (lambda f, v: (f, v.replace(" ", "").replace("-", "")))(*card())), ("chargeback for §;", C), ("<Card>§</Card>", C),
    ("IBAN: §", I), ("please transfer to § by Friday", I), ("{\"iban\":\"§\",\"bic\":null}", I), ("iban=§&amount=12", I), ("Kontoverbindung § (Meyer)", I), ("§;1200.00;EUR", I),
    ("ssn: §", S), ("{\"ssn\":\"§\"}", S), ("employee 4711, SSN §, hired 2026", S), ("Social Security Number § on file", S), ("row 12: Meyer | § | TX", S), ("taxpayer=§;", S),
    ("contact § for access", E), ("From: Ana <§>\nSubject: build", E), ("{\"user\":{\"email\":\"§\"}}", E), ("git commit --author=\"Omar <§>\"", E), ("user=§ action=login ok=true", E), ("mailto:§?subject=hi", E), ("cc: §, thanks", E), ("ERROR duplicate key (email)=(§) already exists", E), ("Signed-off-by: Lena Novak <§>", E),
    ("call me at §", F), ("phone: §", F), ("{\"phone\":\"§\",\"city\":\"Rome\"}", F), ("Support line §, 9 to 5", F), ("tel: §", F), ("mobile=§;name=x", F),
    ("NHS number 943 476 5919 and card §", None),
]
FIXED = [
    ("NPI «1234567893» on the claim", "health"), ("patient MRN: «00412398»", "health"), ("NHS number: «943 476 5919»", "health"), ("CPF: «529.982.247-25»", "government-id"), ("cpf=«52998224725»", "government-id"),
    ("Aadhaar «2341 2341 2346» verified", "government-id"), ("PESEL: «44051401359»", "government-id"), ("BSN «111222333»", "government-id"), ("DNI «12345678Z»", "government-id"), ("NIE: «X1234567L»", "government-id"),
    ("passport number «533380006»", "government-id"), ("codice fiscale: «RSSMRA85T10A562S»", "government-id"), ("NINO «AB 12 34 56 C»", "government-id"), ("personnummer «811228-9874»", "government-id"), ("TFN «123 456 782»", "government-id"),
    ("ITIN «912-70-1234»", "government-id"), ("EIN: «12-3456789»", "government-id"), ("routing number «021000021»", "financial"), ("cvv: «123»", "financial"), ("DOB: «1987-06-05»", "identity"), ("{\"date_of_birth\":\"«1987-06-05»\"}", "identity"), ("{\"dob\": \"«06/05/1987»\"}", "identity"),
    ("{\"passport\":\"«C01X00T47»\"}", "government-id"), ("{\"routing_number\":\"«021000021»\"}", "financial"), ("VIN «1HGBH41JXMN109186»", "identity"), ("born on «06/05/1987» in Graz", "identity"),
]

# --- benign -----------------------------------------------------------------------------------------------------------
sha1 = lambda: hashlib.sha1(run("a", 12).encode()).hexdigest()
sha256 = lambda: hashlib.sha256(run("a", 12).encode()).hexdigest()
sha512 = lambda: base64.b64encode(hashlib.sha512(run("a", 12).encode()).digest()).decode()
ver = lambda: f"{R.randint(0, 30)}.{R.randint(0, 40)}.{R.randint(0, 20)}"
ip = lambda: f"10.{R.randint(0, 255)}.{R.randint(0, 255)}.{R.randint(1, 254)}"
ts = lambda: f"2026-11-{R.randint(1, 28):02}T{R.randint(0, 23):02}:{R.randint(0, 59):02}:{R.randint(0, 59):02}.{R.randint(0, 999):03}Z"
num = lambda n: run("d", n).lstrip("0") or "7"
word = lambda: R.choice(WORDS)
b64 = lambda n: base64.b64encode(bytes(R.randrange(256) for _ in range(n))).decode()
pkg = lambda: R.choice(["left-pad", "serde", "lodash", "react", "numpy", "tokio", "express", "vite"])
BENIGN = [
    lambda: f"commit {sha1()}\nAuthor: build bot\nDate:   Sat Nov 21 10:{R.randint(10, 59)}:02 2026 +0000\n\n    Fix {word()} in {word()}.rs",
    lambda: f"index {sha1()[:9]}..{sha1()[:9]} 100644\n--- a/src/{word()}.rs\n+++ b/src/{word()}.rs\n@@ -{R.randint(1, 900)},7 +{R.randint(1, 900)},9 @@ fn {word()}()",
    lambda: f"    \"node_modules/{pkg()}\": {{\n      \"version\": \"{ver()}\",\n      \"resolved\": \"https://packages.some.host/{pkg()}/-/{pkg()}-{ver()}.tgz\",\n      \"integrity\": \"sha512-{sha512()}\"\n    }},",
    lambda: f"[[package]]\nname = \"{pkg()}\"\nversion = \"{ver()}\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{sha256()}\"",
    lambda: f"{pkg()}@{ver()}:\n  resolved \"https://registry.yarnpkg.com/{pkg()}/-/{pkg()}-{ver()}.tgz#{sha1()}\"\n  integrity sha512-{sha512()}",
    lambda: f"github.com/{word()}/{word()} v{ver()} h1:{base64.b64encode(hashlib.sha256(run('a', 9).encode()).digest()).decode()}",
    lambda: f"\"{word()}\": [\"{uid()}\", \"{uid()}\", \"{uid()}\"]",
    lambda: f"traceparent: 00-{run('h', 32)}-{run('h', 16)}-01",
    lambda: f"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA{b64(R.randint(300, 900))}",
    lambda: f"{R.randrange(2**20):08x}: " + " ".join(run("h", 4) for _ in range(8)) + "  ................",
    lambda: f"image: registry.example.com/{word()}/{word()}:{ver()}@sha256:{sha256()}",
    lambda: f"CONTAINER ID   IMAGE          COMMAND                  CREATED         PORTS\n{run('h', 12)}   {word()}:{ver()}   \"/docker-entrypoint.…\"   {R.randint(2, 50)} hours ago    0.0.0.0:{R.randint(1024, 65000)}->80/tcp",
    lambda: f"Traceback (most recent call last):\n  File \"/usr/lib/python3.12/site-packages/{word()}/auth.py\", line {R.randint(3, 900)}, in get_token\n    raise TokenError(\"token expired\")\n{word()}.TokenError: token expired",
    lambda: f"thread 'main' panicked at src/{word()}.rs:{R.randint(1, 999)}:{R.randint(1, 80)}:\ncalled `Option::unwrap()` on a `None` value",
    lambda: f"    at com.example.{word()}.TokenFilter.doFilter(TokenFilter.java:{R.randint(10, 500)})\n    at java.base/java.lang.Thread.run(Thread.java:1583)",
    lambda: f"password = get_password()\ntoken = os.environ[\"{word().upper()}_TOKEN\"]\napi_key = config.get('api_key')",
    lambda: f"const apiKey = process.env.{word().upper()}_API_KEY;\nif (!apiKey) throw new Error('missing api key');",
    lambda: f"fn login(user: &str, password: &str) -> Result<Token, AuthError> {{\n    let secret = self.secrets.get(user)?;",
    lambda: f"password: String,\n    pub token: Option<String>,\n    pub secret_name: &'static str, // {word()}",
    lambda: f"API_KEY=<your-api-key>\nDB_PASSWORD=changeme\nSECRET=${{SECRET}}\nTOKEN=xxxxxxxxxxxx",
    lambda: f"password: ${{env:{word().upper()}_PASSWORD}}\ntoken: {{{{ .Values.{word()}.token }}}}",
    lambda: f"variable \"db_password\" {{\n  type      = string\n  sensitive = true\n}}\n\npassword = var.db_password",
    lambda: f"secretKeyRef:\n  name: {word()}-secret\n  key: password\nimagePullSecrets:\n  - name: {word()}",
    lambda: f"CREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT NOT NULL, password_hash TEXT NOT NULL, created_at TIMESTAMPTZ DEFAULT now());",
    lambda: f"SELECT id, email, token FROM sessions WHERE token = $1 AND expires_at > now() LIMIT {R.randint(1, 100)};",
    lambda: f"gen_ai.usage.input_tokens={R.randint(10, 99999)} gen_ai.usage.output_tokens={R.randint(10, 9999)} max_tokens=4096 cost_usd=0.{num(6)}",
    lambda: f"{{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_{run('a', 24)}\",\"content\":\"{word()} ok\"}}",
    lambda: f"{{\"session_id\":\"{uid()}\",\"cwd\":\"/home/agent/{word()}\",\"model\":\"claude-opus-4\",\"duration_ms\":{num(5)}}}",
    lambda: f"{ts()} INFO {word()}::{word()}: request id={uid()} path=/v1/{word()}/{num(7)} status=200 bytes={num(6)} took={R.randint(1, 999)}ms",
    lambda: f"level=info ts={ts()} caller={word()}.go:{R.randint(1, 900)} msg=\"compacted\" block={run('u', 26)} duration={R.randint(1, 60)}.{num(3)}s",
    lambda: f"{ip()} - - [21/Nov/2026:10:{R.randint(10, 59)}:00 +0000] \"GET /static/{word()}.{run('h', 8)}.js HTTP/1.1\" 304 0 \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"",
    lambda: f"PING {ip()} ({ip()}) 56(84) bytes of data.\n64 bytes from {ip()}: icmp_seq=1 ttl=64 time=0.{num(3)} ms",
    lambda: f"inet6 fe80::{run('h', 4)}:{run('h', 4)}:fe{run('h', 2)}:{run('h', 4)}/64 scope link\nlink/ether 02:42:{run('h', 2)}:{run('h', 2)}:{run('h', 2)}:{run('h', 2)} brd ff:ff:ff:ff:ff:ff",
    lambda: f"order_id: {num(12)}, tracking 1Z{run('u', 16)}, invoice INV-2026-{num(6)}",
    lambda: f"timestamp_ns={1763700000000000000 + R.randrange(10**15)} timestamp_ms={1763700000000 + R.randrange(10**9)} pid={R.randint(2, 65000)}",
    lambda: f"snowflake {1100000000000000000 + R.randrange(10**17)} replied to {1100000000000000000 + R.randrange(10**17)}",
    lambda: f"  {R.randint(1, 99)} passed, {R.randint(0, 9)} failed in {R.randint(1, 90)}.{num(2)}s; seed {num(10)}; build 2026.11.{R.randint(1, 28)}.{num(4)}",
    lambda: f"!function(e,t){{\"object\"==typeof exports?module.exports=t():e.{word()}=t()}}(this,function(){{var n={R.randint(1, 99)};return n<<{R.randint(1, 9)}|0x{run('h', 8)}}});",
    lambda: f".{word()}{{color:#{run('h', 6)};background:#{run('h', 3)};margin:{R.randint(0, 64)}px;transform:translate3d(-{R.randint(1, 99)}.5px,0,0)}}",
    lambda: f"<script src=\"/app.{run('h', 20)}.js\" integrity=\"sha384-{base64.b64encode(hashlib.sha384(run('a', 9).encode()).digest()).decode()}\" crossorigin=\"anonymous\"></script>",
    lambda: f"ETag: W/\"{run('h', 32)}\"\nX-Request-Id: {uid()}\nCache-Control: max-age=31536000, immutable",
    lambda: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{run('b', 43)} {word()}",
    lambda: f"-----BEGIN CERTIFICATE-----\n{b64(48)}\n{b64(48)}\n{b64(30)}\n-----END CERTIFICATE-----",
    lambda: f"Fingerprint: SHA256:{run('b', 43)}\nMD5:{':'.join(run('h', 2) for _ in range(16))}",
    lambda: f"cache-key-{run('h', 32)} restored from key linux-node-{sha256()}",
    lambda: f"npm warn deprecated {pkg()}@{ver()}: use {pkg()}@{ver()} instead\nadded {R.randint(1, 999)} packages, and audited {R.randint(1, 999)} packages in {R.randint(1, 60)}s",
    lambda: f"Collecting {pkg()}=={ver()}\n  Downloading {pkg()}-{ver()}-cp312-cp312-manylinux_2_17_x86_64.whl ({R.randint(1, 99)}.{R.randint(0, 9)} MB)\n     --hash=sha256:{sha256()}",
    lambda: f"git@github.com:{word()}/{word()}.git (fetch)\nref: refs/heads/{word()}-{num(4)}",
    lambda: f"@decorator\ndef test_{word()}(self): # see @{word()} and logo@2x.png\n    assert total == {num(7)}",
    lambda: f"Bearer authentication is required; basic auth is not enough. The token must not be shared, the password neither.",
    lambda: f"please rename the secret {word()} and check whether the password policy allows {R.randint(8, 32)} characters",
    lambda: f"what does `token: expected` mean? the parser says unexpected token: {word()} at line {R.randint(1, 400)}",
    lambda: f"--token <token>       API token (env: {word().upper()}_TOKEN)\n--password-stdin      read the password from stdin",
    lambda: f"use the --secret flag, or set the password with `{word()} config set password`",
    lambda: f"resource \"aws_instance\" \"{word()}\" {{\n  ami = \"ami-{run('h', 17)}\"\n  subnet_id = \"subnet-{run('h', 17)}\"\n}}",
    lambda: f"arn:aws:iam::{num(12):0>12}:role/{word()}-deploy\nvpc-{run('h', 17)} sg-{run('h', 17)} i-{run('h', 17)}",
    lambda: f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {word()}-{run('h', 10)}-{run('l', 5)}\n  uid: {uid()}\n  resourceVersion: \"{num(9)}\"",
    lambda: f"http_requests_total{{method=\"post\",code=\"200\",le=\"+Inf\"}} {num(7)} {1763700000000 + R.randrange(10**9)}",
    lambda: f"MATCH {run('h', 40)} {run('h', 64)} {R.randint(1, 9)}.{R.randint(0, 9)} {run('u', 12)}",
    lambda: f"ISBN 978-3-16-148410-{R.randint(0, 9)}, DOI 10.1000/{num(6)}, RFC 7519, CVE-2026-{num(5)}",
    lambda: f"0x{run('h', 40)} sent {num(18)} wei in block {num(8)}; tx 0x{run('h', 64)}",
    lambda: f"drwxr-xr-x 2 root root 4096 Nov 21 10:{R.randint(10, 59)} /var/lib/{word()}/.cache/{run('h', 40)}",
    lambda: f"docs at https://example.com:8443/{word()}?page={R.randint(1, 9)}&next_page_token=abc#{word()}",
    lambda: f"let bytes: [u8; 8] = [0x{run('h', 2)}, 0x{run('h', 2)}, 0x{run('h', 2)}]; // {num(3)} of {num(6)}\nlet key = cache.key(&{word()});",
    lambda: f"{{\"usage\":{{\"prompt_tokens\":{num(4)},\"completion_tokens\":{num(3)}}},\"id\":\"chatcmpl-{run('a', 29)}\",\"created\":17637{num(5)}}}",
    lambda: f"msg_{run('a', 24)} req_{run('a', 24)} call_{run('a', 24)} resp_{run('h', 48)}",
]


def insert(text, value, family):
    at = text.index("§")
    return {"text": text.replace("§", value, 1), "labels": [{"start": at, "end": at + len(value), "family": family}]}


def write(name, rows):
    with open(HERE / name, "w") as out:
        for index, row in enumerate(rows):
            out.write(json.dumps({"id": f"{name[:1]}{index:04}", **row}, ensure_ascii=False) + "\n")


def main():
    rows = []
    for round_ in range(12):
        for text, make in CONTEXTS:
            if make is None:
                continue
            if make in (M, J, A) and round_ > 4:
                continue
            family, value = make()
            rows.append(insert(text, value, family))
    for text, family in FIXED:
        start, end = text.index("«"), text.index("»") - 1
        rows.append({"text": text.replace("«", "").replace("»", ""), "labels": [{"start": start, "end": end, "family": family}]})
    write("findings.ndjson", rows)
    benign = [{"text": make(), "labels": []} for _ in range(18) for make in BENIGN]
    write("benign.ndjson", benign)
    print(len(rows), len(benign), sum(len(row["text"]) for row in benign))


main()
