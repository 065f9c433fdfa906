#!/usr/bin/env python3
"""Verifies telseal ledgers without telseal: written from docs/seal-format.md, sharing nothing with the Rust code.

    verify_seal.py [--key VKEY|FILE] [--anchor FILE]... [--max-age SECONDS] [--expect-size N] [--no-gaps]
                   [--encryption-key FILE] [--json] PATH...

PATH is a ledger's folder, a folder with several, segment files (.ndjson, .ndjson.zst, .seal.zst), a file of sealed lines
copied from one, or a proof (.tlog-proof, with --line FILE for a line that is kept apart).

Exit codes: 0 verified, 1 a file cannot be read, 2 usage, 4 a violation, 6 no violation, but the proof is incomplete.

Needs Python 3.9 and `cryptography`; for compressed segments and encrypted bodies also the `zstandard` package or the `zstd` program.
Section numbers in comments are those of docs/seal-format.md. Memory: one line, and one number for each deleted body.
"""

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LINE_MAX = 256 * 1024 * 1024
KINDS = ("record", "genesis", "heartbeat", "key_rotate", "gap", "retention", "erasure", "hold", "anchor", "config",
         "export", "unclean_start", "end", "session")
RECORD, GENESIS, KEY_ROTATE, GAP, RETENTION, ERASURE, HOLD = 0, 1, 3, 4, 5, 6, 7
ERASABLE = 4
ZERO = bytes(32)


class Violation(Exception):
    """Something is not as it was sealed: exit 4."""

    def __init__(self, finding, what, seq=None):
        super().__init__(what)
        self.finding, self.what, self.seq, self.where = finding, what, seq, None

    def __str__(self):
        entry = "" if self.seq is None else f": entry {self.seq}"
        return f"{self.where or '?'}: {self.finding}{entry}: {self.what}"


class Unreadable(Exception):
    """A file cannot be read: exit 1."""


def malformed(what, seq=None):
    return Violation("malformed", what, seq)


# Section 2: encodings that have one spelling each.

def unb64(text, size=None):
    """Base64, refusing every other spelling of the same bytes."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        data = base64.b64decode(raw, validate=True)
    except binascii.Error:
        raise malformed("not base64") from None
    if base64.b64encode(data) != raw or (size is not None and len(data) != size):
        raise malformed("base64 of another length or spelling")
    return data


def decimal(text):
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.ASCII) or int(text) >= 1 << 64:
        raise malformed(f"not a decimal number: {text[:30]!r}")
    return int(text)


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


# Section 3: keys and notes.

class Key:
    """A public key with a name."""

    def __init__(self, text):
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise malformed("not a verifier key")
        self.text, self.name, raw = text, parts[0], unb64(parts[2], 33)
        bad = re.search(r'[\s\x00-\x1f\x7f-\x9f+"\\]', self.name)
        if raw[0] != 1 or bad or not self.name:
            raise malformed("not a verifier key")
        self.raw, self.hash = raw[1:], sha256(self.name.encode(), b"\n", raw)[:4]
        if self.hash.hex() != parts[1]:
            raise malformed("the hash in the verifier key is not that of the key")
        self.public = Ed25519PublicKey.from_public_bytes(self.raw)

    def fits(self, signature, message):
        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def fingerprint(self):
        return sha256(self.raw).hex()


class Note:
    """A signed note: its text, and who is said to have signed."""

    def __init__(self, text):
        head, gap, tail = text.rpartition("\n\n")
        lines = tail.split("\n")
        if not gap or lines.pop() != "" or not lines:
            raise malformed("not a signed note")
        self.whole, self.text, self.lines, self.signatures = text, head + "\n", head.split("\n"), []
        for line in lines:
            match = re.fullmatch(r"— (\S+) (\S+)", line)
            if not match:
                raise malformed("not a signature line")
            signature = unb64(match[2])
            if len(signature) < 5:
                raise malformed("a signature without content")
            self.signatures.append((match[1], signature[:4], signature[4:]))

    def signed_by(self, key):
        """False without a signature of this key; a wrong one is a violation."""
        found = [s for name, hashed, s in self.signatures if name == key.name and hashed == key.hash]
        for signature in found:
            if not key.fits(signature, self.text.encode()):
                raise Violation("modified", f"the signature of {key.name} does not fit")
        return bool(found)


class Certificate:
    """What makes an epoch key trusted (3.3)."""

    def __init__(self, text, root):
        self.note = Note(text)
        lines = self.note.lines
        if len(lines) != 6 or lines[0] != "telseal epoch/v1":
            raise malformed("not an epoch certificate")
        self.origin, self.stream, self.number, self.first = lines[1], lines[2], decimal(lines[3]), decimal(lines[4])
        self.key = Key(lines[5])
        if self.origin != root.name:
            raise Violation("wrong-key", f"the certificate is of {self.origin}")
        if self.key.name != f"{root.name}/epoch/{self.number}" or (self.number == 0) != (self.first == 0):
            raise Violation("wrong-epoch", "the certificate contradicts itself")
        self.by_root = self.note.signed_by(root)
        if self.number == 0 and not self.by_root:
            raise Violation("wrong-key", "the root key has not signed the certificate of epoch 0")

    def continues(self, before):
        """Signed by the key of the epoch before, at its place."""
        if self.number != before.number + 1 or self.stream != before.stream:
            raise Violation("wrong-epoch", f"epoch {self.number} does not follow epoch {before.number}")
        others = [name for name, _, _ in self.note.signatures if name not in (before.key.name, self.origin)]
        if others or not self.note.signed_by(before.key):
            raise Violation("wrong-key", f"epoch {before.number} has not signed the certificate of epoch {self.number}, or not alone")


# Section 6 and 7: entries and the tree.

class Entry:
    def __init__(self, raw):
        if len(raw) != 128 or raw[:4] != b"SEL1" or any(raw[121:]) or raw[4] >= len(KINDS):
            raise malformed("not an entry")
        self.raw, self.kind, self.signal = raw, raw[4], raw[5]
        self.flags, self.stream = int.from_bytes(raw[6:8], "big"), raw[8:24]
        self.seq, self.sealed_at = int.from_bytes(raw[24:32], "big"), int.from_bytes(raw[32:40], "big")
        self.prev_leaf, self.commit = raw[40:72], raw[72:104]
        self.body_len, self.epoch = int.from_bytes(raw[104:108], "big"), int.from_bytes(raw[108:112], "big")
        self.risk, self.signed = raw[112], int.from_bytes(raw[113:121], "big")

    def leaf(self):
        return sha256(b"\0", self.raw)


def uuid_text(raw):
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def stream_of(origin, nonce):
    raw = bytearray(sha256(origin.encode(), nonce)[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return bytes(raw)


class Tree:
    """The right edge of an RFC 6962 tree."""

    def __init__(self, size=0, frontier=()):
        self.size, self.frontier = size, list(frontier)

    def push(self, leaf):
        bit = self.size
        while bit & 1:
            leaf, bit = sha256(b"\1", self.frontier.pop(), leaf), bit >> 1
        self.frontier.append(leaf)
        self.size += 1

    def root(self):
        if not self.frontier:
            return sha256(b"")
        root = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            root = sha256(b"\1", left, root)
        return root


# Section 9: lines.

SEAL = re.compile(rb'"entry":"([A-Za-z0-9+/]{171}=)","n":([0-9]{1,20}),"salt":"([A-Za-z0-9+/]{22}==)",'
                  rb'"stream":"([0-9a-f-]{36})","v":1\}\}\Z')
SEAL_OPEN = b',"audit.seal":{'
SEAL_MAX = 400


class Sealed:
    """A sealed line, taken apart from its end (9.2). `shape` checks what needs no state."""

    def __init__(self, line):
        at = max(0, len(line) - SEAL_MAX)
        match = SEAL.search(line, at)
        if not match:
            raise malformed("the line has no whole seal")
        self.entry = Entry(unb64(match[1], 128))
        self.seq, self.salt, self.stream = decimal(match[2].decode()), unb64(match[3], 16), match[4].decode()
        open_len = self.entry.body_len - 1
        seal = line[open_len:match.start()] if open_len > 0 else b""
        if not seal.startswith(SEAL_OPEN):
            raise Violation("modified", "the line is longer or shorter than what was sealed", self.entry.seq)
        self.body = line[:open_len] + b"}"
        between = seal[len(SEAL_OPEN):]
        if between and not (between.startswith(b'"disclosures":[[') and between.endswith(b"]],")):
            raise malformed("the seal has a member that is not known", self.entry.seq)
        self.disclosures = between[len(b'"disclosures":'):-1]

    def check(self):
        """Everything that the line proves about itself. Returns how many fields of it are closed, by name."""
        entry = self.entry
        if self.seq != entry.seq or self.stream != uuid_text(entry.stream):
            raise Violation("modified", "the line's number or stream is not its entry's", entry.seq)
        if sha256(b"CR/1\0", self.salt, self.body) != entry.commit:
            raise Violation("modified", "the line is not what was sealed", entry.seq)
        if self.body.startswith(b'{"audit.') == (entry.kind == RECORD):
            raise malformed("the kind of the entry is not that of the line", entry.seq)
        return self.closed_fields()

    def closed_fields(self):
        """Promises without a disclosure (5); every disclosure must keep exactly one promise."""
        promised = re.findall(rb'("(?:[^"\\]|\\.)*"):\{"\$sd":"([A-Za-z0-9+/]{43}=)"\}', self.body)
        if self.entry.flags & ERASABLE == 0:
            promised = []
        for salt, name, value in split_disclosures(self.disclosures, self.entry.seq):
            digest = sha256(b"SD/1\0", unb64(salt, 16), name + b":" + value)
            promise = (name, base64.b64encode(digest))
            if promised.count(promise) != 1:
                raise Violation("modified", "a disclosure is not what the line promises", self.entry.seq)
            promised.remove(promise)
        return [json.loads(name) for name, _ in promised]


def split_disclosures(text, seq):
    """The raw salt, name and value of each: their bytes count, so no JSON parser may touch them."""
    at = 1
    while text and at < len(text):
        if text[at:at + 2] != b'["':
            raise Violation("modified", "the disclosures are malformed", seq)
        parts, at = [], at + 1
        for stop in (b",", b",", b"]"):
            end = skip_value(text, at, seq)
            parts.append(text[at:end])
            if text[end:end + 1] != stop:
                raise Violation("modified", "the disclosures are malformed", seq)
            at = end + 1
        yield parts[0][1:-1], parts[1], parts[2]
        if text[at:] == b"]":
            return
        if text[at:at + 1] != b",":
            raise Violation("modified", "the disclosures are malformed", seq)
        at += 1


def skip_value(text, at, seq):
    """The end of the JSON value that begins here, which must have no white space around its tokens."""
    try:
        found, length = json.JSONDecoder().raw_decode(text[at:].decode(), 0)
    except ValueError:
        raise Violation("modified", "the disclosures are malformed", seq) from None
    raw = text[at:].decode()[:length].encode()
    if isinstance(found, (dict, list)) and re.sub(rb'"(?:[^"\\]|\\.)*"', b"", raw) != re.sub(rb'"(?:[^"\\]|\\.)*"|\s', b"", raw):
        raise Violation("modified", "the disclosures have white space", seq)
    return at + len(raw)


# Section 9.5: encrypted bodies.

BODIES = re.compile(rb'\{"audit\.bodies":(\{"bytes":([0-9]+),"count":([0-9]+),"first":([0-9]+),"key":"([0-9a-f]{16})","v":1\}),"box":"([^"\\]*)"\}')
LOCKED = re.compile(rb'\{"audit\.locked":"([A-Za-z0-9+/]{171}=)"\}')
DATA_KEY = re.compile(rb'\{"audit\.key":(\{"id":"([0-9a-f]{16})","under":"([0-9a-f]{16})","v":1\}),"wrapped":"([^"\\]*)"\}')
BODIES_MAX = 1 << 28


def key_id(key):
    return sha256(b"telseal key/v1\0", key)[:8].hex()


def body_keys(path):
    """The keys in a file, by id."""
    keys = [line.strip() for line in Path(path).read_text().splitlines()]
    keys = [unb64(line, 32) for line in keys if line and not line.startswith("#")]
    if not keys:
        raise malformed("a file without keys")
    return {key_id(key): key for key in keys}


def aes_open(key, sealed, bound):
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
    except InvalidTag:
        return None


class Opener:
    """Turns the locked lines of one segment into what they stand for."""

    def __init__(self, folder, header, origin, keys):
        self.path, self.keys = folder / f"{header.first:020}.keys", keys
        self.place = f"{origin}\n{header.stream}\n{header.first}\n".encode()
        self.wrapped, self.left, self.first, self.text = None, 0, None, None

    def bodies(self, line):
        match = BODIES.fullmatch(line)
        if not match or self.left:
            raise malformed("not a line of bodies, or too early")
        size, count, first = (decimal(match[at].decode()) for at in (2, 3, 4))
        box = unb64(match[6])
        if len(box) < 28 or size > BODIES_MAX or count == 0:
            raise malformed("not a line of bodies")
        self.left, self.first, key = count, first, self.data_key(match[5].decode())
        self.text = key
        if isinstance(key, bytes):
            packed = aes_open(key, box, b"telseal bodies/v1\n" + self.place + match[1])
            if packed is None:
                raise Violation("modified", "the bodies are not what was encrypted here", first)
            self.text = unzstd(packed, size)

    def data_key(self, name):
        """The key, or "gone", or "locked"."""
        if self.wrapped is None:
            self.wrapped = self.read_keys()
        if name not in self.wrapped:
            return "gone"
        inner, under, wrapped = self.wrapped[name]
        if under not in self.keys:
            return "locked"
        key = aes_open(self.keys[under], wrapped, b"telseal segment-key/v1\n" + self.place + inner)
        if key is None or key_id(key) != name:
            raise Violation("modified", "the key of the segment is not what was wrapped")
        return key

    def read_keys(self):
        found = {}
        text = self.path.read_bytes() if self.path.exists() else b""
        if text and not text.endswith(b"\n"):
            raise malformed("the file with the keys of the segment is cut short")
        for line in text.split(b"\n")[:-1]:
            match = DATA_KEY.fullmatch(line)
            if not match:
                raise malformed("the file with the keys of the segment is malformed")
            found.setdefault(match[2].decode(), (match[1], match[3].decode(), unb64(match[4], 60)))
        return found

    def locked(self, line):
        """The entry, and its sealed line, or "gone", or "locked"."""
        match = LOCKED.fullmatch(line)
        if not match or self.left == 0:
            raise malformed("not a locked line, or without a line of bodies")
        raw = unb64(match[1], 128)
        entry = Entry(raw)
        if entry.kind != RECORD:
            raise malformed("only records may be locked", entry.seq)
        self.left -= 1
        if self.first not in (None, entry.seq):
            raise Violation("modified", "the bodies are those of other entries", entry.seq)
        self.first = None
        if isinstance(self.text, str):
            return entry, self.text
        salt, size = self.text[:16], int.from_bytes(self.text[16:20], "big")
        disclosures, rest = self.text[20:20 + size], self.text[20 + size:]
        body, self.text = rest[:entry.body_len], rest[entry.body_len:]
        if len(salt) < 16 or len(disclosures) < size or len(body) < entry.body_len:
            raise Violation("modified", "the body is not that of the entry", entry.seq)
        if self.left == 0 and self.text:
            raise malformed("bodies that belong to no line", entry.seq)
        told = b'"disclosures":' + disclosures + b"," if disclosures else b""
        seal = f'"entry":"{base64.b64encode(raw).decode()}","n":{entry.seq},"salt":"{base64.b64encode(salt).decode()}",'
        seal += f'"stream":"{uuid_text(entry.stream)}","v":1}}}}'
        return entry, Sealed((body[:-1] if body.endswith(b"}") else body) + SEAL_OPEN + told + seal.encode())


def unzstd(packed, size):
    """One frame of exactly this many bytes."""
    frame = io.BytesIO(packed)
    check_frame(frame, len(packed))
    if frame.tell() != len(packed):
        raise malformed("more than one frame in a box")
    try:
        import zstandard
        text = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(packed).read(size + 1)
    except ImportError:
        text = zstd_program(packed, size)
    except Exception as error:
        raise malformed(f"a box does not decompress: {error}") from None
    if len(text) != size:
        raise malformed("a box decompresses to another length")
    return text


def zstd_program(packed, size):
    try:
        with tempfile.TemporaryFile() as file:
            file.write(packed)
            file.seek(0)
            with subprocess.Popen(["zstd", "-dcq", "--long=31"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
                text = program.stdout.read(size + 1)
                program.stdout.close()
                if program.wait() != 0:
                    raise malformed("a box does not decompress")
                return text
    except FileNotFoundError:
        raise Unreadable("encrypted bodies need the Python package `zstandard` or the program `zstd`") from None


HEADER = re.compile(
    rb'(\{"audit\.segment":\{"cert":"([^"\\]*(?:\\n[^"\\]*)*)","epoch":([0-9]+),"first":([0-9]+),'
    rb'"frontier":\[((?:"[A-Za-z0-9+/=]{44}"(?:,"[A-Za-z0-9+/=]{44}")*)?)\],"prev_leaf":"([A-Za-z0-9+/=]{44})","records":([0-9]+),'
    rb'"stream":"([0-9a-f-]{36})","v":1,"vkey":"([^"\\]+)"\}),"sig":"([A-Za-z0-9+/=]{88})"\}')


class Header:
    """The first line of a segment (9.1)."""

    def __init__(self, line):
        match = HEADER.fullmatch(line)
        if not match:
            raise malformed("the first line is no segment header")
        self.signed, self.cert_text = match[1], note_text(match[2])
        number = lambda at: decimal(match[at].decode())
        self.epoch, self.first, self.records = number(3), number(4), number(7)
        self.frontier = [unb64(h[1:-1], 32) for h in match[5].split(b",")] if match[5] else []
        self.prev_leaf, self.stream = unb64(match[6], 32), match[8].decode()
        self.vkey, self.sig = match[9].decode(errors="replace"), unb64(match[10], 64)
        if len(self.frontier) != bin(self.first).count("1") or self.records > self.first:
            raise malformed("the segment header contradicts itself")
        if self.first == 0 and self.prev_leaf != ZERO:
            raise malformed("the segment header contradicts itself")


def note_text(escaped):
    try:
        text = escaped.decode()
    except UnicodeDecodeError:
        raise malformed("not UTF-8") from None
    if re.search(r"\\(?!n)", text) or re.search(r'[\x00-\x1f"]', text):
        raise malformed("a note with another escape")
    return text.replace("\\n", "\n")


# Section 12: files.

def lines_of(path):
    """Yields (line without LF, whether it is whole)."""
    with open(path, "rb") as file:
        stream = zstd_stream(file, path) if path.name.endswith(".zst") else file
        while True:
            line = stream.readline(LINE_MAX + 1)
            if not line:
                return
            if len(line) > LINE_MAX:
                raise malformed("a line that is too long")
            yield (line[:-1], True) if line.endswith(b"\n") else (line, False)


def zstd_stream(file, path):
    """The plain bytes; frames are walked first, for what decompressors pass over in silence."""
    size = path.stat().st_size
    while file.tell() < size:
        check_frame(file, size)
    file.seek(0)
    try:
        import zstandard
        return io.BufferedReader(zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True), 1 << 20)
    except ImportError:
        return ZstdProgram(path)


class ZstdProgram:
    """`zstd -dc`, whose failure is found at the end of the file."""

    def __init__(self, path):
        try:
            self.process = subprocess.Popen(["zstd", "-dcq", "--long=31", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            raise Unreadable(f"{path}: needs the Python package `zstandard` or the program `zstd`") from None

    def readline(self, limit):
        line = self.process.stdout.readline(limit)
        if not line and self.process.wait() != 0:
            raise malformed("the compressed file is damaged")
        return line


def check_frame(file, size):
    """Steps over one zstd frame (RFC 8878 section 3.1.1): no skippable, empty or cut one."""
    def take(count):
        data = file.read(count)
        if len(data) != count:
            raise malformed("the compressed file is cut short")
        return data

    if take(4) != b"\x28\xb5\x2f\xfd":
        raise malformed("something that is no zstd frame")
    descriptor = take(1)[0]
    single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
    if descriptor & 0x08:
        raise malformed("a reserved bit in a zstd frame")
    take((0 if single else 1) + (0, 1, 2, 4)[descriptor & 3] + ((1 if single else 0), 2, 4, 8)[descriptor >> 6])
    content = 0
    while True:
        header = int.from_bytes(take(3), "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        if kind == 3:
            raise malformed("a reserved block in a zstd frame")
        content += length
        stored = 1 if kind == 1 else length
        if file.tell() + stored > size:
            raise malformed("the compressed file is cut short")
        file.seek(stored, 1)
        if last:
            break
    take(4 * checksum)
    if content == 0:
        raise malformed("an empty zstd frame")


SEGMENT = re.compile(r"([0-9]{20})\.(ndjson|ndjson\.zst|seal\.zst)")
FORMS = ("ndjson", "ndjson.zst", "seal.zst")


def segments_in(folder):
    """Of each segment the most complete file, in order."""
    best = {}
    for path in folder.iterdir():
        match = SEGMENT.fullmatch(path.name)
        if match:
            rank = FORMS.index(match[2])
            if rank <= best.get(int(match[1]), (9,))[0]:
                best[int(match[1])] = (rank, path)
    return [(first, path) for first, (_, path) in sorted(best.items())]


# Sections 10, 11 and 14: the check of one ledger.

class Ledger:
    def __init__(self, root, whole, keys=None):
        self.root, self.whole, self.body_keys = root, whole, keys or {}
        self.opener, self.locked = None, []
        self.tree, self.records, self.prev_leaf, self.signed, self.sealed_at = Tree(), 0, ZERO, 0, 0
        self.stream = self.cert = self.rotation = None
        self.begun = self.tied = False
        self.first = 0
        self.orders, self.holds, self.holes, self.closed = [], {}, [], []
        self.anchors, self.checkpoints, self.gaps, self.keys = {}, 0, [], {}
        self.tail_lines, self.signed_at = 0, 0

    # One segment.

    def segment(self, path, named, is_last):
        number = 0
        try:
            expects_header = True
            for line, is_whole in lines_of(path):
                number += 1
                if not is_whole:
                    if not is_last or path.suffix == ".zst":
                        raise Violation("unsigned", "the last line is not whole")
                    self.tail_lines += 1
                    return
                if expects_header:
                    header = self.header(line, named)
                    self.opener = Opener(path.parent, header, self.root.name, self.body_keys)
                    expects_header = False
                else:
                    self.line(line)
            if expects_header:
                # A crash may leave the last segment without a byte.
                if not is_last:
                    raise malformed("a segment without a header")
                return
        except Violation as violation:
            violation.where = f"{path}:{number}"
            raise
        if self.signed != self.tree.size:
            if not is_last or path.suffix == ".zst":
                violation = Violation("unsigned", "the segment ends without a checkpoint over its last entry", self.signed)
                violation.where = f"{path}:{number}"
                raise violation
            self.tail_lines += self.tree.size - self.signed

    def header(self, line, named):
        header = Header(line)
        try:
            vkey = Key(header.vkey)
        except Violation:
            raise malformed("the header names no key") from None
        if vkey.text != self.root.text:
            raise Violation("wrong-key", f"the segment names the key {vkey.text}")
        cert = Certificate(header.cert_text, self.root)
        if cert.stream != header.stream or cert.number != header.epoch or cert.first > header.first:
            raise Violation("wrong-epoch", "the header's certificate is not of its epoch")
        if not cert.key.fits(header.sig, b"telseal segment/v1\n" + header.signed):
            raise Violation("modified", "the signature of the segment header does not fit")
        if named is not None and named != header.first:
            raise Violation("modified", f"the file is named {named}, but begins with entry {header.first}")
        if self.begun:
            self.joint(header, cert)
        else:
            self.begin(header, cert)
        return header

    def begin(self, header, cert):
        if self.whole and header.first != 0:
            raise Violation("missing", f"the folder begins with entry {header.first}", 0)
        self.tree = Tree(header.first, header.frontier)
        self.first, self.records, self.prev_leaf, self.signed = header.first, header.records, header.prev_leaf, header.first
        self.stream, self.cert, self.tied, self.begun = header.stream, cert, cert.by_root, True
        self.keys[cert.number] = cert.key

    def joint(self, header, cert):
        size = self.tree.size
        if header.first != size:
            finding = "missing" if header.first > size else "duplicated"
            raise Violation(finding, f"the segment begins with entry {header.first}, expected {size}", min(size, header.first))
        same = (header.frontier == self.tree.frontier and header.prev_leaf == self.prev_leaf
                and header.records == self.records and header.stream == self.stream)
        if not same:
            raise Violation("modified", "the segment does not continue the one before it", size)
        if cert.note.text != self.cert.note.text:
            raise Violation("wrong-epoch", "the header's certificate is not that of the epoch in force", size)

    # One line.

    def line(self, line):
        if line.startswith(b'{"audit.segment":'):
            raise malformed("a segment header in the middle of a segment", self.tree.size)
        if line.startswith(b'{"audit.bodies":'):
            self.opener.bodies(line)
            return
        if self.opener.first is not None and not line.startswith(b'{"audit.locked":'):
            raise malformed("a line of bodies is not followed by the first line that it opens", self.tree.size)
        if line.startswith(b'{"audit.checkpoint":'):
            self.checkpoint(line)
            return
        if self.rotation is not None:
            raise Violation("wrong-epoch", "an entry between a key rotation and its checkpoint", self.tree.size)
        if line.startswith(b'{"audit.entry":'):
            match = re.fullmatch(rb'\{"audit\.entry":"([A-Za-z0-9+/]{171}=)"\}', line)
            if not match:
                raise malformed("not a stub", self.tree.size)
            self.entry(Entry(unb64(match[1], 128)), None)
        elif line.startswith(b'{"audit.locked":'):
            entry, sealed = self.opener.locked(line)
            if sealed == "locked":
                self.locked.append(entry.seq)
            self.entry(entry, None if isinstance(sealed, str) else sealed, is_hole=sealed == "gone")
        else:
            sealed = Sealed(line)
            self.entry(sealed.entry, sealed)

    def entry(self, entry, sealed, is_hole=True):
        size = self.tree.size
        if uuid_text(entry.stream) != self.stream:
            raise Violation("modified", "the entry belongs to another ledger", size)
        if entry.seq != size:
            finding = "missing" if entry.seq > size else "reordered"
            raise Violation(finding, f"entry {entry.seq} stands where {size} is expected", min(entry.seq, size))
        closed = sealed.check() if sealed else []
        if entry.prev_leaf != self.prev_leaf:
            raise Violation("modified", "the link to the entry before does not fit", size)
        if entry.signed != self.signed:
            finding = "missing" if entry.signed > self.signed else "modified"
            raise Violation(finding, f"the last checkpoint before the entry covered {entry.signed} entries, here {self.signed}", size)
        if entry.epoch != self.cert.number:
            raise Violation("wrong-epoch", f"the entry is of epoch {entry.epoch}, in force is {self.cert.number}", size)
        if (size == 0) != (entry.kind == GENESIS):
            raise malformed("genesis is entry 0, and only that", size)
        if sealed is None:
            if entry.kind != RECORD:
                raise malformed("only records may be stubs", size)
            if is_hole:
                self.holes.append(size)
        elif closed:
            self.closed.append((size, closed))
        if entry.kind != RECORD:
            self.control(entry, sealed.body)
        self.tree.push(entry.leaf())
        self.prev_leaf, self.sealed_at = entry.leaf(), entry.sealed_at
        self.records += entry.kind == RECORD
        if self.tree.size in self.anchors:
            self.anchors[self.tree.size] = self.tree.root()

    def checkpoint(self, line):
        match = re.fullmatch(rb'\{"audit\.checkpoint":"(.*)"\}', line, re.DOTALL)
        if not match:
            raise malformed("not a checkpoint")
        note = Note(note_text(match[1]))
        size, root = checkpoint_of(note, self.root)
        here = self.tree.size
        if size > here:
            raise Violation("missing", f"the checkpoint covers {size} entries, but only {here} are here", here)
        if size < here or size == self.signed:
            raise Violation("reordered", f"a checkpoint over {size} entries, where {here} are, of which {self.signed} signed before")
        if root != self.tree.root():
            raise Violation("modified", "the root is not that of the entries", here - 1)
        self.check_signers(note)
        self.signed, self.signed_at = size, self.sealed_at
        self.checkpoints += 1
        if self.rotation is not None:
            self.cert, self.rotation = self.rotation, None
            self.keys[self.cert.number] = self.cert.key

    def check_signers(self, note):
        """The epoch's key, then perhaps the root; the first checkpoint of all has both (8.1)."""
        by_root = note.signed_by(self.root)
        if not note.signed_by(self.cert.key):
            known = any(name.startswith(f"{self.root.name}/epoch/") for name, _, _ in note.signatures)
            raise Violation("wrong-epoch" if known else "wrong-key", f"the checkpoint is not signed by epoch {self.cert.number}")
        names = [name for name, _, _ in note.signatures]
        if names not in ([self.cert.key.name], [self.cert.key.name, self.root.name]):
            raise Violation("wrong-key", "the checkpoint has signatures of others")
        if self.signed == 0 and not by_root:
            raise Violation("unsigned", "the root key has not signed the first checkpoint", 0)

    # Control entries.

    def control(self, entry, body):
        if not re.match(rb'\{"audit\.control":"%s"[,}]' % KINDS[entry.kind].encode(), body):
            raise malformed("a control entry of another kind than its entry says", entry.seq)
        is_order = entry.kind in (RETENTION, ERASURE, HOLD)
        try:
            control = json.loads(body, object_pairs_hook=members_once if is_order else dict)
            control = control if isinstance(control, dict) else {}
        except ValueError:
            if entry.kind in (GENESIS, KEY_ROTATE) or is_order:
                raise malformed("a control entry that is no JSON", entry.seq) from None
            control = {}
        try:
            if entry.kind == GENESIS:
                self.genesis(entry, control)
            elif entry.kind == KEY_ROTATE:
                self.rotate(entry, control)
            elif entry.kind in (RETENTION, ERASURE, HOLD):
                self.order(entry, control, body)
            elif entry.kind == GAP:
                self.gaps.append((entry.seq, control.get("cause"), control.get("count")))
        except (KeyError, TypeError, AttributeError):
            raise malformed("a control entry without a member it needs", entry.seq) from None

    def genesis(self, entry, control):
        if list(control) != ["audit.control", "cert", "nonce", "origin", "v", "vkey"]:
            raise malformed("the genesis has other members", 0)
        cert = Certificate(control["cert"], self.root)
        stream = stream_of(self.root.name, unb64(control["nonce"], 16))
        fits = control["origin"] == self.root.name and control["v"] is not True and control["v"] == 1 and stream == entry.stream
        if control["vkey"] != self.root.text:
            raise Violation("wrong-key", "the genesis names another key", 0)
        if not fits or cert.note.text != self.cert.note.text or cert.number != 0:
            raise malformed("the genesis is not of this origin and stream", 0)

    def rotate(self, entry, control):
        if list(control) != ["audit.control", "cert", "reason"]:
            raise malformed("the key rotation has other members", entry.seq)
        cert = Certificate(control["cert"], self.root)
        cert.continues(self.cert)
        if cert.first != entry.seq + 1:
            raise Violation("wrong-epoch", "the new epoch does not begin behind its key rotation", entry.seq)
        self.rotation = cert

    def order(self, entry, control, body):
        signed = order_bytes(body, entry.seq)
        prefix = f"telseal order/v1\n{self.stream}\n".encode()
        if not self.root.fits(unb64(control["sig"], 64), prefix + signed):
            raise Violation("wrong-key", "the root key has not signed this order", entry.seq)
        order = control["order"]
        if not isinstance(order, dict):
            raise malformed("an order that is no object", entry.seq)
        if entry.kind != HOLD:
            seqs = self.range_of(order, entry.seq) if entry.kind == RETENTION else numbers(order["seqs"], entry.seq)
            self.orders.append((entry.seq, seqs, order.get("fields"), list(self.holds.values())))
        elif not isinstance(order["hold"], str):
            raise malformed("a hold without a name", entry.seq)
        elif order.get("release") is True:
            self.holds.pop(order["hold"], None)
        else:
            self.holds[order["hold"]] = self.range_of(order, entry.seq)

    @staticmethod
    def range_of(order, seq):
        first, last = numbers([order["first"], order["last"]], seq, list)
        if first > last:
            raise malformed("an order over a range that ends before it begins", seq)
        return range(first, last + 1)

    # At the end.

    def unexplained(self):
        """The first hole that no order authorises, or None."""
        def allows(order, seq, names):
            at, seqs, fields, held = order
            covered = seq < at < self.signed and seq in seqs and not any(seq in hold for hold in held)
            return covered and (fields is None or (names is not None and set(names) <= set(fields)))

        holes = [(seq, None) for seq in self.holes] + [(seq, [name]) for seq, names in self.closed for name in names]
        for seq, names in holes:
            if seq < self.signed and not any(allows(order, seq, names) for order in self.orders):
                return seq
        return None


def members_once(pairs):
    """An object, refusing a member that stands twice: what counts must not depend on the reader."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def numbers(values, seq, kind=set):
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise malformed("an order whose numbers are no whole numbers", seq)
    return kind(values)


def order_bytes(body, seq):
    """The bytes of the member `order`, as they stand in the body."""
    text = body.decode(errors="replace")
    start = text.find('"order":')
    try:
        _, end = json.JSONDecoder().raw_decode(text, start + len('"order":'))
    except ValueError:
        raise malformed("an order that is no JSON", seq) from None
    return text[start + len('"order":'):end].encode()


def checkpoint_of(note, root):
    if len(note.lines) != 3:
        raise malformed("not a checkpoint")
    if note.lines[0] != root.name:
        raise Violation("wrong-key", f"the checkpoint is of {note.lines[0]}")
    return decimal(note.lines[1]), unb64(note.lines[2], 32)


def read_key(text):
    if "+" not in text or Path(text).exists():
        text = Path(text).read_text()
    return Key(text.strip())


def root_of(folder, segments, options):
    """The root key, and where it came from."""
    if options.key:
        return read_key(options.key), "the caller"
    public = folder / "key.pub"
    if public.exists():
        return Key(public.read_text().strip()), "key.pub beside the files"
    for _, path in segments:
        for line, _ in lines_of(path):
            return Key(Header(line).vkey), "the segment itself"
    return None, None


def verify_ledger(name, folder, segments, whole, options):
    """Returns (exit code, statement as a dictionary)."""
    root, source = root_of(folder, segments, options)
    if root is None:
        return 6, {"ledger": str(name), "incomplete": ["no segment"]}
    ledger = Ledger(root, whole, options.body_keys)
    anchors = [note for note in options.notes if note.lines[0] == root.name]
    options.used.update(id(note) for note in anchors)
    ledger.anchors = {checkpoint_of(note, root)[0]: None for note in anchors}
    for index, (first, path) in enumerate(segments):
        ledger.segment(path, first if whole else None, index + 1 == len(segments))
    incomplete = []
    if ledger.checkpoints == 0:
        incomplete.append("no checkpoint")
    if not ledger.tied:
        incomplete.append("nothing ties the epoch's key to the root key")
    if ledger.tail_lines:
        incomplete.append(f"{ledger.tail_lines} lines after the last checkpoint")
    locked = sum(seq < ledger.signed for seq in ledger.locked)
    if locked:
        incomplete.append(f"that the bodies are there and are what was sealed: {locked} are encrypted and were not opened")
    seq = ledger.unexplained()
    if seq is not None and ledger.first == 0 and whole:
        raise Violation("unauthorised-hole", "no order covers the missing body", seq)
    if seq is not None:
        incomplete.append(f"the body of entry {seq} is gone, and no order is at hand")
    incomplete += check_anchors(ledger, anchors)
    ledger.gaps = [(cause, count) for seq, cause, count in ledger.gaps if seq < ledger.signed]
    age = time.time() - ledger.signed_at / 1e9
    if options.max_age is not None and age > options.max_age:
        incomplete.append(f"stale: the last entry is {age:.0f} seconds old")
    if options.expect_size is not None and ledger.signed < options.expect_size:
        raise Violation("truncated", f"{ledger.signed} entries, expected {options.expect_size}", ledger.signed)
    if options.no_gaps and ledger.gaps:
        incomplete.append(f"{len(ledger.gaps)} declared gaps")
    statement = {
        "ledger": str(name), "origin": root.name, "stream": ledger.stream, "first": ledger.first, "size": ledger.signed,
        "root": base64.b64encode(ledger.tree.root()).decode(), "records": ledger.records, "checkpoints": ledger.checkpoints,
        "epochs": len(ledger.keys), "holes": len(ledger.holes), "locked": locked, "closed_fields": len(ledger.closed), "gaps": ledger.gaps,
        "key_sha256": root.fingerprint(), "key_from": source, "incomplete": incomplete,
    }
    return (6 if incomplete else 0), statement


def check_anchors(ledger, anchors):
    """The caller vouches for anchors: one counts also when no known key signed it (14.3). Returns what they cannot say."""
    doubts = []
    for note in anchors:
        size, root = checkpoint_of(note, ledger.root)
        try:
            for key in (ledger.root, *ledger.keys.values()):
                note.signed_by(key)
        except Violation:
            doubts.append(f"the signature of the anchor over {size} entries does not fit")
            continue
        if size > ledger.signed:
            raise Violation("truncated", f"an anchor covers {size} entries, the ledger has {ledger.signed}", ledger.signed)
        if size <= ledger.first:
            doubts.append(f"the anchor over {size} entries is about entries before these")
        elif ledger.anchors[size] != root:
            raise Violation("forked", f"an anchor has another root at {size} entries", size)
    return doubts


def notes_in(path):
    """All notes of a file: one, or several with whatever stands between them."""
    lines = Path(path).read_text().splitlines(keepends=True)
    notes, at = [], 0
    while at < len(lines):
        end = at + 4
        while end < len(lines) and lines[end].startswith("— ") and lines[end].endswith("\n"):
            end += 1
        try:
            note = Note("".join(lines[at:end]))
            decimal(note.lines[1])
            notes.append(note)
            at = end
        except (Violation, IndexError):
            at += 1
    return notes


# Section 13: proofs.

def verify_proof(path, options):
    text = Path(path).read_text()
    head, gap, note_part = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3:
        raise malformed("not a proof")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise malformed("not a proof")
    try:
        extra = json.loads(unb64(lines[1][6:]))
        entry, certs = Entry(unb64(extra["entry"], 128)), extra.get("certs", [])
        salt, stream = unb64(extra["salt"], 16) if "salt" in extra else b"", uuid_text(entry.stream)
        if extra["v"] != 1 or set(extra) - {"certs", "entry", "line", "salt", "v"}:
            raise malformed("a proof of another version")
    except (ValueError, KeyError, TypeError):
        raise malformed("not a proof") from None
    index, note = decimal(lines[2][6:]), Note(note_part)
    incomplete = []
    root = read_key(options.key) if options.key else None
    if root is None:
        incomplete.append("no root key was given")
        return 6, {"proof": str(path), "incomplete": incomplete}
    size, tree_root = checkpoint_of(note, root)
    if entry.seq != index or index >= size:
        raise Violation("modified", "the entry is not the one of the proof", index)
    check_path(entry.leaf(), index, size, [unb64(line, 32) for line in lines[3:]], tree_root)
    if not note.signed_by(root):
        chain = [Certificate(text, root) for text in certs]
        if not chain or not chain[0].by_root:
            raise Violation("wrong-key", "nothing ties the epoch's key to the root key", index)
        for before, after in zip(chain, chain[1:]):
            after.continues(before)
        if chain and (any(cert.stream != stream for cert in chain) or chain[-1].first >= size):
            raise Violation("wrong-epoch", "the certificates are not of this entry")
        if chain and not note.signed_by(chain[-1].key):
            raise Violation("wrong-key", "the checkpoint is not signed by the key of the last certificate")
    body = extra.get("line", "").encode() or (Path(options.line).read_bytes().rstrip(b"\n") if options.line else b"")
    if b'"audit.seal":{' in body:
        body = Sealed(body).body
    proven = "the entry and its line" if body else "the entry, and nothing about its body"
    if body and (len(body) != entry.body_len or sha256(b"CR/1\0", salt, body) != entry.commit):
        raise Violation("modified", "the line is not what was sealed", index)
    return (6 if incomplete else 0), {"proof": str(path), "seq": index, "size": size, "proven": proven, "incomplete": incomplete}


def check_path(leaf, index, size, path, expected):
    """RFC 6962 section 2.1.1, RFC 9162 section 2.1.3.2."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise Violation("modified", "the inclusion path is too long", index)
        if fn & 1 or fn == sn:
            r = sha256(b"\1", p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1", r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or r != expected:
        raise Violation("modified", "the inclusion path does not lead to the checkpoint's root", index)


# Section 14.5: lines without a ledger around them.

def verify_lines(path, options):
    before, count = None, 0
    for number, (line, _) in enumerate(lines_of(path), 1):
        try:
            sealed = Sealed(line)
            sealed.check()
            entry = sealed.entry
            if before and entry.stream == before.stream and entry.seq == before.seq + 1 and entry.prev_leaf != before.leaf():
                raise Violation("modified", "the link to the entry before does not fit", entry.seq)
        except Violation as violation:
            violation.where = f"{path}:{number}"
            raise
        before, count = entry, count + 1
    return 6, {"lines": str(path), "count": count, "incomplete": ["lines alone do not prove who sealed them, nor that all are here"]}


def ledger_folders(path):
    candidates = [path, path / "ledger", *(below / "ledger" for below in sorted(path.iterdir()))]
    return [folder for folder in candidates if folder.is_dir() and segments_in(folder)]


def verify(path, options):
    """Yields (exit code, statement) for all that is found at the path."""
    if path.is_dir():
        folders = ledger_folders(path)
        if not folders:
            yield 6, {"ledger": str(path), "incomplete": ["no segment"]}
        for folder in folders:
            yield verify_ledger(folder, folder, segments_in(folder), True, options)
        return
    first = next(lines_of(path), (b"", False))[0] if path.name.endswith(".zst") else path.open("rb").readline()
    if first.startswith(b"c2sp.org/tlog-proof"):
        yield verify_proof(path, options)
    elif first.startswith(b'{"audit.segment":') or SEGMENT.fullmatch(path.name):
        yield verify_ledger(path, path.parent, [(None, path)], False, options)
    else:
        yield verify_lines(path, options)


def say(statement):
    name = statement.get("ledger") or statement.get("proof") or statement.get("lines")
    incomplete = statement["incomplete"]
    print(f"{'incomplete' if incomplete else 'verified'} {name}")
    for key, value in statement.items():
        if key not in ("ledger", "incomplete") and value not in (None, [], ""):
            print(f"  {key:<14}{value}")
    for what in incomplete:
        print(f"  {'not proven':<14}{what}")


def main(arguments):
    parser = argparse.ArgumentParser(description="Verifies telseal ledgers, proofs and copies; see docs/seal-format.md.")
    parser.add_argument("path", nargs="+", type=Path)
    parser.add_argument("--key", help="the root key: its text, or a file that holds it")
    parser.add_argument("--anchor", action="append", default=[], help="a file of checkpoints kept elsewhere")
    parser.add_argument("--line", help="for a proof: the file with the line")
    parser.add_argument("--max-age", type=lambda text: float(text.removesuffix("s")), help="seconds")
    parser.add_argument("--expect-size", type=int)
    parser.add_argument("--no-gaps", action="store_true", help="declared gaps make the proof incomplete")
    parser.add_argument("--encryption-key", metavar="FILE", help="a file of keys that open encrypted bodies")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    worst, options.used = 0, set()
    try:
        options.notes = [note for path in options.anchor for note in notes_in(path)]
        options.body_keys = body_keys(options.encryption_key) if options.encryption_key else {}
    except Violation as violation:
        parser.error(f"--encryption-key: {violation.what}")
    except OSError as error:
        print(f"verify_seal: {error}", file=sys.stderr)
        return 1
    if options.anchor and not options.notes:
        parser.error("an anchor is a file of checkpoints")
    for path in options.path:
        try:
            for code, statement in verify(path, options):
                print(json.dumps(statement)) if options.json else say(statement)
                worst = max(worst, code) if worst != 4 else 4
        except Violation as violation:
            violation.where = violation.where or path
            print(f"verify_seal: {violation}", file=sys.stderr)
            worst = 4
        except (OSError, Unreadable) as error:
            print(f"verify_seal: {error}", file=sys.stderr)
            worst = worst or 1
    if any(id(note) not in options.used for note in options.notes):
        print("verify_seal: an anchor is of no ledger looked at", file=sys.stderr)
        worst = worst or 6
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
