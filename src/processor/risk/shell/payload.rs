//! Program text given to an interpreter: the commands that it starts, found by the calls that start commands.
//!
//! Nothing is parsed but names, brackets and string literals: `os.system("..")`, `subprocess.run(["rm", ..])`,
//! `` `..` `` of Perl and Ruby, `execSync('..')`, `b64decode("..")`. Text is walked once.

use super::output::Out;
use super::{Walker, decode};

/// Calls whose first argument is a command line, or the words of one.
const RUNS: &[&str] = &[
    "system",
    "popen",
    "popen2",
    "popen3",
    "popen4",
    "Popen",
    "run",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "execSync",
    "exec",
    "execFile",
    "execFileSync",
    "spawn",
    "spawnSync",
    "shell_exec",
    "passthru",
    "proc_open",
    "execl",
    "execlp",
    "execv",
    "execvp",
    "execve",
    "execvpe",
    "posix_spawn",
    "qx",
    "x",
    "execute",
    "script",
    "sh",
    "shell",
    "create_subprocess_shell",
    "create_subprocess_exec",
    "Command",
    "os_system",
];

/// Calls that undo an encoding.
const DECODES: &[&str] =
    &["b64decode", "decodebytes", "atob", "from", "base64_decode", "decode_base64", "decode64", "urlsafe_b64decode"];
const DECODES_HEX: &[&str] = &["fromhex", "unhexlify", "hex2bin", "a2b_hex"];
/// Calls that run text in the interpreter itself.
const EVALUATES: &[&str] = &["eval", "exec", "compile", "Function", "instance_eval", "runInThisContext"];

/// Calls that remove a tree, and calls that read a file: what a command line would do with `rm -rf` and `cat`.
const REMOVES: &[&str] = &[
    "rmtree",
    "rm_rf",
    "rm_r",
    "rmSync",
    "rmdirSync",
    "remove_tree",
    "remove_dir_all",
    "rimraf",
    "removeSync",
    "remove_entry_secure",
];
const READS: &[&str] =
    &["open", "readFileSync", "readFile", "file_get_contents", "read_text", "slurp", "readlines", "createReadStream"];
/// Calls that write a file, and calls that remove one.
const WRITES: &[&str] = &[
    "writeFileSync",
    "writeFile",
    "appendFileSync",
    "appendFile",
    "createWriteStream",
    "file_put_contents",
    "outputFile",
    "write_text",
    "write_bytes",
    "symlink",
    "symlinkSync",
    "copyfile",
    "copyFileSync",
];
const UNLINKS: &[&str] = &["remove", "unlink", "unlinkSync", "rename", "truncate", "truncateSync"];
/// Calls that fetch an address.
const FETCHES: &[&str] = &[
    "urlopen",
    "urlretrieve",
    "get",
    "request",
    "fetch",
    "open",
    "file_get_contents",
    "getstore",
    "curl_init",
    "http_get",
    "URI",
];

/// What a call does to the file that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    Reads,
    Writes,
    Removes,
    RemovesTree,
}

impl Touch {
    fn of(call: &str) -> Option<Self> {
        let calls =
            [(REMOVES, Self::RemovesTree), (READS, Self::Reads), (WRITES, Self::Writes), (UNLINKS, Self::Removes)];
        calls.into_iter().find(|(names, _)| names.contains(&call)).map(|(_, touch)| touch)
    }
}

impl<'a> Walker<'a, '_> {
    /// The program text of an interpreter, from its options, its input or a file.
    pub(super) fn interpreter(
        &mut self,
        place: usize,
        program: &str,
        options: &[&str],
        argv: &'a [&'a str],
        stdin: Out<'a>,
    ) {
        let mut found = false;
        for (at, word) in argv.iter().enumerate().skip(1) {
            let joined = options
                .iter()
                .find_map(|option| word.strip_prefix(option).filter(|rest| option.len() == 2 && rest.len() > 8));
            let combined = word.len() > 2
                && word.starts_with('-')
                && !word.starts_with("--")
                && options.iter().any(|o| o.len() == 2 && word.ends_with(&o[1..]));
            if options.contains(word) || combined {
                found = true;
                argv.get(at + 1).into_iter().for_each(|text| self.payload(place, program, text));
            } else if let Some(text) = joined {
                found = true;
                self.payload(place, program, text);
            }
        }
        if options.first() == Some(&"") {
            argv.iter()
                .skip(1)
                .filter(|word| !word.starts_with('-'))
                .for_each(|text| self.payload(place, program, text));
        } else if !found {
            let file = argv.iter().skip(1).find(|word| !word.starts_with('-'));
            let text = file.map_or(Some(stdin.text), |file| self.file(file));
            text.into_iter().for_each(|text| self.payload(place, program, text));
        }
    }

    fn payload(&mut self, place: usize, program: &str, text: &'a str) {
        if !self.spend(text.len()) || !self.enter() {
            return;
        }
        self.shell_lines(place, program, text);
        self.fetched_and_run(place, text);
        self.numbers(place, text);
        if program.ends_with("awk") {
            self.awk_pipes(place, text);
        }
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            at = if bytes[at].is_ascii_alphabetic() || bytes[at] == b'_' {
                self.name(place, program, text, at)
            } else if bytes[at] == b'`' && !program.starts_with("py") && !program.contains("sql") {
                self.backtick_literal(place, text, at)
            } else {
                at + 1
            };
        }
        self.depth -= 1;
    }

    /// Lines that a program hands to a shell: `:!CMD` of vim, `\\! CMD` of psql, `shell CMD` of gdb, `exec CMD` of Tcl.
    fn shell_lines(&mut self, place: usize, program: &str, text: &'a str) {
        let words: &[&str] = match program.trim_end_matches(|letter: char| letter.is_ascii_digit()) {
            "gdb" | "lldb" => &["shell ", "!", "platform shell "],
            "tclsh" | "expect" | "wish" => &["exec ", "spawn ", "system "],
            "vim" | "vi" | "nvim" | "ex" | "ed" => &["!", ":!", ":r !", "r !", ":terminal "],
            "psql" | "mysql" | "sqlite" => &["\\! ", "\\!", ".shell ", ".system ", "system "],
            _ => return,
        };
        for line in text.split(['\n', ';']).map(str::trim_start) {
            if let Some(rest) = words.iter().find_map(|word| line.strip_prefix(word)) {
                self.script(rest, Some(place));
            }
        }
    }

    /// A name begins here: where reading goes on.
    fn name(&mut self, place: usize, program: &str, text: &'a str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let end = at
            + bytes[at..].iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(bytes.len() - at);
        let name = &text[at..end];
        let (runs, decodes, hex, evaluates) =
            (RUNS.contains(&name), DECODES.contains(&name), DECODES_HEX.contains(&name), EVALUATES.contains(&name));
        // Emacs has hyphens in its names.
        let end = end + if text[end..].starts_with("-command") { "-command".len() } else { 0 };
        let touch = Touch::of(name);
        if !(runs || decodes || hex || evaluates || touch.is_some()) {
            return end;
        }
        // `getattr(os, 'system')('..')`: the name stands in quotes.
        let skipped = if text[end..].starts_with("')(") || text[end..].starts_with("\")(") { 2 } else { 0 };
        let (literals, after) = literals(text, end + skipped);
        if literals.is_empty() {
            return end;
        }
        if let Some(touch) = touch {
            self.touched(place, &literals, touch);
        } else if decodes || hex {
            self.decoded(place, program, &literals[0], hex);
        } else if evaluates && (program.starts_with("py") || name != "exec") {
            let inner = self.arena.alloc_str(&literals[0]);
            self.payload(place, program, inner);
        } else {
            self.started(place, &literals);
        }
        after
    }

    fn decoded(&mut self, place: usize, program: &str, literal: &str, hex: bool) {
        let text = if hex { decode::hexadecimal(literal) } else { decode::base64(literal) };
        if let Some(text) = text {
            let out = self.made(text, true);
            self.payload(place, program, out.text);
            self.script(out.text, Some(place));
        }
    }

    /// `"CMD" | getline` and `print | "CMD"` of awk.
    fn awk_pipes(&mut self, place: usize, text: &'a str) {
        let parts: Vec<&'a str> = text.split('"').collect();
        for triple in parts.windows(3).step_by(2) {
            if triple[0].trim_end().ends_with('|') || triple[2].trim_start().starts_with('|') {
                self.script(triple[1], Some(place));
            }
        }
    }

    /// Text written as the numbers of its characters: `chr(114)`, `map(chr,[114,109])`, `String.fromCharCode(114,109)`.
    fn numbers(&mut self, place: usize, text: &'a str) {
        if !["chr", "fromCharCode", "bytes(", "bytearray("].iter().any(|call| text.contains(call)) {
            return;
        }
        let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 2 || digits.len() == 3);
        let codes: Vec<u8> =
            numbers.filter_map(|digits| digits.parse().ok()).filter(|code: &u8| (32..127).contains(code)).collect();
        if codes.len() < 4 {
            return;
        }
        let hidden = String::from_utf8_lossy(&codes).into_owned();
        let out = self.made(hidden, true);
        self.script(out.text, Some(place));
    }

    /// A file that is removed, read or written: as a command line would do it.
    fn touched(&mut self, place: usize, literals: &[String], touch: Touch) {
        let path = literals[0].as_str();
        if !(path.starts_with(['/', '~', '.']) || path.contains('/')) || path.contains("://") || path.contains(' ') {
            return;
        }
        let opened_to_write = literals.get(1).is_some_and(|mode| mode.len() < 4 && mode.contains(['w', 'a', '+', '>']));
        // Where a call names two files the second is the one that is written.
        let second = literals.get(1).filter(|other| touch == Touch::Writes && other.starts_with(['/', '~']));
        let path = &*self.arena.alloc_str(second.map_or(path, |other| other));
        let words: &[&'a str] = match touch {
            Touch::RemovesTree => &["rm", "-rf", path],
            Touch::Removes => &["rm", path],
            Touch::Writes => &["tee", path],
            Touch::Reads if opened_to_write => &["tee", path],
            Touch::Reads => &["cat", path],
        };
        let words = self.arena.alloc_slice_copy(words);
        self.push(words, &[], Some(place));
    }

    /// Text that fetches an address and evaluates what comes does what `curl | sh` does.
    fn fetched_and_run(&mut self, place: usize, text: &'a str) {
        let Some(at) = text.find("http://").or_else(|| text.find("https://")) else { return };
        let calls = |names: &[&str]| {
            names.iter().any(|name| {
                text.match_indices(name).any(|(at, _)| {
                    let before =
                        text[..at].bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                    let after = text[at + name.len()..].trim_start().starts_with(['(', '"', '\'', '.']);
                    !before && after
                })
            })
        };
        if !calls(EVALUATES) || !calls(FETCHES) {
            return;
        }
        let rest = &text[at..];
        let len = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '`')).unwrap_or(rest.len());
        let words = self.arena.alloc_slice_copy(&["curl", &rest[..len]]);
        if let Some(fetch) = self.push(words, &[], Some(place)) {
            self.feed(fetch, fetch + 1, place);
        }
    }

    fn started(&mut self, place: usize, literals: &[String]) {
        let words: Vec<&'a str> = literals.iter().map(|literal| &*self.arena.alloc_str(literal)).collect();
        if let [line] = words[..] {
            self.script(line, Some(place));
        } else {
            let words = self.arena.alloc_slice_copy(&words);
            self.run(words, &[], Some(place), Out::UNKNOWN);
        }
    }

    fn backtick_literal(&mut self, place: usize, text: &'a str, at: usize) -> usize {
        match memchr::memchr(b'`', &text.as_bytes()[at + 1..]) {
            Some(len) => {
                let inner = &text[at + 1..at + 1 + len];
                if !inner.contains("${") && inner.len() > 2 {
                    self.script(inner, Some(place));
                }
                at + len + 2
            }
            None => at + 1,
        }
    }
}

/// The string literals that follow a call's name, joined where `+` or nothing stands between them; and where they end.
fn literals(text: &str, from: usize) -> (Vec<String>, usize) {
    let bytes = text.as_bytes();
    let (mut found, mut at, mut glued, mut end) = (Vec::<String>::new(), from, false, from);
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b' ' | b'\n' | b'\t' | b'(' | b'[' => at += 1,
            b',' => {
                glued = false;
                at += 1;
            }
            b'+' | b'.' if !found.is_empty() => {
                glued = true;
                at += 1;
            }
            b'r' | b'b' | b'f' | b'u' | b'q'
                if found.is_empty() && bytes.get(at + 1).is_some_and(|b| matches!(b, b'\'' | b'"')) =>
            {
                at += 1
            }
            b'\'' | b'"' | b'`' => {
                let (literal, after) = literal(text, at);
                match found.last_mut().filter(|_| glued) {
                    Some(last) => last.push_str(&literal),
                    None => found.push(literal),
                }
                (at, end, glued) = (after, after, true);
            }
            b'{' if found.is_empty() => return braced(text, at),
            _ => break,
        }
    }
    (found, end)
}

/// `qx{..}` and `%x{..}`.
fn braced(text: &str, at: usize) -> (Vec<String>, usize) {
    match text[at..].find('}') {
        Some(len) => (vec![text[at + 1..at + len].to_owned()], at + len + 1),
        None => (vec![], at),
    }
}

/// A string literal with its escapes undone, and where it ends.
fn literal(text: &str, at: usize) -> (String, usize) {
    let quote = &text[at..=at];
    let long = quote.repeat(3);
    let mark = if text[at..].starts_with(&long) { &long[..] } else { quote };
    let start = at + mark.len();
    let (bytes, mut end) = (text.as_bytes(), start);
    while end < bytes.len() && !text.as_bytes()[end..].starts_with(mark.as_bytes()) {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = (end.min(text.len())..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
    (decode::escapes(&text[start..end]).0, (end + mark.len()).min(text.len()))
}
